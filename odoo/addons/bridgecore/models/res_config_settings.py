from odoo import api, fields, models

from .. import settings


class ResConfigSettings(models.TransientModel):
    _inherit = 'res.config.settings'

    bridgecore_model_ids = fields.Many2many(
        'ir.model', 'bridgecore_settings_model_rel', 'settings_id', 'model_id', string='Tracked Models',
        domain=[('transient', '=', False)])
    bridgecore_url = fields.Char(string='BridgeCore Address', config_parameter='bridgecore.url')
    bridgecore_push_key = fields.Char(string='Push Key', config_parameter='bridgecore.push_key')
    bridgecore_push_enabled = fields.Boolean(string='Push Urgent Changes', config_parameter='bridgecore.push_enabled')
    bridgecore_push_timeout_s = fields.Integer(
        string='Time-out (seconds)', config_parameter='bridgecore.push_timeout_s', default=settings.PUSH_TIMEOUT_S)
    bridgecore_push_attempts_max = fields.Integer(
        string='Attempts at Most', config_parameter='bridgecore.push_attempts_max', default=settings.PUSH_ATTEMPTS_MAX)
    bridgecore_retention_days = fields.Integer(
        string='Keep Events (days)', config_parameter='bridgecore.retention_days', default=settings.RETENTION_DAYS)

    @api.model
    def get_values(self):
        values = super().get_values()
        tracked = self.env['webhook.config']._tracked_models()
        values['bridgecore_model_ids'] = [(6, 0, tracked.ids)]
        return values

    def set_values(self):
        super().set_values()
        configs = self.env['webhook.config']
        tracked = configs._tracked_models()
        configs._track(self.bridgecore_model_ids - tracked)
        configs._stop_tracking(tracked - self.bridgecore_model_ids)
