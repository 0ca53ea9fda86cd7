-- When a device was told to start over; until it synchronises again it has confirmed nothing.
ALTER TABLE cursors ADD COLUMN reset_at BIGINT;

-- What an ERP was last told of a device's state. No foreign keys: a row outlives its user and its cursors until the
-- ERP has been told that they are gone. `version_sum` and `used_at` are those of the cursors that were told of.
CREATE TABLE mirrored_states (
    tenant_id     BIGINT NOT NULL,
    system_key    BIGINT NOT NULL,
    user_id       BIGINT NOT NULL,
    device_id     TEXT NOT NULL,
    app_type      TEXT NOT NULL,
    erp_user_id   BIGINT NOT NULL,
    epoch         BIGINT NOT NULL,
    confirmed     BIGINT NOT NULL,
    last_event_id BIGINT NOT NULL,
    version_sum   BIGINT NOT NULL,
    used_at       BIGINT NOT NULL,
    refusal       TEXT,
    mirrored_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, system_key, user_id, device_id, app_type)
);

-- The highest numeric source id among a system's changes up to a position, at every thousandth position.
CREATE TABLE event_marks (
    tenant_id  BIGINT NOT NULL,
    system_key BIGINT NOT NULL,
    epoch      BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    event_id   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, system_key, epoch, position)
);
