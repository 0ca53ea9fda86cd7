//! `POST /api/v1/batch/execute`, at once or as a task.

use super::view::TaskView;
use crate::auth::Caller;
use crate::batch::{self, BatchAnswer, BatchRequest};
use crate::context::Context;
use crate::language::{Language, Message};
use crate::problem::{Problem, ProblemKind};
use crate::records::CrudRequest;
use bridge_store::NewTask;
use serde::{Deserialize, Serialize};

/// The kind of task that a batch is.
const BATCH: &str = "batch";

/// After how many seconds one who has too many tasks may try again.
const RETRY_AFTER_S: u64 = 10;

/// What became of a request.
#[derive(Debug)]
pub enum Executed {
    /// It is done.
    Done(BatchAnswer),
    /// It will be done.
    Begun(Box<TaskView>),
}

/// What is kept of a request until it is done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) operations: Vec<CrudRequest>,
    pub(super) stop_on_error: bool,
    /// The language that the request asked for.
    pub(super) language: Option<String>,
}

/// Does a batch, or keeps it as a task if the request says so.
pub async fn execute(cx: &Context, caller: &Caller, request: BatchRequest) -> Result<Executed, Problem> {
    if !request.is_async {
        return batch::execute(cx, caller, request).await.map(Executed::Done);
    }
    let (system_id, request) = batch::checked(cx, caller, request).await?;
    let total = u64::try_from(request.operations.len()).unwrap_or(u64::MAX);
    let language = caller.asked_language.map(Language::code).map(str::to_owned);
    let kept = Kept { operations: request.operations, stop_on_error: request.stop_on_error, language };
    let request = serde_json::to_value(&kept)
        .map_err(|error| Problem::new(ProblemKind::Internal, Message::internal()).caused_by(error))?;
    let most = cx.config.tasks.open_max;
    let new = NewTask { user: caller.user, kind: BATCH.to_owned(), system_id, request, total };
    let Some(task) = cx.store.add_task(caller.tenant, new, most).await? else {
        let mut problem = Problem::new(ProblemKind::RateLimited, Message::too_many_tasks(most));
        problem.retry_after_s = Some(RETRY_AFTER_S);
        return Err(problem.with("open_max", most));
    };
    cx.hub.task_added();
    Ok(Executed::Begun(Box::new(TaskView::of(cx, caller, task))))
}
