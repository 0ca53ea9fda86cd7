//! The layer that both databases share: statements in, rows out, and the log's few hot operations.

pub(crate) mod migrations;
pub(crate) mod postgres;
pub(crate) mod sqlite;
mod stored_change;
mod value;

pub(crate) use stored_change::{StoredChange, field_list};
pub(crate) use value::{Expect, Outcome, Param, Row, Statement, params};

use crate::LogSpan;
use crate::StoreError;
use crate::log::{Append, Appended, LogQuery, LogRead};
use bridge_model::{Position, TenantId, Timestamp};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A database. Cheap to clone; all clones are the same connections.
#[derive(Debug, Clone)]
pub(crate) enum Db {
    Sqlite(Arc<sqlite::Sqlite>),
    Postgres(Arc<postgres::Postgres>),
}

impl Db {
    /// Runs one statement that changes nothing.
    pub(crate) async fn read(
        &self,
        sql: impl Into<Cow<'static, str>>,
        params: Vec<Param>,
    ) -> Result<Vec<Row>, StoreError> {
        let statement = Statement::new(sql, params);
        match self {
            Self::Sqlite(db) => db.read(move |connection| sqlite::run(connection, &statement)).await.map(|o| o.rows),
            Self::Postgres(db) => db.read(&statement).await,
        }
    }

    /// Runs all statements in one transaction and returns when it is durable.
    pub(crate) async fn write(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, StoreError> {
        self.write_with(statements, ()).await.map(|(outcomes, ())| outcomes)
    }

    /// The same, with something that lives until the transaction is durable or undone, also when the caller has gone
    /// away by then.
    pub(crate) async fn write_with<T: Send + 'static>(
        &self,
        statements: Vec<Statement>,
        along: T,
    ) -> Result<(Vec<Outcome>, T), StoreError> {
        match self {
            Self::Sqlite(db) => {
                let rows = statements.len();
                let work = move |connection: &_| {
                    let outcomes = statements.iter().map(|statement| sqlite::run(connection, statement));
                    Ok((outcomes.collect::<Result<_, _>>()?, along))
                };
                db.write(rows, work).await
            }
            Self::Postgres(db) => Ok((db.write(&statements).await?, along)),
        }
    }

    /// Appends to a tenant's log and returns when that is durable.
    pub(crate) async fn append(&self, item: Item) -> Result<Appended, StoreError> {
        match self {
            Self::Sqlite(db) => db.append(item).await,
            Self::Postgres(db) => db.append(item).await,
        }
    }

    /// What is kept of a tenant's log.
    pub(crate) async fn span(&self, tenant: TenantId) -> Result<LogSpan, StoreError> {
        let Self::Sqlite(db) = self else { return self.read_span(tenant).await };
        if let Some(span) = db.spans.look(&tenant, |span| *span) {
            return Ok(span);
        }
        let reading = db.spans.reading(&tenant);
        let span = self.read_span(tenant).await?;
        reading.keep(span);
        Ok(span)
    }

    async fn read_span(&self, tenant: TenantId) -> Result<LogSpan, StoreError> {
        let sql = "SELECT trimmed_to, head FROM log_heads WHERE tenant_id = ?1";
        match self.read(sql, params![tenant]).await?.first() {
            Some(row) => Ok(LogSpan { after: Position::new(row.get_i64(0)?), up_to: Position::new(row.get_i64(1)?) }),
            None => Ok(LogSpan { after: Position::START, up_to: Position::START }),
        }
    }

    /// Writes what moves the beginning of a tenant's log to `trimmed_to`.
    pub(crate) async fn trim(
        &self,
        tenant: TenantId,
        trimmed_to: Position,
        statements: Vec<Statement>,
    ) -> Result<Vec<Outcome>, StoreError> {
        let Self::Sqlite(db) = self else { return self.write(statements).await };
        let (outcomes, writing) = self.write_with(statements, db.spans.writing(&tenant)).await?;
        writing.done(|known| known.map(|span| LogSpan { after: span.after.max(trimmed_to), ..span }));
        Ok(outcomes)
    }

    /// Reads a page of a tenant's log.
    pub(crate) async fn read_log(&self, tenant: TenantId, query: &LogQuery) -> Result<LogRead, StoreError> {
        match self {
            Self::Sqlite(db) => {
                let query = query.clone();
                let read = db.read(move |connection| sqlite::read_log(connection, tenant, &query)).await?;
                // Whoever was shown a position must not be told a moment later that there is none.
                db.spans.learn(&tenant, |span| span.up_to = span.up_to.max(read.head()));
                Ok(read)
            }
            Self::Postgres(db) => db.read_log(tenant, query).await,
        }
    }

    pub(crate) fn counters(&self) -> &WriteCounters {
        match self {
            Self::Sqlite(db) => &db.counters,
            Self::Postgres(db) => &db.counters,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(db) => db.close().await,
            Self::Postgres(db) => db.close().await,
        }
    }
}

/// One caller's append.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) tenant: TenantId,
    pub(crate) batch: Append,
    /// When the caller asked.
    pub(crate) now: Timestamp,
}

/// Counts what the store has written since it was opened.
#[derive(Debug, Default)]
pub(crate) struct WriteCounters {
    /// Transactions committed.
    pub(crate) commits: AtomicU64,
    /// Calls that those transactions carried.
    pub(crate) writes: AtomicU64,
}

impl WriteCounters {
    pub(crate) fn committed(&self, writes: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.writes.fetch_add(u64::try_from(writes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
