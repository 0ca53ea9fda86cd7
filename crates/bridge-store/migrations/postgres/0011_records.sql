-- A user's own credential in a business system; `secret` is encrypted.
CREATE TABLE erp_links (
    tenant_id   BIGINT NOT NULL,
    user_id     BIGINT NOT NULL,
    system_key  BIGINT NOT NULL,
    username    TEXT NOT NULL,
    secret      TEXT NOT NULL,
    erp_user_id BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, system_key),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

-- Which models and operations are open to those who act with a system's own credential, as JSON.
CREATE TABLE allow_lists (
    tenant_id  BIGINT NOT NULL,
    system_key BIGINT NOT NULL,
    models     TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, system_key)
);
