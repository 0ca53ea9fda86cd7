from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .cases import BridgeCoreCase


@tagged('post_install', '-at_install')
class TestSyncState(BridgeCoreCase):

    def setUp(self):
        super().setUp()
        self.states = self.env['user.sync.state'].with_user(self.user)

    def test_a_user_keeps_the_state_of_its_own_devices(self):
        state = self.states.get_or_create_state(self.user.id, 'phone-1', 'sales_app')
        self.assertEqual((state['last_event_id'], state['sync_count'], state['is_active']), (0, 0, True))
        again = self.states.get_or_create_state(self.user.id, 'phone-1', 'sales_app', app_version='2.1')
        self.assertEqual((again['id'], again['app_version']), (state['id'], '2.1'))
        other_app = self.states.get_or_create_state(self.user.id, 'phone-1', 'manager_app')
        self.assertNotEqual(other_app['id'], state['id'])
        self.assertEqual(len(self.states.search([])), 2)
        record = self.states.browse(state['id'])
        record.write({'device_info': 'Pixel'})
        self.assertEqual(record.device_info, 'Pixel')

    def test_both_forms_of_update(self):
        state = self.states.get_or_create_state(self.user.id, 'phone-2', 'sales_app')
        answer = self.states.update_sync_state(self.user.id, 'phone-2', 40, 7)
        self.assertEqual((answer['last_event_id'], answer['last_event_count'], answer['sync_count']), (40, 7, 1))
        answer = self.states.browse(state['id']).update_sync_state(50, 3)
        self.assertEqual((answer['last_event_id'], answer['total_events_synced'], answer['sync_count']), (50, 10, 2))
        answer = self.states.update_sync_state([state['id']], 60, 2)     # as it arrives over RPC
        self.assertEqual((answer['last_event_id'], answer['total_events_synced']), (60, 12))
        answer = self.states.update_sync_state([state['id']], last_event_id=61, event_count=1)
        self.assertEqual((answer['last_event_id'], answer['last_event_count']), (61, 1))
        answer = self.states.update_sync_state(
            user_id=self.user.id, device_id='phone-2', last_event_id=62, events_synced=4, app_type='sales_app')
        self.assertEqual((answer['last_event_id'], answer['last_event_count']), (62, 4))
        self.assertEqual(self.states.update_sync_state(self.user.id, 'phone-2', 5)['last_event_id'], 62)
        self.assertTrue(answer['last_sync_time'])

    def test_reset(self):
        state = self.states.get_or_create_state(self.user.id, 'phone-3', 'sales_app')
        self.states.update_sync_state(self.user.id, 'phone-3', 40)
        self.assertTrue(self.states.reset_sync_state(self.user.id, 'phone-3'))
        record = self.states.browse(state['id'])
        self.assertEqual((record.last_event_id, record.sync_count), (0, 0))
        record.update_sync_state(9, 1)
        record.reset_sync_state()
        self.assertEqual(record.last_event_id, 0)
        with self.assertRaises(UserError):
            self.states.reset_sync_state(self.user.id, 'no-such-phone')

    @mute_logger('odoo.addons.base.models.ir_rule', 'odoo.addons.base.models.ir_model')
    def test_other_people_s_states_are_out_of_reach(self):
        others = self.env['user.sync.state'].with_user(self.other_user)
        theirs = others.get_or_create_state(self.other_user.id, 'tablet', 'sales_app')
        record = self.states.browse(theirs['id'])
        refused = [
            lambda: self.states.get_or_create_state(self.other_user.id, 'tablet', 'sales_app'),
            lambda: self.states.update_sync_state(self.other_user.id, 'tablet', 5),
            lambda: record.update_sync_state(5, 1),
            lambda: self.states.reset_sync_state(self.other_user.id, 'tablet'),
            lambda: record.reset_sync_state(),
            lambda: record.read(['device_id']),
            lambda: record.write({'last_event_id': 5}),
            lambda: self.states.create({'user_id': self.other_user.id, 'device_id': 'stolen'}),
            lambda: self.states.cleanup_old_states(1),
        ]
        for number, call in enumerate(refused):
            with self.subTest(number), self.assertRaises(AccessError), self.env.cr.savepoint():
                call()
                self.env.flush_all()
        self.assertFalse(self.states.search([('user_id', '=', self.other_user.id)]))
        self.assertEqual(self.states.get_sync_statistics()['total_states'], 0)

    def test_the_service_keeps_everybody_s(self):
        service = self.env['user.sync.state'].with_user(self.service)
        service.get_or_create_state(self.user.id, 'phone-4', 'delivery_app')
        service.get_or_create_state(self.other_user.id, 'phone-5', 'delivery_app')
        service.update_sync_state(self.other_user.id, 'phone-5', 12, 3)
        statistics = service.get_sync_statistics()
        self.assertGreaterEqual(statistics['total_states'], 2)
        self.assertEqual(service.get_sync_statistics(self.other_user.id)['total_events_synced'], 3)

    def test_bad_values(self):
        for device_id, app_type in (('ab', 'sales_app'), ('', 'sales_app'), (12345, 'sales_app'),
                                    ('x' * 300, 'sales_app'), ('phone-6', 'no_app')):
            with self.subTest(device_id), self.assertRaises(ValidationError):
                self.states.get_or_create_state(self.user.id, device_id, app_type)
        self.states.get_or_create_state(self.user.id, 'phone-6', 'sales_app')
        for last_event_id in (-1, 'x', None):
            with self.subTest(last_event_id), self.assertRaises(ValidationError):
                self.states.update_sync_state(self.user.id, 'phone-6', last_event_id)

    def test_clean_up_takes_the_unused(self):
        service = self.env['user.sync.state'].with_user(self.service)
        old = service.get_or_create_state(self.user.id, 'old-phone', 'sales_app')
        new = service.get_or_create_state(self.user.id, 'new-phone', 'sales_app')
        service.update_sync_state(self.user.id, 'old-phone', 1)
        service.update_sync_state(self.user.id, 'new-phone', 1)
        service.browse(old['id']).write({'last_sync_time': '2020-01-01 00:00:00'})
        self.assertGreaterEqual(service.cleanup_old_states(90), 1)
        self.assertEqual(service.browse([old['id'], new['id']]).exists().ids, [new['id']])

    def mirrored(self, user, device_id, **values):
        state = {
            'user_id': user.id, 'device_id': device_id, 'app_type': 'sales_app', 'is_active': True,
            'last_event_id': 40, 'last_sync_time': '2026-03-02 09:00:00', 'sync_count': 3, 'last_event_count': 2,
            'total_events_synced': 9,
        }
        return dict(state, **values)

    def test_the_service_shows_many_at_once(self):
        service = self.env['user.sync.state'].with_user(self.service)
        states = [self.mirrored(self.user, 'phone-7'), self.mirrored(self.other_user, 'phone-8')]
        self.assertEqual(service.mirror_states(states), {'refused': [False, False]})
        mine = self.states.search([('device_id', '=', 'phone-7')])
        self.assertEqual((mine.user_id, mine.last_event_id, mine.sync_count, mine.total_events_synced, mine.is_active),
                         (self.user, 40, 3, 9, True))
        self.assertEqual(str(mine.last_sync_time), '2026-03-02 09:00:00')
        self.assertFalse(self.states.search([('device_id', '=', 'phone-8')]), 'it belongs to another user')
        # Repeated, it changes nothing; and it may go back, as a reset device does.
        self.env.flush_all()
        self.env.cr.execute('SELECT ctid::text FROM user_sync_state WHERE id = %s', (mine.id,))
        place = self.env.cr.fetchone()
        service.mirror_states(states)
        self.env.flush_all()
        self.env.cr.execute('SELECT ctid::text FROM user_sync_state WHERE id = %s', (mine.id,))
        self.assertEqual(self.env.cr.fetchone(), place, 'the row was not written')
        service.mirror_states([self.mirrored(self.user, 'phone-7', last_event_id=0, last_sync_time=False)])
        self.assertEqual((mine.last_event_id, mine.last_sync_time), (0, False))
        # One that is gone keeps what was shown last; one that was never shown stays unknown.
        gone = [{'user_id': self.user.id, 'device_id': device, 'app_type': 'sales_app', 'is_active': False}
                for device in ('phone-7', 'phone-9')]
        self.assertEqual(service.mirror_states(gone), {'refused': [False, False]})
        self.assertEqual((mine.is_active, mine.sync_count), (False, 3))
        self.assertFalse(service.search([('device_id', '=', 'phone-9')]))
        service.mirror_states(states[:1])
        self.assertTrue(mine.is_active)

    def test_what_cannot_be_shown_is_refused_alone(self):
        service = self.env['user.sync.state'].with_user(self.service)
        good = self.mirrored(self.user, 'phone-7')
        bad = [
            dict(good, user_id=2 ** 31 - 1), dict(good, user_id=None), dict(good, app_type='no_app'),
            dict(good, device_id='x'), dict(good, last_event_id=-1), dict(good, sync_count=2 ** 31),
            dict(good, last_sync_time='yesterday'), dict(good, is_active=None), 'nonsense',
        ]
        refused = service.mirror_states(bad[:4] + [good] + bad[4:])['refused']
        self.assertEqual([reason is False for reason in refused], [False] * 4 + [True] + [False] * 5)
        self.assertEqual(len(service.search([('device_id', '=', 'phone-7')])), 1)
        with self.assertRaises(UserError):
            service.mirror_states([good] * 501)
        with self.assertRaises(AccessError):
            self.states.mirror_states([good])
