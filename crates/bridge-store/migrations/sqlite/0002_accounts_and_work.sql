-- Who may ask, what each device has, and the work that is waiting.

-- One row, locked by whoever makes a tenant, so that two nodes which start at once make one first admin.
CREATE TABLE account_lock (
    id    INTEGER PRIMARY KEY,
    turns INTEGER NOT NULL
);
INSERT INTO account_lock (id, turns) VALUES (1, 0);

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id     INTEGER NOT NULL REFERENCES tenants (id),
    username      TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL,
    odoo_user_id  INTEGER,
    language      TEXT,
    active        INTEGER NOT NULL,
    created_at    INTEGER NOT NULL
);
CREATE UNIQUE INDEX users_username ON users (username);
CREATE UNIQUE INDEX users_tenant ON users (tenant_id, id);

CREATE TABLE sessions (
    id            TEXT NOT NULL PRIMARY KEY,
    tenant_id     INTEGER NOT NULL,
    user_id       INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    revoked_at    INTEGER,
    refresh_hash  TEXT NOT NULL,
    previous_hash TEXT,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX sessions_user ON sessions (tenant_id, user_id);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- `system_key` 0 is all systems. `models` is the filter as sorted JSON, null for none; `filter_key` is its SHA-256
-- ('' for none), because PostgreSQL refuses index rows over 2,704 bytes. `used_at` is when the row was last written.
CREATE TABLE cursors (
    tenant_id        INTEGER NOT NULL,
    user_id          INTEGER NOT NULL,
    device_id        TEXT NOT NULL,
    app_type         TEXT NOT NULL,
    system_key       INTEGER NOT NULL,
    filter_key       TEXT NOT NULL,
    models           TEXT,
    confirmed        INTEGER NOT NULL,
    offered          INTEGER NOT NULL,
    batch_to     INTEGER NOT NULL,
    offered_at       INTEGER,
    explicit         INTEGER NOT NULL,
    last_sync_at     INTEGER,
    sync_count       INTEGER NOT NULL,
    events_synced    INTEGER NOT NULL,
    last_event_count INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    used_at          INTEGER NOT NULL,
    version          INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, user_id, device_id, app_type, system_key, filter_key),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX cursors_used ON cursors (used_at);

-- `state` is queued, running, done or failed. `due_at` is when a job may be claimed next: `run_at` while it is queued,
-- the end of its worker's lease while it is running.
CREATE TABLE jobs (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id    INTEGER,
    kind         TEXT NOT NULL,
    payload      TEXT NOT NULL,
    state        TEXT NOT NULL,
    unique_key   TEXT,
    run_at       INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    leased_by    TEXT,
    lease_token  INTEGER NOT NULL,
    last_error   TEXT,
    created_at   INTEGER NOT NULL,
    finished_at  INTEGER
);
CREATE UNIQUE INDEX jobs_unique_key ON jobs (unique_key) WHERE state = 'queued';
CREATE INDEX jobs_due ON jobs (due_at, id) WHERE finished_at IS NULL;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE schedules (
    name     TEXT NOT NULL PRIMARY KEY,
    next_run INTEGER NOT NULL
);

-- A row stays for ever, so that a token is never given twice.
CREATE TABLE leases (
    name       TEXT NOT NULL PRIMARY KEY,
    holder     TEXT NOT NULL,
    token      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE TABLE dead_letters (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id),
    system_key  INTEGER,
    origin      TEXT NOT NULL,
    source_id   TEXT,
    reason      TEXT NOT NULL,
    body        BLOB NOT NULL,
    received_at INTEGER NOT NULL
);
CREATE INDEX dead_letters_tenant ON dead_letters (tenant_id, id);
CREATE INDEX dead_letters_received ON dead_letters (received_at);
CREATE UNIQUE INDEX dead_letters_source ON dead_letters (tenant_id, COALESCE(system_key, 0), origin, source_id)
    WHERE source_id IS NOT NULL;

CREATE TABLE readable_models (
    tenant_id    INTEGER NOT NULL,
    system_key   INTEGER NOT NULL REFERENCES systems (key),
    erp_user_id  INTEGER NOT NULL,
    allowed      TEXT NOT NULL,
    denied       TEXT NOT NULL,
    refreshed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, system_key, erp_user_id)
) WITHOUT ROWID;
