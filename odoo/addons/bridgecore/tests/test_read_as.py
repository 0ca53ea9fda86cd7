from odoo import SUPERUSER_ID
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .cases import BridgeCoreCase


@tagged('post_install', '-at_install')
class TestReadAs(BridgeCoreCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.events = cls.env['update.webhook'].with_user(cls.service)
        cls.mine = [('id', 'in', cls.partner.ids)]

    def read(self, *args, **kwargs):
        return self.events.search_read_as(self.user.id, *args, **kwargs)

    def test_records_come_as_search_read_gives_them(self):
        self.partner.write({'phone': '1', 'active': False})
        self.assertEqual(self.read('res.partner', self.mine), [])
        rows = self.read('res.partner', self.mine, ['phone', 'parent_id'], context={'active_test': False})
        self.assertEqual(rows, [{'id': self.partner.id, 'phone': '1', 'parent_id': False}])

    def test_pages(self):
        partners = self.env['res.partner'].create([{'name': name} for name in 'abc'])
        domain = [('id', 'in', partners.ids)]
        page = self.read('res.partner', domain, ['name'], offset=1, limit=1, order='id desc')
        self.assertEqual([row['name'] for row in page], ['b'])
        for limit in (0, -1, 1001):
            with self.subTest(limit), self.assertRaises(UserError):
                self.read('res.partner', domain, ['name'], limit=limit)

    @mute_logger('odoo.addons.base.models.ir_rule')
    def test_record_rules_of_that_user_apply(self):
        self.env['ir.rule'].create({
            'name': 'No recorded partners', 'model_id': self.env['ir.model']._get('res.partner').id,
            'groups': [(4, self.env.ref('base.group_user').id)], 'domain_force': "[('name', '!=', 'Recorded')]",
        })
        own = self.env['res.partner'].create({'name': 'Visible'})
        self.assertEqual(self.read('res.partner', self.mine, ['name']), [])
        self.assertEqual(len(self.read('res.partner', [('id', '=', own.id)], ['name'])), 1)

    @mute_logger('odoo.addons.base.models.ir_model')
    def test_a_model_that_the_user_may_not_read(self):
        with self.assertRaises(AccessError):
            self.read('ir.config_parameter', [])
        with self.assertRaises(AccessError):
            self.read('update.webhook', [])

    def test_fields_for_other_groups_are_left_out(self):
        field = self.env['res.partner']._fields['phone']
        groups, field.groups = field.groups, 'base.group_system'
        try:
            self.assertEqual(self.read('res.partner', self.mine, ['name', 'phone']),
                             [{'id': self.partner.id, 'name': 'Recorded'}])
            self.assertEqual(self.read('res.partner', self.mine, ['phone']), [{'id': self.partner.id}])
            self.assertNotIn('phone', self.read('res.partner', self.mine)[0])
            administrator = self.env.ref('base.user_admin').id
            rows = self.events.search_read_as(administrator, 'res.partner', self.mine, ['phone'])
            self.assertIn('phone', rows[0])
        finally:
            field.groups = groups

    def test_lists_of_records_that_the_user_may_not_read_are_left_out(self):
        access = self.env['ir.model.access'].search([('model_id.model', '=', 'res.partner.category')])
        self.assertIn('category_id', self.read('res.partner', self.mine, ['name', 'category_id'])[0])
        access.write({'perm_read': False})
        self.env.invalidate_all()
        self.assertEqual(self.read('res.partner', self.mine, ['name', 'category_id']),
                         [{'id': self.partner.id, 'name': 'Recorded'}])
        self.assertIn('name', self.read('res.partner', self.mine)[0])

    def test_nobody_reads_as_who_is_missing_inactive_or_the_superuser(self):
        self.other_user.active = False
        self.env.flush_all()
        # Odoo itself never lets the superuser become active.
        self.env.cr.execute('UPDATE res_users SET active = true WHERE id = %s', (SUPERUSER_ID,))
        self.env.invalidate_all()
        for user_id in (999999, self.other_user.id, SUPERUSER_ID):
            with self.subTest(user_id), self.assertRaises(AccessError):
                self.events.search_read_as(user_id, 'res.partner', [])

    def test_unknown_names(self):
        for model in ('no.such.model', 'base'):
            with self.subTest(model), self.assertRaises(UserError):
                self.read(model, [])
        with self.assertRaises(ValueError):
            self.read('res.partner', [], ['no_such_field'])
