//! `POST /api/v1/batch/execute`

use super::answer::BatchAnswer;
use super::request::BatchRequest;
use super::run::Run;
use crate::auth::Caller;
use crate::config::ms;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::acting;
use bridge_model::SystemId;

/// Does the operations of a batch, and tells of each what became of it. What has not been begun at half of the time that
/// a request has is left; a call that is still open shortly before its end has an unknown outcome.
pub async fn execute(cx: &Context, caller: &Caller, request: BatchRequest) -> Result<BatchAnswer, Problem> {
    let (system_id, BatchRequest { operations, stop_on_error, .. }) = checked(cx, caller, request).await?;
    let (started, time_ms) = (cx.clock.now(), cx.config.server.request_timeout_ms);
    let mut run = Run::new(cx, caller, &system_id, operations, stop_on_error);
    while let Some(group) = run.next() {
        let spent = cx.clock.now().since(started);
        if spent >= ms(time_ms / 2) {
            run.leave(Message::operation_out_of_time);
            break;
        }
        let left = ms(time_ms / 10 * 9).saturating_sub(spent);
        let outcome = tokio::time::timeout(left, Box::pin(run.perform(&group))).await;
        let outcome = outcome.unwrap_or_else(|_| {
            Err(if group.is_write() {
                Problem::new(ProblemKind::OutcomeUnknown, Message::outcome_unknown())
            } else {
                Problem::new(ProblemKind::Busy, Message::request_too_slow())
            })
        });
        run.note(&group, outcome);
    }
    Ok(BatchAnswer::of(run.into_results()))
}

/// The request and the system that it means, if all that holds for every operation of it is as it should be.
pub async fn checked(
    cx: &Context,
    caller: &Caller,
    request: BatchRequest,
) -> Result<(SystemId, BatchRequest), Problem> {
    request.check(cx)?;
    let system = cx.erps.system_of(&cx.store, caller.tenant, request.system_id.as_ref()).await?;
    acting(cx, caller, &system.system_id).await?;
    Ok((system.system_id.clone(), request))
}
