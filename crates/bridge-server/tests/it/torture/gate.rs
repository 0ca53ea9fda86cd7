//! Who may kill a server that others are about to use: while a stand comes into being nobody may, since only what happens
//! in a round is ready for it.

use super::link::connect;
use crate::support::Setup;
use tokio_postgres::Client;

/// The number of the lock, which all stands know.
const LOCK: i64 = 3_141;

/// A gate on the server of the services' stores.
pub(super) struct Gate {
    server: url::Url,
}

impl Gate {
    /// The one that a setup shares with others.
    pub(super) fn of(setup: &Setup) -> Self {
        let mut server = url::Url::parse(setup.store_url()).unwrap();
        server.set_path("postgres");
        Self { server }
    }

    /// Keeps everybody from killing until what this answers is dropped.
    pub(super) async fn enter(&self) -> Client {
        self.lock("SELECT pg_advisory_lock_shared($1)").await
    }

    /// Waits until nobody is about to start, and keeps everybody from it until what this answers is dropped.
    pub(super) async fn close(&self) -> Client {
        self.lock("SELECT pg_advisory_lock($1)").await
    }

    async fn lock(&self, sql: &str) -> Client {
        let client = connect(self.server.as_str()).await;
        // Where this server is ours to be killed as well, one path is tried after the other, and nobody starts now.
        client.execute(sql, &[&LOCK]).await.ok();
        client
    }
}
