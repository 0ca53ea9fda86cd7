//! Waiting for a condition instead of for a time.

use std::time::Duration;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `probe` answers something and gives that back; fails the test, naming `what`, after `deadline`.
pub(crate) async fn eventually<T>(what: &str, deadline: Duration, probe: impl AsyncFnMut() -> Option<T>) -> T {
    within(deadline, probe).await.unwrap_or_else(|| panic!("not within {deadline:?}: {what}"))
}

/// The same for whoever can say better what is wrong; `None` after `deadline`.
pub(crate) async fn within<T>(deadline: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let looking = async {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            if let Some(found) = probe().await {
                return found;
            }
        }
    };
    tokio::time::timeout(deadline, looking).await.ok()
}

/// Lets time pass that belongs to what a test plays, such as how long a network is down. Never to wait for a condition.
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
