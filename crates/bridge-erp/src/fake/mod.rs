//! The demo ERP: a real HTTP server that answers as Odoo 19 does for what BridgeCore calls.
//!
//! Tests, the demo and the benchmarks use it. Its latency, its failures, its clock and the order of its commits can be
//! controlled. The data is a small, living company; a seed decides it.

mod addon_methods;
mod answers;
mod call;
mod db;
mod engine;
mod faults;
mod http;
mod keys;
mod life;
mod load;
mod methods;
mod mirror_states;
mod push;
mod read_as;
mod refusal;
mod seed;
#[cfg(test)]
mod tests;

pub use db::{Db, Transaction};
pub use engine::state::CommittedEvent;
pub use faults::{Fault, Faults};
pub use refusal::Refusal;

use crate::adapter::Connection;
use bridge_model::clock::SystemClock;
use bridge_model::entropy::SeededEntropy;
use bridge_model::{Clock, Entropy, Timestamp};
use engine::schema::Schema;
use engine::state::State;
use http::listener::{Door, Peer};
use http::sessions::Sessions;
use push::PushTarget;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Which add-on is installed in the demo ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addon {
    /// BridgeCore's own.
    Bridgecore,
    /// The public one that existing users have: fewer fields, none of our methods.
    AutoWebhook,
    /// None: there is no event table.
    None,
}

/// How a demo ERP is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Decides the sample data and what happens.
    pub seed: u64,
    /// The port on 127.0.0.1; 0 takes a free one, which stays the same over restarts.
    pub port: u16,
    /// Tells the time in the ERP.
    pub clock: Arc<dyn Clock>,
    /// The add-on that is installed.
    pub addon: Addon,
    /// The name of its one database.
    pub database: String,
    /// How often something happens by itself, as in a living company; `None` for never.
    pub life_interval: Option<Duration>,
    /// The most events that are kept; the oldest go first.
    pub events_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 19,
            port: 0,
            clock: Arc::new(SystemClock),
            addon: Addon::Bridgecore,
            database: "demo".to_owned(),
            life_interval: None,
            events_max: 1_000_000,
        }
    }
}

/// What follows the log-in name in a user's API key.
const API_KEY_END: &str = "-api-key";

/// A running demo ERP. Dropping it stops the server.
#[derive(Debug)]
pub struct DemoErp {
    shared: Arc<Shared>,
    life_interval: Option<Duration>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What the server, its tasks and the handles share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    sessions: Mutex<Sessions>,
    push: Mutex<Option<PushTarget>>,
    push_wake: Notify,
    faults: Faults,
    clock: Arc<dyn Clock>,
    entropy: SeededEntropy,
    database: String,
    port: AtomicU16,
}

impl DemoErp {
    /// Starts a demo ERP; the error says why the port can't be had.
    pub async fn start(options: Options) -> io::Result<Self> {
        let entropy = SeededEntropy::new(options.seed);
        let schema = Schema::load(options.addon).map_err(io::Error::other)?;
        let mut state = State::new(schema, options.addon, uuid(&entropy), options.events_max);
        seed::fill(&mut state, options.seed, &uuid(&entropy), options.clock.now()).map_err(io::Error::other)?;
        let erp = Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                sessions: Mutex::default(),
                push: Mutex::default(),
                push_wake: Notify::new(),
                faults: Faults::default(),
                clock: options.clock,
                entropy,
                database: options.database,
                port: AtomicU16::new(options.port),
            }),
            life_interval: options.life_interval,
            running: Mutex::default(),
        };
        erp.restart().await?;
        Ok(erp)
    }

    /// The address, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// A connection as the administrator.
    pub fn connection(&self) -> Connection {
        self.connection_as("admin", "admin")
    }

    /// A connection as another user: `sales` and `stock` have their names as passwords.
    pub fn connection_as(&self, username: &str, password: &str) -> Connection {
        Connection {
            url: self.url(),
            database: self.shared.database.clone(),
            username: username.to_owned(),
            password: password.to_owned(),
            api_key: None,
            timeout_ms: None,
            postgres_url: None,
            protocol: None,
        }
    }

    /// A connection with the API key of a user, for the protocol that asks for one.
    pub fn connection_with_key(&self, username: &str) -> Connection {
        Connection { api_key: Some(format!("{username}{API_KEY_END}")), ..self.connection_as(username, "") }
    }

    /// Gives a user an API key that ends at this time, and answers it.
    pub fn add_key(&self, uid: i64, name: &str, expires_at: Timestamp) -> String {
        let secret = self.shared.entropy.hex(20);
        self.shared.work(|state, _| state.keys.add(uid, name, secret.clone(), Some(expires_at)));
        secret
    }

    /// The names of the API keys that were given to a user or made by them, in the order of their making.
    pub fn key_names(&self, uid: i64) -> Vec<String> {
        self.shared.read(|state| state.keys.names(uid))
    }

    /// The database, for tests that decide when a transaction commits.
    pub fn db(&self) -> Db {
        Db { shared: Arc::clone(&self.shared) }
    }

    /// What is made to go wrong.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Stops the server: the port is closed, open connections are reset, nothing happens by itself. Data stays.
    pub async fn stop(&self) {
        let running = lock(&self.running).take();
        if let Some(mut running) = running {
            running.stop.cancel();
            // The listener is closed when its task has ended, and only then can the port be taken again.
            while running.tasks.join_next().await.is_some() {}
        }
    }

    /// Starts the server again on the same port, with the data as it was; a running one is stopped first. Sessions
    /// survive as they do in Odoo, which keeps them in files.
    pub async fn restart(&self) -> io::Result<()> {
        self.stop().await;
        let port = self.shared.port.load(Ordering::SeqCst);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        self.shared.port.store(listener.local_addr()?.port(), Ordering::SeqCst);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let door = Door { listener, shared: Arc::clone(&self.shared), stop: stop.clone() };
        let app = http::router(Arc::clone(&self.shared)).into_make_service_with_connect_info::<Peer>();
        let ended = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                outcome = async { axum::serve(door, app).await } => {
                    if let Err(error) = outcome {
                        tracing::warn!(%error, "the demo ERP's server ended");
                    }
                }
            }
        });
        tasks.spawn(until(stop.clone(), push::run(Arc::clone(&self.shared))));
        if let Some(interval) = self.life_interval {
            tasks.spawn(until(stop.clone(), life::run(Arc::clone(&self.shared), interval)));
        }
        *lock(&self.running) = Some(Running { stop, tasks });
        Ok(())
    }

    /// Begins a new life of the event numbering, as a restored database or a reinstalled add-on does: the events are
    /// gone, ids start over, the epoch and the database's uuid are others.
    pub fn new_life(&self) {
        let (epoch, database) = (uuid(&self.shared.entropy), uuid(&self.shared.entropy));
        self.shared.work(|state, now| seed::new_life(state, epoch, &database, now));
    }

    /// Pushes urgent events to `{url}/api/v1/webhooks/receive` from now on, with `key` as `X-API-Key`.
    pub fn push_to(&self, url: &str, key: &str) {
        *lock(&self.shared.push) = Some(PushTarget { url: url.trim_end_matches('/').to_owned(), key: key.to_owned() });
        self.shared.push_wake.notify_one();
    }

    /// Ends the pushing.
    pub fn push_off(&self) {
        *lock(&self.shared.push) = None;
    }

    /// Lets one realistic thing happen now, and says what it was.
    pub fn happen(&self) -> &'static str {
        life::happen(&self.shared)
    }

    /// Ends every session, so that the next call over one is told that it expired.
    pub fn expire_sessions(&self) {
        lock(&self.shared.sessions).clear();
    }
}

impl Shared {
    /// Works on the tables; the section is short and never waits.
    fn work<T>(&self, act: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        let outcome = act(&mut state, now);
        if !state.to_push.is_empty() {
            self.push_wake.notify_one();
        }
        outcome
    }

    fn read<T>(&self, act: impl FnOnce(&State) -> T) -> T {
        act(&lock(&self.state))
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.load(Ordering::SeqCst))
    }

    fn open_session(&self, uid: i64) -> String {
        let key = self.entropy.hex(20);
        lock(&self.sessions).open(key.clone(), uid);
        key
    }

    fn close_session(&self, key: &str) {
        lock(&self.sessions).close(key);
    }

    fn session_user(&self, key: &str) -> Option<i64> {
        lock(&self.sessions).user(key)
    }
}

/// A lock that a panic elsewhere does not take away: the state is changed whole or not at all.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

fn uuid(entropy: &SeededEntropy) -> String {
    let digits = entropy.hex(16);
    format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}
