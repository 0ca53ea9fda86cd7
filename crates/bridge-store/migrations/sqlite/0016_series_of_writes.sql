-- Writes that belong together: those of a batch or of a task. `series` names them all. The request as a whole has a row
-- under its caller's key where it came with one; each call has a row under a key of ours, with the place of its first
-- operation and how many operations it does.
ALTER TABLE keyed_writes ADD COLUMN series TEXT;
ALTER TABLE keyed_writes ADD COLUMN first INTEGER;
ALTER TABLE keyed_writes ADD COLUMN operations INTEGER;
CREATE INDEX keyed_writes_of_series ON keyed_writes (series) WHERE series IS NOT NULL;

-- The name of its writes; none for a task that an older version has kept.
ALTER TABLE tasks ADD COLUMN series TEXT;
CREATE UNIQUE INDEX tasks_by_series ON tasks (series) WHERE series IS NOT NULL;
