-- When a device was told to start over; until it synchronises again it has confirmed nothing.
ALTER TABLE cursors ADD COLUMN reset_at INTEGER;

-- What an ERP was last told of a device's state. No foreign keys: a row outlives its user and its cursors until the
-- ERP has been told that they are gone. `version_sum` and `used_at` are those of the cursors that were told of.
CREATE TABLE mirrored_states (
    tenant_id     INTEGER NOT NULL,
    system_key    INTEGER NOT NULL,
    user_id       INTEGER NOT NULL,
    device_id     TEXT NOT NULL,
    app_type      TEXT NOT NULL,
    erp_user_id   INTEGER NOT NULL,
    epoch         INTEGER NOT NULL,
    confirmed     INTEGER NOT NULL,
    last_event_id INTEGER NOT NULL,
    version_sum   INTEGER NOT NULL,
    used_at       INTEGER NOT NULL,
    refusal       TEXT,
    mirrored_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, system_key, user_id, device_id, app_type)
) WITHOUT ROWID;

-- The highest numeric source id among a system's changes up to a position, at every thousandth position.
CREATE TABLE event_marks (
    tenant_id  INTEGER NOT NULL,
    system_key INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    event_id   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, system_key, epoch, position)
) WITHOUT ROWID;
