-- Who changed what: an entry is there before the change is made, with the outcome `unknown`, and tells what became of it
-- afterwards. It outlives its user and its system. `record_ids` is a list of JSON; `body` is encrypted;
-- `write_key` is the key of the write in `keyed_writes`.
CREATE TABLE audit (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id       INTEGER NOT NULL,
    at              INTEGER NOT NULL,
    user_id         INTEGER NOT NULL,
    username        TEXT NOT NULL,
    acting_as       TEXT,
    system_id       TEXT,
    model           TEXT NOT NULL,
    record_ids      TEXT NOT NULL,
    action          TEXT NOT NULL,
    body            TEXT NOT NULL,
    outcome         TEXT NOT NULL,
    code            TEXT,
    request_id      TEXT,
    idempotency_key TEXT,
    write_key       TEXT,
    address         TEXT
);
CREATE INDEX audit_of_tenant ON audit (tenant_id, id);
CREATE INDEX audit_of_model ON audit (tenant_id, model, id);
CREATE INDEX audit_of_write ON audit (tenant_id, user_id, write_key, id) WHERE write_key IS NOT NULL;
CREATE INDEX audit_by_age ON audit (at);
