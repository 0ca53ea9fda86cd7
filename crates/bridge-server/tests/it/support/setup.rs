//! Starting the service, stopping it, and starting it again on the same data.

use super::client::Client;
use bridge_model::clock::{ManualClock, SystemClock};
use bridge_model::entropy::OsEntropy;
use bridge_model::{AddressBlock, Clock, Entropy, Timestamp};
use bridge_server::Context;
use bridge_server::app::{RunningApp, start};
use bridge_server::auth::FirstAdmin;
use bridge_server::config::{Config, Limits, PerMinute};
use bridge_store::{NewUser, Role};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// The password of every admin here.
pub(crate) const ADMIN_PASSWORD: &str = "the admin's password";

/// The password of every other user here.
const USER_PASSWORD: &str = "a user's password";

/// What tokens are signed with here.
pub(crate) const SECRET_KEY: &str = "a secret key that only the tests know";

/// The variable that names the server on which each test makes a database of its own.
const POSTGRES_VARIABLE: &str = "BRIDGECORE_TEST_POSTGRES_URL";

/// What an app is started with. Clones share the database.
#[derive(Clone)]
pub(crate) struct Setup {
    /// On the heap, since every test hands it on by value.
    config: Box<Config>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Where SQLite's file is; goes away with the last clone.
    _folder: Option<Arc<TempDir>>,
}

impl Setup {
    /// On a new SQLite database.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("bridgecore.db").display());
        Self::on(url, Some(Arc::new(folder)))
    }

    /// On a new PostgreSQL database. It stays behind, since the server that the tests are given goes away as a whole.
    pub(crate) async fn postgres() -> Self {
        let server = std::env::var(POSTGRES_VARIABLE).unwrap_or_else(|_| {
            panic!("{POSTGRES_VARIABLE} is not set; `cargo xtask test` starts a server and sets it")
        });
        let name = format!("it_{}", OsEntropy::new().unwrap().hex(8));
        let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        Self::on(url.to_string(), None)
    }

    fn on(url: String, folder: Option<Arc<TempDir>>) -> Self {
        let mut config = Config::default();
        config.store.url = url;
        config.server.listen = ([127, 0, 0, 1], 0).into();
        SECRET_KEY.clone_into(&mut config.security.secret_key);
        config.security.encryption_keys = vec!["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".to_owned()];
        ADMIN_PASSWORD.clone_into(&mut config.security.first_admin_password);
        // The ERPs of the tests are on this machine, and so are their databases.
        config.outbound.allowed_addresses =
            ["127.0.0.0/8", "::1"].map(|block| AddressBlock::parse(block).unwrap()).to_vec();
        // Tests ask far more often than people; the limits have tests of their own.
        config.limits.enabled = false;
        // Tests wait for what the readers find, so that these look often.
        config.ingest.pull_interval_min_ms = 20;
        config.ingest.pull_interval_max_ms = 200;
        config.ingest.pull_backoff_max_ms = 500;
        config.live.head_poll_ms = 50;
        // Most tests are about something else than who sees which model.
        config.detection.enabled = false;
        Self {
            config: Box::new(config),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy::new().unwrap()),
            _folder: folder,
        }
    }

    /// The same with other settings.
    pub(crate) fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// The same with these limits, and no others.
    pub(crate) fn limits(self, set: impl FnOnce(&mut Limits)) -> Self {
        self.config(|config| {
            let limits = &mut config.limits;
            *limits = Limits::default();
            limits.per_minute = PerMinute {
                authentication: 0,
                reads: 0,
                writes: 0,
                deletes: 0,
                batch: 0,
                files: 0,
                webhook_events: 0,
                webhook_receive: 0,
                sync_pull: 0,
                sync_state: 0,
            };
            limits.per_hour.sync_reset = 0;
            let of_plans = [&mut limits.webhook_events_per_hour, &mut limits.sync_pull_per_hour];
            of_plans.into_iter().flat_map(BTreeMap::values_mut).for_each(|number| *number = 0);
            set(limits);
        })
    }

    /// Where the database is.
    pub(crate) fn store_url(&self) -> &str {
        &self.config.store.url
    }

    /// The same with another clock.
    pub(crate) fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same with other randomness.
    pub(crate) fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// The same as variables for the binary.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let Config { store, security, .. } = &*self.config;
        vec![
            ("BRIDGECORE_SERVER__LISTEN", self.config.server.listen.to_string()),
            ("BRIDGECORE_SERVER__REQUEST_TIMEOUT_MS", self.config.server.request_timeout_ms.to_string()),
            ("BRIDGECORE_STORE__URL", store.url.clone()),
            ("BRIDGECORE_SECURITY__SECRET_KEY", security.secret_key.clone()),
            ("BRIDGECORE_SECURITY__ENCRYPTION_KEYS", json!(security.encryption_keys).to_string()),
            ("BRIDGECORE_SECURITY__FIRST_ADMIN_PASSWORD", security.first_admin_password.clone()),
            ("BRIDGECORE_OUTBOUND__ALLOW_PRIVATE", self.config.outbound.allow_private.to_string()),
            ("BRIDGECORE_OUTBOUND__ALLOWED_ADDRESSES", json!(self.config.outbound.allowed_addresses).to_string()),
            ("BRIDGECORE_LIMITS__ENABLED", self.config.limits.enabled.to_string()),
        ]
    }

    /// Starts the service, as `main` does.
    pub(crate) async fn start(&self) -> App {
        self.try_start().await.unwrap()
    }

    /// The same; the error is why it did not start.
    pub(crate) async fn try_start(&self) -> anyhow::Result<App> {
        let running = start(Config::clone(&self.config), Arc::clone(&self.clock), Arc::clone(&self.entropy)).await?;
        Ok(App { running, setup: self.clone(), http: http_client() })
    }
}

/// A clock that moves only when the test moves it.
pub(crate) fn manual_clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::parse_rfc3339("2026-03-02T09:00:00Z").unwrap()))
}

/// The running service.
pub(crate) struct App {
    running: RunningApp,
    setup: Setup,
    http: reqwest::Client,
}

impl App {
    /// The service's parts, for what cannot be seen or done through its front door.
    pub(crate) fn context(&self) -> &Context {
        &self.running.context
    }

    /// What it was started with, to start another node on the same database.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Host and port.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.running.address
    }

    /// The first admin, if this start made them.
    pub(crate) fn first_admin(&self) -> Option<&FirstAdmin> {
        self.running.first_admin.as_ref()
    }

    /// A client without a token.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.http.clone(), format!("http://{}", self.address()))
    }

    /// The answer to a log-in, with both tokens.
    pub(crate) async fn tokens(&self, username: &str, password: &str) -> Value {
        let body = json!({ "username": username, "password": password });
        self.anonymous().post("/api/v1/auth/login", &body).await.expect(200)
    }

    /// A client with the token of a new log-in.
    pub(crate) async fn login(&self, username: &str, password: &str) -> Client {
        let tokens = self.tokens(username, password).await;
        self.anonymous().with_token(tokens["access_token"].as_str().unwrap())
    }

    /// The first admin.
    pub(crate) async fn admin(&self) -> Client {
        self.login("admin", ADMIN_PASSWORD).await
    }

    /// A new user of the first tenant, linked to a user of the ERP or not.
    pub(crate) async fn user(&self, username: &str, odoo_user_id: Option<i64>) -> Client {
        let body = json!({ "username": username, "password": USER_PASSWORD, "odoo_user_id": odoo_user_id });
        self.admin().await.post("/api/v1/users", &body).await.expect(201);
        self.login(username, USER_PASSWORD).await
    }

    /// The admin of a new tenant; no route makes tenants.
    pub(crate) async fn other_tenant(&self, username: &str) -> Client {
        let cx = self.context();
        let tenant = cx.store.create_tenant(username, "enterprise").await.unwrap();
        let password_hash = cx.auth.hash_password(ADMIN_PASSWORD.to_owned(), &*cx.entropy).await.unwrap();
        let new = NewUser {
            username: username.to_owned(),
            password_hash,
            role: Role::Admin,
            odoo_user_id: None,
            language: None,
        };
        cx.store.create_user(tenant.id, new).await.unwrap();
        self.login(username, ADMIN_PASSWORD).await
    }

    /// Stops the service in good order and gives back what it takes to start it again on the same data.
    pub(crate) async fn stop(self) -> Setup {
        self.running.stop().await;
        self.setup
    }
}

pub(super) fn http_client() -> reqwest::Client {
    // Whoever comes second in this process finds it installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_mins(1)).build().unwrap()
}

/// Runs each of these `async fn(Setup)` on SQLite and on PostgreSQL.
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Setup::sqlite()).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Setup::postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_both_databases;
