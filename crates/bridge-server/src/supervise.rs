//! Keeps background work going: a panic in it is a mistake, and must not end it in silence.

use crate::metrics::Metrics;
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The pause before work that panicked is begun anew, so that one which always does costs little.
const PAUSE: Duration = Duration::from_secs(1);

/// Does `work` until it ends by itself. When it panics, that is counted and logged, and it is begun anew after a pause,
/// unless `stop` came.
pub async fn keep_going<F: Future<Output = ()>>(
    metrics: &Metrics,
    task: &'static str,
    stop: &CancellationToken,
    mut work: impl FnMut() -> F,
) {
    while caught(metrics, task, work()).await.is_none() {
        tracing::warn!(task, "background work panicked; it begins anew");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// The outcome of `work`; `None` if it panicked, which is counted under `task`. The panic itself is logged where it
/// happens, with its place in the code.
pub async fn caught<T>(metrics: &Metrics, task: &str, work: impl Future<Output = T>) -> Option<T> {
    // What `work` leaves behind is dropped with it; what it shares with others stands behind locks and transactions
    // that end with it.
    let outcome = AssertUnwindSafe(work).catch_unwind().await.ok();
    if outcome.is_none() {
        metrics.panicked(task);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn panics(metrics: &Metrics, task: &str) -> u64 {
        metrics.panics.with_label_values(&[task]).get()
    }

    #[tokio::test]
    async fn work_that_panics_begins_anew_until_it_ends_by_itself() {
        let (metrics, runs) = (Metrics::new().unwrap(), AtomicU32::new(0));
        let work = async || assert!(runs.fetch_add(1, Ordering::SeqCst) >= 1, "too early");
        keep_going(&metrics, "heads", &CancellationToken::new(), work).await;
        assert_eq!((runs.load(Ordering::SeqCst), panics(&metrics, "heads")), (2, 1));
    }

    #[tokio::test]
    async fn work_that_panics_while_the_service_stops_is_left() {
        let (metrics, stop) = (Metrics::new().unwrap(), CancellationToken::new());
        stop.cancel();
        keep_going(&metrics, "heads", &stop, async || panic!("always")).await;
        assert_eq!(panics(&metrics, "heads"), 1);
    }

    #[tokio::test]
    async fn a_panic_becomes_no_outcome_and_is_counted() {
        let metrics = Metrics::new().unwrap();
        assert_eq!(caught(&metrics, "job", async { 7 }).await, Some(7));
        assert_eq!(panics(&metrics, "job"), 0);
        assert_eq!(caught(&metrics, "job", async { panic!("a job") }).await.map(|(): ()| 7), None);
        assert_eq!(panics(&metrics, "job"), 1);
    }
}
