-- What the reader of a source other than the event table remembers, as it writes it down itself: saved together with
-- what it read.
CREATE TABLE reader_notes (
    tenant_id  BIGINT NOT NULL,
    system_key BIGINT NOT NULL,
    reader     TEXT NOT NULL,
    note       TEXT NOT NULL,
    PRIMARY KEY (tenant_id, system_key, reader)
);
