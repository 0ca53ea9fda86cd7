//! `/api/v1/webhooks/…`: what is asked about webhooks after they came in.

use crate::api::extract::{Body, Query};
use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::problem::Problem;
use crate::webhooks;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/api/v1/webhooks/events", get(events))
        .route("/api/v1/webhooks/check-updates", get(check_updates))
        .route("/api/v1/webhooks/dead-letters", get(dead_letters))
        .route("/api/v1/webhooks/retry", post(retry))
        .route("/api/v1/webhooks/retry/bulk", post(retry_bulk))
        .route("/api/v1/webhooks/statistics", get(statistics))
        .route("/api/v1/webhooks/health", get(health))
}

async fn events(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<webhooks::ListEvents>,
) -> Result<Json<webhooks::EventPage>, Problem> {
    webhooks::events(&cx, &caller, request).await.map(Json)
}

async fn check_updates(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<webhooks::CheckUpdates>,
) -> Result<Json<webhooks::Updates>, Problem> {
    webhooks::check_updates(&cx, &caller, request).await.map(Json)
}

async fn dead_letters(
    State(cx): State<Context>,
    admin: Admin,
    Query(request): Query<webhooks::ListDeadLetters>,
) -> Result<Json<webhooks::DeadLetterPage>, Problem> {
    webhooks::dead_letters(&cx, &admin, request).await.map(Json)
}

async fn retry(
    State(cx): State<Context>,
    admin: Admin,
    Body(request): Body<webhooks::RetryRequest>,
) -> Result<Json<webhooks::Retried>, Problem> {
    webhooks::retry(&cx, &admin, request).await.map(Json)
}

async fn retry_bulk(
    State(cx): State<Context>,
    admin: Admin,
    Body(request): Body<webhooks::RetryBulkRequest>,
) -> Result<Json<webhooks::RetriedAll>, Problem> {
    webhooks::retry_bulk(&cx, &admin, request).await.map(Json)
}

async fn statistics(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<webhooks::StatisticsRequest>,
) -> Result<Json<webhooks::Statistics>, Problem> {
    webhooks::statistics(&cx, &caller, request).await.map(Json)
}

async fn health(State(cx): State<Context>) -> Result<Json<webhooks::Health>, Problem> {
    webhooks::health(&cx).await.map(Json)
}
