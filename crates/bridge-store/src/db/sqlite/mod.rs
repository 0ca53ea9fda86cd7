//! SQLite: one file, one process, one writer thread that commits for many callers at once, a few reader threads.

mod append;
mod page;
mod readers;
mod remembered;
mod writer;

pub(crate) use page::read_log;
pub(crate) use remembered::{Remembered, Writing};

use super::{Item, Outcome, Param, Row, Statement, WriteCounters, migrations};
use crate::cursors::CursorsOfDevice;
use crate::log::Appended;
use crate::{LogSpan, SourceState, StoreError, StoreOptions};
use bridge_model::{Clock, DeviceId, SystemKey, TenantId, UserId};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, ffi};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// An open SQLite database.
#[derive(Debug)]
pub(crate) struct Sqlite {
    writer: writer::Writer,
    readers: readers::Readers,
    pub(crate) counters: Arc<WriteCounters>,
    /// What is kept of each tenant's log.
    pub(crate) spans: Remembered<TenantId, LogSpan>,
    /// The cursors of each device that are known.
    pub(crate) cursors: Remembered<(TenantId, UserId, DeviceId), CursorsOfDevice>,
    /// What the readers of sources remember.
    pub(crate) sources: Remembered<(TenantId, SystemKey), SourceState>,
}

/// The most tenants, sources and devices of which something is remembered; a device takes about half a kilobyte.
const TENANTS_MAX: usize = 10_000;
const SOURCES_MAX: usize = 10_000;
const DEVICES_MAX: usize = 20_000;

impl Sqlite {
    /// Opens the file, creating it if needed, and brings it to the newest of `known` schema versions.
    pub(crate) async fn open(
        path: PathBuf,
        options: &StoreOptions,
        clock: Arc<dyn Clock>,
        known: &'static [migrations::Migration],
    ) -> Result<Self, StoreError> {
        let options = options.clone();
        tokio::task::spawn_blocking(move || Self::open_blocking(&path, &options, clock.as_ref(), known))
            .await
            .map_err(StoreError::unavailable)?
    }

    fn open_blocking(
        path: &Path,
        options: &StoreOptions,
        clock: &dyn Clock,
        known: &'static [migrations::Migration],
    ) -> Result<Self, StoreError> {
        create(path)?;
        // Two names of one file are one database, which only one process may have.
        let path = &path.canonicalize().map_err(StoreError::unavailable)?;
        let lock = lock_file(path)?;
        let mut connection = Connection::open(path).map_err(error)?;
        prepare(&connection, options.busy_timeout_ms)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;",
            )
            .map_err(error)?;
        migrate(&mut connection, clock, known)?;
        let readers = open_readers(path, options)?;
        let counters = Arc::new(WriteCounters::default());
        let writer = writer::Writer::start(connection, lock, options, Arc::clone(&counters))?;
        Self::of(writer, readers, options, counters)
    }

    /// Opens a file that must exist to look at it. Whoever works on it is not disturbed: nothing is locked for longer
    /// than a read takes, and what is read is of one moment each time.
    pub(crate) async fn look(path: PathBuf, options: &StoreOptions) -> Result<Self, StoreError> {
        let options = options.clone();
        let open = move || {
            let readers = open_readers(&path, &options)?;
            Self::of(writer::Writer::refusing(), readers, &options, Arc::default())
        };
        tokio::task::spawn_blocking(open).await.map_err(StoreError::unavailable)?
    }

    fn of(
        writer: writer::Writer,
        readers: Vec<Connection>,
        options: &StoreOptions,
        counters: Arc<WriteCounters>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            writer,
            readers: readers::Readers::start(readers, options.queue_max)?,
            counters,
            spans: Remembered::new(TENANTS_MAX),
            cursors: Remembered::new(DEVICES_MAX),
            sources: Remembered::new(SOURCES_MAX),
        })
    }

    /// Runs `work` on a connection that cannot write.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.submit(work).await
    }

    /// Runs `work`, which writes about `rows` rows, and returns when its effects are durable. An error of `work`
    /// undoes what it did and nothing else.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.submit(rows, work).await
    }

    /// Appends to a tenant's log and returns when that is durable.
    pub(crate) async fn append(&self, item: Item) -> Result<Appended, StoreError> {
        let span = self.spans.writing(&item.tenant);
        let progress = item.batch.progress.as_ref();
        let source = progress.map(|progress| self.sources.writing(&(item.tenant, progress.system)));
        self.writer.append(item, span, source).await
    }

    pub(crate) async fn close(&self) {
        self.readers.close();
        self.writer.close().await;
    }
}

/// Connections that cannot write.
fn open_readers(path: &Path, options: &StoreOptions) -> Result<Vec<Connection>, StoreError> {
    let open = |_| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(path, flags).map_err(error)?;
        prepare(&reader, options.busy_timeout_ms)?;
        reader.pragma_update(None, "query_only", true).map_err(error)?;
        Ok(reader)
    };
    (0..options.readers.max(1)).map(open).collect()
}

/// Makes the file if there is none, for its owner alone: it holds the hashes of passwords and keys.
fn create(path: &Path) -> Result<(), StoreError> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(StoreError::unavailable)
}

/// Takes the file beside the database that says 'in use', for as long as the handle lives. The queue, the wake-ups
/// and the counters are this process's own, so that a second one on the same file would break their promises.
fn lock_file(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(&name))
        .map_err(StoreError::unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::unavailable(InUse(path.display().to_string()))),
        Err(TryLockError::Error(source)) => Err(StoreError::unavailable(source)),
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "{0} is in use by another BridgeCore process; stop it, or work through its API (several processes need PostgreSQL)"
)]
struct InUse(String);

fn prepare(connection: &Connection, busy_timeout_ms: u64) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_millis(busy_timeout_ms)).map_err(error)?;
    connection.set_prepared_statement_cache_capacity(256);
    // Without this, a statement whose plan could depend on a bound value is compiled anew each time it is run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(error)?;
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;").map_err(error)
}

fn migrate(
    connection: &mut Connection,
    clock: &dyn Clock,
    known: &'static [migrations::Migration],
) -> Result<(), StoreError> {
    connection.execute_batch(migrations::TABLE).map_err(error)?;
    let version = connection.query_row(migrations::VERSION, [], |row| row.get(0)).map_err(error)?;
    for migration in migrations::pending(version, known)? {
        let failed = |source: rusqlite::Error| StoreError::Migration {
            what: format!("{} failed; nothing of it was kept", migration.name),
            source: Some(Arc::new(source)),
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        transaction.execute_batch(migration.sqlite).map_err(failed)?;
        transaction
            .execute(migrations::RECORD, (migration.number, migration.name, clock.now().as_micros()))
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
        tracing::info!(migration = migration.name, "schema brought forward");
    }
    Ok(())
}

/// Runs one statement in whatever transaction `connection` is in.
pub(crate) fn run(connection: &Connection, statement: &Statement) -> Result<Outcome, StoreError> {
    let mut prepared = connection.prepare_cached(&statement.sql).map_err(error)?;
    let columns = prepared.column_count();
    let params = rusqlite::params_from_iter(&statement.params);
    let outcome = if columns == 0 {
        let changed = prepared.execute(params).map_err(error)?;
        Outcome { rows: Vec::new(), affected: u64::try_from(changed).unwrap_or(u64::MAX) }
    } else {
        let mut found = prepared.query(params).map_err(error)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(error)? {
            rows.push(Row((0..columns).map(|column| cell(row, column)).collect::<Result<_, _>>()?));
        }
        let affected = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        Outcome { rows, affected }
    };
    statement.expect.check(outcome.affected)?;
    Ok(outcome)
}

fn cell(row: &rusqlite::Row<'_>, column: usize) -> Result<Param, StoreError> {
    Ok(match row.get_ref(column).map_err(error)? {
        ValueRef::Null => Param::Null,
        ValueRef::Integer(number) => Param::Int(number),
        ValueRef::Text(_) => Param::Text(row.get(column).map_err(error)?),
        ValueRef::Blob(bytes) => Param::Blob(bytes.to_vec()),
        ValueRef::Real(_) => return Err(StoreError::Corrupt { what: "a number that is a fraction" }),
    })
}

impl ToSql for Param {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The store's name for what SQLite says.
pub(crate) fn error(source: rusqlite::Error) -> StoreError {
    match &source {
        rusqlite::Error::SqliteFailure(failure, message) => match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
                StoreError::conflict(message.as_deref().unwrap_or_default())
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => StoreError::NotFound,
            _ => match failure.code {
                rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked => StoreError::Busy,
                rusqlite::ErrorCode::TooBig => StoreError::invalid(source),
                _ => StoreError::unavailable(source),
            },
        },
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
            tracing::error!(error = %source, "read a stored value");
            StoreError::Corrupt { what: "a column has another type than expected" }
        }
        _ => StoreError::unavailable(source),
    }
}
