"""What happens once: before the first install, after it, and before removal."""

import uuid

from odoo.exceptions import UserError
from odoo.tools import sql

OWN_MODULE = 'bridgecore'
OWN_MODELS = ('update.webhook', 'user.sync.state', 'webhook.config')
OWN_TABLES = ('update_webhook', 'user_sync_state', 'webhook_config')

MOVE_OVER = """BridgeCore cannot be installed in this database: {reason}.

Both would own the models update.webhook, user.sync.state and webhook.config. To move over:
1. Let BridgeCore read what is still waiting, until its status page shows no lag for this system.
2. Write down which models are tracked now (Webhooks > Configuration): you choose them again afterwards.
3. Uninstall the other add-on ({owners}) under Apps. Its tables go with it; devices keep their place in BridgeCore.
4. If this message still appears, rename or drop the left-over tables it names.
5. Install this add-on, check Settings > Technical > BridgeCore > Tracked models, and enter the address and the push key under Settings.
BridgeCore notices the new event log by its epoch and reconciles once by itself."""


def pre_init_hook(env):
    """Refuse to take over models or tables that something else in this database owns."""
    cr = env.cr
    cr.execute(
        """
        SELECT DISTINCT data.module
          FROM ir_model model
          JOIN ir_model_data data ON data.model = 'ir.model' AND data.res_id = model.id
          JOIN ir_module_module module ON module.name = data.module
         WHERE model.model IN %s AND data.module <> %s
           AND module.state IN ('installed', 'to upgrade', 'to remove')
         UNION
        SELECT name FROM ir_module_module
         WHERE name = 'auto_webhook' AND state IN ('installed', 'to install', 'to upgrade', 'to remove')
        """,
        (OWN_MODELS, OWN_MODULE),
    )
    owners = sorted(row[0] for row in cr.fetchall())
    if owners:
        names = ', '.join(owners)
        raise UserError(MOVE_OVER.format(reason='the add-on %s is installed' % names, owners=names))
    leftovers = [table for table in OWN_TABLES if sql.table_exists(cr, table)]
    if leftovers:
        names = ', '.join(leftovers)
        raise UserError(MOVE_OVER.format(
            reason='another add-on left the tables %s behind' % names, owners='the one that made them'))


def post_init_hook(env):
    """Open a new epoch for the event log and track the usual models of the mobile apps."""
    env['ir.config_parameter'].sudo().set_param('bridgecore.epoch', str(uuid.uuid4()))
    env['webhook.config'].sudo()._add_default_configs()


def uninstall_hook(env):
    """Stop recording before the tables are dropped; the rest of the removal writes records too."""
    env.registry.bridgecore_stopped = True
    env.registry.clear_cache()
