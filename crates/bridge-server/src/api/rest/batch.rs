//! `/api/v1/batch/execute`

use crate::api::extract::Body;
use crate::api::openapi::{BODY, Refuses as _, TOKEN};
use crate::auth::Caller;
use crate::batch::{BatchAnswer, BatchRequest};
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use crate::tasks::{self, Executed, TaskView};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    let of_system = &[ProblemKind::Forbidden, ProblemKind::SystemNotFound];
    OpenApiRouter::new().routes(routes!(execute).refusing(&[TOKEN, BODY, of_system]))
}

/// Do several operations
///
/// One after the other, each with the rights and by the rules of `POST /api/v1/systems/{system_id}/crud`; the answer
/// tells of each what became of it. Neighbours that can be one call of the system become one. It is not one transaction:
/// what was done before an operation failed stays done. With `async` the answer does not wait for it: it is a task, which
/// `GET /api/v1/tasks/{task_id}` shows.
#[utoipa::path(
    post,
    path = "/api/v1/batch/execute",
    operation_id = "executeBatch",
    tag = "Records",
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
    Body(request): Body<BatchRequest>,
) -> Result<Response, Problem> {
    Ok(match tasks::execute(&cx, &caller, request).await? {
        Executed::Done(answer) => Json(answer).into_response(),
        Executed::Begun(task) => (StatusCode::ACCEPTED, Json(task)).into_response(),
    })
}
