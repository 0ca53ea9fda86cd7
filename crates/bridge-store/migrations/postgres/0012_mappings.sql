-- What a tenant lays over the field map of an entity in a system, as JSON.
CREATE TABLE mappings (
    tenant_id  BIGINT NOT NULL,
    system_key BIGINT NOT NULL,
    entity     TEXT NOT NULL,
    changes    TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, system_key, entity)
);
