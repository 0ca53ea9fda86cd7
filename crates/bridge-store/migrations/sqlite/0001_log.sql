-- The log of changes and what it needs: who owns it and where its changes come from.
-- Times are microseconds since 1970 in UTC, flags are 0 or 1, JSON is text: the same in both databases.

CREATE TABLE tenants (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL,
    plan       TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

-- `key` is never used again; a deleted system keeps its row, so that logged changes keep their system's name.
CREATE TABLE systems (
    key            INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id      INTEGER NOT NULL REFERENCES tenants (id),
    system_id      TEXT NOT NULL,
    system_type    TEXT NOT NULL,
    system_version TEXT,
    name           TEXT NOT NULL,
    description    TEXT,
    is_active      INTEGER NOT NULL,
    is_primary     INTEGER NOT NULL,
    push_key_hash  TEXT,
    connection     TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    deleted_at     INTEGER
);
CREATE UNIQUE INDEX systems_system_id ON systems (tenant_id, system_id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX systems_primary ON systems (tenant_id) WHERE deleted_at IS NULL AND is_primary = 1;
CREATE UNIQUE INDEX systems_push_key ON systems (push_key_hash) WHERE push_key_hash IS NOT NULL;

-- The last position given, the last one trimmed, and when the last change was received, so that times of arrival
-- never run backwards along the log. Locking a tenant's row is what gives its appends their order.
CREATE TABLE log_heads (
    tenant_id        INTEGER NOT NULL PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    head             INTEGER NOT NULL,
    trimmed_to       INTEGER NOT NULL,
    last_received_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE changes (
    tenant_id       INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    system_key      INTEGER NOT NULL,
    epoch           INTEGER NOT NULL,
    source_id       TEXT,
    model           TEXT   NOT NULL,
    record_id       TEXT,
    event           TEXT   NOT NULL,
    priority        TEXT   NOT NULL,
    occurred_at     INTEGER NOT NULL,
    received_at     INTEGER NOT NULL,
    origin          TEXT   NOT NULL,
    erp_user_id     INTEGER,
    idempotency_key TEXT,
    changed_fields  TEXT,
    payload         TEXT,
    old_data        TEXT,
    new_data        TEXT,
    PRIMARY KEY (tenant_id, position)
) WITHOUT ROWID;
-- A source's event is in the log once. Every column that a second arrival is recognised by is here.
CREATE UNIQUE INDEX changes_by_source ON changes (tenant_id, system_key, epoch, source_id)
    WHERE source_id IS NOT NULL;

-- How far each system has been read, in the life of its numbering that is current.
CREATE TABLE sources (
    tenant_id  INTEGER NOT NULL,
    system_key INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    identity   TEXT,
    read_to    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, system_key)
) WITHOUT ROWID;

-- Source ids that were missing when the reader passed them: their transactions may still commit.
CREATE TABLE source_gaps (
    tenant_id  INTEGER NOT NULL,
    system_key INTEGER NOT NULL,
    gap_id     INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, system_key, gap_id)
) WITHOUT ROWID;

-- The highest source id that has been trimmed from the log, by which a very late repetition is still recognised.
CREATE TABLE source_marks (
    tenant_id  INTEGER NOT NULL,
    system_key INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    mark       INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, system_key, epoch)
) WITHOUT ROWID;
