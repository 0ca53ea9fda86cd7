-- When a system's API key ends, and how its renewal stands. `key_hash` says of which key it is; `key_name` is its name in
-- the ERP if we made it, `previous_name` that of the one before, which is still to be removed there. `attempted_name` is
-- that of the key which the last try at a renewal made or may have made, and which is not used.
CREATE TABLE credentials (
    tenant_id      INTEGER NOT NULL,
    system_key     INTEGER NOT NULL,
    key_hash       TEXT NOT NULL,
    key_name       TEXT,
    previous_name  TEXT,
    expires_at     INTEGER,
    attempted_at   INTEGER,
    attempted_name TEXT,
    problem        TEXT,
    PRIMARY KEY (tenant_id, system_key)
) WITHOUT ROWID;
