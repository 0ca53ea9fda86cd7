from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from .. import recorder
from .cases import BridgeCoreCase


@tagged('post_install', '-at_install')
class TestRecording(BridgeCoreCase):

    def test_each_event_once(self):
        partner = self.env['res.partner'].create({'name': 'One'})
        self.assertEqual(self.news('res.partner'), [('res.partner', partner.id, 'create', None)])
        partner.write({'phone': '1', 'comment': 'x'})
        self.assertEqual(self.news('res.partner'), [('res.partner', partner.id, 'write', ['phone', 'comment'])])
        partner_id = partner.id
        partner.unlink()
        self.assertEqual(self.news('res.partner'), [('res.partner', partner_id, 'unlink', None)])

    def test_batch_create_is_one_event_per_record_and_one_statement(self):
        inserts = []
        execute = type(self.env.cr).execute

        def counting(cr, query, *args, **kwargs):
            if isinstance(query, str) and query.startswith('INSERT INTO update_webhook'):
                inserts.append(query)
            return execute(cr, query, *args, **kwargs)

        with patch.object(type(self.env.cr), 'execute', counting):
            partners = self.env['res.partner'].create([{'name': 'A'}, {'name': 'B'}, {'name': 'C'}])
        self.assertEqual(len(inserts), 1)
        self.assertEqual(self.news('res.partner'), [('res.partner', id_, 'create', None) for id_ in partners.ids])

    def test_multi_write_is_one_event_per_record(self):
        partners = self.env['res.partner'].create([{'name': 'A'}, {'name': 'B'}, {'name': 'C'}])
        self.news()
        partners.write({'phone': '7'})
        self.assertEqual(sorted(self.news('res.partner')),
                         [('res.partner', id_, 'write', ['phone']) for id_ in sorted(partners.ids)])

    def test_multi_unlink_is_one_event_per_record(self):
        partners = self.env['res.partner'].create([{'name': 'A'}, {'name': 'B'}])
        ids = partners.ids
        self.news()
        partners.unlink()
        self.assertEqual(self.news('res.partner'), [('res.partner', id_, 'unlink', None) for id_ in ids])

    def test_quick_writes_are_not_merged(self):
        for number in range(6):
            self.partner.write({'phone': str(number)})
        self.assertEqual(self.news('res.partner'), [('res.partner', self.partner.id, 'write', ['phone'])] * 6)

    def test_write_of_the_same_value_and_of_x2many_alone(self):
        self.partner.write({'phone': '5'})
        self.news()
        self.partner.write({'phone': '5'})
        self.assertEqual(self.news('res.partner'), [('res.partner', self.partner.id, 'write', ['phone'])])
        self.partner.write({'category_id': [(0, 0, {'name': 'Tag'})]})
        self.assertEqual(self.news('res.partner'), [('res.partner', self.partner.id, 'write', ['category_id'])])

    def test_stored_computed_fields_join_the_write_that_caused_them(self):
        self.partner.write({'name': 'Renamed'})
        events = self.news('res.partner')
        self.assertEqual(len(events), 1)
        self.assertEqual(events[0][3][0], 'name')
        self.assertIn('complete_name', events[0][3])

    def test_stored_computed_fields_of_another_record_are_its_own_event(self):
        child = self.env['res.partner'].create({'name': 'Child', 'parent_id': self.partner.id, 'type': 'other'})
        self.news()
        self.partner.write({'name': 'New parent'})
        events = self.news('res.partner')
        self.assertEqual(len(events), 2)
        by_id = {record_id: (event, names) for _model, record_id, event, names in events}
        self.assertEqual(set(by_id), {self.partner.id, child.id})
        self.assertEqual(by_id[child.id][0], 'write')
        self.assertIn('complete_name', by_id[child.id][1])

    def test_flushes_after_a_savepoint_still_join_their_write(self):
        self.partner.write({'name': 'Before the savepoint'})
        with self.env.cr.savepoint():
            pass
        self.partner._write({'commercial_company_name': 'Computed'})
        events = self.news('res.partner')
        self.assertEqual(len(events), 1)
        self.assertIn('commercial_company_name', events[0][3])

    def test_rolled_back_savepoint_leaves_no_event(self):
        with self.assertRaises(UserError), self.env.cr.savepoint():
            self.env['res.partner'].create({'name': 'Gone'})
            self.partner.write({'phone': '99'})
            self.env.flush_all()
            self.partner.write({'phone': '98'})
            raise UserError('stop')
        self.assertEqual(self.news(), [])
        self.partner.write({'phone': '97'})
        self.assertEqual(self.news('res.partner'), [('res.partner', self.partner.id, 'write', ['phone'])])

    def test_event_taken_back_by_a_plain_savepoint_is_said_again(self):
        # Such a savepoint is unknown to the ORM and to our memory of what we have inserted.
        savepoint = self.env.cr.savepoint(flush=False)
        self.partner._write({'comment': 'first'})
        savepoint.rollback()
        savepoint.close(rollback=False)
        self.partner._write({'comment': 'second'})
        self.assertEqual(self.news('res.partner'), [('res.partner', self.partner.id, 'write', ['comment'])])

    def test_event_of_an_earlier_transaction_is_never_completed(self):
        self.partner._write({'comment': 'committed'})
        event = self.last_event()
        self.news()
        self.env.cr.execute('SELECT txid_current()')
        earlier = self.env.cr.fetchone()[0] - 1
        self.env.cr.postcommit.data[recorder.LAST_EVENTS_KEY] = {('res.partner', self.partner.id): (event.id, earlier)}
        self.partner._write({'phone': '1'})
        self.assertEqual(self.news('res.partner'), [('res.partner', self.partner.id, 'write', ['phone'])])
        event.invalidate_recordset()
        self.assertEqual(event.changed_fields, ['comment'])

    def test_refused_write_leaves_no_event(self):
        with self.assertRaises(UserError):
            self.partner.write({'parent_id': self.partner.id})
        self.assertEqual(self.news(), [])

    def test_new_records_of_a_form_are_not_recorded(self):
        draft = self.env['res.partner'].new({'name': 'Draft'}, origin=self.partner)
        draft.name = 'Typed'
        draft.write({'phone': '3'})
        self.assertEqual(self.news(), [])

    def test_who_when_and_how(self):
        before = fields.Datetime.now() - timedelta(seconds=1)
        self.partner.with_user(self.user).sudo().with_context(bridgecore_idempotency_key='key-12345').write({'phone': '8'})
        event = self.last_event()
        self.assertEqual(event.user_id, self.user)
        self.assertEqual(event.create_uid, self.user)
        self.assertEqual(event.idempotency_key, 'key-12345')
        self.assertEqual(event.config_id, self.config)
        self.assertEqual((event.priority, event.category, event.push_state), ('medium', 'business', 'none'))
        self.assertFalse(event.payload)
        self.assertFalse(event.is_processed)
        self.assertTrue(before <= event.timestamp <= fields.Datetime.now() + timedelta(seconds=1))

    def test_inherits_parent_and_child(self):
        self.track('res.users')
        user = self.env['res.users'].create({'name': 'Two rows', 'login': 'two_rows'})
        events = self.news()
        self.assertIn(('res.partner', user.partner_id.id, 'create', None), events)
        self.assertIn(('res.users', user.id, 'create', None), events)
        user.partner_id.write({'phone': '4'})
        self.assertEqual(self.news(), [
            ('res.partner', user.partner_id.id, 'write', ['phone']), ('res.users', user.id, 'write', ['phone'])])
        user.write({'phone': '6'})
        self.assertEqual(sorted(self.news()), [
            ('res.partner', user.partner_id.id, 'write', ['phone']), ('res.users', user.id, 'write', ['phone'])])

    def test_parent_is_recorded_before_its_lines(self):
        parent = self.env['res.partner'].create({'name': 'Parent', 'child_ids': [(0, 0, {'name': 'Line'})]})
        ids = [record_id for _model, record_id, event, _names in self.news('res.partner') if event == 'create']
        self.assertEqual(ids, [parent.id, parent.child_ids.id])

    def test_deletions_that_the_database_makes_are_recorded(self):
        self.track('res.partner.bank')
        bank = self.env['res.partner.bank'].create({'acc_number': '123', 'partner_id': self.partner.id})
        child = self.env['res.partner'].create({'name': 'Child', 'parent_id': self.partner.id})
        partner_id, bank_id = self.partner.id, bank.id
        self.news()
        self.partner.unlink()
        self.assertFalse(bank.exists())
        events = self.news()
        self.assertEqual(events.count(('res.partner.bank', bank_id, 'unlink', None)), 1)
        (_model, _id, event, names), = [event for event in events if event[:2] == ('res.partner', child.id)]
        self.assertEqual(event, 'write')
        self.assertIn('parent_id', names)
        self.assertEqual(events[-1], ('res.partner', partner_id, 'unlink', None))
        self.assertEqual(len(events), 3)

    def test_archiving_is_a_write(self):
        self.partner.action_archive()
        self.assertEqual(self.news('res.partner'), [('res.partner', self.partner.id, 'write', ['active'])])

    def test_untracked_models_and_switched_off_events(self):
        self.env['res.country.group'].create({'name': 'Untracked'})
        self.assertEqual(self.news(), [])
        self.track('res.partner', track_create=False, track_unlink=False)
        partner = self.env['res.partner'].create({'name': 'Quiet'})
        partner.write({'phone': '1'})
        events = self.news('res.partner')
        self.assertTrue(events)
        self.assertEqual({event for _model, _id, event, _names in events}, {'write'})
        partner.unlink()
        self.assertEqual(self.news(), [])
        self.config.active = False
        self.partner.write({'phone': '2'})
        self.assertEqual(self.news(), [])

    def test_mixin_tracks_without_configuration(self):
        model_class = type(self.env['res.country.group'])
        with patch.multiple(
            model_class, create=True, _bridgecore_track=True, _bridgecore_priority='high', _bridgecore_category='system',
            _bridgecore_instant_send=True, _bridgecore_instant_fields=(),
        ):
            self.env.registry.clear_cache()
            self.turn_push_on()
            group = self.env['res.country.group'].create({'name': 'Mixed in'})
            self.assertEqual(self.news(), [('res.country.group', group.id, 'create', None)])
            event = self.last_event()
            self.assertEqual((event.priority, event.category, event.push_state), ('high', 'system', 'pending'))
            self.track('res.country.group', active=False)
            group.write({'name': 'Switched off'})
            self.assertEqual(self.news(), [])
        self.env.registry.clear_cache()

    def test_plumbing_cannot_be_tracked(self):
        for model in ('update.webhook', 'user.sync.state', 'webhook.config', 'bridgecore.idempotency', 'res.config.settings'):
            with self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.track(model)
        with self.assertRaises(ValidationError):
            self.track('res.partner', instant_fields='name,no_such_field')

    def test_payload_is_bounded_and_optional(self):
        self.track('res.partner', include_payload=True, payload_bytes_max=200)
        self.partner.write({'phone': '12', 'image_1920': False, 'category_id': [(5,)]})
        event = self.last_event()
        self.assertEqual(event.payload, {'phone': '12'})
        self.assertEqual(event.payload_size, len('{"phone": "12"}'))
        self.partner.write({'comment': 'x' * 5000})
        event = self.last_event()
        self.assertEqual(event.payload, {'_truncated': True, '_fields': ['comment']})
        partner = self.env['res.partner'].create({'name': 'With values'})
        event = self.env['update.webhook'].search([('record_id', '=', partner.id), ('event', '=', 'create')])
        self.assertTrue(event.payload)

    def test_sale_order(self):
        if 'sale.order' not in self.env:
            self.skipTest('sale is not installed')
        product = self.env['product.product'].create({'name': 'Chair', 'list_price': 10})
        self.news()
        order = self.env['sale.order'].create({
            'partner_id': self.partner.id, 'order_line': [(0, 0, {'product_id': product.id})]})
        sales = ('sale.order', 'sale.order.line')
        events = [event for event in self.news() if event[0] in sales]
        self.assertEqual(events, [
            ('sale.order', order.id, 'create', None), ('sale.order.line', order.order_line.id, 'create', None)])
        order.action_confirm()
        events = [event for event in self.news() if event[:2] == ('sale.order', order.id)]
        self.assertEqual(len(events), 1)
        self.assertIn('state', events[0][3])
        line = self.env['sale.order.line'].create({'order_id': order.id, 'product_id': product.id})
        events = self.news()
        self.assertIn(('sale.order.line', line.id, 'create', None), events)
        order_events = [event for event in events if event[:3] == ('sale.order', order.id, 'write')]
        self.assertEqual(len(order_events), 1)
        self.assertIn('amount_total', order_events[0][3])
        template, product_id = product.product_tmpl_id, self.env['product.product'].create({'name': 'Unsold'}).id
        template = self.env['product.product'].browse(product_id).product_tmpl_id
        template_id = template.id
        self.news()
        template.unlink()
        self.assertEqual(self.news(), [
            ('product.product', product_id, 'unlink', None), ('product.template', template_id, 'unlink', None)])
