-- The models of each system and how their changes are seen. `available` are the strategies that can see a model, the
-- best first and separated by blanks. `chosen` is what an admin asked for ('none' for not at all), null for automatic.
-- While a model is handed over, `owner` goes on until `successor` is ready, so that nothing falls between the two.
CREATE TABLE tracked_models (
    tenant_id       INTEGER NOT NULL,
    system_key      INTEGER NOT NULL,
    model           TEXT NOT NULL,
    label           TEXT,
    table_name      TEXT,
    modules         TEXT,
    class           TEXT NOT NULL,
    has_write_date  INTEGER NOT NULL,
    available       TEXT NOT NULL,
    recommended     TEXT,
    chosen          TEXT,
    owner           TEXT,
    owned_since     INTEGER,
    successor       TEXT,
    successor_ready INTEGER NOT NULL,
    found_at        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, system_key, model)
) WITHOUT ROWID;

-- `version` grows with each change of who owns what, so that every node notices. `fallback` is the strategy that an
-- admin asked for where they named none for the model, null for automatic.
CREATE TABLE detections (
    tenant_id     INTEGER NOT NULL,
    system_key    INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    fallback      TEXT,
    discovered_at INTEGER,
    PRIMARY KEY (tenant_id, system_key)
) WITHOUT ROWID;

-- Whether each strategy works, as its reader says.
CREATE TABLE strategy_health (
    tenant_id     INTEGER NOT NULL,
    system_key    INTEGER NOT NULL,
    strategy      TEXT NOT NULL,
    succeeded_at  INTEGER,
    failing_since INTEGER,
    last_error    TEXT,
    PRIMARY KEY (tenant_id, system_key, strategy)
) WITHOUT ROWID;
