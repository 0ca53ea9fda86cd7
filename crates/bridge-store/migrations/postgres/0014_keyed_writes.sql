-- Writes that came with a key of their caller: the same key gives the same answer. `erp_key` is the name under which the
-- business system keeps the answer as well, where it does; `answer` is encrypted, and there is none as long as the outcome
-- is not known.
CREATE TABLE keyed_writes (
    tenant_id    BIGINT NOT NULL,
    user_id      BIGINT NOT NULL,
    key          TEXT NOT NULL,
    system_key   BIGINT NOT NULL,
    request_hash TEXT NOT NULL,
    sent_as      TEXT NOT NULL,
    erp_key      TEXT,
    to_check     TEXT NOT NULL,
    begun_at     BIGINT NOT NULL,
    claim        TEXT NOT NULL,
    claimed_to   BIGINT NOT NULL,
    answer       TEXT,
    PRIMARY KEY (tenant_id, user_id, key),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX keyed_writes_by_age ON keyed_writes (begun_at);
