from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .cases import BridgeCoreCase


@tagged('post_install', '-at_install')
class TestIdempotency(BridgeCoreCase):

    def setUp(self):
        super().setUp()
        self.calls = self.env['bridgecore.idempotency']

    def test_a_call_is_made_once(self):
        first = self.calls.execute('key-00001', 'res.partner', 'create', [{'name': 'Once'}])
        self.assertFalse(first['replayed'])
        events = self.news('res.partner')
        self.assertEqual(events, [('res.partner', first['result'], 'create', None)])
        self.assertEqual(self.last_event().idempotency_key, 'key-00001')
        second = self.calls.execute('key-00001', 'res.partner', 'create', [{'name': 'Once'}])
        self.assertEqual(second, {'result': first['result'], 'replayed': True, 'res_ids': [first['result']]})
        self.assertEqual(self.news(), [])
        self.assertEqual(self.calls.lookup('key-00001')['result'], first['result'])
        self.assertFalse(self.calls.lookup('key-never'))

    def test_keyword_arguments_and_context(self):
        answer = self.calls.execute(
            'key-00002', 'res.partner', 'search_read', [],
            {'domain': [('id', '=', self.partner.id)], 'fields': ['name'], 'context': {'lang': 'en_US'}})
        self.assertEqual(answer['result'], [{'id': self.partner.id, 'name': 'Recorded'}])
        answer = self.calls.execute('key-00003', 'res.partner', 'write', [[self.partner.id], {'phone': '9'}])
        self.assertEqual((answer['result'], answer['res_ids']), (True, [self.partner.id]))

    def test_a_key_stands_for_one_call_of_one_user(self):
        self.calls.execute('key-00004', 'res.partner', 'create', [{'name': 'Mine'}])
        with self.assertRaises(UserError):
            self.calls.execute('key-00004', 'res.partner', 'create', [{'name': 'Another'}])
        with self.assertRaises(UserError):
            self.calls.with_user(self.user).execute('key-00004', 'res.partner', 'create', [{'name': 'Mine'}])
        self.assertFalse(self.calls.with_user(self.user).lookup('key-00004'))

    def test_a_failed_call_leaves_its_key_free(self):
        with self.assertRaises(ValueError), self.env.cr.savepoint():
            self.calls.execute('key-00005', 'res.partner', 'create', [{'no_such_field': 1}])
        self.assertFalse(self.calls.execute('key-00005', 'res.partner', 'create', [{'name': 'Now'}])['replayed'])

    @mute_logger('odoo.addons.base.models.ir_model')
    def test_it_gives_nobody_more_rights(self):
        calls = self.calls.with_user(self.user)
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            calls.execute('key-00006', 'ir.config_parameter', 'search_read', [])
        for method in ('_write', '__init__'):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                calls.execute('key-00007', 'res.partner', method, [[1], {}])
        with self.assertRaises(UserError):
            calls.execute('short', 'res.partner', 'read', [[1]])
        with self.assertRaises(UserError):
            calls.execute('key-00008', 'no.such.model', 'read', [[1]])

    def test_old_keys_are_forgotten(self):
        self.calls.execute('key-00009', 'res.partner', 'create', [{'name': 'Old'}])
        self.env.cr.execute("UPDATE bridgecore_idempotency SET create_date = create_date - interval '8 days'")
        self.calls._clean_up(7)
        self.assertFalse(self.calls.lookup('key-00009'))
