//! `/api/v1/alerts`

use crate::alerts::{self, AlertPage, ListAlerts};
use crate::api::extract::Query;
use crate::api::openapi::{QUERY, Refuses as _, TOKEN};
use crate::auth::Admin;
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The route of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(list).refusing(&[TOKEN, QUERY, &[ProblemKind::Forbidden]]))
}

/// List alerts
///
/// What somebody should look at, for admins: the tenant's alerts, the newest first, those that are over for as long as
/// `retention.alert_days` says.
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    operation_id = "listAlerts",
    tag = "Service",
    params(ListAlerts),
    responses((status = 200, description = "A page of alerts.", body = AlertPage))
)]
async fn list(
    State(cx): State<Context>,
    admin: Admin,
    Query(request): Query<ListAlerts>,
) -> Result<Json<AlertPage>, Problem> {
    alerts::list(&cx, &admin, request).await.map(Json)
}
