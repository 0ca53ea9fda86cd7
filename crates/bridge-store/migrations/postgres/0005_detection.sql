-- The models of each system and how their changes are seen. `available` are the strategies that can see a model, the
-- best first and separated by blanks. `chosen` is what an admin asked for ('none' for not at all), null for automatic.
-- While a model is handed over, `owner` goes on until `successor` is ready, so that nothing falls between the two.
CREATE TABLE tracked_models (
    tenant_id       BIGINT NOT NULL,
    system_key      BIGINT NOT NULL,
    model           TEXT NOT NULL,
    label           TEXT,
    table_name      TEXT,
    modules         TEXT,
    class           TEXT NOT NULL,
    has_write_date  BIGINT NOT NULL,
    available       TEXT NOT NULL,
    recommended     TEXT,
    chosen          TEXT,
    owner           TEXT,
    owned_since     BIGINT,
    successor       TEXT,
    successor_ready BIGINT NOT NULL,
    found_at        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, system_key, model)
);

-- `version` grows with each change of who owns what, so that every node notices. `fallback` is the strategy that an
-- admin asked for where they named none for the model, null for automatic.
CREATE TABLE detections (
    tenant_id     BIGINT NOT NULL,
    system_key    BIGINT NOT NULL,
    version       BIGINT NOT NULL,
    fallback      TEXT,
    discovered_at BIGINT,
    PRIMARY KEY (tenant_id, system_key)
);

-- Whether each strategy works, as its reader says.
CREATE TABLE strategy_health (
    tenant_id     BIGINT NOT NULL,
    system_key    BIGINT NOT NULL,
    strategy      TEXT NOT NULL,
    succeeded_at  BIGINT,
    failing_since BIGINT,
    last_error    TEXT,
    PRIMARY KEY (tenant_id, system_key, strategy)
);
