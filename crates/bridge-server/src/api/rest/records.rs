//! `/api/v1/systems/{system_id}/crud`

use crate::api::extract::{Body, Path};
use crate::api::openapi::{BODY, ERP, Refuses as _, TOKEN};
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use crate::records::{self, CrudAnswer, CrudRequest};
use axum::Json;
use axum::extract::State;
use bridge_model::SystemId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What an ERP can answer to work with its records, besides what it can answer to anything.
pub(super) const RECORDS: &[ProblemKind] = &[
    ProblemKind::Forbidden,
    ProblemKind::ErpAccessDenied,
    ProblemKind::ErpLinkRefused,
    ProblemKind::SystemNotFound,
    ProblemKind::RecordNotFound,
    ProblemKind::ModelNotFound,
    ProblemKind::MethodNotFound,
    ProblemKind::ErpValidation,
    ProblemKind::ErpRefused,
];

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(crud).refusing(&[TOKEN, BODY, ERP, RECORDS]))
}

/// Work with records
///
/// `create`, `read`, `update`, `delete`, `search`, `count`, `fields` or `call`, for any model. It is done with the
/// caller's own credential where they have linked one (`POST /api/v1/users/{user_id}/links`), and then the ERP judges
/// what they may do; otherwise with the system's, and then only what an admin has opened
/// (`PUT /api/v1/systems/{system_id}/allowed`). Admins may read whatever the system's credential may.
#[utoipa::path(
    post,
    path = "/api/v1/systems/{system_id}/crud",
    operation_id = "workWithRecords",
    tag = "Records",
    params(("system_id" = SystemId, Path, description = "The system.")),
    request_body(content = CrudRequest, example = json!({
        "action": "read", "model": "res.partner", "domain": [["is_company", "=", false]],
        "fields": ["name", "email", "phone"], "limit": 10, "offset": 0
    })),
    responses((
        status = 200,
        description = "It is done.",
        body = CrudAnswer,
        example = json!({
            "success": true,
            "result": [{"id": 123, "name": "Ahmed Al-Saudi", "email": "ahmed@example.com", "phone": "+966501234567"}]
        })
    ))
)]
async fn crud(
    State(cx): State<Context>,
    caller: Caller,
    Path(system_id): Path<SystemId>,
    Body(request): Body<CrudRequest>,
) -> Result<Json<CrudAnswer>, Problem> {
    records::crud(&cx, &caller, &system_id, request).await.map(Json)
}
