from odoo import models


class WebhookMixin(models.AbstractModel):
    """Inherit this to have a model tracked without a configuration record.

    A ``webhook.config`` of the same model takes precedence, also when it is archived (which
    switches the tracking off). The class attributes are the defaults.
    """

    _name = 'webhook.mixin'
    _description = 'Tracked by BridgeCore'

    _bridgecore_track = True
    _bridgecore_priority = 'medium'
    _bridgecore_instant_send = False
    _bridgecore_instant_fields = ()
    _bridgecore_category = 'business'
