"""The add-on's settings: rows of ``ir.config_parameter``, read with SQL so that no ORM is needed."""

from typing import NamedTuple

PARAMETERS = (
    'bridgecore.url',
    'bridgecore.push_key',
    'bridgecore.push_enabled',
    'bridgecore.push_timeout_s',
    'bridgecore.push_attempts_max',
    'bridgecore.epoch',
)

PUSH_TIMEOUT_S = 10
PUSH_ATTEMPTS_MAX = 8
RETENTION_DAYS = 30
IDEMPOTENCY_DAYS = 7


class Settings(NamedTuple):
    """How to push."""

    url: str
    push_key: str
    enabled: bool
    timeout_s: int
    attempts_max: int
    epoch: str

    @property
    def is_on(self):
        """Whether events may be pushed at all."""
        return self.enabled and bool(self.push_key) and self.url.startswith(('http://', 'https://'))


def load(cr):
    """The settings as this transaction sees them."""
    cr.execute('SELECT key, value FROM ir_config_parameter WHERE key IN %s', (PARAMETERS,))
    settings = from_rows(cr.fetchall())
    return settings._replace(epoch=life_of(cr, settings.epoch))


def life_of(cr, epoch):
    """The name of this life of the event ids.

    The installation's own epoch is part of every backup, so that a restored database would bear the name of
    the life it was copied from, while its ids start over from the backup. PostgreSQL numbers a database and a
    table anew when they are made, also by a restore; both numbers are therefore part of the name.
    """
    cr.execute("""
        SELECT (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
               to_regclass('update_webhook')::oid::bigint
    """)
    database_oid, table_oid = cr.fetchone()
    return f'{epoch}/{database_oid}/{table_oid}'


def from_rows(rows):
    """The settings out of ``(key, value)`` rows; what is missing or not a number is the default."""
    values = {key: (value or '').strip() for key, value in rows}
    return Settings(
        url=values.get('bridgecore.url', '').rstrip('/'),
        push_key=values.get('bridgecore.push_key', ''),
        enabled=values.get('bridgecore.push_enabled', '').lower() in ('true', '1', 'yes'),
        timeout_s=positive(values.get('bridgecore.push_timeout_s'), PUSH_TIMEOUT_S),
        attempts_max=positive(values.get('bridgecore.push_attempts_max'), PUSH_ATTEMPTS_MAX),
        epoch=values.get('bridgecore.epoch', ''),
    )


def positive(text, default):
    """``text`` as a whole number above zero, or ``default``."""
    try:
        return max(1, int(text))
    except (TypeError, ValueError):
        return default
