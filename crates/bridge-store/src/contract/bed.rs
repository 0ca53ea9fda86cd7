//! Where a test's store lies: a folder or a database of its own, gone when the test ends.

use crate::db::migrations::{self, Migration};
use crate::{Append, Store, StoreError, StoreOptions};
use bridge_model::clock::ManualClock;
use bridge_model::entropy::{OsEntropy, SeededEntropy};
use bridge_model::{Change, Entropy as _, Event, ModelName, NewChange, Position, RecordId, SourceId};
use bridge_model::{SystemKey, TenantId, Timestamp};
use futures_util::FutureExt as _;
use sha2::{Digest as _, Sha256};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// A key for tests only: 32 zero bytes.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The place of one test.
#[derive(Debug, Clone)]
pub(crate) struct Bed {
    place: Place,
    pub(crate) clock: Arc<ManualClock>,
}

#[derive(Debug, Clone)]
enum Place {
    Sqlite(Arc<TempDir>),
    Postgres { server: String, database: String },
}

impl Bed {
    pub(crate) fn sqlite() -> Self {
        Self::of(Place::Sqlite(Arc::new(tempfile::tempdir().unwrap())))
    }

    /// A database with the newest schema, copied from a template that the first test makes.
    pub(crate) async fn postgres() -> Self {
        let server = server_url();
        let mut hash = Sha256::new();
        for migration in migrations::ALL {
            hash.update(migration.postgres);
        }
        let digest = hash.finalize();
        let template = format!("bridgecore_template_{:016x}", u64::from_be_bytes(digest[..8].try_into().unwrap()));
        let admin = connect(&server).await;
        // Tests in other threads and processes wait here while one of them makes the template.
        admin.execute("SELECT pg_advisory_lock(7265626)", &[]).await.unwrap();
        let known = admin.query("SELECT 1 FROM pg_database WHERE datname = $1", &[&template]).await.unwrap();
        if known.is_empty() {
            let making = Self::postgres_database(&admin, &server, "template0").await;
            making.open().await.close().await;
            making.disconnect_all(&admin).await;
            admin.batch_execute(&format!("ALTER DATABASE {} RENAME TO {template}", making.database())).await.unwrap();
        }
        let bed = Self::postgres_database(&admin, &server, &template).await;
        admin.execute("SELECT pg_advisory_unlock(7265626)", &[]).await.unwrap();
        bed
    }

    /// A place with nothing in it, not even a schema.
    pub(crate) async fn blank(&self) -> Self {
        match &self.place {
            Place::Sqlite(_) => Self::sqlite(),
            Place::Postgres { server, .. } => {
                Self::postgres_database(&connect(server).await, server, "template0").await
            }
        }
    }

    async fn postgres_database(admin: &Client, server: &str, template: &str) -> Self {
        let database = format!("bridgecore_test_{}", OsEntropy::new().unwrap().hex(8));
        admin.batch_execute(&format!("CREATE DATABASE {database} TEMPLATE {template}")).await.unwrap();
        Self::of(Place::Postgres { server: server.to_owned(), database })
    }

    fn of(place: Place) -> Self {
        let start = Timestamp::parse_rfc3339("2025-11-16T10:30:00Z").unwrap();
        Self { place, clock: Arc::new(ManualClock::new(start)) }
    }

    /// Runs a test and clears the place away, also when the test fails.
    pub(crate) async fn run<F: Future<Output = ()>>(self, test: impl FnOnce(Self) -> F) {
        let outcome = AssertUnwindSafe(test(self.clone())).catch_unwind().await;
        self.remove().await;
        if let Err(failure) = outcome {
            std::panic::resume_unwind(failure);
        }
    }

    /// Removes the database; a folder goes by itself.
    pub(crate) async fn remove(&self) {
        if let Place::Postgres { server, database } = &self.place {
            let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
            connect(server).await.batch_execute(&drop).await.unwrap();
        }
    }

    /// The same place with another clock.
    pub(crate) fn with_clock_at(&self, time: Timestamp) -> Self {
        Self { place: self.place.clone(), clock: Arc::new(ManualClock::new(time)) }
    }

    pub(crate) async fn open(&self) -> Store {
        self.open_with(|_| ()).await
    }

    pub(crate) async fn open_with(&self, change: impl FnOnce(&mut StoreOptions)) -> Store {
        let mut options = self.options();
        change(&mut options);
        Store::open(options, self.clock.clone(), Arc::new(SeededEntropy::new(1))).await.unwrap()
    }

    pub(crate) async fn try_open(&self, known: &'static [Migration]) -> Result<Store, StoreError> {
        Store::open_with(self.options(), self.clock.clone(), Arc::new(SeededEntropy::new(1)), known).await
    }

    /// As many nodes as may work on one database at once, at most `count`.
    pub(crate) async fn nodes(&self, count: usize) -> Vec<Store> {
        let mut nodes = vec![self.open().await];
        while self.is_postgres() && nodes.len() < count {
            nodes.push(self.open().await);
        }
        nodes
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Postgres { .. })
    }

    pub(crate) fn options(&self) -> StoreOptions {
        StoreOptions::new(self.url(), vec![KEY.to_owned()])
    }

    fn url(&self) -> String {
        match &self.place {
            Place::Sqlite(_) => format!("sqlite://{}", self.file().display()),
            Place::Postgres { server, database } => database_url(server, database),
        }
    }

    /// The SQLite file.
    pub(crate) fn file(&self) -> PathBuf {
        match &self.place {
            Place::Sqlite(folder) => folder.path().join("store.db"),
            Place::Postgres { .. } => panic!("PostgreSQL has no file"),
        }
    }

    /// Everything that somebody sees who gets hold of the database past the store: of PostgreSQL the systems.
    pub(crate) async fn raw_bytes(&self) -> Vec<u8> {
        if self.is_postgres() {
            let sql = "SELECT COALESCE(STRING_AGG(CAST(s AS TEXT), ' '), '') FROM systems AS s";
            return self.client().await.query_one(sql, &[]).await.unwrap().get::<_, String>(0).into_bytes();
        }
        let mut bytes = std::fs::read(self.file()).unwrap();
        bytes.extend(std::fs::read(self.file().with_extension("db-wal")).unwrap());
        bytes
    }

    fn database(&self) -> &str {
        match &self.place {
            Place::Sqlite(_) => panic!("SQLite has no database name"),
            Place::Postgres { database, .. } => database,
        }
    }

    /// A connection of the test's own to its database, past the store.
    pub(crate) async fn client(&self) -> Client {
        connect(&self.url()).await
    }

    /// Cuts every connection to the test's database, as a server that is stopped does.
    pub(crate) async fn disconnect_all(&self, other: &Client) {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = $1 AND pid <> pg_backend_pid()";
        other.query(cut, &[&self.database()]).await.unwrap();
        let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()";
        eventually("the connections are cut", async || {
            other.query_one(left, &[&self.database()]).await.unwrap().get::<_, i64>(0) == 0
        })
        .await;
    }

    pub(crate) async fn tenant(&self, store: &Store) -> TenantId {
        store.create_tenant("a tenant", "enterprise").await.unwrap().id
    }
}

/// Waits until `condition` holds; fails after 20 seconds.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok(), "not in time: {what}");
}

/// A change of a record of `sale.order` in system 1, whose event bears the record's number.
pub(crate) fn change(number: i64) -> NewChange {
    let model = ModelName::parse("sale.order").unwrap();
    let time = Timestamp::parse_rfc3339("2025-11-16T10:00:00Z").unwrap();
    let change = NewChange::of(SystemKey(1), model, RecordId::Number(number), Event::Write, time);
    NewChange { source_id: Some(SourceId::from(number)), ..change }
}

pub(crate) fn changes(numbers: impl IntoIterator<Item = i64>) -> Append {
    Append { changes: numbers.into_iter().map(change).collect(), ..Append::default() }
}

/// Positions as a test writes them: 0 for a change that was known.
pub(crate) fn positions(appended: &crate::Appended) -> Vec<i64> {
    appended.positions.iter().map(|position| position.map_or(0, Position::get)).collect()
}

/// The source ids of these changes as numbers.
pub(crate) fn ids(changes: &[Change]) -> Vec<i64> {
    changes.iter().map(|change| change.body.source_id.as_ref().unwrap().as_number().unwrap()).collect()
}

fn server_url() -> String {
    std::env::var("BRIDGECORE_TEST_POSTGRES_URL").unwrap_or_else(|_| {
        panic!(
            "BRIDGECORE_TEST_POSTGRES_URL is not set: run `cargo xtask test`, which starts a PostgreSQL for the \
             tests, or give the URL of a superuser on one of your own"
        )
    })
}

/// The server's URL with another database's name in it.
fn database_url(server: &str, database: &str) -> String {
    let (base, query) = server.split_once('?').map_or((server, String::new()), |(b, q)| (b, format!("?{q}")));
    let host_end = base.find("://").map_or(0, |at| at + 3);
    let path = base[host_end..].find('/').map_or(base.len(), |at| host_end + at);
    format!("{}/{database}{query}", &base[..path])
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
