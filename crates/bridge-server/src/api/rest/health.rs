//! Whether the service lives and can work.

use crate::api::openapi::Refuses as _;
use crate::context::Context;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(health).refusing(&[]))
        .routes(routes!(ready).refusing(&[]))
        .routes(routes!(live).refusing(&[]))
}

/// Whether the process answers
///
/// Asks nothing but the process itself: restarting it would mend nothing while this answers.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "isLive",
    tag = "Service",
    security(()),
    responses((status = 200, description = "The process answers.", body = Live))
)]
async fn live() -> Json<Live> {
    Json(Live { status: "healthy" })
}

/// Whether requests can be served
///
/// Asks the database too. It does not depend on any ERP.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "isReady",
    tag = "Service",
    security(()),
    responses((status = 200, description = "The database answers too.", body = Ready))
)]
async fn ready(State(cx): State<Context>) -> Result<Json<Ready>, Problem> {
    cx.store.ping().await?;
    let redis = cx.records.cache.shared_answers().await.map(|answers| if answers { "healthy" } else { "unreachable" });
    Ok(Json(Ready { status: "healthy", version: env!("CARGO_PKG_VERSION"), database: cx.store.kind(), redis }))
}

/// Whether requests can be served
///
/// The same as `/health/ready`.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "isHealthy",
    tag = "Service",
    security(()),
    responses((status = 200, description = "The database answers too.", body = Ready))
)]
async fn health(cx: State<Context>) -> Result<Json<Ready>, Problem> {
    ready(cx).await
}

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
struct Live {
    /// Always `healthy`; otherwise there is no answer.
    status: &'static str,
}

/// The service works.
#[derive(Debug, Serialize, ToSchema)]
struct Ready {
    /// Always `healthy`; otherwise the answer is a problem.
    status: &'static str,
    /// The version of the service.
    version: &'static str,
    /// `sqlite` or `postgres`.
    database: &'static str,
    /// `healthy` or `unreachable`; `null` if none is configured. Requests are served without it as well.
    redis: Option<&'static str>,
}
