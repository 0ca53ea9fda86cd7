from odoo import fields, models

from .. import settings


class ResConfigSettings(models.TransientModel):
    _inherit = 'res.config.settings'

    bridgecore_url = fields.Char(string='BridgeCore Address', config_parameter='bridgecore.url')
    bridgecore_push_key = fields.Char(string='Push Key', config_parameter='bridgecore.push_key')
    bridgecore_push_enabled = fields.Boolean(string='Push Urgent Changes', config_parameter='bridgecore.push_enabled')
    bridgecore_push_timeout_s = fields.Integer(
        string='Time-out (seconds)', config_parameter='bridgecore.push_timeout_s', default=settings.PUSH_TIMEOUT_S)
    bridgecore_push_attempts_max = fields.Integer(
        string='Attempts at Most', config_parameter='bridgecore.push_attempts_max', default=settings.PUSH_ATTEMPTS_MAX)
    bridgecore_retention_days = fields.Integer(
        string='Keep Events (days)', config_parameter='bridgecore.retention_days', default=settings.RETENTION_DAYS)
