//! The background readers of each active system, one for each strategy, each on one node at a time, and beside them
//! what tells the system of its devices.

use super::{capture, poll, pull, wal, watch};
use crate::config::ms;
use crate::context::Context;
use crate::erps::parse_connection;
use crate::mirror;
use crate::supervise::keep_going;
use bridge_model::{Strategy, SystemKey, Timestamp};
use bridge_store::{Lease, StoreError, System};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often the list of systems is read, besides at each signal: another node may have changed it.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// A kind of reader.
struct Kind {
    /// The strategy that it works by.
    strategy: Strategy,
    /// The beginning of its lease's name.
    lease: &'static str,
    /// Whether a system is read by it.
    applies: fn(&Context, &System) -> bool,
    /// Reads until it is stopped or loses the lease, and answers the lease as last renewed.
    read: for<'a> fn(&'a Context, &'a System, Lease, &'a CancellationToken) -> BoxFuture<'a, Lease>,
}

/// Every kind of reader.
const KINDS: &[Kind] = &[
    Kind {
        strategy: Strategy::Addon,
        lease: "pull",
        applies: |_, _| true,
        read: |cx, system, lease, stop| pull::read_while_leading(cx, system, lease, stop).boxed(),
    },
    Kind {
        strategy: Strategy::Capture,
        lease: "capture",
        applies: |_, system| names_database(system),
        read: |cx, system, lease, stop| capture::read_while_leading(cx, system, lease, stop).boxed(),
    },
    Kind {
        strategy: Strategy::Wal,
        lease: "wal",
        applies: |_, system| names_database(system),
        read: |cx, system, lease, stop| wal::read_while_leading(cx, system, lease, stop).boxed(),
    },
    Kind {
        strategy: Strategy::Poll,
        lease: "poll",
        applies: |cx, _| cx.config.detection.enabled,
        read: |cx, system, lease, stop| poll::poll_while_leading(cx, system, lease, stop).boxed(),
    },
];

/// Whether a system names the ERP's database, which may have an outbox and whose log may be read.
fn names_database(system: &System) -> bool {
    parse_connection(&system.connection).is_ok_and(|connection| connection.postgres_url.is_some())
}

/// Who sees to it that each model has the best of them.
const WATCH: Kind = Kind {
    strategy: Strategy::Addon,
    lease: "watch",
    applies: |cx, _| cx.config.detection.enabled,
    read: |cx, system, lease, stop| watch::watch_while_leading(cx, system, lease, stop).boxed(),
};

/// A reader that runs, and the settings it was started with.
struct Running {
    settings_of: Timestamp,
    /// Stops it, also when what is kept of it here gets lost.
    stop: DropGuard,
    task: JoinHandle<()>,
}

/// Keeps the readers of each active system running until `stop`. `node` names this process among several.
pub async fn run(cx: Context, node: String, stop: CancellationToken) {
    let mut running: HashMap<(SystemKey, Strategy), Running> = HashMap::new();
    loop {
        match cx.store.all_systems().await {
            Ok(systems) => reconcile(&cx, &node, &mut running, systems).await,
            Err(error) => tracing::warn!(error = %error, "list the systems to read from"),
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = cx.hub.wait_systems_changed() => {}
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
    }
    for (_, reader) in running {
        end(reader).await;
    }
}

async fn reconcile(
    cx: &Context,
    node: &str,
    running: &mut HashMap<(SystemKey, Strategy), Running>,
    systems: Vec<System>,
) {
    let active: HashMap<SystemKey, System> =
        systems.into_iter().filter(|system| system.is_active).map(|system| (system.key, system)).collect();
    let outdated: Vec<_> = running
        .iter()
        .filter(|((key, _), reader)| active.get(key).is_none_or(|system| system.updated_at != reader.settings_of))
        .map(|(key, _)| *key)
        .collect();
    for (key, strategy) in outdated {
        if let Some(reader) = running.remove(&(key, strategy)) {
            end(reader).await;
        }
        cx.readers.forget(key, strategy);
        if !active.contains_key(&key) {
            cx.mirrors.forget(key);
            cx.hub.forget_readers(key);
            cx.owners.forget(key);
            cx.wal_readers.forget(key);
            cx.erps.forget(key);
        }
    }
    for (key, system) in active {
        for kind in KINDS.iter().filter(|kind| (kind.applies)(cx, &system)) {
            running.entry((key, kind.strategy)).or_insert_with(|| start(cx, node, kind, &system));
        }
    }
}

fn start(cx: &Context, node: &str, kind: &'static Kind, system: &System) -> Running {
    let stop = CancellationToken::new();
    let settings_of = system.updated_at;
    let (cx, node, system, stopped) = (cx.clone(), node.to_owned(), system.clone(), stop.clone());
    let task = tokio::spawn(async move {
        let read = || lead(cx.clone(), node.clone(), kind, system.clone(), stopped.clone());
        let watch = || lead(cx.clone(), node.clone(), &WATCH, system.clone(), stopped.clone());
        let mirror = || mirror::run(&cx, &node, &system, &stopped);
        let once = async {
            // What is done once for a system goes along with the reader that every system has: the devices are told to
            // the add-on that keeps the event table, and the owners of the models are watched over.
            if kind.strategy == Strategy::Addon {
                let watching = async {
                    if (WATCH.applies)(&cx, &system) {
                        keep_going(&cx.metrics, "watch", &stopped, watch).await;
                    }
                };
                tokio::join!(keep_going(&cx.metrics, "mirror", &stopped, mirror), watching);
            }
        };
        tokio::join!(keep_going(&cx.metrics, "reader", &stopped, read), once);
    });
    Running { settings_of, stop: stop.drop_guard(), task }
}

async fn end(reader: Running) {
    drop(reader.stop);
    if let Err(error) = reader.task.await {
        tracing::error!(error = %error, "a background reader broke off");
    }
}

/// Waits for the lease of the reader, reads while it holds, and gives it back at the end.
async fn lead(cx: Context, node: String, kind: &Kind, system: System, stop: CancellationToken) {
    let ttl = ms(cx.config.ingest.lease_ms);
    let name = format!("{}:{}", kind.lease, system.key);
    while !stop.is_cancelled() {
        match cx.store.acquire_lease(&name, &node, ttl).await {
            Ok(Some(lease)) => {
                let lease = holding(&cx, &lease, (kind.read)(&cx, &system, lease.clone(), &stop)).await;
                if let Err(error) = cx.store.release_lease(&lease).await {
                    tracing::warn!(system.id = %system.system_id, error = %error, "release the reader's lease");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(system.id = %system.system_id, error = %error, "acquire the reader's lease"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(ttl / 3) => {}
        }
    }
}

/// Goes on reading, and renews the lease meanwhile, however long the reader takes for a step: what a step finds after the
/// lease has run out is refused, so that a system which always answers more slowly would be asked the same for ever.
async fn holding(cx: &Context, lease: &Lease, reading: impl Future<Output = Lease>) -> Lease {
    let lost = async {
        lose_lease(cx, lease.clone()).await;
        // The reader finds that out by itself, at the latest by its next write.
        std::future::pending().await
    };
    tokio::select! {
        lease = reading => lease,
        lease = lost => lease,
    }
}

/// Renews the lease for as long as that works. Where the store can't be asked, it is over when the time is.
pub(super) async fn lose_lease(cx: &Context, mut lease: Lease) {
    loop {
        match keep_lease(cx, &mut lease).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(lease = %lease.name, error = %error, "renew a reader's lease");
                if cx.clock.now() >= lease.expires_at {
                    return;
                }
            }
        }
        tokio::time::sleep(ms(cx.config.ingest.lease_ms) / 4).await;
    }
}

/// Renews a reader's lease when a third of it has passed. False: it has run out, and another node may have read since,
/// so that nothing that is remembered may be relied on. The error leaves that open: whatever is under way has failed.
pub(super) async fn keep_lease(cx: &Context, lease: &mut Lease) -> Result<bool, StoreError> {
    let ttl = ms(cx.config.ingest.lease_ms);
    if cx.clock.now().plus(ttl * 2 / 3) < lease.expires_at {
        return Ok(true);
    }
    cx.store.renew_lease(lease, ttl).await
}
