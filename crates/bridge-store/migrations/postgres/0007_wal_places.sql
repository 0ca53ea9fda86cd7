-- Where the reader of a database's write-ahead log stands: through which slot, in which life of the database and the
-- slot, and up to where everything is in our log. `published` are the tables in the publication, as JSON.
CREATE TABLE wal_places (
    tenant_id  BIGINT NOT NULL,
    system_key BIGINT NOT NULL,
    slot       TEXT NOT NULL,
    life       TEXT NOT NULL,
    read_to    BIGINT NOT NULL,
    published  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, system_key)
);
