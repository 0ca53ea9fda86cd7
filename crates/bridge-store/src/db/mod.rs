//! The layer that both databases share: statements in, rows out, and the log's few hot operations.

pub(crate) mod migrations;
pub(crate) mod postgres;
pub(crate) mod sqlite;
mod stored_change;
mod value;

pub(crate) use stored_change::{StoredChange, field_list};
pub(crate) use value::{Expect, Outcome, Param, Row, Statement, params};

use crate::StoreError;
use crate::log::{Append, Appended, LogQuery, LogRead};
use bridge_model::{TenantId, Timestamp};
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
        match self {
            Self::Sqlite(db) => {
                let rows = statements.len();
                db.write(rows, move |connection| statements.iter().map(|s| sqlite::run(connection, s)).collect()).await
            }
            Self::Postgres(db) => db.write(&statements).await,
        }
    }

    /// Appends to a tenant's log and returns when that is durable.
    pub(crate) async fn append(&self, tenant: TenantId, batch: Append, now: Timestamp) -> Result<Appended, StoreError> {
        match self {
            Self::Sqlite(db) => {
                db.write(batch.rows(), move |connection| sqlite::append(connection, tenant, &batch, now)).await
            }
            Self::Postgres(db) => db.append(tenant, batch, now).await,
        }
    }

    /// Reads a page of a tenant's log.
    pub(crate) async fn read_log(&self, tenant: TenantId, query: &LogQuery) -> Result<LogRead, StoreError> {
        match self {
            Self::Sqlite(db) => {
                let query = query.clone();
                db.read(move |connection| sqlite::read_log(connection, tenant, &query)).await
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
