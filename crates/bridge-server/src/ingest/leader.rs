//! One background reader for each active system, on one node at a time, and beside it what tells the system of its
//! devices.

use super::pull;
use crate::config::ms;
use crate::context::Context;
use crate::mirror;
use crate::supervise::keep_going;
use bridge_model::{SystemKey, Timestamp};
use bridge_store::System;
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often the list of systems is read, besides at each signal: another node may have changed it.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// A reader that runs, and the settings it was started with.
struct Running {
    settings_of: Timestamp,
    /// Stops it, also when what is kept of it here gets lost.
    stop: DropGuard,
    task: JoinHandle<()>,
}

/// Keeps a reader running for each active system until `stop`. `node` names this process among several.
pub async fn run(cx: Context, node: String, stop: CancellationToken) {
    let mut running: HashMap<SystemKey, Running> = HashMap::new();
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

async fn reconcile(cx: &Context, node: &str, running: &mut HashMap<SystemKey, Running>, systems: Vec<System>) {
    let wanted: HashMap<SystemKey, System> =
        systems.into_iter().filter(|system| system.is_active).map(|system| (system.key, system)).collect();
    let outdated: Vec<SystemKey> = running
        .iter()
        .filter(|(key, reader)| wanted.get(key).is_none_or(|system| system.updated_at != reader.settings_of))
        .map(|(key, _)| *key)
        .collect();
    for key in outdated {
        if let Some(reader) = running.remove(&key) {
            end(reader).await;
        }
        if !wanted.contains_key(&key) {
            cx.readers.forget(key);
            cx.mirrors.forget(key);
            cx.hub.forget_readers(key);
            cx.owners.forget(key);
            cx.erps.forget(key);
        }
    }
    for (key, system) in wanted {
        running.entry(key).or_insert_with(|| {
            let stop = CancellationToken::new();
            let settings_of = system.updated_at;
            let (cx, node, stopped) = (cx.clone(), node.to_owned(), stop.clone());
            let task = tokio::spawn(async move {
                let read = || lead(cx.clone(), node.clone(), system.clone(), stopped.clone());
                let mirror = || mirror::run(&cx, &node, &system, &stopped);
                tokio::join!(
                    keep_going(&cx.metrics, "reader", &stopped, read),
                    keep_going(&cx.metrics, "mirror", &stopped, mirror),
                );
            });
            Running { settings_of, stop: stop.drop_guard(), task }
        });
    }
}

async fn end(reader: Running) {
    drop(reader.stop);
    if let Err(error) = reader.task.await {
        tracing::error!(error = %error, "a background reader broke off");
    }
}

/// Waits for the lease of the system's reader, reads while it holds, and gives it back at the end.
async fn lead(cx: Context, node: String, system: System, stop: CancellationToken) {
    let ttl = ms(cx.config.ingest.lease_ms);
    let name = format!("pull:{}", system.key);
    while !stop.is_cancelled() {
        match cx.store.acquire_lease(&name, &node, ttl).await {
            Ok(Some(lease)) => {
                let lease = pull::read_while_leading(&cx, &system, lease, &stop).await;
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
