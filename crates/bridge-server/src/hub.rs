//! Wakes whoever waits: sessions for new positions in the log, background readers for a new look at their ERP.
//!
//! Only positions travel here, never payloads: a signal is a hint, the log is the truth. Whoever is woken reads
//! the log from its own cursor, so that a slow one skips wake-ups and loses nothing.

use bridge_model::{Position, SystemKey, TenantId};
use bridge_store::Store;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The wake-ups of this process.
#[derive(Debug, Default)]
pub struct Hub {
    heads: Mutex<HashMap<TenantId, watch::Sender<Position>>>,
    readers: Mutex<HashMap<SystemKey, Arc<Notify>>>,
    systems_changed: Notify,
    sessions: TaskTracker,
    sessions_end: CancellationToken,
}

impl Hub {
    /// Tells everyone who waits on this tenant that its log now reaches `head`.
    pub fn wake(&self, tenant: TenantId, head: Position) {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = heads.get(&tenant) {
            sender.send_if_modified(|known| {
                let newer = head > *known;
                *known = head.max(*known);
                newer
            });
        }
    }

    /// The tenant's head, to be waited on. It may be behind the store's until the first wake-up.
    pub fn subscribe(&self, tenant: TenantId) -> watch::Receiver<Position> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.entry(tenant).or_insert_with(|| watch::channel(Position::START).0).subscribe()
    }

    /// The signal that makes a system's background reader look now.
    pub fn reader(&self, system: SystemKey) -> Arc<Notify> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(readers.entry(system).or_default())
    }

    /// Makes a system's background reader look now, if there is one.
    pub fn nudge(&self, system: SystemKey) {
        self.reader(system).notify_one();
    }

    /// Drops what is kept for a system that is no more.
    pub fn forget_reader(&self, system: SystemKey) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).remove(&system);
    }

    /// Says that systems were added, changed or removed.
    pub fn systems_changed(&self) {
        self.systems_changed.notify_one();
    }

    /// Waits until systems were added, changed or removed.
    pub async fn wait_systems_changed(&self) {
        self.systems_changed.notified().await;
    }

    /// Counts an open connection for as long as the answer is kept. The server does not wait for connections that
    /// have left HTTP behind, so that they are counted here.
    pub fn session(&self) -> TaskTrackerToken {
        self.sessions.token()
    }

    /// Waits until open connections have to end because the service stops.
    pub async fn sessions_have_to_end(&self) {
        self.sessions_end.cancelled().await;
    }

    /// Makes every open connection end, and waits until all have.
    pub async fn end_sessions(&self) {
        self.sessions_end.cancel();
        self.sessions.close();
        self.sessions.wait().await;
    }

    /// The tenants that somebody waits on now.
    fn awaited(&self) -> Vec<TenantId> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.retain(|_, sender| sender.receiver_count() > 0);
        heads.keys().copied().collect()
    }
}

/// Follows the heads in the store for as long as it runs, so that changes which another node appended wake
/// sessions here as well. `interval` bounds how late that can be.
pub async fn follow_store(hub: &Hub, store: &Store, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        for tenant in hub.awaited() {
            match store.head(tenant).await {
                Ok(head) => hub.wake(tenant, head),
                Err(error) => tracing::warn!(tenant.id = tenant.0, error = %error, "read the log's head"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_sees_the_newest_head_and_heads_never_go_back() {
        let hub = Hub::default();
        let mut listener = hub.subscribe(TenantId(1));
        hub.wake(TenantId(1), Position::new(5));
        hub.wake(TenantId(1), Position::new(9));
        hub.wake(TenantId(1), Position::new(7));
        hub.wake(TenantId(2), Position::new(99));
        listener.changed().await.unwrap();
        assert_eq!(*listener.borrow_and_update(), Position::new(9));
        assert!(!listener.has_changed().unwrap());
    }
}
