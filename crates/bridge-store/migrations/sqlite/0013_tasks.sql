-- Work that somebody asked for and does not wait for: a list of operations, done in order. The first `settled` of them have
-- an outcome, and `under_way` of those that follow have been begun. `request` is encrypted.
CREATE TABLE tasks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL,
    user_id     INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    system_id   TEXT NOT NULL,
    request     TEXT NOT NULL,
    state       TEXT NOT NULL,
    is_cancelled INTEGER NOT NULL,
    total       INTEGER NOT NULL,
    settled     INTEGER NOT NULL,
    under_way   INTEGER NOT NULL,
    successful  INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    last_error  TEXT,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX tasks_of_tenant ON tasks (tenant_id, id);
CREATE INDEX tasks_open ON tasks (tenant_id, id) WHERE finished_at IS NULL;
CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at IS NOT NULL;

-- The outcomes of the operations from `first` on, in their order; encrypted.
CREATE TABLE task_outcomes (
    task_id  INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    first    INTEGER NOT NULL,
    outcomes TEXT NOT NULL,
    PRIMARY KEY (task_id, first)
) WITHOUT ROWID;
