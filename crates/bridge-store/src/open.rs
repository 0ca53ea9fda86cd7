//! Opening a store.

use crate::StoreError;
use crate::crypt::Crypt;
use crate::db::postgres::Postgres;
use crate::db::sqlite::Sqlite;
use crate::db::{Db, migrations};
use crate::dead_letters::Retry;
use bridge_model::{Clock, Entropy, Timestamp};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The durable truth. Cheap to clone; all clones share the same connections.
#[derive(Clone)]
pub struct Store {
    db: Db,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    crypt: Arc<Crypt>,
    pub(crate) retry: Option<Retry>,
}

/// How to open a store. Made by [`StoreOptions::new`]; every limit has a default.
#[derive(Clone)]
pub struct StoreOptions {
    /// Where the data is: `sqlite:///absolute/path/file.db`, `sqlite://relative/file.db` or `postgres://…`.
    ///
    /// For PostgreSQL `sslmode` is `disable` (the default), `require` (encrypted, the server's name is not checked)
    /// or `verify-full` (checked against the certificates in the file that `sslrootcert` names).
    pub url: String,
    /// Fernet keys, at least one: the first encrypts, all decrypt.
    pub encryption_keys: Vec<String>,
    /// How many calls may wait to be written (and, on SQLite, to be read) before [`StoreError::Busy`].
    pub queue_max: usize,
    /// How many rows one commit carries at most; a single larger call is a commit of its own.
    pub commit_rows_max: usize,
    /// SQLite: how many threads read.
    pub readers: usize,
    /// PostgreSQL: how many connections there are at most, beside the one that appends.
    pub pool_max: usize,
    /// SQLite: how long to wait for a lock that another program holds on the file, for example a backup.
    pub busy_timeout_ms: u64,
    /// PostgreSQL: how long one statement may take, and how long to wait for a connection.
    pub statement_timeout_ms: u64,
}

/// What a store has written since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteStats {
    /// Transactions committed.
    pub commits: u64,
    /// Calls that these transactions carried; more than `commits` when calls shared a commit.
    pub writes: u64,
}

impl StoreOptions {
    /// Options with the default limits.
    pub fn new(url: impl Into<String>, encryption_keys: Vec<String>) -> Self {
        Self {
            url: url.into(),
            encryption_keys,
            queue_max: 4096,
            commit_rows_max: 500,
            readers: 2,
            pool_max: 10,
            busy_timeout_ms: 5_000,
            statement_timeout_ms: 30_000,
        }
    }
}

impl Store {
    /// Opens the database, creating or upgrading its schema as needed.
    ///
    /// A database of a newer program is refused with [`StoreError::Migration`]; a SQLite file that another process
    /// has open, with [`StoreError::Unavailable`]; unusable keys, with [`StoreError::Encryption`].
    pub async fn open(
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StoreError> {
        Self::open_with(options, clock, entropy, migrations::ALL).await
    }

    /// Opens the database at the newest of these schema versions, so that tests can make an older one.
    pub(crate) async fn open_with(
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        known: &'static [migrations::Migration],
    ) -> Result<Self, StoreError> {
        let crypt = Arc::new(Crypt::new(&options.encryption_keys)?);
        let db = match place(&options.url)? {
            Place::File(path) => Db::Sqlite(Arc::new(Sqlite::open(path, &options, Arc::clone(&clock), known).await?)),
            Place::Server => Db::Postgres(Arc::new(Postgres::open(&options, Arc::clone(&clock), known).await?)),
        };
        Ok(Self { db, clock, entropy, crypt, retry: None })
    }

    /// Opens the database to look at it, while a service may be working on it: nothing is made, brought forward or
    /// locked, and every write is refused as of a closed store. Whether the schema is one that this program can read
    /// is for the caller to ask first ([`Store::schema`]). What other processes write later is not always noticed, so
    /// that such a store is to be thrown away soon.
    ///
    /// A SQLite file that does not exist is [`StoreError::Unavailable`]; unusable keys are [`StoreError::Encryption`].
    pub async fn look(
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StoreError> {
        let crypt = Arc::new(Crypt::new(&options.encryption_keys)?);
        let db = match place(&options.url)? {
            Place::File(path) => Db::Sqlite(Arc::new(Sqlite::look(path, &options).await?)),
            Place::Server => Db::Postgres(Arc::new(Postgres::look(&options).await?)),
        };
        Ok(Self { db, clock, entropy, crypt, retry: None })
    }

    /// Writes everything that is waiting, then lets go of the database. Later calls are refused.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db.read("SELECT 1", vec![]).await.map(drop)
    }

    /// Which database it is: `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        match self.db {
            Db::Sqlite(_) => "sqlite",
            Db::Postgres(_) => "postgres",
        }
    }

    /// The clock that times in the store come from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The randomness that keys and tokens come from.
    pub fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.entropy
    }

    /// What the store has written since it was opened.
    pub fn write_stats(&self) -> WriteStats {
        let counters = self.db.counters();
        WriteStats {
            commits: counters.commits.load(Ordering::Relaxed),
            writes: counters.writes.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn crypt(&self) -> &Crypt {
        &self.crypt
    }
}

/// Where a URL says that the data is.
enum Place {
    File(PathBuf),
    Server,
}

fn place(url: &str) -> Result<Place, StoreError> {
    if let Some(path) = url.strip_prefix("sqlite://") {
        Ok(Place::File(PathBuf::from(path)))
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        Ok(Place::Server)
    } else {
        Err(StoreError::unavailable(UnknownUrl))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl fmt::Debug for StoreOptions {
    /// Leaves out the keys and the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("queue_max", &self.queue_max)
            .field("commit_rows_max", &self.commit_rows_max)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the store's URL must start with sqlite:// or postgres://")]
struct UnknownUrl;
