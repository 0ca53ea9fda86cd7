-- What the reader of a source other than the event table remembers, as it writes it down itself: saved together with
-- what it read.
CREATE TABLE reader_notes (
    tenant_id  INTEGER NOT NULL,
    system_key INTEGER NOT NULL,
    reader     TEXT NOT NULL,
    note       TEXT NOT NULL,
    PRIMARY KEY (tenant_id, system_key, reader)
) WITHOUT ROWID;
