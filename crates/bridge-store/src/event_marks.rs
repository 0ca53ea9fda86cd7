//! Which of an ERP's event ids lie at or below one of our positions.
//!
//! Ids are not in the order of positions, since an id is given before its transaction commits. The highest id up to
//! each thousandth position is noted, so that the highest up to any position is found by looking at few changes.

use crate::db::{Statement, params};
use crate::{Store, StoreError};
use bridge_model::{Epoch, Position, SystemKey, TenantId};

/// How many positions lie between two marks: the most changes that one question looks at.
const STRIDE: i64 = 1_000;

/// How many marks one step makes at most.
const MARKS_PER_STEP: i64 = 100;

impl Store {
    /// The highest numeric source id among the system's kept changes at positions up to `position`, 0 if there is
    /// none; `None` while the marks that it takes have not been made ([`Store::mark_events`]).
    pub async fn highest_event_id(
        &self,
        tenant: TenantId,
        system: SystemKey,
        epoch: Epoch,
        position: Position,
    ) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT position, event_id FROM event_marks
             WHERE tenant_id = ?1 AND system_key = ?2 AND epoch = ?3 AND position <= ?4
             ORDER BY position DESC LIMIT 1";
        let mark = Statement::new(sql, params![tenant, system, epoch, position]);
        let mark = self.row(mark, |row| Ok((row.get_i64(0)?, row.get_i64(1)?))).await?;
        let (marked, highest) = match mark {
            Some(mark) => mark,
            // What was trimmed before there was any mark is not known any more.
            None => (self.first_mark(tenant).await?, 0),
        };
        if position.get() - marked >= STRIDE {
            return Ok(None);
        }
        let found = self.highest_between(tenant, system, epoch, marked, position.get()).await?;
        Ok(Some(found.into_iter().map(|(_, id)| id).max().unwrap_or(0).max(highest)))
    }

    /// Makes the marks that are missing up to `position`, in at most `steps` steps; `true` if all are there.
    pub async fn mark_events(
        &self,
        tenant: TenantId,
        system: SystemKey,
        epoch: Epoch,
        position: Position,
        steps: u32,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT position, event_id FROM event_marks WHERE tenant_id = ?1 AND system_key = ?2 AND epoch = ?3
             ORDER BY position DESC LIMIT 1";
        let last = Statement::new(sql, params![tenant, system, epoch]);
        let last = self.row(last, |row| Ok((row.get_i64(0)?, row.get_i64(1)?))).await?;
        let (mut marked, mut highest) = match last {
            Some(last) => last,
            None => (self.first_mark(tenant).await?, 0),
        };
        // Only what the log has reached is whole.
        let end = position.min(self.head(tenant).await?).get() / STRIDE * STRIDE;
        for _ in 0..steps {
            if marked >= end {
                return Ok(true);
            }
            let step_end = end.min(marked + MARKS_PER_STEP * STRIDE);
            let found = self.highest_between(tenant, system, epoch, marked, step_end).await?;
            let mut found = found.into_iter().peekable();
            let mut marks = Vec::new();
            while marked < step_end {
                if let Some((_, id)) = found.next_if(|(bucket, _)| *bucket == marked / STRIDE) {
                    highest = highest.max(id);
                }
                marked += STRIDE;
                marks.push(Statement::new(
                    "INSERT INTO event_marks (tenant_id, system_key, epoch, position, event_id)
                     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                    params![tenant, system, epoch, marked, highest],
                ));
            }
            self.db().write(marks).await?;
        }
        Ok(marked >= end)
    }

    /// Where the marks begin in a log whose oldest changes may have been trimmed.
    async fn first_mark(&self, tenant: TenantId) -> Result<i64, StoreError> {
        let sql = "SELECT trimmed_to FROM log_heads WHERE tenant_id = ?1";
        let trimmed_to = self.row(Statement::new(sql, params![tenant]), |row| row.get_i64(0)).await?;
        Ok(trimmed_to.unwrap_or(0) / STRIDE * STRIDE)
    }

    /// The highest id in each stretch between two marks above `after` and up to `to`, by the stretch's number.
    async fn highest_between(
        &self,
        tenant: TenantId,
        system: SystemKey,
        epoch: Epoch,
        after: i64,
        to: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        // Other ways of seeing changes have ids of their own, and source ids that are no numbers are our resets'.
        let sql = "SELECT (position - 1) / ?6 AS stretch, MAX(CAST(source_id AS INTEGER)) FROM changes
             WHERE tenant_id = ?1 AND position > ?4 AND position <= ?5 AND system_key = ?2 AND epoch = ?3
                AND origin IN ('pull', 'push') AND source_id NOT GLOB '*[^0-9]*' AND LENGTH(source_id) BETWEEN 1 AND 18
             GROUP BY stretch ORDER BY stretch";
        let postgres_sql = "SELECT (position - 1) / ?6 AS stretch,
                MAX(CASE WHEN source_id ~ '^[0-9]{1,18}$' THEN CAST(source_id AS BIGINT) END) FROM changes
             WHERE tenant_id = ?1 AND position > ?4 AND position <= ?5 AND system_key = ?2 AND epoch = ?3
                AND origin IN ('pull', 'push') AND source_id ~ '^[0-9]{1,18}$'
             GROUP BY stretch ORDER BY stretch";
        let sql = if self.kind() == "sqlite" { sql } else { postgres_sql };
        let params = params![tenant, system, epoch, after, to, STRIDE];
        self.rows(Statement::new(sql, params), |row| Ok((row.get_i64(0)?, row.get_i64(1)?))).await
    }
}
