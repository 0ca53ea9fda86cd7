//! `/api/v1/devices…`

use crate::api::extract::{Path, Query};
use crate::api::openapi::{QUERY, Refuses as _, TOKEN};
use crate::auth::Caller;
use crate::context::Context;
use crate::devices::{self, DevicePage, ForgetDevice, Forgotten, ListDevices};
use crate::problem::{Problem, ProblemKind};
use axum::Json;
use axum::extract::State;
use bridge_model::DeviceId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Context> {
    let of_others = &[ProblemKind::Forbidden, ProblemKind::NotFound];
    OpenApiRouter::new().routes(routes!(list).refusing(&[TOKEN, QUERY, of_others])).routes(routes!(forget).refusing(&[
        TOKEN,
        QUERY,
        of_others,
        &[ProblemKind::SyncStateNotFound],
    ]))
}

/// List devices
///
/// One's own, or for admins those of any user of the tenant.
#[utoipa::path(
    get,
    path = "/api/v1/devices",
    operation_id = "listDevices",
    tag = "Devices",
    params(ListDevices),
    responses((status = 200, description = "A page of devices.", body = DevicePage))
)]
async fn list(
    State(cx): State<Context>,
    caller: Caller,
    Query(request): Query<ListDevices>,
) -> Result<Json<DevicePage>, Problem> {
    devices::list(&cx, &caller, request).await.map(Json)
}

/// Forget a device
///
/// All its sync states go with it. If it pulls again, it begins as a new one.
#[utoipa::path(
    delete,
    path = "/api/v1/devices/{device_id}",
    operation_id = "forgetDevice",
    tag = "Devices",
    params(("device_id" = DeviceId, Path, description = "The device."), ForgetDevice),
    responses((status = 200, description = "The device is forgotten.", body = Forgotten))
)]
async fn forget(
    State(cx): State<Context>,
    caller: Caller,
    Path(device_id): Path<DeviceId>,
    Query(request): Query<ForgetDevice>,
) -> Result<Json<Forgotten>, Problem> {
    devices::forget(&cx, &caller, device_id, request).await.map(Json)
}
