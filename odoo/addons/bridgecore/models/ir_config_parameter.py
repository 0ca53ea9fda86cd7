from odoo import api, models


class IrConfigParameter(models.Model):
    _inherit = 'ir.config_parameter'

    # Odoo drops its caches before it writes, and the writing itself asks for the tracking plans:
    # they would be remembered with the old settings.

    @api.model_create_multi
    def create(self, vals_list):
        parameters = super().create(vals_list)
        parameters._forget_bridgecore_plans(parameters.mapped('key'))
        return parameters

    def write(self, vals):
        keys = self.mapped('key')
        result = super().write(vals)
        self._forget_bridgecore_plans([*keys, vals.get('key')])
        return result

    def unlink(self):
        keys = self.mapped('key')
        result = super().unlink()
        self._forget_bridgecore_plans(keys)
        return result

    def _forget_bridgecore_plans(self, keys):
        if any(key and key.startswith('bridgecore.') for key in keys):
            self.flush_model()
            self.env['webhook.config']._forget_plans()
