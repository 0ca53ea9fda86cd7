"""Pushes high-priority events after the commit, from a thread of its own.

There is at most one thread for each process and database. It is started by the first commit that
has something to push and sleeps otherwise. A row is claimed for a short lease in one transaction,
sent while no transaction is open, and settled in another one: a process that dies in between
leaves a row whose lease runs out, and another process sends it again. The receiver knows the
event's id and drops the repetition.
"""

import json
import logging
import os
import random
import threading
import time
from contextlib import contextmanager
from typing import NamedTuple

import psycopg2
import requests

import odoo.modules.module
import odoo.service.server
from odoo import sql_db
from odoo.tools import config

from . import settings as settings_module

_logger = logging.getLogger(__name__)

RECEIVE_PATH = '/api/v1/webhooks/receive'
BATCH_ROWS_MAX = 50
LEASE_MARGIN_S = 15
BACKOFF_FIRST_S = 2
BACKOFF_MAX_S = 300
PAUSE_AFTER_ERROR_S = 30
ERROR_CHARS_MAX = 500

# Answers that say "not this event" rather than "not now" or "not you".
REJECTED = frozenset((400, 404, 409, 410, 413, 415, 422))

UTC_NOW = "(clock_timestamp() AT TIME ZONE 'UTC')"

CLAIM = f"""
    WITH due AS (
        SELECT id FROM update_webhook
         WHERE push_state = 'pending' AND (push_next_at IS NULL OR push_next_at <= {UTC_NOW})
         ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
    )
    UPDATE update_webhook event
       SET push_attempts = event.push_attempts + 1,
           push_next_at = {UTC_NOW} + make_interval(secs => %s)
      FROM due WHERE event.id = due.id
    RETURNING event.id, event.model, event.record_id, event.event, event.priority, event.timestamp,
              event.changed_fields, event.user_id, event.payload, event.idempotency_key, event.push_attempts
"""


class Outcome(NamedTuple):
    """What one pass over the due rows did."""

    sent: int
    retried: int
    failed: int


class Claimed(NamedTuple):
    """A row that this process holds until its lease runs out."""

    id: int
    model: str
    record_id: int
    event: str
    priority: str
    timestamp: object
    changed_fields: object
    user_id: int
    payload: object
    idempotency_key: str
    attempts: int


def wake(dbname):
    """Let the worker of this database look for due rows now. Never blocks, never raises."""
    if in_tests() or in_prefork_master():
        return
    try:
        worker_of(dbname).wake()
    except RuntimeError:
        # The interpreter is shutting down and starts no more threads; the rows wait in the table.
        _logger.info('bridgecore: no push thread for %s, its events wait to be pulled', dbname)


def deliver_due(open_cursor, post=None, rng=random):
    """Send what is due, batch by batch, until nothing is due or the receiver is not available.

    ``open_cursor`` gives a context manager around a cursor that commits when it is left.
    """
    post = post or requests.post
    total = Outcome(0, 0, 0)
    while True:
        with open_cursor() as cr:
            settings = settings_module.load(cr)
            rows = claim(cr, settings) if settings.is_on else []
        if not rows:
            return total
        outcome = deliver_batch(open_cursor, post, rng, settings, rows)
        total = Outcome(*(a + b for a, b in zip(total, outcome)))
        if outcome.retried:
            return total


def claim(cr, settings):
    """Take due rows, in the order of their ids, for as long as sending them can take."""
    cr.execute(CLAIM, (BATCH_ROWS_MAX, settings.timeout_s * 2 + LEASE_MARGIN_S))
    return sorted(Claimed(*values) for values in cr.fetchall())


def deliver_batch(open_cursor, post, rng, settings, rows):
    """Send one batch; a batch that is rejected is sent again event by event, to find the bad one."""
    status, error = send(post, settings, rows, open_cursor.dbname)
    if status == 'rejected' and len(rows) > 1:
        outcomes = [deliver_batch(open_cursor, post, rng, settings, [row]) for row in rows]
        return Outcome(*(sum(values) for values in zip(*outcomes)))
    ids = [row.id for row in rows]
    if status == 'sent':
        with open_cursor() as cr:
            cr.execute(
                "UPDATE update_webhook SET push_state = 'sent', push_next_at = NULL, push_error = NULL"
                " WHERE id = ANY(%s)", (ids,))
        return Outcome(len(ids), 0, 0)
    given_up = [row.id for row in rows if status == 'rejected' or row.attempts >= settings.attempts_max]
    again = [row for row in rows if row.id not in set(given_up)]
    with open_cursor() as cr:
        cr.execute(
            "UPDATE update_webhook SET push_state = 'failed', push_next_at = NULL, push_error = %s"
            " WHERE id = ANY(%s)", (error, given_up))
        for row in again:
            cr.execute(
                f"UPDATE update_webhook SET push_next_at = {UTC_NOW} + make_interval(secs => %s), push_error = %s"
                " WHERE id = %s", (backoff_s(row.attempts, rng), error, row.id))
    if given_up:
        _logger.warning(
            'bridgecore: gave up pushing %s events (ids %s to %s) after %s attempts, they wait to be pulled: %s',
            len(given_up), given_up[0], given_up[-1], rows[0].attempts, error)
    return Outcome(0, len(again), len(given_up))


def send(post, settings, rows, dbname):
    """``('sent' | 'rejected' | 'unavailable', error)`` after one HTTP request."""
    try:
        response = post(
            settings.url + RECEIVE_PATH,
            data=json.dumps([body_of(row, settings.epoch, dbname) for row in rows]).encode(),
            headers={'Authorization': 'Bearer ' + settings.push_key, 'Content-Type': 'application/json'},
            timeout=settings.timeout_s,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        return 'unavailable', ('%s: %s' % (type(error).__name__, error))[:ERROR_CHARS_MAX]
    if 200 <= response.status_code < 300:
        return 'sent', None
    error = ('HTTP %s: %s' % (response.status_code, response.text))[:ERROR_CHARS_MAX]
    return ('rejected' if response.status_code in REJECTED else 'unavailable'), error


def body_of(row, epoch, dbname):
    """One event as the receiver wants it."""
    return {
        'model': row.model,
        'record_id': row.record_id,
        'event': row.event,
        'priority': row.priority,
        'timestamp': rfc3339(row.timestamp),
        'changed_fields': row.changed_fields,
        'user_id': row.user_id,
        'payload': row.payload,
        'idempotency_key': row.idempotency_key,
        '_webhook_metadata': {'event_id': row.id, 'epoch': epoch, 'database': dbname},
    }


def rfc3339(moment):
    """A naive UTC datetime as RFC 3339, or None."""
    return moment.isoformat(timespec='microseconds') + 'Z' if moment else None


def backoff_s(attempts, rng):
    """Seconds until the next attempt: doubling, capped, spread by half either way."""
    return min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(attempts - 1, 16)) * rng.uniform(0.5, 1.5)


class Worker:
    """The thread of one process for one database."""

    def __init__(self, dbname):
        self.dbname = dbname
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name='bridgecore.push.' + dbname, daemon=True)
        self._thread.dbname = dbname

    def start(self):
        self._thread.start()

    def is_alive(self):
        return self._thread.is_alive()

    def wake(self):
        self._news.set()

    def _run(self):
        open_cursor = own_cursors(self.dbname)
        wait_s = 0
        while True:
            if wait_s is None or wait_s > 0:
                self._news.wait(wait_s)
            self._news.clear()
            try:
                outcome = deliver_due(open_cursor)
                wait_s = next_due_s(open_cursor)
                if outcome.retried:
                    # The receiver is not there: news must not turn into a stream of attempts.
                    time.sleep(BACKOFF_FIRST_S)
            except psycopg2.Error as error:
                _logger.warning('bridgecore: push for %s paused for %s s: %s', self.dbname, PAUSE_AFTER_ERROR_S, error)
                time.sleep(PAUSE_AFTER_ERROR_S)
                wait_s = 0 if database_exists(self.dbname) else None


def next_due_s(open_cursor):
    """Seconds until a row is due; None when none waits or pushing is switched off."""
    with open_cursor() as cr:
        if not settings_module.load(cr).is_on:
            return None
        cr.execute(
            f"SELECT extract(epoch FROM min(coalesce(push_next_at, {UTC_NOW})) - {UTC_NOW})"
            " FROM update_webhook WHERE push_state = 'pending'")
        seconds = cr.fetchone()[0]
    return None if seconds is None else max(0.1, float(seconds))


def own_cursors(dbname):
    """Opens cursors of their own, one short transaction each, outside of any request."""

    @contextmanager
    def open_cursor():
        with sql_db.db_connect(dbname).cursor() as cr:
            # Claims of several processes meet here; each takes what the others left.
            cr.execute('SET TRANSACTION ISOLATION LEVEL READ COMMITTED')
            yield cr

    open_cursor.dbname = dbname
    return open_cursor


def database_exists(dbname):
    """Whether a connection can still be had; a dropped database needs no more attempts."""
    try:
        with sql_db.db_connect(dbname).cursor() as cr:
            cr.execute('SELECT 1')
        return True
    except psycopg2.Error:
        return False


def in_prefork_master():
    """Whether this process only forks workers: a thread that lives across a fork can leave locks held."""
    server = getattr(odoo.service.server, 'server', None)
    return bool(config['workers']) and server is not None and getattr(server, 'pid', None) == os.getpid()


def in_tests():
    """Whether this process runs tests: their transactions are never committed."""
    return bool(config['test_enable'] or getattr(odoo.modules.module, 'current_test', False))


_workers = {}
_workers_lock = threading.Lock()


def worker_of(dbname):
    """The worker of this process (a fork needs its own thread) for a database, started if need be."""
    key = (os.getpid(), dbname)
    with _workers_lock:
        worker = _workers.get(key)
        if worker is None or not worker.is_alive():
            worker = Worker(dbname)
            worker.start()
            _workers[key] = worker
        return worker
