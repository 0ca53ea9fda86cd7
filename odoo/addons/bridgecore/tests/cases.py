from odoo.tests import TransactionCase, new_test_user


class BridgeCoreCase(TransactionCase):
    """A tracked res.partner, and what has been recorded since the last look."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config = cls.env['webhook.config'].search([('model_name', '=', 'res.partner')])
        cls.partner = cls.env['res.partner'].create({'name': 'Recorded'})
        cls.env.cr.flush()
        cls.user = new_test_user(cls.env, login='bridgecore_user', groups='base.group_user')
        cls.other_user = new_test_user(cls.env, login='bridgecore_other', groups='base.group_user')
        cls.service = new_test_user(cls.env, login='bridgecore_service', groups='base.group_user,bridgecore.group_service')

    def setUp(self):
        super().setUp()
        self.news()

    def track(self, model, **values):
        """Track one more model, or change how a tracked one is tracked."""
        config = self.env['webhook.config'].with_context(active_test=False).search([('model_name', '=', model)])
        if config:
            config.write(values)
        else:
            config = self.env['webhook.config'].create(
                dict(values, model_id=self.env['ir.model']._get(model).id))
        self.env.cr.flush()
        return config

    def news(self, model=None):
        """``[(model, record id, event, changed fields)]`` recorded since the last call, in order."""
        self.env.cr.flush()
        self.env.cr.execute('SELECT coalesce(max(id), 0) FROM update_webhook')
        last, self.seen = getattr(self, 'seen', 0), self.env.cr.fetchone()[0]
        self.env.cr.execute(
            'SELECT model, record_id, event, changed_fields FROM update_webhook WHERE id > %s ORDER BY id', (last,))
        rows = self.env.cr.fetchall()
        # What a commit forgets: the next events are those of another transaction.
        self.env.cr.precommit.clear()
        self.env.cr.postcommit.clear()
        return [row for row in rows if model in (None, row[0])]

    def last_event(self):
        self.env.cr.flush()
        self.env['update.webhook'].invalidate_model()
        return self.env['update.webhook'].search([], order='id desc', limit=1)

    def turn_push_on(self, url='http://127.0.0.1:9'):
        parameters = self.env['ir.config_parameter']
        parameters.set_param('bridgecore.url', url)
        parameters.set_param('bridgecore.push_key', 'test-key')
        parameters.set_param('bridgecore.push_enabled', 'True')
