from collections import defaultdict

from odoo import _, api, fields, models, tools
from odoo.exceptions import ValidationError
from odoo.tools import sql

from .. import recorder, settings, setup

PRIORITIES = [('high', 'High'), ('medium', 'Medium'), ('low', 'Low')]
CATEGORIES = [
    ('business', 'Business'), ('system', 'System'), ('notification', 'Notification'), ('custom', 'Custom'),
]
PAYLOAD_BYTES_MAX = 65536

# The models of the mobile apps: (model, priority, fields whose change is pushed at once).
DEFAULT_CONFIGS = (
    ('sale.order', 'high', 'state'),
    ('purchase.order', 'high', 'state'),
    ('stock.picking', 'high', 'state'),
    ('account.move', 'high', 'state,payment_state'),
    ('sale.order.line', 'medium', None),
    ('purchase.order.line', 'medium', None),
    ('res.partner', 'medium', None),
    ('product.template', 'medium', None),
    ('product.product', 'medium', None),
    ('stock.move', 'medium', None),
    ('stock.move.line', 'medium', None),
    ('hr.expense', 'medium', None),
    ('project.project', 'medium', None),
    ('stock.quant', 'low', None),
    ('stock.location', 'low', None),
)


class WebhookConfig(models.Model):
    """Which model is tracked, and how."""

    _name = 'webhook.config'
    _description = 'Tracked Model'
    _rec_name = 'model_name'
    _order = 'model_name'

    model_id = fields.Many2one(
        'ir.model', string='Model', required=True, ondelete='cascade',
        domain=[('transient', '=', False)])
    model_name = fields.Char(string='Model Name', related='model_id.model', store=True, readonly=True)
    active = fields.Boolean(default=True)
    track_create = fields.Boolean(string='Track Creation', default=True)
    track_write = fields.Boolean(string='Track Changes', default=True)
    track_unlink = fields.Boolean(string='Track Deletion', default=True)
    priority = fields.Selection(PRIORITIES, required=True, default='medium')
    instant_send = fields.Boolean(
        string='Push at Once', help='Push events of this model right after the commit. Only with high priority.')
    instant_fields = fields.Char(
        string='Push When Changed',
        help='Names of fields, separated by commas. If set, a change is pushed at once only when it touches one of them; '
             'creations and deletions are always pushed.')
    category = fields.Selection(CATEGORIES, required=True, default='business')
    include_payload = fields.Boolean(
        string='Keep Values', help='Keep the written values in the event. Only administrators can read them.')
    payload_bytes_max = fields.Integer(
        string='Largest Payload (bytes)', default=8192, help='A larger payload is left out; the event itself is kept.')

    def init(self):
        self.env.cr.execute(
            'CREATE UNIQUE INDEX IF NOT EXISTS webhook_config_model_id_unique ON webhook_config (model_id)')

    @api.constrains('model_id', 'instant_fields', 'payload_bytes_max')
    def _check_config(self):
        for config in self:
            model_class = self.env.registry.models.get(config.model_id.model)
            if model_class is None or not recorder.is_trackable(model_class):
                raise ValidationError(_('The model %s cannot be tracked.', config.model_id.model))
            unknown = [name for name in field_names(config.instant_fields) if name not in model_class._fields]
            if unknown:
                raise ValidationError(_('The model %(model)s has no field %(names)s.',
                                        model=config.model_id.model, names=', '.join(unknown)))
            if not 0 < config.payload_bytes_max <= PAYLOAD_BYTES_MAX:
                raise ValidationError(_('The largest payload must be between 1 and %s bytes.', PAYLOAD_BYTES_MAX))

    @api.model_create_multi
    def create(self, vals_list):
        configs = super().create(vals_list)
        self._forget_plans()
        return configs

    def write(self, vals):
        result = super().write(vals)
        self._forget_plans()
        return result

    def unlink(self):
        result = super().unlink()
        self._forget_plans()
        return result

    @api.model
    def action_add_defaults(self):
        """Track the usual models of the mobile apps that are installed by now and have no entry yet."""
        self._add_default_configs()
        return {'type': 'ir.actions.client', 'tag': 'reload'}

    def _add_default_configs(self):
        known = set(self.with_context(active_test=False).search([]).mapped('model_name'))
        self._track(self.env['ir.model'].browse([
            self.env['ir.model']._get(name).id
            for name, _priority, _instant_fields in DEFAULT_CONFIGS
            if name in self.env.registry.models and name not in known
        ]))

    @api.model
    def _tracked_models(self):
        """The ``ir.model`` records that are tracked now, by a line here or by ``webhook.mixin``."""
        return self.env['ir.model'].sudo().search([('model', 'in', list(self._tracking_rules()))])

    @api.model
    def _track(self, models_to_track):
        """Track these ``ir.model`` records. A line that was archived comes back with its settings."""
        lines = self.with_context(active_test=False).search([('model_id', 'in', models_to_track.ids)])
        lines.filtered(lambda line: not line.active).write({'active': True})
        defaults = {name: (priority, instant_fields) for name, priority, instant_fields in DEFAULT_CONFIGS}
        vals_list = []
        for model in models_to_track - lines.model_id:
            priority, instant_fields = defaults.get(model.model, ('medium', None))
            vals_list.append({
                'model_id': model.id, 'priority': priority,
                'instant_send': bool(instant_fields), 'instant_fields': instant_fields,
            })
        self.create(vals_list)

    @api.model
    def _stop_tracking(self, models_to_stop):
        """Stop tracking these ``ir.model`` records. Their lines are archived, so that their settings are kept; an
        archived line also takes precedence over ``webhook.mixin``."""
        lines = self.with_context(active_test=False).search([('model_id', 'in', models_to_stop.ids)])
        lines.filtered('active').write({'active': False})
        self.create([{'model_id': model.id, 'active': False} for model in models_to_stop - lines.model_id])

    @api.model
    def _set_up_records(self):
        """Create what differs between the versions of Odoo; called on every install and update."""
        setup.set_up(self.env)

    def _forget_plans(self):
        """Drop the cached plans here, in the other workers, and once more when the change is committed.

        Another thread of this process can refill the cache from the old rows until the commit.
        """
        self.flush_model()
        registry = self.env.registry
        registry.clear_cache()
        self.env.cr.postcommit.add(registry.clear_cache)

    @tools.ormcache()
    def _tracking_plans(self):
        """``{model name: recorder.Plan}`` for every model whose changes concern us. SQL only: no hook may fire here."""
        registry = self.env.registry
        cr = self.env.cr
        if getattr(registry, 'bridgecore_stopped', False):
            return {}
        if not (sql.table_exists(cr, 'webhook_config') and sql.table_exists(cr, 'update_webhook')):
            return {}   # the add-on is being installed
        rules = self._tracking_rules()
        if not rules:
            return {}
        inheritors = defaultdict(list)
        dependants = defaultdict(list)
        for name, model_class in registry.models.items():
            if model_class._abstract or model_class._transient or not model_class._auto:
                continue
            rule = rules.get(name)
            if rule and rule.write:
                for parent, parent_field in model_class._inherits.items():
                    names = frozenset(
                        field.name for field in model_class._fields.values()
                        if field.inherited and field.related.split('.')[0] == parent_field)
                    inheritors[parent].append(recorder.Inheritor(name, model_class._table, parent_field, names, rule))
            for field in model_class._fields.values():
                if field.type == 'many2one' and field.store and field.column_type and not field.company_dependent:
                    if field.ondelete == 'cascade' or (field.ondelete == 'set null' and rule):
                        dependants[field.comodel_name].append(recorder.Dependant(
                            name, model_class._table, field.name, field.ondelete == 'cascade', rule))
        dependants = only_reaching_rules(dependants)
        names = set(rules) | set(inheritors) | set(dependants)
        return {
            name: recorder.Plan(rules.get(name), tuple(inheritors.get(name, ())), tuple(dependants.get(name, ())))
            for name in names
        }

    def _tracking_rules(self):
        """``{model name: recorder.Rule}`` from the configurations and the classes that inherit webhook.mixin."""
        cr = self.env.cr
        models_by_name = self.env.registry.models
        cr.execute("SELECT key, value FROM ir_config_parameter WHERE key IN %s", (settings.PARAMETERS,))
        push_on = settings.from_rows(cr.fetchall()).is_on
        rules = {}
        for name, model_class in models_by_name.items():
            if getattr(model_class, '_bridgecore_track', False) and recorder.is_trackable(model_class):
                priority = model_class._bridgecore_priority
                rules[name] = recorder.Rule(
                    None, True, True, True, priority, model_class._bridgecore_category,
                    bool(push_on and model_class._bridgecore_instant_send and priority == 'high'),
                    frozenset(model_class._bridgecore_instant_fields), 0)
        cr.execute("""
            SELECT config.id, model.model, config.active, config.track_create, config.track_write, config.track_unlink,
                   config.priority, config.category, config.instant_send, config.instant_fields,
                   config.include_payload, config.payload_bytes_max
              FROM webhook_config config
              JOIN ir_model model ON model.id = config.model_id
        """)
        for (id_, name, active, create, write, unlink, priority, category,
             instant_send, instant_fields, include_payload, payload_bytes_max) in cr.fetchall():
            model_class = models_by_name.get(name)
            if not active or model_class is None or not recorder.is_trackable(model_class):
                rules.pop(name, None)
                continue
            rules[name] = recorder.Rule(
                id_, bool(create), bool(write), bool(unlink), priority, category,
                bool(push_on and instant_send and priority == 'high'), frozenset(field_names(instant_fields)),
                min(payload_bytes_max or 0, PAYLOAD_BYTES_MAX) if include_payload else 0)
        return rules


def field_names(text):
    """The names in a comma-separated list."""
    return [name.strip() for name in (text or '').split(',') if name.strip()]


def only_reaching_rules(dependants):
    """Keep the references whose deletion touches a tracked model, directly or along a chain of cascades."""
    reaching = set()
    grown = True
    while grown:
        grown = False
        for target, edges in dependants.items():
            if target not in reaching and any(edge.rule or edge.model in reaching for edge in edges):
                reaching.add(target)
                grown = True
    return {
        target: [edge for edge in edges if edge.rule or edge.model in reaching]
        for target, edges in dependants.items() if target in reaching
    }
