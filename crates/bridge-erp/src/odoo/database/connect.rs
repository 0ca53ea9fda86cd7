//! A connection to Odoo's database, with bounds on everything it waits for.

use super::{DatabaseError, DatabaseErrorKind, places, tls};
use crate::outbound::Outbound;
use rustls::ClientConfig;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::AbortOnDropHandle;

/// What bounds a connection.
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// What the connection calls itself in `pg_stat_activity`.
    pub application_name: String,
    /// Time to connect, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Time for one statement, in milliseconds: the server ends it then, and if the server is gone, we stop waiting a
    /// little later.
    pub statement_timeout_ms: u64,
    /// Which addresses may be connected to.
    pub outbound: Outbound,
}

impl Default for DatabaseOptions {
    /// For a server that the operator names.
    fn default() -> Self {
        Self {
            application_name: "bridgecore".to_owned(),
            connect_timeout_ms: 10_000,
            statement_timeout_ms: 30_000,
            outbound: Outbound::anywhere(),
        }
    }
}

/// How much longer than the server's own time-out we wait for its word that the time is over.
const GRACE: Duration = Duration::from_secs(5);

/// How long what we sent may stay unacknowledged before the connection counts as cut.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// One connection to Odoo's database. It ends when dropped.
pub struct Database {
    client: Client,
    notified: Arc<Notify>,
    patience: Duration,
    /// Carries the messages between client and server.
    _driver: AbortOnDropHandle<()>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Database {
    /// Connects to a `postgres://role:password@host:port/database` URL. `sslmode` may be `disable` (the default),
    /// `require` or, with `sslrootcert`, `verify-full`.
    pub async fn connect(url: &str, options: &DatabaseOptions) -> Result<Self, DatabaseError> {
        let (config, tls) = target(url)?;
        let connect_timeout = Duration::from_millis(options.connect_timeout_ms);
        let connecting = async {
            // The driver would look names up by itself and go wherever they lead.
            let mut config = places::at(&config, &places::places(&config, &options.outbound).await?)?;
            config
                .application_name(&options.application_name)
                .connect_timeout(connect_timeout)
                .tcp_user_timeout(SILENCE_MAX)
                .keepalives_idle(Duration::from_secs(15))
                .keepalives_interval(Duration::from_secs(5))
                .keepalives_retries(3);
            if let Some(tls) = tls {
                let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await?;
                return Ok::<_, DatabaseError>(drive(client, connection));
            }
            let (client, connection) = config.connect(NoTls).await?;
            Ok(drive(client, connection))
        };
        // The driver's own time-out is for each address and only until the socket is open.
        let connected = tokio::time::timeout(connect_timeout + GRACE, connecting).await;
        let (client, notified, driver) =
            connected.unwrap_or_else(|_| Err(too_slow())).map_err(|e| e.doing("connect"))?;
        let patience = Duration::from_millis(options.statement_timeout_ms);
        let database = Self { client, notified, patience, _driver: driver };
        let first = format!(
            "SET statement_timeout = {0}; SET idle_in_transaction_session_timeout = {0}; SET client_min_messages = \
             warning; SET TimeZone = 'UTC'",
            options.statement_timeout_ms
        );
        database.batch_execute(&first).await?;
        Ok(database)
    }

    /// Runs one statement and answers its rows.
    pub async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, DatabaseError> {
        self.bounded(self.client.query(sql, params)).await
    }

    /// Runs one statement and answers its first row, or none.
    pub async fn query_opt(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, DatabaseError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Runs one statement and answers how many rows it touched.
    pub async fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, DatabaseError> {
        self.bounded(self.client.execute(sql, params)).await
    }

    /// Prepares a statement for this connection, which saves a round trip each time it is run.
    pub async fn prepare(&self, sql: &str) -> Result<Statement, DatabaseError> {
        self.bounded(self.client.prepare(sql)).await
    }

    /// As [`Database::query`], with a prepared statement.
    pub async fn query_prepared(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        self.bounded(self.client.query(statement, params)).await
    }

    /// As [`Database::execute`], with a prepared statement.
    pub async fn execute_prepared(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, DatabaseError> {
        self.bounded(self.client.execute(statement, params)).await
    }

    /// Runs statements without parameters, parted by semicolons.
    pub async fn batch_execute(&self, sql: &str) -> Result<(), DatabaseError> {
        self.bounded(self.client.batch_execute(sql)).await
    }

    /// Waits until the server sends a notification on a channel that this connection listens to (`LISTEN`). One that
    /// came while nobody waited is not lost; several may be one.
    pub async fn notified(&self) {
        self.notified.notified().await;
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// A number above those of all transactions that have got one by now: it takes one for itself, so it is to be asked
    /// for only when it is needed. Once every lower one has ended, the lowest that runs (`txid_snapshot_xmin`) has
    /// reached it.
    ///
    /// The upper end of a snapshot is no such number: it is the one after the last that *ended*, and a transaction that
    /// runs can be above it.
    pub async fn take_transaction_number(&self) -> Result<i64, DatabaseError> {
        let row = self.query_opt("SELECT txid_current()", &[]).await?;
        let none = || DatabaseError::new(DatabaseErrorKind::Failed, "the database gave no transaction number");
        Ok(row.ok_or_else(none)?.try_get(0)?)
    }

    async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        match tokio::time::timeout(self.patience + GRACE, call).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(too_slow()),
        }
    }
}

/// Whether `url` is one that [`Database::connect`] takes; nothing is sent.
pub fn check_url(url: &str) -> Result<(), DatabaseError> {
    target(url).map(drop)
}

type Driven = (Client, Arc<Notify>, AbortOnDropHandle<()>);

fn drive<S, T>(client: Client, mut connection: Connection<S, T>) -> Driven
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let notified = Arc::new(Notify::new());
    let signal = Arc::clone(&notified);
    let driver = tokio::spawn(async move {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notification(_)) => signal.notify_one(),
                Ok(_) => {}
                Err(error) => {
                    // Whoever uses the connection is told by the call that fails.
                    tracing::debug!(error = %error, "the connection to the database ended");
                    break;
                }
            }
        }
        // Whoever waits for a notification finds out by its next call.
        signal.notify_one();
    });
    (client, notified, AbortOnDropHandle::new(driver))
}

fn too_slow() -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::Timeout, "the database did not answer in time")
}

/// The server and how to encrypt, from the URL. The driver knows only some of `sslmode` and not `sslrootcert`, so
/// that both are taken out here.
pub(super) fn target(url: &str) -> Result<(Config, Option<ClientConfig>), DatabaseError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(invalid("the address must start with postgres://"));
    }
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut root_file, mut rest) = ("disable", None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = value,
            Some(("sslrootcert", value)) => root_file = Some(value),
            _ => rest.push(pair),
        }
    }
    // The driver's own words may quote the address, and so its password.
    let parsed = format!("{base}?{}", rest.join("&")).parse::<Config>();
    let mut config = parsed.map_err(|_| invalid("the address must be postgres://role:password@host:port/database"))?;
    if config.get_hosts().is_empty() {
        return Err(invalid("the address names no host"));
    }
    if config.get_dbname().is_none_or(str::is_empty) {
        return Err(invalid("the address names no database"));
    }
    let tls = match (mode, root_file) {
        ("disable" | "prefer" | "allow", _) => None,
        ("require", None) => Some(tls::unchecked()?),
        ("verify-full", Some(file)) => Some(tls::checked(file)?),
        ("verify-full", None) => return Err(invalid("sslmode=verify-full needs sslrootcert")),
        ("require", Some(_)) => return Err(invalid("sslrootcert needs sslmode=verify-full")),
        _ => return Err(invalid("sslmode must be disable, require or verify-full")),
    };
    config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
    Ok((config, tls))
}

fn invalid(message: &str) -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::InvalidUrl, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_and_never_quoted() {
        check_url("postgres://capture:hush@db.example.com:5432/odoo").unwrap();
        check_url("postgresql://capture@127.0.0.1/odoo?sslmode=require").unwrap();
        for (url, reason) in [
            ("https://db/odoo", "postgres://"),
            ("postgres://u:hush@/", "no host"),
            ("postgres://u:hush@host", "no database"),
            ("postgres://u:hush@host:port/db", "must be postgres://"),
            ("postgres://u:hush@host/db?sslmode=verify-full", "sslrootcert"),
            ("postgres://u:hush@host/db?sslmode=sometimes", "sslmode must be"),
        ] {
            let error = check_url(url).unwrap_err();
            assert_eq!(error.kind, DatabaseErrorKind::InvalidUrl);
            assert!(error.to_string().contains(reason), "{url}: {error}");
            assert!(!format!("{error:?}").contains("hush"), "{url}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unreachable() {
        let options = DatabaseOptions { connect_timeout_ms: 2_000, ..DatabaseOptions::default() };
        let error = Database::connect("postgres://nobody@127.0.0.1:9/none", &options).await.unwrap_err();
        assert_eq!(error.kind, DatabaseErrorKind::Unreachable, "{error:?}");
        assert!(error.is_transient());
    }
}
