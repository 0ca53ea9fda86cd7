-- What somebody should look at. While something lasts there is one row for it, which counts how often it happened; a tenant
-- or a system of 0 stands for none. `mark` is the newest dead letter that was counted. `told` counts the times at which it
-- was handed to those who are to be told, and `told_times` is what `times` was at the last of them. Once nothing of it is
-- to be told any more, it is settled.
CREATE TABLE alerts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL,
    system_key  INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    facts       TEXT NOT NULL,
    times       INTEGER NOT NULL,
    mark        INTEGER NOT NULL,
    raised_at   INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    resolved_at INTEGER,
    told        INTEGER NOT NULL,
    told_at     INTEGER,
    told_times  INTEGER NOT NULL,
    is_settled  INTEGER NOT NULL
);
CREATE UNIQUE INDEX alerts_open ON alerts (tenant_id, system_key, kind) WHERE resolved_at IS NULL;
CREATE INDEX alerts_of_tenant ON alerts (tenant_id, id);
CREATE INDEX alerts_unsettled ON alerts (id) WHERE is_settled = 0;
CREATE INDEX alerts_settled ON alerts (resolved_at) WHERE is_settled = 1;
