//! `POST /api/v1/batch/execute`, at once or as a task.

use super::view::TaskView;
use crate::audit::Origin;
use crate::auth::Caller;
use crate::batch::{self, BatchAnswer, BatchRequest};
use crate::context::Context;
use crate::language::{Language, Message};
use crate::problem::{Problem, ProblemKind};
use crate::records::{CrudRequest, IdempotencyKey, Keep, Once, Series, once};
use bridge_model::SystemId;
use bridge_store::NewTask;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The kind of task that a batch is.
const BATCH: &str = "batch";

/// After how many seconds one who has too many tasks may try again.
const RETRY_AFTER_S: u64 = 10;

/// What became of a request.
#[derive(Debug)]
pub enum Executed {
    /// It is done.
    Done(Once<BatchAnswer>),
    /// It will be done.
    Begun(Once<Box<TaskView>>),
}

/// What is kept of a request until it is done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) operations: Vec<CrudRequest>,
    pub(super) stop_on_error: bool,
    /// The key that the request came with.
    #[serde(default)]
    pub(super) key: Option<String>,
    /// Where the request came from.
    #[serde(default)]
    pub(super) origin: Origin,
    /// The language that the request asked for.
    pub(super) language: Option<String>,
}

/// Does a batch, or keeps it as a task if the request says so; with a key, once for that key.
pub async fn execute(
    cx: &Context,
    caller: &Caller,
    request: BatchRequest,
    key: Option<IdempotencyKey>,
) -> Result<Executed, Problem> {
    if !request.is_async {
        return batch::execute(cx, caller, request, key).await.map(Executed::Done);
    }
    let (system, request) = batch::checked(cx, caller, request).await?;
    let (system_key, hash) = (system.key, request.hash(&system.system_id));
    let given = key.as_ref().map(|key| key.as_given().to_owned());
    let (cx_of_work, by) = (cx.clone(), caller.clone());
    let work = async move |series: Option<Series>, is_begun| {
        let series = series.map(|series| series.name);
        if let Some(series) = series.as_ref().filter(|_| is_begun)
            && let Some(task) = cx_of_work.store.task_of_series(by.tenant, series).await?
        {
            return Ok(TaskView::of(&cx_of_work, &by, task));
        }
        add(&cx_of_work, &by, &system.system_id, request, given, series).await
    };
    let outcome = once(cx, caller, system_key, key, hash, work, |task| Keep::Answer(json!({ "id": task.id }))).await?;
    Ok(Executed::Begun(match outcome {
        Once::Done(task) => Once::Done(Box::new(task)),
        // The same task, as it is by now.
        Once::Replayed(kept) => {
            let task = super::list::task(cx, caller, kept["id"].as_i64().unwrap_or_default()).await?;
            Once::Replayed(json!(TaskView { results: None, ..task }))
        }
    }))
}

/// Keeps a batch as a task.
async fn add(
    cx: &Context,
    caller: &Caller,
    system_id: &SystemId,
    request: BatchRequest,
    key: Option<String>,
    series: Option<String>,
) -> Result<TaskView, Problem> {
    let total = u64::try_from(request.operations.len()).unwrap_or(u64::MAX);
    let language = caller.asked_language.map(Language::code).map(str::to_owned);
    let origin = caller.origin.clone();
    let kept = Kept { operations: request.operations, stop_on_error: request.stop_on_error, key, origin, language };
    let request = serde_json::to_value(&kept)
        .map_err(|error| Problem::new(ProblemKind::Internal, Message::internal()).caused_by(error))?;
    let most = cx.config.tasks.open_max;
    let series = series.unwrap_or_else(|| cx.entropy.hex(16));
    let (kind, system_id) = (BATCH.to_owned(), system_id.clone());
    let new = NewTask { user: caller.user, kind, system_id, request, total, series };
    let Some(task) = cx.store.add_task(caller.tenant, new, most).await? else {
        let mut problem = Problem::new(ProblemKind::RateLimited, Message::too_many_tasks(most));
        problem.retry_after_s = Some(RETRY_AFTER_S);
        return Err(problem.with("open_max", most));
    };
    cx.hub.task_added();
    Ok(TaskView::of(cx, caller, task))
}
