import hashlib
import json
from datetime import date, datetime

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from .. import recorder

try:
    from odoo.service.model import call_kw
except ImportError:
    from odoo.api import call_kw    # Odoo 17

KEY_CHARS_MIN = 8


class Idempotency(models.Model):
    """Remembers what a keyed call answered, in the transaction that did its work.

    A caller that lost the answer asks again with the same key and gets it, and the work is not
    done twice. A call that commits by itself in the middle cannot be covered.
    """

    _name = 'bridgecore.idempotency'
    _description = 'Answered Call'
    _rec_name = 'key'
    _order = 'id desc'

    key = fields.Char(required=True, readonly=True)
    user_id = fields.Many2one('res.users', string='User', readonly=True, ondelete='cascade')
    model = fields.Char(required=True, readonly=True)
    method = fields.Char(required=True, readonly=True)
    request_hash = fields.Char(readonly=True)
    res_ids = fields.Json(string='Records', readonly=True)
    result = fields.Json(readonly=True)

    def init(self):
        self.env.cr.execute(
            'CREATE UNIQUE INDEX IF NOT EXISTS bridgecore_idempotency_key_unique ON bridgecore_idempotency (key)')

    @api.model
    def execute(self, key, model, method, args=None, kwargs=None):
        """Run a public method once for each key: ``{result, replayed, res_ids}``.

        The call runs as the calling user, with that user's rights. The same key with another call
        is refused. Of two calls at once, one waits for the other and then gives its answer.
        """
        args, kwargs = list(args or []), dict(kwargs or {})
        if not isinstance(key, str) or not KEY_CHARS_MIN <= len(key) <= recorder.IDEMPOTENCY_KEY_CHARS_MAX:
            raise UserError(_('An idempotency key has %(low)s to %(high)s characters.',
                              low=KEY_CHARS_MIN, high=recorder.IDEMPOTENCY_KEY_CHARS_MAX))
        if model not in self.env.registry.models or model == self._name:
            raise UserError(_('The model %s cannot be called.', model))
        if not isinstance(method, str) or method.startswith('_'):
            raise AccessError(_('Private methods cannot be called.'))
        request_hash = hash_of([model, method, args, kwargs])
        known = self._answer(key, model, method, request_hash)
        if known is not None:
            return known
        # A call with this key that is still open makes this statement wait. If it commits, Odoo
        # repeats our whole transaction, which then finds its answer above.
        self.env.cr.execute("""
            INSERT INTO bridgecore_idempotency (key, user_id, model, method, request_hash, create_uid, create_date)
            VALUES (%s, %s, %s, %s, %s, %s, now() AT TIME ZONE 'UTC')
            ON CONFLICT (key) DO NOTHING RETURNING id
        """, (key, self.env.uid, model, method, request_hash, self.env.uid))
        inserted = self.env.cr.fetchone()
        if inserted is None:
            return self._answer(key, model, method, request_hash)
        context = dict(kwargs.pop('context', None) or {}, bridgecore_idempotency_key=key)
        answer = call_kw(self.env[model], method, args, dict(kwargs, context=context))
        result = json.loads(json.dumps(answer, default=rpc_value))
        res_ids = touched_ids(method, args, result)
        self.env.cr.execute(
            'UPDATE bridgecore_idempotency SET result = %s, res_ids = %s WHERE id = %s',
            (json.dumps(result), json.dumps(res_ids), inserted[0]))
        return {'result': result, 'replayed': False, 'res_ids': res_ids}

    @api.model
    def lookup(self, key):
        """The answer that was given under a key, to the user who got it; None if there is none."""
        self.env.cr.execute(
            'SELECT result, res_ids FROM bridgecore_idempotency WHERE key = %s AND user_id = %s', (key, self.env.uid))
        found = self.env.cr.fetchone()
        return {'result': found[0], 'replayed': True, 'res_ids': found[1]} if found else False

    def _answer(self, key, model, method, request_hash):
        self.env.cr.execute(
            'SELECT user_id, model, method, request_hash, result, res_ids FROM bridgecore_idempotency WHERE key = %s',
            (key,))
        found = self.env.cr.fetchone()
        if found is None:
            return None
        if found[:4] != (self.env.uid, model, method, request_hash):
            raise UserError(_('This idempotency key was used for another call.'))
        return {'result': found[4], 'replayed': True, 'res_ids': found[5]}

    def _clean_up(self, days):
        self.env.cr.execute(
            "DELETE FROM bridgecore_idempotency WHERE create_date < (now() AT TIME ZONE 'UTC') - make_interval(days => %s)",
            (days,))
        self.invalidate_model()


def hash_of(call):
    """A short name for a call, so that a key cannot stand for two of them."""
    text = json.dumps(call, sort_keys=True, default=rpc_value)
    return hashlib.sha256(text.encode()).hexdigest()


def rpc_value(value):
    """The few types that JSON does not know, written as Odoo writes them in its answers."""
    if isinstance(value, datetime):
        return fields.Datetime.to_string(value)
    if isinstance(value, date):
        return fields.Date.to_string(value)
    if isinstance(value, bytes):
        return value.decode()
    return str(value)


def touched_ids(method, args, result):
    """The ids a call was about: what it created, or the records it was called on."""
    ids = result if method in ('create', 'copy') else (args[0] if args else [])
    ids = ids if isinstance(ids, list) else [ids]
    return [id_ for id_ in ids if isinstance(id_, int) and not isinstance(id_, bool)]
