//! Connections to databases whose server may be killed at any moment.

use super::judge::PATIENCE;
use crate::support::eventually;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, NoTls, Row};

/// One connection to a database, which is made anew when it was lost.
pub(super) struct Link {
    url: String,
    kept: Mutex<Option<Arc<Client>>>,
}

impl Link {
    pub(super) fn to(url: String) -> Self {
        Self { url, kept: Mutex::new(None) }
    }

    /// The connection, or why there is none.
    pub(super) async fn open(&self) -> Result<Arc<Client>, Error> {
        let mut kept = self.kept.lock().await;
        if let Some(client) = kept.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(try_connect(&self.url).await?);
        *kept = Some(Arc::clone(&client));
        Ok(client)
    }

    /// The connection, as soon as the server lets us.
    pub(super) async fn ready(&self) -> Arc<Client> {
        let opened = eventually("the database takes connections", PATIENCE, async || {
            let client = self.open().await.ok()?;
            client.batch_execute("SELECT").await.ok()?;
            Some(client)
        });
        opened.await
    }

    /// The one row that a statement answers, however often it takes.
    pub(super) async fn ask(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Row {
        let asked = async || self.open().await.ok()?.query_one(sql, params).await.ok();
        eventually("the database answers", PATIENCE, asked).await
    }
}

/// A connection of its own, or why there is none.
pub(super) async fn try_connect(url: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A connection of its own, as soon as the server lets us.
pub(super) async fn connect(url: &str) -> Client {
    let connected = eventually("the database takes connections", PATIENCE, async || {
        let client = try_connect(url).await.ok()?;
        client.batch_execute("SELECT").await.ok()?;
        Some(client)
    });
    connected.await
}
