"""Turns what the ORM does into rows of ``update_webhook``, in the transaction that does it.

A ``write`` only reaches the table when the ORM flushes, so its event is inserted right after the
UPDATE that carries it: whatever savepoint keeps or drops the one keeps or drops the other. Creates
and unlinks execute at once, and so do their events. Nothing here touches a row that two
transactions share, and nothing reads the table that it fills.
"""

import json
from collections import defaultdict
from datetime import date, datetime, timezone
from typing import NamedTuple

from odoo.tools import SQL

from . import push

# Models that are part of the plumbing: recording them would record the recording.
NEVER_TRACKED = ('update.webhook', 'user.sync.state')
NEVER_TRACKED_PREFIXES = ('webhook.', 'bus.', 'bridgecore.')

# Columns that the ORM maintains by itself; they say nothing about what changed.
LOG_COLUMNS = frozenset(('create_uid', 'create_date', 'write_uid', 'write_date'))

ROWS_PER_INSERT_MAX = 500
IDEMPOTENCY_KEY_CHARS_MAX = 255
STATE_KEY = 'bridgecore.recorder'
LAST_EVENTS_KEY = 'bridgecore.last_events'
WAKE_KEY = 'bridgecore.wake'

COLUMNS = (
    'model', 'record_id', 'event', 'timestamp', 'user_id', 'create_uid', 'priority', 'category',
    'config_id', 'changed_fields', 'payload', 'payload_size', 'idempotency_key', 'push_state',
)
INSERT_HEAD = 'INSERT INTO update_webhook (%s) VALUES ' % ', '.join('"%s"' % name for name in COLUMNS)
ROW_TEMPLATE = '(%s)' % ', '.join(['%s'] * len(COLUMNS))
INSERT_TAIL = ' RETURNING id, txid_current()'
INSERT_ONE = INSERT_HEAD + ROW_TEMPLATE + INSERT_TAIL
MODEL, RECORD_ID, PUSH_STATE = (COLUMNS.index(name) for name in ('model', 'record_id', 'push_state'))

# Adds names to events of this very transaction. An event without names (a creation) stays so.
MERGE = """
    UPDATE update_webhook event
       SET changed_fields = event.changed_fields || (
               SELECT coalesce(jsonb_agg(name), '[]'::jsonb)
                 FROM jsonb_array_elements(news.names::jsonb) AS name
                WHERE NOT event.changed_fields @> name),
           push_state = CASE WHEN news.push_now THEN 'pending' ELSE event.push_state END
      FROM (VALUES %s) AS news (id, transaction_id, names, push_now)
     WHERE event.id = news.id AND news.transaction_id = txid_current()
    RETURNING event.id
"""


class Rule(NamedTuple):
    """How one model is tracked."""

    config_id: int | None
    create: bool
    write: bool
    unlink: bool
    priority: str
    category: str
    push: bool
    instant_fields: frozenset
    payload_bytes_max: int


class Inheritor(NamedTuple):
    """A tracked model that shows fields of its ``_inherits`` parent as its own."""

    model: str
    table: str
    parent_field: str
    names: frozenset
    rule: Rule


class Dependant(NamedTuple):
    """A many2one that PostgreSQL follows by itself when its target is deleted."""

    model: str
    table: str
    field: str
    cascade: bool
    rule: Rule | None


class Plan(NamedTuple):
    """What the hooks have to do for one model; a model without a plan costs one dict lookup."""

    rule: Rule | None
    inheritors: tuple
    dependants: tuple


class Call:
    """One call of ``write`` that has not been flushed yet."""

    __slots__ = ('at', 'uid', 'key', 'names', 'payload')

    def __init__(self, at, uid, key, names, payload):
        self.at = at
        self.uid = uid
        self.key = key
        self.names = names
        self.payload = payload


class State:
    """What is remembered between a write and its flush. A rolled back savepoint throws it away."""

    __slots__ = ('calls', 'created', 'creating', 'armed')

    def __init__(self):
        self.calls = {}     # {model: {id: [Call]}}
        self.created = {}   # {model: {id}}
        self.creating = None
        self.armed = False


def is_trackable(model_class):
    """Whether a model may be tracked at all: a real table, and not part of the plumbing."""
    name = model_class._name
    return not (
        model_class._abstract or model_class._transient
        or name in NEVER_TRACKED or name.startswith(NEVER_TRACKED_PREFIXES)
    )


def plan_for(records):
    """The plan for the model of ``records``, or None when nothing has to be recorded."""
    try:
        configs = records.env['webhook.config']
    except KeyError:
        return None     # the registry is being built and does not know our models yet
    return configs._tracking_plans().get(records._name)


def note_write(records, plan, vals):
    """Remember a ``write`` until its flush; gives the call, for ``forget_write``."""
    rule = plan.rule
    model_fields = records._fields
    names = [
        name for name in vals
        if name not in LOG_COLUMNS and (field := model_fields.get(name)) is not None and field.store
    ]
    payload = None
    if rule.payload_bytes_max:
        payload = {name: vals[name] for name in names if is_plain(model_fields[name])}
    env = records.env
    call = Call(utc_now(), env.uid, idempotency_key(env), names, payload)
    state = state_of(env.cr)
    waiting = state.calls.setdefault(records._name, {})
    for id_ in records._ids:
        if id_:
            waiting.setdefault(id_, []).append(call)
    if not state.armed:
        state.armed = True
        arm_leftovers(env)
    return call


def forget_write(records, call):
    """Take back a remembered ``write`` that raised."""
    waiting = state_of(records.env.cr).calls.get(records._name, {})
    for id_ in records._ids:
        calls = waiting.get(id_)
        if calls and call in calls:
            calls.remove(call)
            if not calls:
                del waiting[id_]


def note_flush(records, plan, vals_list):
    """Insert the events of an UPDATE that has just been executed.

    Each remembered ``write`` is an event of its own. Stored computed fields that this or a later
    flush of the transaction brings belong to the last of them; where there was none, they are one
    event by themselves, unless the record was created in this very transaction, whose ``create``
    says it all.
    """
    env = records.env
    model = records._name
    rule = plan.rule
    state = state_of(env.cr)
    waiting = state.calls.get(model)
    created = state.created.get(model, ())
    computed = []
    rows = []
    changed = {}    # {id: names}, for the models that show these fields as their own
    for id_, vals in zip(records._ids, vals_list):
        names = [name for name in vals if name not in LOG_COLUMNS]
        calls = waiting.pop(id_, None) if waiting else None
        if plan.inheritors and names and id_ not in created:
            changed[id_] = names
        if rule is None or not rule.write:
            continue
        if calls:
            seen = {name for call in calls for name in call.names}
            extra = [name for name in names if name not in seen]
            last = calls[-1]
            for call in calls:
                call_names = call.names + extra if call is last else call.names
                rows.append(row(rule, model, id_, 'write', call.at, call.uid, call.key, call_names, call.payload))
        elif names and id_ not in created:
            computed.append((rule, model, id_, names))
    insert(env.cr, rows)
    if changed:
        computed += inherited_changes(env, state, plan, changed)
    if computed:
        note_computed(env, computed)


def note_create(records, plan):
    """Insert the events of records whose rows have just been inserted."""
    env = records.env
    rule = plan.rule
    state = state_of(env.cr)
    state.created.setdefault(records._name, set()).update(records._ids)
    data_list, state.creating = state.creating, None
    if rule is None or not rule.create:
        return
    at = utc_now()
    key = idempotency_key(env)
    rows = []
    for index, id_ in enumerate(records._ids):
        payload = None
        if rule.payload_bytes_max and data_list and len(data_list) == len(records._ids):
            stored = data_list[index].get('stored', {})
            payload = {name: value for name, value in stored.items() if is_plain(records._fields[name])}
        rows.append(row(rule, records._name, id_, 'create', at, env.uid, key, None, payload))
    insert(env.cr, rows)


def find_dependants(records, plan, ids):
    """Before a deletion: ``[(dependant, ids)]`` that PostgreSQL will delete or empty with it."""
    if not plan.dependants or not ids:
        return []
    env = records.env
    env.flush_all()
    plans = env['webhook.config']._tracking_plans()
    found = []
    seen = defaultdict(set)
    seen[records._name].update(ids)
    frontier = [(plan.dependants, list(ids))]
    while frontier:
        dependants, parent_ids = frontier.pop()
        for dependant in dependants:
            env.cr.execute(SQL(
                'SELECT id FROM %s WHERE %s IN %s ORDER BY id',
                SQL.identifier(dependant.table), SQL.identifier(dependant.field), tuple(parent_ids),
            ))
            child_ids = [id_ for id_, in env.cr.fetchall()]
            if dependant.cascade:
                child_ids = [id_ for id_ in child_ids if id_ not in seen[dependant.model]]
                seen[dependant.model].update(child_ids)
                child_plan = plans.get(dependant.model)
                if child_ids and child_plan and child_plan.dependants:
                    frontier.append((child_plan.dependants, child_ids))
            if child_ids and dependant.rule:
                found.append((dependant, child_ids))
    # What is deleted anyway is not also reported as emptied.
    return [
        (dependant, child_ids if dependant.cascade else [id_ for id_ in child_ids if id_ not in seen[dependant.model]])
        for dependant, child_ids in found
    ]


def note_unlink(records, plan, ids, followers):
    """Insert the events of a deletion that has just been executed, dependants first."""
    env = records.env
    at = utc_now()
    key = idempotency_key(env)
    rows = []
    emptied = {}    # {(rule, model, id): names}: a record can lose several references at once
    for dependant, child_ids in followers:
        if dependant.cascade and dependant.rule.unlink:
            rows += [row(dependant.rule, dependant.model, id_, 'unlink', at, env.uid, key, None, None) for id_ in child_ids]
        elif not dependant.cascade and dependant.rule.write:
            for id_ in child_ids:
                emptied.setdefault((dependant.rule, dependant.model, id_), []).append(dependant.field)
    rows += [
        row(rule, model, id_, 'write', at, env.uid, key, names, None) for (rule, model, id_), names in emptied.items()
    ]
    state = env.cr.precommit.data.get(STATE_KEY)
    if state and (waiting := state.calls.get(records._name)):
        for id_ in ids:
            waiting.pop(id_, None)
    if plan.rule and plan.rule.unlink:
        rows += [row(plan.rule, records._name, id_, 'unlink', at, env.uid, key, None, None) for id_ in ids]
    insert(env.cr, rows)


def note_manual(env, model, ids, rule, payload=None):
    """Insert one ``manual`` event per id: somebody asks that these records be sent again."""
    at = utc_now()
    insert(env.cr, [row(rule, model, id_, 'manual', at, env.uid, idempotency_key(env), None, payload) for id_ in ids])


def note_computed(env, computed):
    """Add ``(rule, model, id, names)`` to the record's last event of this transaction, or insert one.

    The event that is completed belongs to this transaction alone: nobody has seen it yet. What we
    remember of it is only believed if the database agrees, since savepoints that the ORM does not
    know of can take events back.
    """
    last_events = env.cr.postcommit.data.get(LAST_EVENTS_KEY, {})
    rows = []
    merges = {}
    for rule, model, id_, names in computed:
        known = last_events.get((model, id_))
        if known is None:
            rows.append(row(rule, model, id_, 'write', utc_now(), env.uid, idempotency_key(env), names, None))
        else:
            event_id, transaction_id = known
            push_now = rule.push and not rule.instant_fields.isdisjoint(names)
            merges[event_id] = (event_id, transaction_id, json.dumps(names), push_now), (rule, model, id_, names)
    if merges:
        values = [value for value, _change in merges.values()]
        env.cr.execute(MERGE % ', '.join(['(%s, %s, %s, %s)'] * len(values)), [item for one in values for item in one])
        merged = {id_ for id_, in env.cr.fetchall()}
        if any(push_now for _event, _transaction, _names, push_now in values):
            wake_after_commit(env.cr)
        rows += [
            row(rule, model, id_, 'write', utc_now(), env.uid, idempotency_key(env), names, None)
            for event_id, (_value, (rule, model, id_, names)) in merges.items() if event_id not in merged
        ]
    insert(env.cr, rows)


def inherited_changes(env, state, plan, changed):
    """``(rule, model, id, names)`` of the records that show changed fields of their ``_inherits`` parent."""
    found = []
    for inheritor in plan.inheritors:
        shown = {}
        for id_, names in changed.items():
            common = [name for name in names if name in inheritor.names]
            if common:
                shown[id_] = common
        if not shown:
            continue
        env.cr.execute(SQL(
            'SELECT id, %s FROM %s WHERE %s IN %s ORDER BY id',
            SQL.identifier(inheritor.parent_field), SQL.identifier(inheritor.table),
            SQL.identifier(inheritor.parent_field), tuple(shown),
        ))
        waiting = state.calls.get(inheritor.model, {})
        created = state.created.get(inheritor.model, ())
        for child_id, parent_id in env.cr.fetchall():
            names = shown[parent_id]
            if child_id in created:
                continue
            calls = waiting.get(child_id)
            if calls:
                # The write came through this record: its own event names the fields.
                last = calls[-1]
                last.names = last.names + [name for name in names if name not in last.names]
                continue
            found.append((inheritor.rule, inheritor.model, child_id, names))
    return found


def arm_leftovers(env):
    """Make sure that writes which never reach a flush are recorded before the commit.

    A write of x2many commands alone, or of values the record already has, leaves no UPDATE behind.
    """
    cr = env.cr

    def insert_leftovers():
        state = cr.precommit.data.get(STATE_KEY)
        if state is None:
            return
        if cr.precommit:
            cr.precommit.add(insert_leftovers)      # other hooks may still write: stay the last one
            return
        state.armed = False
        waiting, state.calls = state.calls, {}
        plans = env['webhook.config']._tracking_plans()
        rows = []
        for model, by_id in waiting.items():
            plan = plans.get(model)
            if plan is None or plan.rule is None or not plan.rule.write:
                continue
            for id_, calls in by_id.items():
                rows += [
                    row(plan.rule, model, id_, 'write', call.at, call.uid, call.key, call.names, call.payload)
                    for call in calls
                ]
        insert(cr, rows)

    cr.precommit.add(insert_leftovers)


def row(rule, model, id_, event, at, uid, key, names, payload):
    """One row for ``insert``, in the order of ``COLUMNS``."""
    pushed = rule.push and (
        event != 'write' or not rule.instant_fields or not rule.instant_fields.isdisjoint(names))
    payload_text = bounded_json(payload, rule.payload_bytes_max) if payload else None
    return (
        model, id_, event, at, uid, uid, rule.priority, rule.category, rule.config_id,
        None if names is None else json.dumps(names),
        payload_text, len(payload_text.encode()) if payload_text else 0,
        key, 'pending' if pushed else 'none',
    )


def insert(cr, rows):
    """Insert rows with as few statements as possible, and wake the push worker after the commit."""
    if not rows:
        return
    returned = []
    if len(rows) == 1:
        cr.execute(INSERT_ONE, rows[0])
        returned += cr.fetchall()
    else:
        for start in range(0, len(rows), ROWS_PER_INSERT_MAX):
            page = rows[start:start + ROWS_PER_INSERT_MAX]
            cr.execute(
                INSERT_HEAD + ', '.join([ROW_TEMPLATE] * len(page)) + INSERT_TAIL,
                [value for one in page for value in one],
            )
            returned += cr.fetchall()
    last_events = cr.postcommit.data.setdefault(LAST_EVENTS_KEY, {})
    pending = False
    for known, one in zip(returned, rows):
        last_events[one[MODEL], one[RECORD_ID]] = known
        pending = pending or one[PUSH_STATE] == 'pending'
    if pending:
        wake_after_commit(cr)


def wake_after_commit(cr):
    """Let the push worker look when the transaction has been committed; once is enough."""
    if WAKE_KEY not in cr.postcommit.data:
        cr.postcommit.data[WAKE_KEY] = True
        dbname = cr.dbname
        cr.postcommit.add(lambda: push.wake(dbname))


def state_of(cr):
    """The memory of ``cr`` since its last flush hooks, commit or rollback, to a savepoint or of all."""
    data = cr.precommit.data
    state = data.get(STATE_KEY)
    if state is None:
        state = data[STATE_KEY] = State()
    return state


def idempotency_key(env):
    """The key that the caller gave for this write, if any."""
    key = env.context.get('bridgecore_idempotency_key')
    if not isinstance(key, str) or len(key) > IDEMPOTENCY_KEY_CHARS_MAX:
        return None
    return key


def is_plain(field):
    """Whether a field's value may stand in a payload: no binaries, no restricted or x2many fields."""
    return not field.groups and field.type not in ('binary', 'image', 'one2many', 'many2many', 'properties_definition')


def bounded_json(payload, bytes_max):
    """The payload as JSON, or a note of what was left out when it would be too large."""
    text = json.dumps(payload, default=json_value)
    if len(text.encode()) <= bytes_max:
        return text
    return json.dumps({'_truncated': True, '_fields': sorted(payload)[:100]})


def json_value(value):
    """JSON for the few other types that values have."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value)


def utc_now():
    """Now, in UTC, as the naive datetime that Odoo stores."""
    return datetime.now(timezone.utc).replace(tzinfo=None)
