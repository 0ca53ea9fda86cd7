from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .cases import BridgeCoreCase


@tagged('post_install', '-at_install')
class TestRights(BridgeCoreCase):

    @mute_logger('odoo.addons.base.models.ir_model', 'odoo.addons.base.models.ir_rule')
    def test_normal_users_cannot_see_recorded_changes(self):
        self.partner.write({'phone': '1'})
        self.env.cr.flush()
        events = self.env['update.webhook'].with_user(self.user)
        refused = [
            lambda: events.search_read([], ['payload'], limit=1),
            lambda: events.search([]),
            lambda: events.create({'model': 'res.partner', 'record_id': 1, 'event': 'write'}),
            lambda: events.pull_events(),
            lambda: events.events_by_ids([1]),
            lambda: events.mark_batch_as_processed([1]),
            lambda: events.get_statistics(),
            lambda: events.bridgecore_info(),
            lambda: events.readable_models(self.user.id, ['res.partner']),
            lambda: events.search_read_as(self.env.ref('base.user_admin').id, 'res.partner', []),
            lambda: events.create_manual_events('res.partner', [1]),
            lambda: events.cleanup_old_events(1),
            lambda: self.env['webhook.config'].with_user(self.user).search([]),
            lambda: self.env['bridgecore.idempotency'].with_user(self.user).search([]),
        ]
        for number, call in enumerate(refused):
            with self.subTest(number), self.assertRaises(AccessError), self.env.cr.savepoint():
                call()

    def test_normal_users_are_recorded_all_the_same(self):
        tag = self.env['res.partner.category'].create({'name': 'Tag'})
        self.track('res.users')
        self.news()
        self.user.with_user(self.user).write({'signature': 'Me'})
        self.assertIn(('res.users', self.user.id, 'write', ['signature']), self.news())
        self.assertTrue(tag)

    @mute_logger('odoo.addons.base.models.ir_model')
    def test_the_service_reads_but_does_not_configure(self):
        self.assertTrue(self.env['webhook.config'].with_user(self.service).search([]))
        with self.assertRaises(AccessError):
            self.env['webhook.config'].with_user(self.service).search([], limit=1).write({'priority': 'low'})

    def test_administrators_are_in_the_service_group(self):
        self.assertTrue(self.env.ref('base.user_admin').has_group('bridgecore.group_service'))
