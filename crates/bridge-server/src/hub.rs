//! Wakes whoever waits: sessions for new positions in the log, background readers for a new look at their ERP.
//!
//! Only positions travel here, never payloads: a signal is a hint, the log is the truth. Whoever is woken reads
//! the log from its own cursor, so that a slow one skips wake-ups and loses nothing.

use bridge_model::{ModelName, Position, Strategy, SystemKey, TenantId};
use bridge_store::Store;
use std::collections::{BTreeSet, HashMap};
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
    readers: Mutex<HashMap<(SystemKey, Strategy), Arc<Reader>>>,
    systems_changed: Notify,
    task_added: Notify,
    sessions: TaskTracker,
    sessions_end: CancellationToken,
}

/// The most models that a reader is told of at once; what is told beyond is found at the next look.
const HINTS_MAX: usize = 1_000;

/// How a background reader is woken.
#[derive(Debug, Default)]
pub struct Reader {
    notify: Notify,
    hints: Mutex<BTreeSet<ModelName>>,
}

impl Reader {
    /// Waits until the reader is to look now.
    pub async fn woken(&self) {
        self.notify.notified().await;
    }

    /// The models that others told of since this was asked last: something may have happened there.
    pub fn take_hints(&self) -> BTreeSet<ModelName> {
        std::mem::take(&mut *self.hints.lock().unwrap_or_else(PoisonError::into_inner))
    }
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

    /// How the background reader of a system that works by `strategy` is woken.
    pub fn reader(&self, system: SystemKey, strategy: Strategy) -> Arc<Reader> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(readers.entry((system, strategy)).or_default())
    }

    /// Makes a background reader look now, if there is one.
    pub fn nudge(&self, system: SystemKey, strategy: Strategy) {
        self.reader(system, strategy).notify.notify_one();
    }

    /// Makes a background reader look at a model now, if there is one.
    pub fn nudge_for(&self, system: SystemKey, strategy: Strategy, model: &ModelName) {
        let reader = self.reader(system, strategy);
        let mut hints = reader.hints.lock().unwrap_or_else(PoisonError::into_inner);
        if hints.len() < HINTS_MAX {
            hints.insert(model.clone());
        }
        drop(hints);
        reader.notify.notify_one();
    }

    /// Makes all background readers of a system look now.
    pub fn nudge_all(&self, system: SystemKey) {
        for strategy in Strategy::ALL {
            self.nudge(system, strategy);
        }
    }

    /// Drops what is kept for a system that is no more.
    pub fn forget_readers(&self, system: SystemKey) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).retain(|(kept, _), _| *kept != system);
    }

    /// Says that systems were added, changed or removed.
    pub fn systems_changed(&self) {
        self.systems_changed.notify_one();
    }

    /// Waits until systems were added, changed or removed.
    pub async fn wait_systems_changed(&self) {
        self.systems_changed.notified().await;
    }

    /// Says that a task was added.
    pub fn task_added(&self) {
        self.task_added.notify_one();
    }

    /// Waits until a task was added.
    pub async fn wait_task_added(&self) {
        self.task_added.notified().await;
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
