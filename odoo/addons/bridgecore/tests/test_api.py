from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from .cases import BridgeCoreCase


@tagged('post_install', '-at_install')
class TestApi(BridgeCoreCase):

    def setUp(self):
        super().setUp()
        self.events = self.env['update.webhook'].with_user(self.service)
        self.start = self.seen

    def write_often(self, times):
        for number in range(times):
            self.partner.write({'phone': str(number)})
        self.env.cr.flush()

    def test_pull_pages(self):
        self.write_often(5)
        first = self.events.pull_events(self.start, ['res.partner'], 3)
        self.assertEqual((first['count'], first['has_more']), (3, True))
        second = self.events.pull_events(last_event_id=first['last_event_id'], models=['res.partner'], limit=3)
        self.assertEqual((second['count'], second['has_more']), (2, False))
        ids = [event['id'] for event in first['events'] + second['events']]
        self.assertEqual(ids, sorted(set(ids)))
        event = first['events'][0]
        self.assertEqual(
            (event['model'], event['record_id'], event['event'], event['changed_fields']),
            ('res.partner', self.partner.id, 'write', ['phone']))
        self.assertRegex(event['timestamp'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$')
        empty = self.events.pull_events(second['last_event_id'])
        self.assertEqual((empty['events'], empty['last_event_id'], empty['has_more']), ([], second['last_event_id'], False))

    def test_pull_takes_the_older_argument_order_and_bounds_the_limit(self):
        self.write_often(3)
        self.assertEqual(self.events.pull_events(self.start, 2, ['res.partner'])['count'], 2)
        self.assertEqual(self.events.pull_events(self.start, ['res.country'], 10)['count'], 0)
        self.assertEqual(self.events.pull_events(self.start, limit=10**9)['count'], 3)
        self.assertEqual(self.events.pull_events(self.start, priority='low')['count'], 0)

    def test_search_read_names(self):
        self.write_often(1)
        names = ['id', 'model', 'record_id', 'event', 'timestamp', 'priority', 'changed_fields', 'user_id',
                 'idempotency_key', 'payload']
        rows = self.events.search_read([('id', '>', self.start)], names, order='id')
        self.assertEqual(len(rows), 1)
        self.assertEqual(set(rows[0]), set(names))
        self.assertEqual(rows[0]['changed_fields'], ['phone'])

    def test_events_by_ids(self):
        self.write_often(2)
        ids = [event['id'] for event in self.events.pull_events(self.start)['events']]
        answer = self.events.events_by_ids([*ids, ids[-1] + 1000])
        self.assertEqual([event['id'] for event in answer['events']], ids)
        self.assertEqual(answer['missing'], [ids[-1] + 1000])
        with self.assertRaises(UserError):
            self.events.events_by_ids(list(range(1, 2000)))

    def test_mark_and_statistics(self):
        self.write_often(3)
        ids = [event['id'] for event in self.events.pull_events(self.start)['events']]
        before = self.events.get_statistics()
        self.assertTrue(self.events.mark_batch_as_processed(ids[:2]))
        after = self.events.get_statistics()
        self.assertEqual(after['processed'] - before['processed'], 2)
        self.assertEqual(after['total'], after['processed'] + after['pending'])
        self.assertGreaterEqual(after['by_model']['res.partner'], 3)
        self.assertTrue(self.events.browse(ids[0]).is_processed)
        self.assertTrue(self.events.browse(ids[0]).processed_at)

    def test_info(self):
        self.write_often(1)
        info = self.events.bridgecore_info()
        self.assertEqual(info['addon'], 'bridgecore')
        self.assertRegex(info['epoch'], r'^[0-9a-f-]{36}/\d+/\d+$')
        self.assertTrue(info['database_uuid'])
        self.assertTrue(info['odoo_version'].startswith(('17', '18', '19')))
        self.assertGreaterEqual(info['event_id_last'], info['event_id_max'])
        self.assertGreaterEqual(info['transaction_age_max_s'], 0)
        self.assertIn('res.partner', info['tracked_models'])
        self.assertEqual(info['rules']['res.partner']['priority'], 'medium')

    def test_readable_models(self):
        models = ['res.partner', 'update.webhook', 'ir.config_parameter', 'no.such.model', 'res.users']
        self.assertEqual(self.events.readable_models(self.user.id, models), ['res.partner', 'res.users'])
        self.assertEqual(
            self.events.readable_models(self.env.ref('base.user_admin').id, models),
            ['res.partner', 'update.webhook', 'ir.config_parameter', 'res.users'])
        self.other_user.active = False
        self.assertEqual(self.events.readable_models(self.other_user.id, models), [])
        self.assertEqual(self.events.readable_models(2**31 - 1, models), [])

    def test_manual_events(self):
        self.assertEqual(self.events.create_manual_events('res.partner', [self.partner.id]), 1)
        self.assertEqual(self.news(), [('res.partner', self.partner.id, 'manual', None)])
        with self.assertRaises(UserError):
            self.events.create_manual_events('res.country', [1])

    def test_clean_up_deletes_only_what_is_old(self):
        self.write_often(4)
        ids = [event['id'] for event in self.events.pull_events(self.start)['events']]
        self.env.cr.execute(
            "UPDATE update_webhook SET timestamp = timestamp - interval '31 days' WHERE id = ANY(%s)", (ids[:2],))
        answer = self.events.cleanup_old_events()
        self.assertGreaterEqual(answer['deleted'], 2)
        self.assertFalse(answer['has_more'])
        self.assertEqual(self.events.events_by_ids(ids)['missing'], ids[:2])
        self.assertEqual(self.events.bridgecore_info()['event_id_cleaned_to'], ids[1])
        self.env.cr.execute(
            "UPDATE update_webhook SET timestamp = timestamp - interval '3 days' WHERE id = ANY(%s)", (ids,))
        self.env['ir.config_parameter'].set_param('bridgecore.retention_days', '2')
        self.env['update.webhook']._cron_clean_up()
        self.assertEqual(self.events.events_by_ids(ids)['missing'], ids)
        self.assertEqual(self.events.bridgecore_info()['event_id_cleaned_to'], ids[-1])

    def test_computed_columns(self):
        self.write_often(1)
        event = self.last_event()
        self.assertEqual(event.age_days, 0)
        self.assertEqual(event.display_name, 'write res.partner,%s' % self.partner.id)
        event.timestamp = fields.Datetime.now() - timedelta(days=3)
        self.assertEqual(event.age_days, 3)
