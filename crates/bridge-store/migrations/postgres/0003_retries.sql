-- How often a dead letter was tried again in vain, and when that was last.
ALTER TABLE dead_letters ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE dead_letters ADD COLUMN last_attempt_at BIGINT;
