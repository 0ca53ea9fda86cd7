-- A user's own credential in a business system; `secret` is encrypted.
CREATE TABLE erp_links (
    tenant_id   INTEGER NOT NULL,
    user_id     INTEGER NOT NULL,
    system_key  INTEGER NOT NULL,
    username    TEXT NOT NULL,
    secret      TEXT NOT NULL,
    erp_user_id INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, user_id, system_key),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;

-- Which models and operations are open to those who act with a system's own credential, as JSON.
CREATE TABLE allow_lists (
    tenant_id  INTEGER NOT NULL,
    system_key INTEGER NOT NULL,
    models     TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, system_key)
) WITHOUT ROWID;
