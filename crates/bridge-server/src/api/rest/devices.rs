//! `/api/v1/devices…`

use crate::api::extract::{Path, Query};
use crate::auth::Caller;
use crate::context::Context;
use crate::devices::{self, DevicePage, ForgetDevice, Forgotten, ListDevices};
use crate::problem::Problem;
use axum::extract::State;
use axum::routing::{delete, get};
use axum::{Json, Router};
use bridge_model::DeviceId;

pub(super) fn routes() -> Router<Context> {
    Router::new().route("/api/v1/devices", get(list)).route("/api/v1/devices/{device_id}", delete(forget))
}

async fn list(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<ListDevices>,
) -> Result<Json<DevicePage>, Problem> {
    devices::list(&cx, &caller, request).await.map(Json)
}

async fn forget(
    State(cx): State<Context>,
    caller: Caller,
    Path(device_id): Path<DeviceId>,
    Query(request): Query<ForgetDevice>,
) -> Result<Json<Forgotten>, Problem> {
    devices::forget(&cx, &caller, device_id, request).await.map(Json)
}
