//! The log: every change that the apps may see, in one order per tenant.
//!
//! A position is given in commit order and without holes: on SQLite by the single writer, on PostgreSQL under a lock
//! of the tenant's row in `log_heads`. Whoever reads on from the last position it has seen misses nothing.

use crate::db::{Item, Param, Statement, params};
use crate::{
    Fence, LogSpan, NewDeadLetter, NewJob, PolledSave, ReaderNote, SourceProgress, Store, StoreError, WalProgress,
};
use bridge_model::{Change, ModelName, NewChange, Position, SystemKey, TenantId, Timestamp};

/// What one durable transaction adds to a tenant's log and beside it: all of it or nothing.
#[derive(Debug, Clone, Default)]
pub struct Append {
    /// The changes, in the order in which they get their positions.
    pub changes: Vec<NewChange>,
    /// Work that these changes make; added also when every change was in the log already.
    pub jobs: Vec<NewJob>,
    /// What could not be understood.
    pub dead_letters: Vec<NewDeadLetter>,
    /// How far the source has been read with this.
    pub progress: Option<SourceProgress>,
    /// Where the reader of the database's write-ahead log stands after this.
    pub wal: Option<WalProgress>,
    /// What the reader of another source remembers with this.
    pub note: Option<ReaderNote>,
    /// What is known of a polled model with this.
    pub polled: Option<PolledSave>,
    /// The writer's proof that it still leads.
    pub fence: Option<Fence>,
    /// The dead letter that this append is another try of: it is removed, or, if `dead_letters` says that it is still
    /// not understood, it stays with one more attempt and that reason, and is not kept a second time.
    pub settles: Option<i64>,
}

impl Append {
    pub(crate) fn rows(&self) -> usize {
        self.changes.len() + self.jobs.len() + self.dead_letters.len()
    }

    /// Whether it adds changes and touches nothing else.
    pub(crate) fn is_only_changes(&self) -> bool {
        let Self { changes: _, jobs, dead_letters, progress, wal, note, polled, fence, settles } = self;
        let unread = progress.is_none() && wal.is_none() && note.is_none() && polled.is_none();
        let alone = unread && fence.is_none() && settles.is_none();
        alone && jobs.is_empty() && dead_letters.is_empty()
    }
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The position of each change, in the order given; `None` for one that was in the log already.
    pub positions: Vec<Option<Position>>,
    /// The tenant's last position.
    pub head: Position,
}

/// Which part of the log to read.
#[derive(Debug, Clone)]
pub struct LogQuery {
    /// The last position that the reader has.
    pub after: Position,
    /// Only changes of these models; `None` for all.
    pub models: Option<Vec<ModelName>>,
    /// Only changes of this system; `None` for all.
    pub system: Option<SystemKey>,
    /// How many changes to return at most; 0 counts as 1.
    pub limit: u32,
    /// How many positions to look at, at most, so that a filter that matches nothing costs no more; 0 counts as 1.
    pub scan_max: u32,
    /// Whether `payload`, `old_data` and `new_data` are wanted; where not, they are not read and are `None`.
    pub contents: bool,
}

impl LogQuery {
    pub(crate) fn limit(&self) -> i64 {
        i64::from(self.limit.max(1))
    }

    /// The last position that may be looked at.
    pub fn scan_end(&self) -> Position {
        self.after.plus(i64::from(self.scan_max.max(1)))
    }

    /// The answer, from what one snapshot of the database showed.
    pub(crate) fn answer(&self, head: Position, trimmed_to: Position, changes: Vec<Change>) -> LogRead {
        if self.after > head {
            return LogRead::Ahead { head };
        }
        if self.after < trimmed_to {
            return LogRead::Trimmed { trimmed_to, head };
        }
        let full = i64::try_from(changes.len()).is_ok_and(|found| found >= self.limit());
        let scanned_to = match changes.last() {
            Some(last) if full => last.position,
            _ => self.scan_end().min(head),
        };
        LogRead::Page(LogPage { changes, scanned_to, head })
    }
}

/// The answer to a read.
#[derive(Debug, Clone)]
pub enum LogRead {
    /// What was found.
    Page(LogPage),
    /// The reader's position is older than the log that is kept: it must take a snapshot.
    Trimmed {
        /// The last position that is gone.
        trimmed_to: Position,
        /// The tenant's last position.
        head: Position,
    },
    /// The reader's position was never given: it comes from another database or a lost one.
    Ahead {
        /// The tenant's last position.
        head: Position,
    },
}

impl LogRead {
    /// The tenant's last position.
    pub fn head(&self) -> Position {
        match self {
            Self::Page(page) => page.head,
            Self::Trimmed { head, .. } | Self::Ahead { head } => *head,
        }
    }
}

/// Part of the log.
#[derive(Debug, Clone)]
pub struct LogPage {
    /// The changes that match, by position.
    pub changes: Vec<Change>,
    /// The last position that was looked at; the next read goes on after it.
    pub scanned_to: Position,
    /// The tenant's last position.
    pub head: Position,
}

/// How much of the log to keep.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Changes that were received before this are trimmed.
    pub received_before: Timestamp,
    /// Of the others at most so many are kept.
    pub rows_max: u64,
    /// But those received at or after this are kept however many they are.
    pub keep_after: Timestamp,
    /// How many rows one transaction removes.
    pub batch_rows_max: u32,
}

/// What a trim removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trimmed {
    /// How many changes.
    pub rows: u64,
    /// The last position that is gone.
    pub trimmed_to: Position,
}

impl Store {
    /// Appends to a tenant's log in one transaction, shared with other callers, and returns when it is durable.
    ///
    /// A change whose source id is in the log already, or was before it was trimmed, takes no position.
    /// [`StoreError::Fenced`] if the fence or the progress is no longer current, [`StoreError::NotFound`] if there is
    /// no such tenant, [`StoreError::Invalid`] if a key is too long or has a zero byte, [`StoreError::Busy`] if too much is waiting. After [`StoreError::Unavailable`] the append may
    /// have been kept or not.
    pub async fn append(&self, tenant: TenantId, mut batch: Append) -> Result<Appended, StoreError> {
        if let Some(retry) = &self.retry {
            batch.settles = Some(retry.dead_letter);
            batch.fence.get_or_insert_with(|| retry.fence.clone());
        }
        batch.changes.iter().try_for_each(storable)?;
        self.db().append(Item { tenant, batch, now: self.now() }).await
    }

    /// A tenant's last position; the start if nothing was ever appended.
    pub async fn head(&self, tenant: TenantId) -> Result<Position, StoreError> {
        Ok(self.kept(tenant).await?.up_to)
    }

    /// What is kept of a tenant's log now. On SQLite, where nobody else can append, without a look at the database.
    pub async fn kept(&self, tenant: TenantId) -> Result<LogSpan, StoreError> {
        self.db().span(tenant).await
    }

    /// Reads a page of a tenant's log: the changes, the head and what is trimmed are of one moment.
    pub async fn read(&self, tenant: TenantId, query: &LogQuery) -> Result<LogRead, StoreError> {
        self.db().read_log(tenant, query).await
    }

    /// The position just before the first change that was received at or after `time`; the head if there is none.
    pub async fn position_before(&self, tenant: TenantId, time: Timestamp) -> Result<Position, StoreError> {
        let rows = self.db().read(POSITION_BEFORE, params![tenant, time]).await?;
        rows.first().map_or(Ok(Position::START), |row| row.get_i64(0).map(Position::new))
    }

    /// Removes what the retention does not keep, oldest first, in transactions of at most `batch_rows_max` rows.
    ///
    /// In the same transactions it remembers the highest source id removed, so that a late repetition of what is
    /// gone is still recognised. An error leaves the batches before it trimmed.
    pub async fn trim(&self, tenant: TenantId, retention: &Retention) -> Result<Trimmed, StoreError> {
        let LogSpan { after: mut trimmed_to, up_to: head } = self.kept(tenant).await?;
        let by_age = self.position_before(tenant, retention.received_before).await?;
        let by_rows = Position::new(head.get().saturating_sub_unsigned(retention.rows_max));
        let target = by_age.max(by_rows.min(self.position_before(tenant, retention.keep_after).await?));
        let mut rows = 0;
        while trimmed_to < target {
            let end = trimmed_to.plus(i64::from(retention.batch_rows_max.max(1))).min(target);
            let outcomes = self.db().trim(tenant, end, trim_statements(tenant, end)).await?;
            rows += outcomes.last().map_or(0, |outcome| outcome.affected);
            trimmed_to = end;
        }
        Ok(Trimmed { rows, trimmed_to })
    }
}

/// Times of arrival never run backwards along the log and positions have no holes, so that the place can be found by
/// halving: each step looks at the middle one of the positions that are still possible.
const POSITION_BEFORE: &str = "WITH RECURSIVE possible (low, high) AS (
        SELECT trimmed_to, head FROM log_heads WHERE tenant_id = ?1
        UNION ALL
        SELECT CASE WHEN middle.received_at < ?2 THEN middle.position ELSE possible.low END,
               CASE WHEN middle.received_at < ?2 THEN possible.high ELSE middle.position - 1 END
        FROM possible JOIN changes AS middle
            ON middle.tenant_id = ?1 AND middle.position = possible.low + (possible.high - possible.low + 1) / 2
        WHERE possible.low < possible.high)
    SELECT low FROM possible WHERE low = high";

/// Removes a tenant's changes up to `end`. The head row is changed first, which on PostgreSQL holds appends off.
fn trim_statements(tenant: TenantId, end: Position) -> Vec<Statement> {
    let range = || -> Vec<Param> { params![tenant, end] };
    vec![
        Statement::new("UPDATE log_heads SET trimmed_to = ?2 WHERE tenant_id = ?1 AND trimmed_to < ?2", range()),
        Statement::new(
            "INSERT INTO source_marks (tenant_id, system_key, epoch, mark)
             SELECT tenant_id, system_key, epoch, MAX(CAST(source_id AS BIGINT)) FROM changes
             WHERE tenant_id = ?1 AND position <= ?2 AND source_id <> '' AND LENGTH(source_id) <= 18
                AND source_id NOT GLOB '*[^0-9]*'
             GROUP BY tenant_id, system_key, epoch
             ON CONFLICT (tenant_id, system_key, epoch) DO UPDATE SET
                mark = CASE WHEN excluded.mark > source_marks.mark THEN excluded.mark ELSE source_marks.mark END",
            range(),
        )
        // The CASE keeps PostgreSQL from casting before it has looked at the digits.
        .or_postgres(
            "INSERT INTO source_marks (tenant_id, system_key, epoch, mark)
             SELECT tenant_id, system_key, epoch,
                MAX(CASE WHEN source_id ~ '^[0-9]{1,18}$' THEN CAST(source_id AS BIGINT) END) FROM changes
             WHERE tenant_id = ?1 AND position <= ?2 AND source_id ~ '^[0-9]{1,18}$'
             GROUP BY tenant_id, system_key, epoch
             ON CONFLICT (tenant_id, system_key, epoch) DO UPDATE SET
                mark = GREATEST(excluded.mark, source_marks.mark)",
        ),
        Statement::new("DELETE FROM changes WHERE tenant_id = ?1 AND position <= ?2", range()),
    ]
}

/// How long a source id or an idempotency key may be: well below what an index entry holds in either database.
const KEY_BYTES_MAX: usize = 1_024;

/// Refuses on both databases what one of them cannot hold.
fn storable(change: &NewChange) -> Result<(), StoreError> {
    let source_id = change.source_id.iter().map(|id| id.0.as_str());
    for key in source_id.chain(change.idempotency_key.as_deref()) {
        if key.len() > KEY_BYTES_MAX || key.contains('\0') {
            return Err(StoreError::invalid(BadKey));
        }
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("a source id or idempotency key is longer than {KEY_BYTES_MAX} bytes or has a zero byte")]
struct BadKey;

/// A source id as a number, if it is plain digits and so can be compared with a mark.
pub(crate) fn numeric_source_id(change: &NewChange) -> Option<i64> {
    let id = change.source_id.as_ref()?;
    let plain = id.0.len() <= 18 && id.0.bytes().all(|byte| byte.is_ascii_digit());
    if plain { id.as_number() } else { None }
}

/// The last position and the time of the last arrival, as a tenant's row in `log_heads` has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) position: Position,
    pub(crate) received_at: Timestamp,
}
