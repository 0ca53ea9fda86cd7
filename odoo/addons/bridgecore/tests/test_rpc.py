import json

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from ..models.idempotency import call_kw


@tagged('post_install', '-at_install')
class TestRpc(TransactionCase):
    """The calls as Odoo's dispatcher makes them: JSON in, JSON out, ids as the first argument.

    Below HTTP, because Odoo's own HTTP test case builds every asset bundle first.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.service = new_test_user(
            cls.env, login='bridgecore_rpc', groups='base.group_user,base.group_partner_manager,bridgecore.group_service')
        cls.user = new_test_user(cls.env, login='bridgecore_plain', groups='base.group_user')

    def authenticate(self, user):
        self.remote = self.env(user=user, context={})

    def call(self, model, method, *args, **kwargs):
        args, kwargs = json.loads(json.dumps([args, kwargs]))
        result = call_kw(self.remote[model], method, args, kwargs)
        self.env.cr.flush()
        return json.loads(json.dumps(result, default=str))

    def test_a_change_made_over_rpc_is_pulled_over_rpc(self):
        self.authenticate(self.service)
        start = self.call('update.webhook', 'bridgecore_info')['event_id_max']
        partner_id = self.call('res.partner', 'create', {'name': 'Remote'})
        self.call('res.partner', 'write', [partner_id], {'phone': '1'}, context={'bridgecore_idempotency_key': 'key-rpc'})
        self.call('res.partner', 'unlink', [partner_id])
        answer = self.call('update.webhook', 'pull_events', start, ['res.partner'], 10)
        self.assertEqual([(event['event'], event['record_id']) for event in answer['events']],
                         [(event, partner_id) for event in ('create', 'write', 'unlink')])
        self.assertEqual(answer['events'][1]['idempotency_key'], 'key-rpc')
        self.assertEqual(answer['events'][1]['user_id'], self.service.id)
        ids = [event['id'] for event in answer['events']]
        rows = self.call('update.webhook', 'search_read', [['id', 'in', ids]], ['event', 'changed_fields'], order='id')
        self.assertEqual([row['event'] for row in rows], ['create', 'write', 'unlink'])
        self.assertTrue(self.call('update.webhook', 'mark_batch_as_processed', ids))
        self.assertEqual(self.call('update.webhook', 'events_by_ids', ids)['missing'], [])

    def test_both_forms_of_update_sync_state(self):
        self.authenticate(self.user)
        state = self.call('user.sync.state', 'get_or_create_state', self.user.id, 'remote-phone', 'sales_app')
        self.assertEqual(
            self.call('user.sync.state', 'update_sync_state', self.user.id, 'remote-phone', 10, 2)['last_event_id'], 10)
        answer = self.call('user.sync.state', 'update_sync_state', [state['id']], 20, 3)
        self.assertEqual((answer['last_event_id'], answer['total_events_synced']), (20, 5))
        self.assertTrue(self.call('user.sync.state', 'reset_sync_state', [state['id']]))
        self.assertTrue(self.call('user.sync.state', 'reset_sync_state', self.user.id, 'remote-phone'))

    def test_keyed_calls(self):
        self.authenticate(self.service)
        first = self.call('bridgecore.idempotency', 'execute', 'rpc-key-1', 'res.partner', 'create', [{'name': 'Keyed'}])
        again = self.call('bridgecore.idempotency', 'execute', 'rpc-key-1', 'res.partner', 'create', [{'name': 'Keyed'}])
        self.assertEqual((first['replayed'], again['replayed']), (False, True))
        self.assertEqual(first['result'], again['result'])

    @mute_logger('odoo.addons.base.models.ir_model')
    def test_plain_users_are_refused(self):
        self.authenticate(self.user)
        for method, args in (('pull_events', []), ('search_read', [[], ['payload']]), ('bridgecore_info', [])):
            with self.assertRaises(AccessError):
                self.call('update.webhook', method, *args)
