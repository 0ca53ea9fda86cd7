from . import base
from . import webhook_mixin
from . import webhook_config
from . import update_webhook
from . import user_sync_state
from . import idempotency
from . import ir_config_parameter
from . import res_config_settings
