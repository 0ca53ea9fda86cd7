//! Smart sync v2.

use crate::api::extract::{Body, Query};
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::Problem;
use crate::sync;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/api/v2/sync/pull", post(pull))
        .route("/api/v2/sync/ack", post(ack))
        .route("/api/v2/sync/state", get(state))
        .route("/api/v2/sync/reset", post(reset))
        .route("/api/v2/sync/snapshot", post(snapshot))
        .route("/api/v2/sync/health", get(health))
}

async fn pull(
    State(cx): State<Context>,
    caller: Caller,
    Body(request): Body<sync::PullRequest>,
) -> Result<Json<sync::PullAnswer>, Problem> {
    sync::pull(&cx, &caller, request).await.map(Json)
}

async fn ack(
    State(cx): State<Context>,
    caller: Caller,
    Body(request): Body<sync::AckRequest>,
) -> Result<Json<sync::Acked>, Problem> {
    sync::ack(&cx, &caller, request).await.map(Json)
}

async fn state(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<sync::StateRequest>,
) -> Result<Json<sync::StateAnswer>, Problem> {
    sync::state(&cx, &caller, request).await.map(Json)
}

async fn reset(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<sync::ResetRequest>,
) -> Result<Json<sync::WasReset>, Problem> {
    sync::reset(&cx, &caller, request).await.map(Json)
}

async fn snapshot(
    State(cx): State<Context>,
    caller: Caller,
    Body(request): Body<sync::SnapshotRequest>,
) -> Result<Json<sync::SnapshotPage>, Problem> {
    sync::snapshot(&cx, &caller, request).await.map(Json)
}

async fn health(State(cx): State<Context>) -> Result<Json<Value>, Problem> {
    cx.store.ping().await?;
    Ok(Json(json!({
        "status": "healthy",
        "service": "smart-sync",
        "version": "2.0.0",
        "features": ["multi-user sync", "per-device tracking", "app-type filtering", "incremental sync"],
    })))
}
