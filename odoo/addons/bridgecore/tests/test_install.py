from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from .. import hooks
from .cases import BridgeCoreCase


@tagged('post_install', '-at_install')
class TestInstall(BridgeCoreCase):

    def test_refuses_beside_another_owner(self):
        self.env.cr.execute(
            "INSERT INTO ir_module_module (name, state) VALUES ('some_webhooks', 'installed')")
        self.env.cr.execute("""
            UPDATE ir_model_data SET module = 'some_webhooks'
             WHERE model = 'ir.model' AND module = 'bridgecore'
        """)
        with self.assertRaises(UserError) as raised:
            hooks.pre_init_hook(self.env)
        self.assertIn('some_webhooks', str(raised.exception))
        self.assertIn('move over', str(raised.exception))

    def test_refuses_beside_auto_webhook_chosen_at_the_same_time(self):
        self.env.cr.execute("INSERT INTO ir_module_module (name, state) VALUES ('auto_webhook', 'to install')")
        with self.assertRaises(UserError) as raised:
            hooks.pre_init_hook(self.env)
        self.assertIn('auto_webhook', str(raised.exception))

    def test_refuses_tables_left_behind(self):
        with self.assertRaises(UserError) as raised:
            hooks.pre_init_hook(self.env)       # our own tables, and nobody registered for them
        self.assertIn('update_webhook', str(raised.exception))

    def test_accepts_a_database_without_them(self):
        for table in hooks.OWN_TABLES:
            self.env.cr.execute('ALTER TABLE %s RENAME TO %s_away' % (table, table))
        hooks.pre_init_hook(self.env)

    def test_an_install_opens_an_epoch_and_tracks_what_is_there(self):
        parameters = self.env['ir.config_parameter']
        before = parameters.get_param('bridgecore.epoch')
        self.env['webhook.config'].search([('model_name', '=', 'res.partner')]).unlink()
        hooks.post_init_hook(self.env)
        self.assertNotEqual(parameters.get_param('bridgecore.epoch'), before)
        names = self.env['webhook.config'].search([]).mapped('model_name')
        self.assertIn('res.partner', names)
        self.assertEqual(len(names), len(set(names)))
        self.assertFalse([name for name in names if name not in self.env])

    def test_removal_stops_recording(self):
        self.addCleanup(lambda: setattr(self.env.registry, 'bridgecore_stopped', False))
        hooks.uninstall_hook(self.env)
        self.partner.write({'phone': '1'})
        self.assertEqual(self.news(), [])

    def test_views_and_actions_of_this_version(self):
        for model in ('update.webhook', 'webhook.config', 'user.sync.state'):
            views = self.env[model].get_views([(False, 'form'), (False, 'search')])
            self.assertTrue(views['views'])
        for name in ('update_webhook_view_list', 'webhook_config_view_list', 'user_sync_state_view_list'):
            self.assertIn(self.env.ref('bridgecore.' + name).type, ('tree', 'list'))
        self.assertTrue(self.env.ref('bridgecore.ir_cron_push').active)
        self.assertTrue(self.env.ref('bridgecore.ir_cron_clean_up').active)

    def test_settings(self):
        settings = self.env['res.config.settings'].create({
            'bridgecore_url': 'https://bridge.example.com/', 'bridgecore_push_key': 'k', 'bridgecore_push_enabled': True,
        })
        settings.execute()
        self.assertTrue(self.env['update.webhook'].bridgecore_info()['push_enabled'])

    def settings(self, **values):
        return self.env['res.config.settings'].create(values)

    def test_a_model_is_tracked_from_the_settings_page(self):
        banks = self.env['ir.model']._get('res.bank')
        page = self.settings()
        self.assertNotIn(banks, page.bridgecore_model_ids)
        page.bridgecore_model_ids |= banks
        page.execute()
        bank = self.env['res.bank'].create({'name': 'Recorded'})
        self.assertIn(('res.bank', bank.id, 'create'), [row[:3] for row in self.news('res.bank')])

        page = self.settings()
        self.assertIn(banks, page.bridgecore_model_ids)
        page.bridgecore_model_ids -= banks
        page.execute()
        bank.write({'name': 'Not recorded'})
        self.assertEqual(self.news('res.bank'), [])

    def test_the_settings_page_keeps_how_a_model_is_tracked(self):
        partners = self.env['ir.model']._get('res.partner')
        self.track('res.partner', priority='low', track_unlink=False)
        page = self.settings()
        page.bridgecore_model_ids -= partners
        page.execute()
        self.assertFalse(self.config.active)
        page = self.settings()
        page.bridgecore_model_ids |= partners
        page.execute()
        self.assertTrue(self.config.active)
        self.assertEqual((self.config.priority, self.config.track_unlink), ('low', False))

    def test_saving_other_settings_leaves_the_tracked_models_alone(self):
        before = self.env['webhook.config']._tracked_models()
        self.assertTrue(before)
        self.settings(bridgecore_retention_days=9).execute()
        self.assertEqual(self.env['webhook.config']._tracked_models(), before)

    def test_a_model_that_cannot_be_tracked_is_refused(self):
        page = self.settings()
        page.bridgecore_model_ids |= self.env['ir.model']._get('update.webhook')
        with self.assertRaises(ValidationError):
            page.execute()
