//! `/api/v1/batch/execute`

use super::records::{KEY, answered_once};
use crate::api::extract::{Body, Key};
use crate::api::openapi::{BODY, Refuses as _, TOKEN};
use crate::auth::Caller;
use crate::batch::{BatchAnswer, BatchRequest};
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use crate::tasks::{self, Executed, TaskView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    let of_system = &[ProblemKind::Forbidden, ProblemKind::SystemNotFound];
    OpenApiRouter::new().routes(routes!(execute).refusing(&[TOKEN, BODY, of_system, KEY]))
}

/// Do several operations
///
/// One after the other, each with the rights and by the rules of `POST /api/v1/systems/{system_id}/crud`; the answer
/// tells of each what became of it. Neighbours that can be one call of the system become one. It is not one transaction:
/// what was done before an operation failed stays done. With `async` the answer does not wait for it: it is a task, which
/// `GET /api/v1/tasks/{task_id}` shows.
///
/// With an `Idempotency-Key` it is done once, and each write in it too: the same request with the same key gets the same
/// answer, with `Idempotency-Replayed: true`, or the same task. If the service died meanwhile, or the outcome of an
/// operation is unknown and `safe_to_repeat`, it finds out what was done and does what was not.
#[utoipa::path(
    post,
    path = "/api/v1/batch/execute",
    operation_id = "executeBatch",
    tag = "Records",
    params((
        "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]{1,128}$",
        description = "A name of the caller's own choice for the request, such as a UUID."
    )),
    request_body(content = BatchRequest, example = json!({
        "system_id": "odoo_main",
        "operations": [
            { "model": "res.partner", "action": "create", "data": { "name": "Customer 1", "email": "c1@example.com" } },
            { "model": "res.partner", "action": "create", "data": { "name": "Contact", "parent_id": "$0.id" } }
        ],
        "stop_on_error": false
    })),
    responses(
        (
        status = 200,
        description = "What became of each operation.",
        body = BatchAnswer,
        example = json!({
            "total": 2, "successful": 2, "failed": 0, "not_done": 0,
            "results": [
                { "index": 0, "status": "done", "success": true,
                  "result": { "id": 123, "name": "Customer 1", "email": "c1@example.com" } },
                { "index": 1, "status": "done", "success": true,
                  "result": { "id": 124, "name": "Contact", "parent_id": [123, "Customer 1"] } }
            ]
        })
    ),
        (status = 202, description = "It is kept as a task and will be done.", body = TaskView)
    )
)]
async fn execute(
    State(cx): State<Context>,
    caller: Caller,
    Key(key): Key,
    Body(request): Body<BatchRequest>,
) -> Result<Response, Problem> {
    Ok(match tasks::execute(&cx, &caller, request, key).await? {
        Executed::Done(answer) => answered_once(StatusCode::OK, answer),
        Executed::Begun(task) => answered_once(StatusCode::ACCEPTED, task),
    })
}
