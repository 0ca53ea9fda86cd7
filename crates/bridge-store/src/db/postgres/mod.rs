//! PostgreSQL: a pool of connections for reads and small writes, and one connection that appends for all callers.

mod append;
mod appender;
mod connect;
mod migrate;
mod page;
mod values;

use super::{Item, Outcome, Param, Row, Statement, WriteCounters, migrations};
use crate::log::Appended;
use crate::{StoreError, StoreOptions};
use bridge_model::{Clock, TenantId};
use connect::{Connection, Pool};
use std::sync::Arc;
use tokio_postgres::error::SqlState;

/// How often work is begun anew after an error that left nothing behind, such as a deadlock.
const ATTEMPTS_MAX: u32 = 4;

/// An open PostgreSQL database.
#[derive(Debug)]
pub(crate) struct Postgres {
    pool: Pool,
    appender: appender::Appender,
    pub(crate) counters: Arc<WriteCounters>,
}

impl Postgres {
    /// Connects and brings the schema to the newest of `known` versions.
    pub(crate) async fn open(
        options: &StoreOptions,
        clock: Arc<dyn Clock>,
        known: &'static [migrations::Migration],
    ) -> Result<Self, StoreError> {
        let pool = Pool::new(options, options.pool_max.max(1), "")?;
        migrate::migrate(&mut pool.get().await?, clock.as_ref(), known).await?;
        // A lookup in a large table by an array of keys must use the index, also while the table is new and the
        // planner takes it for empty.
        let append_pool =
            Pool::new(options, 1, "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;")?;
        let counters = Arc::new(WriteCounters::default());
        let appender = appender::Appender::start(append_pool, options, Arc::clone(&counters));
        Ok(Self { pool, appender, counters })
    }

    /// Connects to look at the database: no transaction of these connections can write.
    pub(crate) async fn look(options: &StoreOptions) -> Result<Self, StoreError> {
        let pool = Pool::new(options, options.pool_max.max(1), "SET default_transaction_read_only = on")?;
        drop(pool.get().await?);
        Ok(Self { pool, appender: appender::Appender::refusing(), counters: Arc::default() })
    }

    pub(crate) async fn read(&self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        let mut attempt = 1;
        loop {
            let connection = self.pool.get().await?;
            let result = run(&connection, statement).await.map(|outcome| outcome.rows);
            if !was_cut(&connection, &result, &mut attempt) {
                return result;
            }
        }
    }

    pub(crate) async fn write(&self, statements: &[Statement]) -> Result<Vec<Outcome>, StoreError> {
        let mut attempt = 1;
        loop {
            let mut connection = self.pool.get().await?;
            match transact(&mut connection, statements).await {
                Ok(outcomes) => {
                    self.counters.committed(1);
                    return Ok(outcomes);
                }
                Err(Failure { error, undone: true }) if attempt < ATTEMPTS_MAX => {
                    tracing::debug!(error = %error, attempt, "begin a write anew");
                    attempt += 1;
                }
                Err(failure) => return Err(failure.error),
            }
        }
    }

    pub(crate) async fn append(&self, item: Item) -> Result<Appended, StoreError> {
        self.appender.submit(item).await
    }

    pub(crate) async fn read_log(
        &self,
        tenant: TenantId,
        query: &crate::log::LogQuery,
    ) -> Result<crate::log::LogRead, StoreError> {
        let mut attempt = 1;
        loop {
            let connection = self.pool.get().await?;
            let result = page::read_log(&connection, tenant, query).await;
            if !was_cut(&connection, &result, &mut attempt) {
                return result;
            }
        }
    }

    pub(crate) async fn close(&self) {
        self.appender.close().await;
        self.pool.close();
    }
}

/// Whether a read failed only because its connection turned out to have been cut, and may be done once more.
fn was_cut<T>(connection: &Connection, result: &Result<T, StoreError>, attempt: &mut u32) -> bool {
    let cut = matches!(result, Err(StoreError::Unavailable { .. })) && connection.is_closed();
    *attempt += 1;
    cut && *attempt <= ATTEMPTS_MAX
}

/// Why a transaction failed.
struct Failure {
    error: StoreError,
    /// Whether it is known that nothing was kept and that the same may succeed next time.
    undone: bool,
}

impl Failure {
    fn of(source: tokio_postgres::Error) -> Self {
        let undone =
            matches!(source.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED));
        Self { error: error(source), undone }
    }

    /// A failure while nothing can have been committed: if the connection was cut, the same may be tried again.
    fn before_commit(source: tokio_postgres::Error) -> Self {
        let cut = source.code().is_none_or(|code| code.code().starts_with("57P"));
        let failure = Self::of(source);
        Self { undone: failure.undone || cut, ..failure }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, undone: false }
    }
}

async fn transact(connection: &mut Connection, statements: &[Statement]) -> Result<Vec<Outcome>, Failure> {
    let transaction = connection.transaction().await.map_err(Failure::before_commit)?;
    let mut outcomes = Vec::with_capacity(statements.len());
    // One by one: a statement that changes what it expects to change must not let later ones take effect, and
    // the later ones of a failed transaction would only bury its error.
    for statement in statements {
        outcomes.push(run_in(&transaction, statement).await?);
    }
    transaction.commit().await.map_err(Failure::of)?;
    Ok(outcomes)
}

async fn run_in(transaction: &deadpool_postgres::Transaction<'_>, statement: &Statement) -> Result<Outcome, Failure> {
    let prepared = transaction.prepare_cached(&values::text(statement)).await.map_err(Failure::before_commit)?;
    let params = values::references(&statement.params);
    let outcome = if prepared.columns().is_empty() {
        let affected = transaction.execute(&prepared, &params).await.map_err(Failure::before_commit)?;
        Outcome { rows: Vec::new(), affected }
    } else {
        values::outcome(&transaction.query(&prepared, &params).await.map_err(Failure::before_commit)?)?
    };
    statement.expect.check(outcome.affected)?;
    Ok(outcome)
}

/// Runs one statement outside of a transaction.
async fn run(connection: &Connection, statement: &Statement) -> Result<Outcome, StoreError> {
    let prepared = connection.prepare_cached(&values::text(statement)).await.map_err(error)?;
    let rows = connection.query(&prepared, &values::references(&statement.params)).await.map_err(error)?;
    values::outcome(&rows)
}

/// The store's name for what PostgreSQL says.
fn error(source: tokio_postgres::Error) -> StoreError {
    let Some(database) = source.as_db_error() else { return StoreError::unavailable(source) };
    match *database.code() {
        SqlState::UNIQUE_VIOLATION => StoreError::conflict(database.constraint().unwrap_or_default()),
        SqlState::FOREIGN_KEY_VIOLATION => StoreError::NotFound,
        SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE | SqlState::TOO_MANY_CONNECTIONS => StoreError::Busy,
        _ if is_invalid(&source) => StoreError::invalid(source),
        _ => StoreError::unavailable(source),
    }
}

/// Whether the data is at fault: a data exception (class 22) or a value beyond a limit of the program (class 54).
fn is_invalid(source: &tokio_postgres::Error) -> bool {
    source.code().is_some_and(|code| code.code().starts_with("22") || code.code().starts_with("54"))
}
