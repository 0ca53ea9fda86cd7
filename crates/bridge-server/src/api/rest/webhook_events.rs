//! `/api/v1/webhooks/…`: what is asked about webhooks after they came in.

use crate::api::extract::{Body, Query};
use crate::api::openapi::{ADMIN, BODY, ERP, QUERY, Refuses as _, TOKEN};
use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use crate::webhooks;
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Context> {
    let of_others = &[ProblemKind::Forbidden, ProblemKind::NotFound];
    let system = &[ProblemKind::SystemNotFound];
    let conflict = &[ProblemKind::Conflict];
    OpenApiRouter::new()
        .routes(routes!(events).refusing(&[TOKEN, QUERY, system, ERP]))
        .routes(routes!(check_updates).refusing(&[
            TOKEN,
            QUERY,
            of_others,
            &[ProblemKind::InvalidSyncToken, ProblemKind::SyncStateNotFound],
            ERP,
        ]))
        .routes(routes!(dead_letters).refusing(&[ADMIN, QUERY, system]))
        .routes(routes!(retry).refusing(&[ADMIN, BODY, &[ProblemKind::NotFound], conflict, ERP]))
        .routes(routes!(retry_bulk).refusing(&[ADMIN, BODY, system, conflict]))
        .routes(routes!(statistics).refusing(&[TOKEN, QUERY, ERP]))
        .routes(routes!(health).refusing(&[]))
}

/// List the newest changes
///
/// What a pull would show, newest first. A page may be short, or even empty, and not be the last: go on while
/// `next_cursor` is not null.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/events",
    operation_id = "listChanges",
    tag = "Webhooks",
    params(webhooks::ListEvents),
    responses((status = 200, description = "A page of changes.", body = webhooks::EventPage))
)]
async fn events(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<webhooks::ListEvents>,
) -> Result<Json<webhooks::EventPage>, Problem> {
    webhooks::events(&cx, &caller, request).await.map(Json)
}

/// Ask whether a pull would bring anything
///
/// `since` or `device_id` must be given. Cheap: when nothing has arrived, that is one read of one row.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/check-updates",
    operation_id = "checkUpdates",
    tag = "Webhooks",
    params(webhooks::CheckUpdates),
    responses((status = 200, description = "What is new.", body = webhooks::Updates))
)]
async fn check_updates(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<webhooks::CheckUpdates>,
) -> Result<Json<webhooks::Updates>, Problem> {
    webhooks::check_updates(&cx, &caller, request).await.map(Json)
}

/// List what could not be understood
///
/// For admins.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/dead-letters",
    operation_id = "listDeadLetters",
    tag = "Webhooks",
    params(webhooks::ListDeadLetters),
    responses((status = 200, description = "A page of dead letters.", body = webhooks::DeadLetterPage))
)]
async fn dead_letters(
    State(cx): State<Context>,
    admin: Admin,
    Query(request): Query<webhooks::ListDeadLetters>,
) -> Result<Json<webhooks::DeadLetterPage>, Problem> {
    webhooks::dead_letters(&cx, &admin, request).await.map(Json)
}

/// Try a dead letter again
///
/// For admins. That it is still not understood is an answer, not a problem. While one request retries letters of a
/// tenant, another is answered 409.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/retry",
    operation_id = "retryDeadLetter",
    tag = "Webhooks",
    request_body(content = webhooks::RetryRequest, example = json!({ "dead_letter_id": 12 })),
    responses((status = 200, description = "What became of it.", body = webhooks::Retried))
)]
async fn retry(
    State(cx): State<Context>,
    admin: Admin,
    Body(request): Body<webhooks::RetryRequest>,
) -> Result<Json<webhooks::Retried>, Problem> {
    webhooks::retry(&cx, &admin, request).await.map(Json)
}

/// Try many dead letters again
///
/// For admins. Either `ids`, or `system_id` and `reason_contains`, say which.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/retry/bulk",
    operation_id = "retryDeadLetters",
    tag = "Webhooks",
    request_body(content = webhooks::RetryBulkRequest, example = json!({ "ids": [12, 13] })),
    responses((status = 200, description = "What became of each.", body = webhooks::RetriedAll))
)]
async fn retry_bulk(
    State(cx): State<Context>,
    admin: Admin,
    Body(request): Body<webhooks::RetryBulkRequest>,
) -> Result<Json<webhooks::RetriedAll>, Problem> {
    webhooks::retry_bulk(&cx, &admin, request).await.map(Json)
}

/// Count changes by kind
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/statistics",
    operation_id = "readStatistics",
    tag = "Webhooks",
    params(webhooks::StatisticsRequest),
    responses((status = 200, description = "How many changes of which kind; for admins also dead letters and sources.", body = webhooks::Statistics))
)]
async fn statistics(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<webhooks::StatisticsRequest>,
) -> Result<Json<webhooks::Statistics>, Problem> {
    webhooks::statistics(&cx, &caller, request).await.map(Json)
}

/// Whether webhooks work
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/health",
    operation_id = "areWebhooksHealthy",
    tag = "Webhooks",
    security(()),
    responses((status = 200, description = "They do.", body = webhooks::Health))
)]
async fn health(State(cx): State<Context>) -> Result<Json<webhooks::Health>, Problem> {
    webhooks::health(&cx).await.map(Json)
}
