from odoo import SUPERUSER_ID, api, sql_db
from odoo.tests import tagged

from .cases import BridgeCoreCase


@tagged('post_install', '-at_install')
class TestLocks(BridgeCoreCase):
    """Two transactions of their own, as two requests have; neither is ever committed."""

    def open(self):
        cr = sql_db.db_connect(self.env.cr.dbname).cursor()
        self.addCleanup(cr.close)
        cr.execute("SET LOCAL lock_timeout = '3s'")
        return cr, api.Environment(cr, SUPERUSER_ID, {})

    def test_writers_of_different_records_do_not_wait_for_each_other(self):
        one, one_env = self.open()
        two, two_env = self.open()
        one_env.ref('base.partner_root').write({'phone': '1'})
        one_env['res.partner'].create({'name': 'From one'})
        one.flush()
        two_env.ref('base.partner_admin').write({'phone': '2'})
        two_env['res.partner'].create({'name': 'From two'})
        two.flush()     # would raise LockNotAvailable if an event made it wait
        one_env.ref('base.partner_root').write({'phone': '3'})
        one.flush()
        for cr in (one, two):
            cr.execute("SELECT count(*) FROM update_webhook WHERE xmin::text::bigint = txid_current() % (2^32)::bigint")
            self.assertGreaterEqual(cr.fetchone()[0], 2)
            cr.execute("""
                SELECT count(*) FROM pg_locks
                 WHERE pid = pg_backend_pid() AND locktype IN ('advisory', 'tuple')
            """)
            self.assertEqual(cr.fetchone()[0], 0)

    def test_other_transactions_see_nothing_before_the_commit(self):
        one, one_env = self.open()
        two, _two_env = self.open()
        one_env.ref('base.partner_root').write({'phone': '1'})
        one.flush()
        one.execute('SELECT max(id) FROM update_webhook')
        event_id = one.fetchone()[0]
        two.execute('SELECT count(*) FROM update_webhook WHERE id = %s', (event_id,))
        self.assertEqual(two.fetchone()[0], 0)
        one.rollback()
        one.execute('SELECT count(*) FROM update_webhook WHERE id = %s', (event_id,))
        self.assertEqual(one.fetchone()[0], 0)

    def test_age_of_the_oldest_transaction_is_told(self):
        one, _one_env = self.open()
        one.execute('SELECT pg_sleep(0.3)')
        self.assertGreater(self.env['update.webhook'].bridgecore_info()['transaction_age_max_s'], 0.25)
