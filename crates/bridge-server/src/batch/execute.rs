//! `POST /api/v1/batch/execute`

use super::answer::BatchAnswer;
use super::request::BatchRequest;
use super::run::Run;
use crate::auth::Caller;
use crate::config::ms;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::{IdempotencyKey, Once, Series, acting, once};
use bridge_model::SystemId;
use bridge_store::System;
use std::sync::Arc;

/// Does the operations of a batch, and tells of each what became of it; with a key, once for that key. What has not been
/// begun at half of the time that a request has is left; a call that is still open shortly before its end has an unknown
/// outcome.
pub async fn execute(
    cx: &Context,
    caller: &Caller,
    request: BatchRequest,
    key: Option<IdempotencyKey>,
) -> Result<Once<BatchAnswer>, Problem> {
    let (system, request) = checked(cx, caller, request).await?;
    let hash = request.hash(&system.system_id);
    let (cx_of_work, by, key_of) = (cx.clone(), caller.clone(), system.key);
    let work = async move |series: Option<Series>, is_begun| {
        perform(&cx_of_work, &by, &system.system_id, request, series, is_begun).await
    };
    let bytes_max = cx.config.retention.kept_answer_bytes_max;
    once(cx, caller, key_of, key, hash, work, move |answer: &BatchAnswer| answer.to_keep(bytes_max)).await
}

async fn perform(
    cx: &Context,
    caller: &Caller,
    system_id: &SystemId,
    request: BatchRequest,
    series: Option<Series>,
    is_begun: bool,
) -> Result<BatchAnswer, Problem> {
    let BatchRequest { operations, stop_on_error, .. } = request;
    let (started, time_ms) = (cx.clock.now(), cx.config.server.request_timeout_ms);
    let mut run = Run::new(cx, caller, system_id, operations, stop_on_error).until(started.plus(ms(time_ms / 10 * 9)));
    if let Some(series) = series {
        let begun = if is_begun { cx.store.series_parts(&series.name).await? } else { Vec::new() };
        run = run.in_series(series, begun);
    }
    while let Some(group) = run.next() {
        let spent = cx.clock.now().since(started);
        if spent >= ms(time_ms / 2) {
            run.leave(Message::operation_out_of_time);
            break;
        }
        // A write ends by itself before that.
        let left = ms(time_ms / 20 * 19).saturating_sub(spent);
        let outcome = tokio::time::timeout(left, Box::pin(run.perform(&group))).await;
        let outcome = outcome.unwrap_or_else(|_| {
            Err(if group.is_write() {
                run.lost(&group)
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
) -> Result<(Arc<System>, BatchRequest), Problem> {
    request.check(cx)?;
    let system = cx.erps.system_of(&cx.store, caller.tenant, request.system_id.as_ref()).await?;
    acting(cx, caller, &system.system_id).await?;
    Ok((system, request))
}
