"""Records whose form differs between Odoo 17, 18 and 19, made in Python instead of XML.

17 calls a list view ``tree`` and makes a scheduled action stop after one run unless told
otherwise; 18 and 19 call it ``list`` and have dropped that counter.
"""

from odoo import release

LIST_TAG = 'tree' if release.version_info[0] < 18 else 'list'

LISTS = {
    'update_webhook_view_list': ('update.webhook', """
        <field name="id"/><field name="timestamp"/><field name="model"/><field name="record_id"/>
        <field name="event"/><field name="user_id"/><field name="priority"/>
        <field name="push_state"/><field name="is_processed" optional="hide"/>
        <field name="payload_size" optional="hide"/>"""),
    'webhook_config_view_list': ('webhook.config', """
        <field name="model_id"/><field name="model_name"/><field name="priority"/>
        <field name="instant_send"/><field name="instant_fields"/>
        <field name="track_create"/><field name="track_write"/><field name="track_unlink"/>
        <field name="active" widget="boolean_toggle"/>"""),
    'user_sync_state_view_list': ('user.sync.state', """
        <field name="user_id"/><field name="device_id"/><field name="app_type"/><field name="last_event_id"/>
        <field name="last_sync_time"/><field name="sync_count"/><field name="is_active"/>"""),
}

CRONS = {
    'ir_cron_clean_up': ('BridgeCore: remove old events', 'update.webhook', 'model._cron_clean_up()', 1, 'days'),
    'ir_cron_push': ('BridgeCore: push what is still waiting', 'update.webhook', 'model._cron_push()', 5, 'minutes'),
}


def set_up(env):
    """Create or refresh the list views, and create the scheduled actions that are missing."""
    for name, (model, columns) in LISTS.items():
        create = ' create="false"' if model == 'update.webhook' else ''
        values = {
            'name': 'bridgecore.' + name,
            'model': model,
            'type': LIST_TAG,
            'arch': '<%s%s>%s</%s>' % (LIST_TAG, create, columns, LIST_TAG),
        }
        upsert(env, 'ir.ui.view', name, values, refresh=True)
    cron_fields = env['ir.cron']._fields
    for name, (label, model, code, number, unit) in CRONS.items():
        values = {
            'name': label,
            'model_id': env['ir.model']._get(model).id,
            'state': 'code',
            'code': code,
            'interval_number': number,
            'interval_type': unit,
        }
        if 'numbercall' in cron_fields:
            values['numbercall'] = -1
        upsert(env, 'ir.cron', name, values, refresh=False)


def upsert(env, model, name, values, refresh):
    """Create the record with this name in our module, or bring an existing one up to date."""
    record = env.ref('bridgecore.' + name, raise_if_not_found=False)
    if record:
        if refresh:
            record.write(values)
        return
    record = env[model].create(values)
    # Without noupdate, the next update would take records that no XML file names for left-overs.
    env['ir.model.data']._update_xmlids([
        {'xml_id': 'bridgecore.' + name, 'record': record, 'noupdate': True},
    ])
