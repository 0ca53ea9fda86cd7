import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import mute_logger

from .. import push
from .cases import BridgeCoreCase


@tagged('post_install', '-at_install')
class TestPush(BridgeCoreCase):
    """A receiver on a real socket; the worker's passes run on the test's own transaction."""

    def setUp(self):
        super().setUp()
        self.received = []
        self.answer = lambda bodies: 200
        test = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self):
                bodies = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
                test.received.append((self.path, dict(self.headers), bodies))
                self.send_response(test.answer(bodies))
                self.end_headers()
                self.wfile.write(b'{}')

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(('127.0.0.1', 0), Receiver)
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.env.cr.execute("UPDATE update_webhook SET push_state = 'none'")
        self.turn_push_on('http://127.0.0.1:%s/' % self.server.server_port)
        self.track('res.partner', priority='high', instant_send=True, instant_fields=False)
        self.news()

        @contextmanager
        def open_cursor():
            self.env.cr.flush()
            yield self.env.cr

        open_cursor.dbname = self.env.cr.dbname
        self.open_cursor = open_cursor

    def deliver(self):
        outcome = push.deliver_due(self.open_cursor, rng=Random(1))
        self.env['update.webhook'].invalidate_model()
        return outcome

    def make_due(self):
        self.env.cr.execute("UPDATE update_webhook SET push_next_at = NULL WHERE push_state = 'pending'")

    def test_events_are_sent_in_order_with_everything(self):
        self.partner.with_context(bridgecore_idempotency_key='key-push').write({'phone': '1'})
        other = self.env['res.partner'].create({'name': 'Pushed'})
        self.env.cr.flush()
        self.assertEqual(self.received, [], 'a write must not talk to the receiver')
        self.assertEqual(self.deliver(), push.Outcome(2, 0, 0))
        (path, headers, bodies), = self.received
        self.assertEqual(path, '/api/v1/webhooks/receive')
        self.assertEqual(headers['Authorization'], 'Bearer test-key')
        self.assertEqual([(body['model'], body['record_id'], body['event']) for body in bodies], [
            ('res.partner', other.id, 'create'), ('res.partner', self.partner.id, 'write'),
        ] if bodies[0]['event'] == 'create' else [
            ('res.partner', self.partner.id, 'write'), ('res.partner', other.id, 'create')])
        ids = [body['_webhook_metadata']['event_id'] for body in bodies]
        self.assertEqual(ids, sorted(ids))
        written = next(body for body in bodies if body['event'] == 'write')
        self.assertEqual(written['changed_fields'], ['phone'])
        self.assertEqual(written['priority'], 'high')
        self.assertEqual(written['idempotency_key'], 'key-push')
        self.assertEqual(written['user_id'], self.env.uid)
        self.assertRegex(written['timestamp'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$')
        metadata = written['_webhook_metadata']
        self.assertEqual(metadata['epoch'], self.env['update.webhook'].bridgecore_info()['epoch'])
        self.assertEqual(metadata['database'], self.env.cr.dbname)
        event = self.env['update.webhook'].browse(metadata['event_id'])
        self.assertEqual((event.push_state, event.push_attempts), ('sent', 1))
        self.assertEqual(self.deliver(), push.Outcome(0, 0, 0))
        self.assertEqual(len(self.received), 1)

    def test_only_high_and_instant_events_wait_for_the_push(self):
        for values, state in (
            ({'priority': 'medium'}, 'none'),
            ({'priority': 'high', 'instant_send': False}, 'none'),
            ({'instant_send': True, 'instant_fields': 'phone'}, 'none'),
            ({'instant_fields': 'comment, phone'}, 'pending'),
        ):
            self.track('res.partner', **values)
            self.partner.write({'comment': str(values)})
            self.assertEqual(self.last_event().push_state, state, values)
        self.track('res.partner', instant_fields='complete_name')
        self.partner.write({'name': 'Through a computed field'})
        self.assertEqual(self.last_event().push_state, 'pending')
        self.env['ir.config_parameter'].set_param('bridgecore.push_enabled', 'False')
        self.partner.write({'name': 'Switched off'})
        self.assertEqual(self.last_event().push_state, 'none')

    def test_the_commit_wakes_the_worker_once(self):
        with patch.object(push, 'wake') as wake:
            self.partner.write({'phone': '1'})
            self.env.cr.flush()
            self.partner.write({'phone': '2'})
            self.env.cr.flush()
            wake.assert_not_called()
            self.env.cr.postcommit.run()
            wake.assert_called_once_with(self.env.cr.dbname)

    def test_a_rolled_back_change_is_not_pushed(self):
        with patch.object(push, 'wake'):
            savepoint = self.env.cr.savepoint()
            self.partner.write({'phone': '1'})
            self.env.cr.flush()
            savepoint.rollback()
            savepoint.close(rollback=False)
        self.assertEqual(self.deliver(), push.Outcome(0, 0, 0))
        self.assertEqual(self.received, [])

    def test_retry_then_success(self):
        self.answer = lambda bodies: 503
        self.partner.write({'phone': '1'})
        self.assertEqual(self.deliver(), push.Outcome(0, 1, 0))
        event = self.last_event()
        self.assertEqual((event.push_state, event.push_attempts), ('pending', 1))
        self.assertIn('503', event.push_error)
        self.assertTrue(event.push_next_at)
        self.assertEqual(self.deliver(), push.Outcome(0, 0, 0), 'not due yet')
        self.assertGreater(push.next_due_s(self.open_cursor), 0.5)
        self.make_due()
        self.answer = lambda bodies: 200
        self.assertEqual(self.deliver(), push.Outcome(1, 0, 0))
        self.assertEqual(self.last_event().push_state, 'sent')
        self.assertIsNone(push.next_due_s(self.open_cursor))

    @mute_logger('odoo.addons.bridgecore.push')
    def test_failed_for_good_stays_to_be_pulled(self):
        self.env['ir.config_parameter'].set_param('bridgecore.push_attempts_max', '3')
        self.answer = lambda bodies: 500
        self.partner.write({'phone': '1'})
        event_id = self.last_event().id
        for _attempt in range(3):
            self.make_due()
            outcome = self.deliver()
        self.assertEqual(outcome, push.Outcome(0, 0, 1))
        self.assertEqual(len(self.received), 3)
        self.make_due()
        self.assertEqual(self.deliver(), push.Outcome(0, 0, 0))
        self.assertEqual(self.last_event().push_state, 'failed')
        pulled = self.env['update.webhook'].pull_events(event_id - 1)
        self.assertEqual(pulled['events'][0]['id'], event_id)

    def test_nobody_listens(self):
        self.env['ir.config_parameter'].set_param('bridgecore.url', 'http://127.0.0.1:9')
        self.partner.write({'phone': '1'})
        self.assertEqual(self.deliver(), push.Outcome(0, 1, 0))
        self.assertIn('Connection', self.last_event().push_error)

    @mute_logger('odoo.addons.bridgecore.push')
    def test_one_rejected_event_does_not_stop_the_others(self):
        bad = self.env['res.partner'].create({'name': 'Bad'})
        good = self.env['res.partner'].create({'name': 'Good'})
        self.env.cr.flush()
        self.answer = lambda bodies: 422 if bad.id in [body['record_id'] for body in bodies] else 200
        outcome = self.deliver()
        self.assertEqual((outcome.sent, outcome.retried, outcome.failed), (1, 0, 1))
        states = {
            event.record_id: event.push_state
            for event in self.env['update.webhook'].search([('record_id', 'in', [bad.id, good.id]), ('id', '>', self.seen)])
        }
        self.assertEqual(states, {bad.id: 'failed', good.id: 'sent'})

    def test_many_events_go_in_batches(self):
        partners = self.env['res.partner'].create([{'name': str(number)} for number in range(120)])
        self.assertEqual(self.deliver(), push.Outcome(120, 0, 0))
        self.assertEqual([len(bodies) for _path, _headers, bodies in self.received], [50, 50, 20])
        self.assertEqual([body['record_id'] for _path, _headers, bodies in self.received for body in bodies], partners.ids)

    def test_no_thread_in_tests(self):
        push.wake(self.env.cr.dbname)
        self.assertFalse([thread for thread in threading.enumerate() if thread.name.startswith('bridgecore.push')])

    def test_backoff_doubles_and_is_bounded(self):
        rng = Random(7)
        for attempts, low, high in ((1, 1, 3), (2, 2, 6), (4, 8, 24), (60, 150, 450)):
            for _ in range(50):
                self.assertTrue(low <= push.backoff_s(attempts, rng) <= high)
