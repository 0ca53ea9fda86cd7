//! Smart sync v2.

use crate::api::extract::{Body, Query};
use crate::api::openapi::{BODY, ERP, QUERY, Refuses as _, TOKEN};
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use crate::sync;
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Context> {
    let of_others = &[ProblemKind::Forbidden, ProblemKind::NotFound];
    let token = &[ProblemKind::InvalidSyncToken];
    let system = &[ProblemKind::SystemNotFound];
    let conflict = &[ProblemKind::SyncConflict];
    let state = &[ProblemKind::SyncStateNotFound];
    OpenApiRouter::new()
        .routes(routes!(pull).refusing(&[TOKEN, BODY, of_others, token, system, conflict, ERP]))
        .routes(routes!(ack).refusing(&[TOKEN, BODY, of_others, token, system, conflict, state]))
        .routes(routes!(state_of_device).refusing(&[TOKEN, QUERY, of_others, state]))
        .routes(routes!(reset).refusing(&[TOKEN, QUERY, of_others, state]))
        .routes(routes!(snapshot).refusing(&[TOKEN, BODY, of_others, token, system, conflict, ERP]))
        .routes(routes!(health).refusing(&[]))
}

/// Pull what a device does not have yet
///
/// The answer is the same until the device confirms it by sending `next_sync_token` as its next `last_sync_token`, so that
/// a lost answer is delivered again. Where `resync_required` is true, the device has been away for longer than the log is
/// kept: it reads a snapshot and goes on from there.
#[utoipa::path(
    post,
    path = "/api/v2/sync/pull",
    operation_id = "pullChanges",
    tag = "Sync",
    request_body(content = sync::PullRequest, example = json!({
        "device_id": "iphone-abc123", "app_type": "sales_app", "limit": 100, "last_sync_token": "525"
    })),
    responses((status = 200, description = "The changes, in the order of their ids.", body = sync::PullAnswer, example = json!({
        "status": "success", "has_updates": true, "new_events_count": 1,
        "events": [{
            "id": 526, "system_id": "odoo_main", "model": "sale.order", "record_id": 456, "event": "write",
            "priority": "high", "timestamp": "2025-11-16T10:30:00Z", "received_at": "2025-11-16T10:30:00.412Z",
            "origin": "push", "changed_fields": ["state"], "user_id": 2, "idempotency_key": null
        }],
        "next_sync_token": "526", "last_sync_time": "2025-11-16T10:29:41Z", "has_more": false,
        "resync_required": false, "snapshot_position": null
    })))
)]
async fn pull(
    State(cx): State<Context>,
    caller: Caller,
    Body(request): Body<sync::PullRequest>,
) -> Result<Response, Problem> {
    let answer = sync::pull(&cx, &caller, request).await?;
    Ok(([(CONTENT_TYPE, "application/json")], answer.to_json()?).into_response())
}

/// Confirm changes without pulling
///
/// Name the app type, the models filter and the system as in the pull that is confirmed.
#[utoipa::path(
    post,
    path = "/api/v2/sync/ack",
    operation_id = "confirmChanges",
    tag = "Sync",
    request_body(content = sync::AckRequest, example = json!({
        "device_id": "iphone-abc123", "app_type": "sales_app", "last_sync_token": "526"
    })),
    responses((status = 200, description = "How far the device has confirmed now.", body = sync::Acked))
)]
async fn ack(
    State(cx): State<Context>,
    caller: Caller,
    Body(request): Body<sync::AckRequest>,
) -> Result<Json<sync::Acked>, Problem> {
    sync::ack(&cx, &caller, request).await.map(Json)
}

/// See how far a device has come
#[utoipa::path(
    get,
    path = "/api/v2/sync/state",
    operation_id = "readSyncState",
    tag = "Sync",
    params(sync::StateRequest),
    responses((status = 200, description = "The sync states of the device.", body = sync::StateAnswer))
)]
async fn state_of_device(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<sync::StateRequest>,
) -> Result<Json<sync::StateAnswer>, Problem> {
    sync::state(&cx, &caller, request).await.map(Json)
}

/// Let a device start over
///
/// Puts the device at the end of the log: it reads the current records and then pulls on from `next_sync_token`.
#[utoipa::path(
    post,
    path = "/api/v2/sync/reset",
    operation_id = "resetSyncState",
    tag = "Sync",
    params(sync::ResetRequest),
    responses((status = 200, description = "Where to pull on from.", body = sync::WasReset))
)]
async fn reset(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<sync::ResetRequest>,
) -> Result<Json<sync::WasReset>, Problem> {
    sync::reset(&cx, &caller, request).await.map(Json)
}

/// Read the current records, page by page
///
/// The position is fixed before anything is read. A device that pulls on from there misses nothing that changes
/// while it reads.
#[utoipa::path(
    post,
    path = "/api/v2/sync/snapshot",
    operation_id = "readSnapshot",
    tag = "Sync",
    request_body(content = sync::SnapshotRequest, example = json!({
        "device_id": "iphone-abc123", "app_type": "sales_app", "limit": 500,
        "fields": { "sale.order": ["name", "state", "amount_total"] }
    })),
    responses((status = 200, description = "A page of the records that the user may read.", body = sync::SnapshotPage, example = json!({
        "status": "success", "snapshot_position": 9000, "system_id": "odoo_main", "model": "sale.order",
        "records": [{ "id": 456, "name": "S00456", "state": "sale", "amount_total": 1250.0 }],
        "next_page_token": null, "has_more": false
    })))
)]
async fn snapshot(
    State(cx): State<Context>,
    caller: Caller,
    Body(request): Body<sync::SnapshotRequest>,
) -> Result<Json<sync::SnapshotPage>, Problem> {
    sync::snapshot(&cx, &caller, request).await.map(Json)
}

/// Whether sync works
#[utoipa::path(
    get,
    path = "/api/v2/sync/health",
    operation_id = "isSyncHealthy",
    tag = "Sync",
    security(()),
    responses((status = 200, description = "It does.", body = SyncHealth))
)]
async fn health(State(cx): State<Context>) -> Result<Json<SyncHealth>, Problem> {
    cx.store.ping().await?;
    Ok(Json(SyncHealth {
        status: "healthy",
        service: "smart-sync",
        version: "2.0.0",
        features: ["multi-user sync", "per-device tracking", "app-type filtering", "incremental sync"],
    }))
}

/// Sync works.
#[derive(Debug, Serialize, ToSchema)]
struct SyncHealth {
    /// Always `healthy`; otherwise the answer is a problem.
    status: &'static str,
    /// Which part of the service this is about.
    service: &'static str,
    /// The version of its API.
    version: &'static str,
    /// What it can do.
    features: [&'static str; 4],
}
