//! `/api/v1/audit`

use crate::api::extract::Query;
use crate::api::openapi::{ADMIN, QUERY, Refuses as _};
use crate::audit::{self, AuditPage, ListAudit};
use crate::auth::Admin;
use crate::context::Context;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(list).refusing(&[ADMIN, QUERY]))
}

/// See who changed what
///
/// For admins: every write to a business system of the tenant and every change of the service's own things, the newest
/// first. An entry is there before the change is made; its outcome is `unknown` while it is under way, and if nobody knows
/// what came of it, with the `code` of what went wrong unless the service itself died. Passwords, keys and files are never kept.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "listAudit",
    tag = "Service",
    params(ListAudit),
    responses((status = 200, description = "A page of entries.", body = AuditPage))
)]
async fn list(
    State(cx): State<Context>,
    admin: Admin,
    Query(request): Query<ListAudit>,
) -> Result<Json<AuditPage>, Problem> {
    audit::list(&cx, &admin, request).await.map(Json)
}
