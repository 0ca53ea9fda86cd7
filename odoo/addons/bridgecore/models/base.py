from odoo import models

from .. import recorder


class Base(models.AbstractModel):
    """Hooks at the innermost layer of the ORM: each real create, write and unlink passes here once."""

    _inherit = 'base'

    def write(self, vals):
        plan = recorder.plan_for(self)
        if plan is None or plan.rule is None or not plan.rule.write or not vals or not self:
            return super().write(vals)
        call = recorder.note_write(self, plan, vals)
        try:
            return super().write(vals)
        except BaseException:
            recorder.forget_write(self, call)
            raise

    if hasattr(models.BaseModel, '_write_multi'):
        # Odoo 18 and later flush many records with different values at once.
        def _write_multi(self, vals_list):
            result = super()._write_multi(vals_list)
            plan = recorder.plan_for(self)
            if plan is not None:
                recorder.note_flush(self, plan, vals_list)
            return result
    else:
        # Odoo 17 flushes records with the same values together.
        def _write(self, vals):
            result = super()._write(vals)
            plan = recorder.plan_for(self)
            if plan is not None:
                recorder.note_flush(self, plan, [vals] * len(self))
            return result

    def _create(self, data_list):
        plan = recorder.plan_for(self)
        if plan is not None and plan.rule is not None and plan.rule.payload_bytes_max:
            recorder.state_of(self.env.cr).creating = data_list
        return super()._create(data_list)

    def _parent_store_create(self):
        # Called on every new record right after its INSERT and before its lines are created, so
        # that an order's event precedes those of its lines.
        result = super()._parent_store_create()
        plan = recorder.plan_for(self)
        if plan is not None:
            recorder.note_create(self, plan)
        return result

    def unlink(self):
        plan = recorder.plan_for(self)
        ids = [id_ for id_ in self._ids if id_] if plan is not None else ()
        if not ids:
            return super().unlink()
        followers = recorder.find_dependants(self, plan, ids)
        result = super().unlink()
        recorder.note_unlink(self, plan, ids, followers)
        return result
