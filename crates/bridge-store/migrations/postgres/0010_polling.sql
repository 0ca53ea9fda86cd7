-- What is known of each polled model. Times are the ERP's own: everything that was written before `settled_to` is in
-- the log, and `seen_to` is the newest write seen. `adopted` are the records written shortly before the model was first
-- looked at, which are nobody's news; where they were too many to note, `quiet_to` is the newest of them.
CREATE TABLE polled_models (
    tenant_id  BIGINT NOT NULL,
    system_key BIGINT NOT NULL,
    model      TEXT NOT NULL,
    settled_to BIGINT NOT NULL,
    seen_to    BIGINT NOT NULL,
    adopted    BYTEA,
    quiet_to   BIGINT,
    PRIMARY KEY (tenant_id, system_key, model)
);

-- The ids of a polled model's records, in blocks of 65,536.
CREATE TABLE polled_ids (
    tenant_id  BIGINT NOT NULL,
    system_key BIGINT NOT NULL,
    model      TEXT NOT NULL,
    block      BIGINT NOT NULL,
    ids        BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, system_key, model, block)
);
