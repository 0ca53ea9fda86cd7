import time
from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields, models, release, tools
from odoo.exceptions import AccessError, UserError
from odoo.tools import config
from odoo.tools.translate import _

from .. import push, recorder, settings
from .webhook_config import CATEGORIES, PRIORITIES

EVENTS_PER_PULL_MAX = 1000
RECORDS_PER_READ_MAX = 1000
ROWS_PER_CLEAN_UP_MAX = 5000
CLEAN_UP_TIME_S = 60

READ = """
    SELECT id, model, record_id, event, timestamp, priority, category, user_id, changed_fields, payload,
           idempotency_key, is_processed
      FROM update_webhook
"""

# The parameter that holds the highest id which the clean-up has deleted.
CLEANED_TO = 'bridgecore.event_id_cleaned_to'


class UpdateWebhook(models.Model):
    """One row for each change of a tracked record; the source of truth that BridgeCore reads.

    The table is made here and not by the ORM, because foreign keys would make every event lock a
    row of the users and of the configurations, and because each index is paid for by every write.
    """

    _name = 'update.webhook'
    _description = 'Recorded Change'
    _order = 'id desc'
    _auto = False
    _log_access = True

    model = fields.Char(required=True)
    record_id = fields.Integer(string='Record ID', required=True)
    event = fields.Selection(
        [('create', 'Create'), ('write', 'Write'), ('unlink', 'Delete'), ('manual', 'Manual')],
        string='Event Type', required=True)
    payload = fields.Json()
    changed_fields = fields.Json(string='Changed Fields')
    timestamp = fields.Datetime(required=True, default=fields.Datetime.now)
    user_id = fields.Many2one('res.users', string='User', default=lambda self: self.env.uid)
    is_processed = fields.Boolean(string='Processed')
    processed_at = fields.Datetime(string='Processed At')
    is_archived = fields.Boolean(string='Archived')
    archived_at = fields.Datetime(string='Archived At')
    config_id = fields.Many2one('webhook.config', string='Webhook Config')
    priority = fields.Selection(PRIORITIES, default='medium')
    category = fields.Selection(CATEGORIES, default='business')
    payload_size = fields.Integer(string='Payload Size (bytes)', readonly=True)
    age_days = fields.Integer(string='Age (days)', compute='_compute_age_days')
    idempotency_key = fields.Char(string='Idempotency Key', readonly=True)
    push_state = fields.Selection(
        [('none', 'Not Pushed'), ('pending', 'Pending'), ('sent', 'Sent'), ('failed', 'Failed')],
        string='Push', default='none')
    push_attempts = fields.Integer(string='Push Attempts', readonly=True)
    push_next_at = fields.Datetime(string='Next Attempt', readonly=True)
    push_error = fields.Char(string='Push Error', readonly=True)

    def init(self):
        self.env.cr.execute("""
            CREATE TABLE IF NOT EXISTS update_webhook (
                id serial PRIMARY KEY,
                model varchar NOT NULL,
                record_id integer NOT NULL,
                event varchar NOT NULL,
                "timestamp" timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'),
                user_id integer,
                priority varchar,
                category varchar,
                config_id integer,
                changed_fields jsonb,
                payload jsonb,
                payload_size integer NOT NULL DEFAULT 0,
                idempotency_key varchar,
                is_processed boolean NOT NULL DEFAULT false,
                processed_at timestamp,
                is_archived boolean NOT NULL DEFAULT false,
                archived_at timestamp,
                push_state varchar NOT NULL DEFAULT 'none',
                push_attempts integer NOT NULL DEFAULT 0,
                push_next_at timestamp,
                push_error varchar,
                create_uid integer,
                create_date timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
                write_uid integer,
                write_date timestamp
            );
            CREATE INDEX IF NOT EXISTS update_webhook_push_pending
                ON update_webhook (id) WHERE push_state = 'pending';
        """)

    @api.depends('timestamp')
    def _compute_age_days(self):
        now = recorder.utc_now()
        for event in self:
            event.age_days = (now - event.timestamp).days if event.timestamp else 0

    @api.depends('model', 'record_id', 'event')
    def _compute_display_name(self):
        for event in self:
            event.display_name = '%s %s,%s' % (event.event, event.model, event.record_id)

    def _register_hook(self):
        super()._register_hook()
        # Rows that were waiting when the server stopped do not wait for the next commit.
        if not config['stop_after_init']:
            self._cron_push()

    # What BridgeCore calls.

    @api.model
    def pull_events(self, last_event_id=0, models=None, limit=100, priority=None):
        """The events after an id, oldest first.

        Ids are taken before a transaction commits: a lower one can become visible later. A reader
        must remember the gaps and ask for them by ``events_by_ids``.
        """
        self._require_service()
        if isinstance(models, int) and not isinstance(models, bool):
            models, limit = (limit if isinstance(limit, list) else None), models     # the older argument order
        if isinstance(models, str):
            models = [models]
        limit = max(1, min(int(limit or 100), EVENTS_PER_PULL_MAX))
        last_event_id = int(last_event_id or 0)
        query = READ + ' WHERE id > %s'
        params = [last_event_id]
        if models:
            query += ' AND model = ANY(%s)'
            params.append(list(models))
        if priority:
            query += ' AND priority = %s'
            params.append(priority)
        self.env.flush_all()
        self.env.cr.execute(query + ' ORDER BY id LIMIT %s', (*params, limit + 1))
        rows = self.env.cr.dictfetchall()
        events = [event_dict(row) for row in rows[:limit]]
        last_id = events[-1]['id'] if events else last_event_id
        return {
            'events': events,
            'last_event_id': last_id,
            'last_id': last_id,
            'has_more': len(rows) > limit,
            'count': len(events),
        }

    @api.model
    def events_by_ids(self, event_ids):
        """Those of the given events that are visible now: ``{events, missing, count}``."""
        self._require_service()
        wanted = sorted({int(id_) for id_ in event_ids})
        if len(wanted) > EVENTS_PER_PULL_MAX:
            raise UserError(_('At most %s ids at once.', EVENTS_PER_PULL_MAX))
        self.env.cr.execute(READ + ' WHERE id = ANY(%s) ORDER BY id', (wanted,))
        events = [event_dict(row) for row in self.env.cr.dictfetchall()]
        found = {event['id'] for event in events}
        return {'events': events, 'missing': [id_ for id_ in wanted if id_ not in found], 'count': len(events)}

    @api.model
    def mark_batch_as_processed(self, event_ids):
        """Note that these events have been read. Nothing depends on it; gives True."""
        self._require_service()
        self.env.cr.execute(
            "UPDATE update_webhook SET is_processed = true, processed_at = now() AT TIME ZONE 'UTC'"
            " WHERE id = ANY(%s) AND NOT is_processed", ([int(id_) for id_ in event_ids],))
        self.invalidate_model(['is_processed', 'processed_at'])
        return True

    @api.model
    def create_manual_events(self, model, record_ids):
        """Ask that these records be sent to the devices again; gives the number of events."""
        self._require_service()
        plan = self.env['webhook.config']._tracking_plans().get(model)
        if plan is None or plan.rule is None:
            raise UserError(_('The model %s is not tracked.', model))
        ids = sorted({int(id_) for id_ in record_ids})[:EVENTS_PER_PULL_MAX]
        recorder.note_manual(self.env, model, ids, plan.rule)
        return len(ids)

    @api.model
    def bridgecore_info(self):
        """What a reader must know about this event log, and how it notices a restored database.

        ``epoch`` names this life of the ids: another one after a restore or a new installation.
        ``event_id_last`` is the highest id ever given and ``event_id_cleaned_to`` the highest that the
        clean-up has deleted: a reader that had not come so far has missed events. ``transaction_age_max_s`` is the age of the oldest open
        transaction: an id that was missing before it began is never filled.
        """
        self._require_service()
        cr = self.env.cr
        cr.execute("""
            SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM update_webhook_id_seq),
                   (SELECT coalesce(max(id), 0) FROM update_webhook),
                   (SELECT coalesce(min(id), 0) FROM update_webhook),
                   (SELECT coalesce(max(value::bigint), 0) FROM ir_config_parameter WHERE key = %s),
                   (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)
                      FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL)
        """, (CLEANED_TO,))
        sequence, id_max, id_min, cleaned_to, age_s = cr.fetchone()
        current = settings.load(cr)
        parameters = self.env['ir.config_parameter'].sudo()
        plans = self.env['webhook.config']._tracking_plans()
        tracked = sorted(name for name, plan in plans.items() if plan.rule is not None)
        return {
            'addon': 'bridgecore',
            'version': self.env.ref('base.module_bridgecore').sudo().installed_version,
            'epoch': current.epoch,
            'database': cr.dbname,
            'database_uuid': parameters.get_param('database.uuid'),
            'odoo_version': release.version,
            'event_id_last': sequence,
            'event_id_max': id_max,
            'event_id_min': id_min,
            'event_id_cleaned_to': cleaned_to,
            'transaction_age_max_s': round(float(age_s), 3),
            'push_enabled': current.is_on,
            'tracked_models': tracked,
            'rules': {
                name: {
                    'create': rule.create, 'write': rule.write, 'unlink': rule.unlink,
                    'priority': rule.priority, 'instant_send': rule.push,
                }
                for name in tracked for rule in [plans[name].rule]
            },
        }

    @api.model
    def readable_models(self, user_id, models):
        """Those of the models that this Odoo user may read; none for an unknown or inactive user."""
        self._require_service()
        user = self.env['res.users'].sudo().browse(int(user_id)).exists()
        if not user or not user.active:
            return []
        env = self.with_user(user).env
        return [
            name for name in models
            if isinstance(name, str) and name in self.env.registry.models
            and not self.env.registry.models[name]._abstract and may_read(env[name])
        ]

    @api.model
    def search_read_as(self, user_id, model, domain, fields=None, offset=0, limit=RECORDS_PER_READ_MAX, order=None,
                       context=None):
        """``search_read`` with the rights of another user: their record rules, groups and companies apply.

        Of ``fields`` those that this user may not read are left out, and so are they if none are named. An unknown
        or inactive user may read nothing, which is an AccessError like any other missing right.
        """
        self._require_service()
        limit = RECORDS_PER_READ_MAX if limit is None else int(limit)
        if not 1 <= limit <= RECORDS_PER_READ_MAX:
            # A silent cut would look like the end of the records.
            raise UserError(_('The limit must be between 1 and %s.', RECORDS_PER_READ_MAX))
        user = self.env['res.users'].sudo().browse(int(user_id)).exists()
        # Odoo asks no rights of the superuser, so that nobody can be linked to it.
        if not user or not user.active or user.id == SUPERUSER_ID:
            raise AccessError(_('There is no active user %s.', user_id))
        if model not in self.env.registry.models or self.env.registry.models[model]._abstract:
            raise UserError(_('There is no model %s.', model))
        records = self.env[model].with_user(user).with_context(**(context or {}))
        unknown = [name for name in fields or [] if name not in records._fields]
        if unknown:
            raise ValueError('Invalid field %r on %r' % (unknown[0], model))
        return records.search_read(domain or [], fields=fields_that_can_be_read(records, fields), offset=int(offset or 0),
                                   limit=limit, order=order or None)

    @api.model
    def get_statistics(self):
        """Counts by event, model, priority and push state, and the range of times."""
        self._require_service()
        cr = self.env.cr
        cr.execute("""
            SELECT count(*), count(*) FILTER (WHERE is_processed), count(*) FILTER (WHERE is_archived),
                   min(timestamp), max(timestamp)
              FROM update_webhook
        """)
        total, processed, archived, oldest, newest = cr.fetchone()
        groups = {}
        for column in ('event', 'model', 'priority', 'push_state'):
            cr.execute(tools.SQL('SELECT %s, count(*) FROM update_webhook GROUP BY 1 ORDER BY 2 DESC',
                                 tools.SQL.identifier(column)))
            groups[column] = {key or 'none': count for key, count in cr.fetchall()}
        return {
            'total': total,
            'processed': processed,
            'pending': total - processed,
            'archived': archived,
            'by_event': groups['event'],
            'by_model': groups['model'],
            'by_priority': groups['priority'],
            'by_push_state': groups['push_state'],
            'oldest': push.rfc3339(oldest),
            'newest': push.rfc3339(newest),
        }

    @api.model
    def cleanup_old_events(self, days=None):
        """Delete one bounded batch of events older than so many days: ``{deleted, has_more}``."""
        self._require_service()
        days = settings.positive(days, self._retention_days())
        cutoff = recorder.utc_now() - timedelta(days=days)
        # Old rows have low ids: the primary key finds them without an index on the time.
        self.env.cr.execute("""
            WITH oldest AS (SELECT id, timestamp FROM update_webhook ORDER BY id LIMIT %s)
            DELETE FROM update_webhook event USING oldest
             WHERE event.id = oldest.id AND oldest.timestamp < %s
            RETURNING event.id
        """, (ROWS_PER_CLEAN_UP_MAX, cutoff))
        ids = [row[0] for row in self.env.cr.fetchall()]
        deleted = len(ids)
        if ids:
            self._note_cleaned_to(max(ids))
        self.invalidate_model()
        return {'deleted': deleted, 'has_more': deleted == ROWS_PER_CLEAN_UP_MAX}

    def _note_cleaned_to(self, id_):
        """Keep the highest deleted id; with SQL, since no cached plan depends on it."""
        self.env.cr.execute("""
            INSERT INTO ir_config_parameter (key, value, create_date, write_date)
            VALUES (%s, %s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
            ON CONFLICT (key) DO UPDATE
               SET value = greatest(ir_config_parameter.value::bigint, excluded.value::bigint)::text
        """, (CLEANED_TO, str(id_)))

    # Scheduled actions.

    def _cron_clean_up(self):
        """Delete old events and idempotency keys, one short transaction for each batch."""
        deadline = time.monotonic() + CLEAN_UP_TIME_S
        while self.cleanup_old_events()['has_more'] and time.monotonic() < deadline:
            if not push.in_tests():
                self.env.cr.commit()
        self.env['bridgecore.idempotency']._clean_up(settings.IDEMPOTENCY_DAYS)

    def _cron_push(self):
        """Wake the push worker; it finds what a stopped process left behind."""
        self.env.cr.execute("SELECT 1 FROM update_webhook WHERE push_state = 'pending' LIMIT 1")
        if self.env.cr.fetchone():
            push.wake(self.env.cr.dbname)

    def _retention_days(self):
        text = self.env['ir.config_parameter'].sudo().get_param('bridgecore.retention_days')
        return settings.positive(text, settings.RETENTION_DAYS)

    def _require_service(self):
        if not (self.env.su or self.env.user.has_group('bridgecore.group_service')):
            raise AccessError(_('Only the BridgeCore service may read the recorded changes.'))


def event_dict(row):
    """A row as it goes over the wire."""
    return dict(row, timestamp=push.rfc3339(row['timestamp']))


def may_read(model):
    """Whether the user of ``model`` may read records of it, in the words of any version."""
    if hasattr(model, 'has_access'):
        return model.has_access('read')
    return model.check_access_rights('read', raise_exception=False)


def fields_that_can_be_read(records, names):
    """Those of the fields that the user of ``records`` may read, never none at all.

    If none are named, those that are stored: others are computed with the user's rights, and one that needs more takes
    the whole answer with it. So does a list of records whose model the user may not read.
    """
    described = records.fields_get(list(names) if names else None, ['type', 'store', 'relation'])
    readable = [
        name for name, field in described.items()
        if (names or field.get('store'))
        and (field['type'] not in ('one2many', 'many2many')
             or (field.get('relation') in records.env.registry.models and may_read(records.env[field['relation']])))
    ]
    return readable or ['id']
