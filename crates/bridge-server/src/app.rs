//! Puts the parts together. `main` and the tests start the same thing.

use crate::alerts::{self, Alerts};
use crate::api;
use crate::auth::{self, Auth, FirstAdmin};
use crate::config::{Config, ms};
use crate::context::{Context, Parts};
use crate::detection::Owners;
use crate::erps::Erps;
use crate::files::Storages;
use crate::hub::{self, Hub};
use crate::ingest::{self, Readers, WalReaders};
use crate::jobs;
use crate::language::Texts;
use crate::limits::Limits;
use crate::mapping::Mappings;
use crate::metrics::Metrics;
use crate::mirror::Mirrors;
use crate::records::Records;
use crate::serve::serve;
use crate::supervise::keep_going;
use crate::sync::{Rights, Tails};
use crate::tasks;
use anyhow::Context as _;
use bridge_model::migration::RulePacks;
use bridge_model::{Clock, Entropy};
use bridge_store::{Store, StoreOptions};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A running service.
#[derive(Debug)]
pub struct RunningApp {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its parts.
    pub context: Context,
    /// The first admin, if this start made them.
    pub first_admin: Option<FirstAdmin>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Opens the database, makes the first admin where there is nobody, starts the background work and listens.
pub async fn start(config: Config, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<RunningApp> {
    config.check()?;
    // Before anything is written: a start that fails here must not have used up the first start.
    let listener =
        TcpListener::bind(config.server.listen).await.with_context(|| format!("listen on {}", config.server.listen))?;
    let address = listener.local_addr().context("find the address")?;
    let storages = Storages::open(&config.files, &clock).context("open the storage of files")?;
    let alerts = Alerts::new(&config.alerts).context("prepare the alerts")?;
    let store = Store::open(store_options(&config), Arc::clone(&clock), Arc::clone(&entropy))
        .await
        .context("open the database")?;
    let metrics = Metrics::new().context("register the metrics")?;
    let context = Context::from(Parts {
        store,
        erps: Arc::new(Erps::new(&config, Arc::clone(&clock), &entropy)),
        hub: Arc::new(Hub::default()),
        owners: Arc::new(Owners::default()),
        readers: Arc::new(Readers::default()),
        alerts: Arc::new(alerts),
        mirrors: Arc::new(Mirrors::default()),
        tails: Arc::new(Tails::new(&config.sync)),
        wal_readers: Arc::new(WalReaders::default()),
        rights: Arc::new(Rights::default()),
        records: Arc::new(Records::new(&config, &metrics, entropy.as_ref()).context("prepare the cache")?),
        storages: Arc::new(storages),
        limits: Arc::new(Limits::new(&config, &metrics).context("prepare the limits")?),
        auth: Arc::new(Auth::new(&config.security, entropy.as_ref()).context("prepare the keys")?),
        texts: Arc::new(Texts::new().context("read the messages")?),
        mappings: Arc::new(Mappings::new(&config).context("read the field maps")?),
        rule_packs: Arc::new(RulePacks::new().context("read the rule packs")?),
        metrics: Arc::new(metrics),
        config: Arc::new(config),
        clock,
        entropy,
    });
    context.metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION"), context.store.kind()]).set(1);
    let first_admin = auth::first_admin(&context).await.context("make the first admin")?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    start_background(&context, &stop, &tasks);
    let router = api::router(&context);
    let stopped = stop.clone();
    tasks.spawn(serve(listener, router, context.config.server.clone(), stopped));
    tasks.close();
    tracing::info!(%address, database = context.store.kind(), "listening");
    Ok(RunningApp { address, context, first_admin, stop, tasks })
}

impl RunningApp {
    /// Stops: no new requests, open ones may finish within the config's time, then the database is closed.
    pub async fn stop(self) {
        self.stop.cancel();
        let patience = ms(self.context.config.server.shutdown_ms);
        let ended = async {
            self.context.hub.end_sessions().await;
            self.tasks.wait().await;
            // The last requests may have begun writes that go on without them.
            self.context.hub.end_sessions().await;
        };
        if tokio::time::timeout(patience, ended).await.is_err() {
            tracing::warn!("requests were still open when the time to stop was over");
        }
        self.context.store.close().await;
    }
}

fn start_background(cx: &Context, stop: &CancellationToken, tasks: &TaskTracker) {
    // SQLite lets only one process in, so that a lease left behind by a crash is our own.
    let node = if cx.store.kind() == "sqlite" { "sqlite".to_owned() } else { cx.entropy.hex(8) };
    let (reading, reading_node, stopped) = (cx.clone(), node.clone(), stop.clone());
    tasks.spawn(async move {
        let work = || ingest::run(reading.clone(), reading_node.clone(), stopped.clone());
        keep_going(&reading.metrics, "readers", &stopped, work).await;
    });
    let greeting = cx.clone();
    // So that the log tells at the start if Redis is away; nothing waits for it.
    tasks.spawn(async move { greeting.records.cache.shared_answers().await });
    let (doing, doing_node, stopped) = (cx.clone(), node.clone(), stop.clone());
    tasks.spawn(async move {
        let work = || tasks::run(doing.clone(), doing_node.clone(), stopped.clone());
        keep_going(&doing.metrics, "tasks", &stopped, work).await;
    });
    let (telling, telling_node, stopped) = (cx.clone(), node.clone(), stop.clone());
    tasks.spawn(async move {
        let work = || alerts::run(telling.clone(), telling_node.clone(), stopped.clone());
        keep_going(&telling.metrics, "alerts", &stopped, work).await;
    });
    let (working, stopped) = (cx.clone(), stop.clone());
    tasks.spawn(async move {
        let work = || jobs::run(working.clone(), node.clone(), stopped.clone());
        keep_going(&working.metrics, "jobs", &stopped, work).await;
    });
    let (following, stopped) = (cx.clone(), stop.clone());
    tasks.spawn(async move {
        let interval = ms(following.config.live.head_poll_ms);
        let work = || hub::follow_store(&following.hub, &following.store, interval);
        tokio::select! {
            () = stopped.cancelled() => {}
            () = keep_going(&following.metrics, "heads", &stopped, work) => {}
        }
    });
}

/// How the database is opened.
pub(crate) fn store_options(config: &Config) -> StoreOptions {
    let mut options = StoreOptions::new(config.store.url.clone(), config.security.encryption_keys.clone());
    options.queue_max = config.store.queue_max;
    options.commit_rows_max = config.store.commit_rows_max;
    options.readers = config.store.readers;
    options.pool_max = config.store.pool_max;
    options
}
