-- What a tenant lays over the field map of an entity in a system, as JSON.
CREATE TABLE mappings (
    tenant_id  INTEGER NOT NULL,
    system_key INTEGER NOT NULL,
    entity     TEXT NOT NULL,
    changes    TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, system_key, entity)
) WITHOUT ROWID;
