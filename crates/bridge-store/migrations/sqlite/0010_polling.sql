-- What is known of each polled model. Times are the ERP's own: everything that was written before `settled_to` is in
-- the log, and `seen_to` is the newest write seen. `adopted` are the records written shortly before the model was first
-- looked at, which are nobody's news; where they were too many to note, `quiet_to` is the newest of them.
CREATE TABLE polled_models (
    tenant_id  INTEGER NOT NULL,
    system_key INTEGER NOT NULL,
    model      TEXT NOT NULL,
    settled_to INTEGER NOT NULL,
    seen_to    INTEGER NOT NULL,
    adopted    BLOB,
    quiet_to   INTEGER,
    PRIMARY KEY (tenant_id, system_key, model)
) WITHOUT ROWID;

-- The ids of a polled model's records, in blocks of 65,536.
CREATE TABLE polled_ids (
    tenant_id  INTEGER NOT NULL,
    system_key INTEGER NOT NULL,
    model      TEXT NOT NULL,
    block      INTEGER NOT NULL,
    ids        BLOB NOT NULL,
    PRIMARY KEY (tenant_id, system_key, model, block)
) WITHOUT ROWID;
