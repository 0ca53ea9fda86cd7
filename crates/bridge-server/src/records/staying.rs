//! Work that goes on when whoever asked for it goes away.
//!
//! A write that was cut off on its way may be done or not, and nobody would ever know: it runs to its end, so that its
//! outcome is in the audit, and under its key where it has one. It has the bounds of its request: its system's guard bounds
//! how many there are, and its deadline how long it takes.

use crate::context::Context;
use crate::language::Message;
use crate::metrics::Metrics;
use crate::problem::{Problem, ProblemKind};
use crate::supervise::caught;
use tracing::Instrument as _;

/// Does work to its end, whether it is waited for or not; a service that stops waits for it.
pub(super) async fn staying<T: Send + 'static>(
    cx: &Context,
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let (session, of_work) = (cx.hub.session(), cx.clone());
    let work = async move {
        let _session = session;
        caught(&of_work.metrics, "request", work).await
    };
    let waiting = Waiting { metrics: &cx.metrics, is_over: false };
    let outcome = tokio::spawn(work.in_current_span()).await;
    waiting.ends();
    let internal = || Problem::new(ProblemKind::Internal, Message::internal());
    match outcome {
        Ok(outcome) => outcome.unwrap_or_else(|| Err(internal())),
        Err(error) => Err(internal().caused_by(error)),
    }
}

/// Somebody who waits for work, and is counted if they go away before its end.
struct Waiting<'a> {
    metrics: &'a Metrics,
    is_over: bool,
}

impl Waiting<'_> {
    fn ends(mut self) {
        self.is_over = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.metrics.writes_left.inc();
        }
    }
}
