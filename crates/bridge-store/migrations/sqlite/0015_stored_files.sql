-- Files on records that the service itself keeps, in a folder or a bucket (`place`), under the tenant's number and the id.
-- A row is there before the bytes are and after they were removed. As long as `hidden_at` is set, since that time, nobody
-- sees the file: it is arriving, or it was deleted.
CREATE TABLE stored_files (
    tenant_id    INTEGER NOT NULL,
    id           TEXT NOT NULL,
    system_key   INTEGER NOT NULL,
    model        TEXT NOT NULL,
    record_id    INTEGER NOT NULL,
    name         TEXT NOT NULL,
    content_type TEXT NOT NULL,
    size         INTEGER NOT NULL,
    sha256       TEXT NOT NULL,
    place        TEXT NOT NULL,
    created_by   INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    hidden_at    INTEGER,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;

CREATE INDEX stored_files_hidden ON stored_files (hidden_at, tenant_id, id) WHERE hidden_at IS NOT NULL;
CREATE INDEX stored_files_of_record ON stored_files (tenant_id, system_key, model, record_id);
