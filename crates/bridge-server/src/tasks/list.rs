//! `GET /api/v1/tasks`, `GET|DELETE /api/v1/tasks/{id}`

use super::view::TaskView;
use crate::audit::{Change, audited};
use crate::auth::Caller;
use crate::batch::OperationResult;
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use bridge_model::{RecordId, UserId};
use bridge_store::{Task, TaskId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Tasks in one page if the request does not say.
const LIMIT_DEFAULT: u32 = 50;

/// The most tasks in one page.
const LIMIT_MAX: u32 = 200;

/// The query of the request.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListTasks {
    /// The `next_cursor` of the page before.
    #[param(minimum = 0)]
    pub cursor: Option<i64>,
    /// The most tasks in the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// Only those of this user. Who is no admin sees only their own.
    pub user_id: Option<i64>,
}

/// A page of tasks.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskPage {
    /// The tasks, the newest first, without their results.
    pub items: Vec<TaskView>,
    /// For the next page; `null` on the last.
    pub next_cursor: Option<String>,
}

/// The caller's tasks, or for an admin those of the tenant.
pub async fn list(cx: &Context, caller: &Caller, request: ListTasks) -> Result<TaskPage, Problem> {
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field("limit", Reason::between(1, LIMIT_MAX)));
    }
    let user = match request.user_id.map(UserId) {
        Some(user) if user != caller.user && !caller.is_admin() => {
            return Err(Problem::new(ProblemKind::Forbidden, Message::others_for_admins_only()));
        }
        None if !caller.is_admin() => Some(caller.user),
        named => named,
    };
    // One more than asked for tells whether there is a next page.
    let mut tasks = cx.store.tasks(caller.tenant, user, request.cursor.map(TaskId), limit + 1).await?;
    let more = tasks.len() > limit as usize;
    tasks.truncate(limit as usize);
    let next_cursor = tasks.last().filter(|_| more).map(|task| task.id.0.to_string());
    Ok(TaskPage { items: tasks.into_iter().map(|task| TaskView::of(cx, caller, task)).collect(), next_cursor })
}

/// A task, with what came of its operations so far.
pub async fn task(cx: &Context, caller: &Caller, id: i64) -> Result<TaskView, Problem> {
    let task = visible(cx, caller, id).await?;
    let mut results = Vec::new();
    for outcome in cx.store.task_outcomes(task.id).await? {
        let result: OperationResult = serde_json::from_value(outcome)
            .map_err(|error| Problem::new(ProblemKind::Internal, Message::task_unreadable()).caused_by(error))?;
        results.push(result);
    }
    // What was noted between the two looks is left for the next.
    results.truncate(usize::try_from(task.settled).unwrap_or(usize::MAX));
    Ok(TaskView::of(cx, caller, task).with_results(cx, caller, results))
}

/// Asks for the end of a task. What is under way gets its result, and nothing more is begun. One that has ended stays as
/// it is.
pub async fn cancel(cx: &Context, caller: &Caller, id: i64) -> Result<TaskView, Problem> {
    let task = visible(cx, caller, id).await?;
    let change = Change::new("task", "cancel").of(RecordId::Number(id)).in_system(&task.system_id);
    let ended = async { cx.store.cancel_task(caller.tenant, task.id).await?.ok_or_else(|| no_such_task(id)) };
    let task = audited(cx, caller, change, ended).await?;
    Ok(TaskView::of(cx, caller, task))
}

/// A task that the caller may see.
async fn visible(cx: &Context, caller: &Caller, id: i64) -> Result<Task, Problem> {
    let task = cx.store.task(caller.tenant, TaskId(id)).await?;
    task.filter(|task| task.user == caller.user || caller.is_admin()).ok_or_else(|| no_such_task(id))
}

fn no_such_task(id: i64) -> Problem {
    Problem::new(ProblemKind::NotFound, Message::no_such_task()).with("task_id", id)
}
