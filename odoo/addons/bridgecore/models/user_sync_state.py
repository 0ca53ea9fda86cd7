from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from .. import push, settings

APP_TYPES = [
    ('sales_app', 'Sales App'), ('delivery_app', 'Delivery App'), ('warehouse_app', 'Warehouse App'),
    ('manager_app', 'Manager App'), ('mobile_app', 'Mobile App'),
]
DEVICE_ID_CHARS_MIN = 3
DEVICE_ID_CHARS_MAX = 255
STATES_KEPT_DAYS = 90
STATES_PER_MIRROR_MAX = 500
NUMBER_MAX = 2 ** 31 - 1


class UserSyncState(models.Model):
    """How far each device has come, for its user to see, and for apps and readers that keep their place here.

    BridgeCore's own cursors are in its own store; it shows them here.
    """

    _name = 'user.sync.state'
    _description = 'Device Sync State'
    _order = 'last_sync_time desc, id desc'

    user_id = fields.Many2one('res.users', string='User', required=True, ondelete='cascade', index=True)
    device_id = fields.Char(string='Device ID', required=True)
    app_type = fields.Selection(APP_TYPES, string='App Type', required=True, default='mobile_app')
    last_event_id = fields.Integer(string='Last Event ID', default=0)
    last_sync_time = fields.Datetime(string='Last Sync Time')
    sync_count = fields.Integer(string='Sync Count', default=0)
    is_active = fields.Boolean(string='Active', default=True)
    device_info = fields.Text(string='Device Info')
    app_version = fields.Char(string='App Version')
    last_event_count = fields.Integer(string='Last Event Count', default=0)
    total_events_synced = fields.Integer(string='Total Events Synced', default=0)

    def init(self):
        self.env.cr.execute("""
            CREATE UNIQUE INDEX IF NOT EXISTS user_sync_state_device_unique
                ON user_sync_state (user_id, device_id, app_type)
        """)

    @api.constrains('device_id', 'last_event_id')
    def _check_state(self):
        for state in self:
            state._require_device_id(state.device_id)
            if state.last_event_id < 0:
                raise ValidationError(_('The last event id cannot be negative.'))

    @api.depends('user_id', 'device_id', 'app_type')
    def _compute_display_name(self):
        for state in self:
            state.display_name = '%s, %s (%s)' % (state.user_id.name, state.device_id, state.app_type)

    @api.model
    def get_or_create_state(self, user_id, device_id, app_type='mobile_app', device_info=None, app_version=None):
        """The state of a device as a dict, made if it is new."""
        user_id = int(user_id)
        self._require_owner(user_id)
        self._require_device_id(device_id)
        if app_type not in dict(APP_TYPES):
            raise ValidationError(_('Unknown app type: %s', app_type))
        self.flush_model()
        # Two first contacts at once meet at the unique index: one waits, is repeated, and finds the row.
        self.env.cr.execute("""
            INSERT INTO user_sync_state
                (user_id, device_id, app_type, last_event_id, sync_count, is_active, last_event_count,
                 total_events_synced, create_uid, write_uid, create_date, write_date)
            SELECT %(user)s, %(device)s, %(app)s, 0, 0, true, 0, 0, %(uid)s, %(uid)s,
                   now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
             WHERE NOT EXISTS (SELECT 1 FROM user_sync_state
                                WHERE user_id = %(user)s AND device_id = %(device)s AND app_type = %(app)s)
            ON CONFLICT (user_id, device_id, app_type) DO NOTHING
        """, {'user': user_id, 'device': device_id, 'app': app_type, 'uid': self.env.uid})
        state = self.sudo().search([
            ('user_id', '=', user_id), ('device_id', '=', device_id), ('app_type', '=', app_type)], limit=1)
        news = {
            name: value for name, value in (('device_info', device_info), ('app_version', app_version))
            if value and state[name] != value
        }
        if not state.is_active:
            news['is_active'] = True
        if news:
            state.write(news)
        return state._as_dict()

    @api.model
    def update_sync_state(self, user_id=None, device_id=None, last_event_id=None, events_synced=0,
                          app_type=None, event_count=None):
        """Note that a device has confirmed the events up to an id; gives the state as a dict.

        Two forms are known: ``(user_id, device_id, last_event_id, events_synced=0)`` on the model,
        and ``(last_event_id, event_count=0)`` on a state (remotely: ``([id], last_event_id, event_count)``).
        The id never moves back; only a reset does that.
        """
        if isinstance(device_id, str):
            state = self._find(user_id, device_id, app_type)
            confirmed, count = last_event_id, events_synced
        elif isinstance(user_id, (list, tuple)):
            state = self.browse(user_id)
            confirmed, count = (device_id, last_event_id) if device_id is not None else (last_event_id, events_synced)
        else:
            state = self
            confirmed, count = (user_id, device_id) if user_id is not None else (last_event_id, events_synced)
        count = event_count if event_count is not None else (count or 0)
        state.ensure_one()
        state._require_owner(state.sudo().user_id.id)
        if not isinstance(confirmed, int) or confirmed < 0 or not isinstance(count, int) or count < 0:
            raise ValidationError(_('The last event id and the number of events must be whole numbers from 0.'))
        state = state.sudo()
        state.write({
            'last_event_id': max(state.last_event_id, confirmed),
            'last_sync_time': fields.Datetime.now(),
            'sync_count': state.sync_count + 1,
            'last_event_count': count,
            'total_events_synced': state.total_events_synced + count,
        })
        return state._as_dict()

    @api.model
    def reset_sync_state(self, user_id=None, device_id=None, app_type=None):
        """Let a device start again from nothing; gives True.

        On the model: ``(user_id, device_id)``, for all its app types unless one is named. On
        states: without arguments (remotely: ``([ids])``).
        """
        if isinstance(device_id, str):
            domain = [('user_id', '=', int(user_id)), ('device_id', '=', device_id)]
            if app_type:
                domain.append(('app_type', '=', app_type))
            states = self.sudo().search(domain)
        else:
            states = self.browse(user_id) if isinstance(user_id, (list, tuple)) else self
            states = states.sudo().exists()
        if not states:
            raise UserError(_('There is no sync state for this device.'))
        for owner in states.user_id:
            self._require_owner(owner.id)
        states.write({'last_event_id': 0, 'sync_count': 0, 'last_event_count': 0, 'last_sync_time': False})
        return True

    @api.model
    def mirror_states(self, states):
        """Show what BridgeCore knows of many devices; for the service.

        Each state is a dict with ``user_id``, ``device_id``, ``app_type``, ``is_active`` and, for those
        that are in use, ``last_event_id``, ``last_sync_time`` (in Odoo's form, or False), ``sync_count``,
        ``last_event_count`` and ``total_events_synced``. The values are set and not added to, so that a
        repeated call changes nothing, and the id may move back. A device that is not in use and not known
        stays unknown. Gives ``{'refused': [False or why, for each]}`` (XML-RPC carries no None): one that
        is refused does not keep the others from being shown.
        """
        self._require_owner(None)
        if len(states) > STATES_PER_MIRROR_MAX:
            raise UserError(_('At most %s states at once.', STATES_PER_MIRROR_MAX))
        refused = [self._mirror_refusal(state) for state in states]
        states = [state for state, reason in zip(states, refused) if not reason]
        known = {
            (state.user_id.id, state.device_id, state.app_type): state
            for state in self.sudo().search([
                ('user_id', 'in', [state['user_id'] for state in states]),
                ('device_id', 'in', [state['device_id'] for state in states])])
        }
        new = {}
        for state in states:
            key = (state['user_id'], state['device_id'], state['app_type'])
            values = self._mirror_values(state)
            if key in known:
                record = known[key]
                news = {name: value for name, value in values.items() if record[name] != value}
                if news:
                    record.write(news)
            elif state['is_active']:
                new[key] = dict(values, user_id=key[0], device_id=key[1], app_type=key[2])
        self.sudo().create(list(new.values()))
        return {'refused': refused}

    def _mirror_refusal(self, state):
        """Why a state cannot be shown, or False."""
        if not isinstance(state, dict) or not isinstance(state.get('user_id'), int):
            return _('A state names its user.')
        if not 0 < state['user_id'] <= NUMBER_MAX or not self.env['res.users'].sudo().browse(state['user_id']).exists():
            return _('There is no user %s.', state['user_id'])
        if state.get('app_type') not in dict(APP_TYPES):
            return _('Unknown app type: %s', state.get('app_type'))
        if not isinstance(state.get('is_active'), bool):
            return _('A state says whether it is active.')
        try:
            self._require_device_id(state.get('device_id'))
            self._mirror_values(state)
        except (ValidationError, ValueError, TypeError) as error:
            return str(error)
        return False

    def _mirror_values(self, state):
        """The fields to write, in the form in which they are read."""
        values = {'is_active': state['is_active']}
        if not state['is_active']:
            return values
        for name in ('last_event_id', 'sync_count', 'last_event_count', 'total_events_synced'):
            number = state.get(name)
            if not isinstance(number, int) or not 0 <= number <= NUMBER_MAX:
                raise ValidationError(_('%s must be a whole number from 0.', name))
            values[name] = number
        values['last_sync_time'] = fields.Datetime.to_datetime(state.get('last_sync_time') or False) or False
        return values

    @api.model
    def cleanup_old_states(self, days=STATES_KEPT_DAYS):
        """Delete the states unused for so many days; gives their number."""
        self._require_owner(None)
        cutoff = fields.Datetime.now() - timedelta(days=settings.positive(days, STATES_KEPT_DAYS))
        states = self.sudo().search([
            '|', ('last_sync_time', '<', cutoff),
            '&', ('last_sync_time', '=', False), ('create_date', '<', cutoff)])
        count = len(states)
        states.unlink()
        return count

    @api.model
    def get_sync_statistics(self, user_id=None):
        """Counts over the states that the caller may see."""
        domain = [('user_id', '=', int(user_id))] if user_id else []
        states = self.search(domain)
        active = states.filtered('is_active')
        return {
            'total_states': len(states),
            'active_states': len(active),
            'inactive_states': len(states) - len(active),
            'total_syncs': sum(states.mapped('sync_count')),
            'total_events_synced': sum(states.mapped('total_events_synced')),
            'by_app_type': {
                app_type: len(states.filtered(lambda state, app_type=app_type: state.app_type == app_type))
                for app_type, _label in APP_TYPES
            },
        }

    def _find(self, user_id, device_id, app_type):
        """The state that a call means; without an app type, the one used last."""
        user_id = int(user_id)
        self._require_owner(user_id)
        domain = [('user_id', '=', user_id), ('device_id', '=', device_id)]
        if app_type:
            domain.append(('app_type', '=', app_type))
        state = self.sudo().search(domain, order='last_sync_time desc nulls last, id desc', limit=1)
        if not state:
            raise UserError(_('There is no sync state for this device.'))
        return state.sudo(self.env.su)

    def _as_dict(self):
        self.ensure_one()
        return {
            'id': self.id,
            'user_id': self.user_id.id,
            'device_id': self.device_id,
            'app_type': self.app_type,
            'last_event_id': self.last_event_id,
            'last_sync_time': push.rfc3339(self.last_sync_time or None),
            'sync_count': self.sync_count,
            'is_active': self.is_active,
            'device_info': self.device_info or None,
            'app_version': self.app_version or None,
            'last_event_count': self.last_event_count,
            'total_events_synced': self.total_events_synced,
        }

    def _require_owner(self, user_id):
        """People handle their own devices; the service handles all of them."""
        if self.env.su or user_id == self.env.uid:
            return
        if not self.env.user.has_group('bridgecore.group_service'):
            raise AccessError(_('This sync state belongs to another user.'))

    def _require_device_id(self, device_id):
        """Refuse what cannot be the id of a device."""
        if not isinstance(device_id, str) or not DEVICE_ID_CHARS_MIN <= len(device_id) <= DEVICE_ID_CHARS_MAX:
            raise ValidationError(_('A device id has %(low)s to %(high)s characters.',
                                    low=DEVICE_ID_CHARS_MIN, high=DEVICE_ID_CHARS_MAX))
