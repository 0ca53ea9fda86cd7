//! `/api/v1/tasks…`

use crate::api::extract::{Path, Query};
use crate::api::openapi::{QUERY, Refuses as _, TOKEN};
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use crate::tasks::{self, ListTasks, TaskPage, TaskView};
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    let unknown = &[ProblemKind::NotFound];
    OpenApiRouter::new()
        .routes(routes!(list).refusing(&[TOKEN, QUERY, &[ProblemKind::Forbidden]]))
        .routes(routes!(read, cancel).refusing(&[TOKEN, QUERY, unknown]))
}

/// List tasks
///
/// One's own, or for admins those of all users of the tenant.
#[utoipa::path(
    get,
    path = "/api/v1/tasks",
    operation_id = "listTasks",
    tag = "Records",
    params(ListTasks),
    responses((status = 200, description = "A page of tasks.", body = TaskPage))
)]
async fn list(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<ListTasks>,
) -> Result<Json<TaskPage>, Problem> {
    tasks::list(&cx, &caller, request).await.map(Json)
}

/// Read a task
///
/// How far it is, and what became of its operations so far.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{task_id}",
    operation_id = "readTask",
    tag = "Records",
    params(("task_id" = i64, Path, description = "The task.")),
    responses((status = 200, description = "The task.", body = TaskView))
)]
async fn read(State(cx): State<Context>, caller: Caller, Path(task_id): Path<i64>) -> Result<Json<TaskView>, Problem> {
    tasks::task(&cx, &caller, task_id).await.map(Json)
}

/// Cancel a task
///
/// What is under way gets its result, and nothing more is begun. A task that has ended stays as it is.
#[utoipa::path(
    delete,
    path = "/api/v1/tasks/{task_id}",
    operation_id = "cancelTask",
    tag = "Records",
    params(("task_id" = i64, Path, description = "The task.")),
    responses((status = 200, description = "The task as it is now, without its results.", body = TaskView))
)]
async fn cancel(
    State(cx): State<Context>,
    caller: Caller,
    Path(task_id): Path<i64>,
) -> Result<Json<TaskView>, Problem> {
    tasks::cancel(&cx, &caller, task_id).await.map(Json)
}
