//! The pull as everybody calls it: with its numbers.

use super::pull::{self, PullAnswer, PullRequest};
use crate::auth::Caller;
use crate::context::Context;
use crate::metrics::Timer;
use crate::problem::Problem;

/// Answers the changes after the device's cursor; see the pull itself for how the cursor moves.
pub async fn pull(cx: &Context, caller: &Caller, request: PullRequest) -> Result<PullAnswer, Problem> {
    // Waiting for something to happen is not slowness.
    let waits = request.wait_s.is_some_and(|seconds| seconds > 0);
    let timer = (!waits).then(|| Timer::start(&*cx.clock, &cx.metrics.sync_duration));
    let answer = pull::pull(cx, caller, request).await;
    drop(timer);
    cx.metrics.sync_requests.inc();
    match &answer {
        Ok(answer) => {
            let count = u64::try_from(answer.new_events_count).unwrap_or(u64::MAX);
            cx.metrics.sync_events_returned.inc_by(count);
            if answer.resync_required {
                cx.metrics.sync_resyncs.inc();
            }
        }
        Err(problem) => cx.metrics.sync_errors.with_label_values(&[problem.kind.code()]).inc(),
    }
    answer
}
