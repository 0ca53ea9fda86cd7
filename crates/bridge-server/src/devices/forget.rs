//! `DELETE /api/v1/devices/{device_id}`.

use crate::audit::{Change, audited};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::sync::viewer_for;
use bridge_model::{DeviceId, RecordId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// The query of the request.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ForgetDevice {
    /// The caller's own user id, or for admins that of any user of the tenant; may be left out.
    pub user_id: Option<i64>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Forgotten {
    /// Always true; failures have the error shape.
    pub success: bool,
    /// The device.
    pub device_id: DeviceId,
    /// How many sync states went with it.
    pub states: u64,
}

/// Forgets a device with all its sync states. If it pulls again, it begins as a new one.
pub async fn forget(
    cx: &Context,
    caller: &Caller,
    device_id: DeviceId,
    request: ForgetDevice,
) -> Result<Forgotten, Problem> {
    let viewer = viewer_for(cx, caller, request.user_id).await?;
    let change = Change::new("device", "delete")
        .of(RecordId::Text(device_id.as_str().to_owned()))
        .from(json!({ "user_id": viewer.user }));
    let states = audited(cx, caller, change, async {
        match cx.store.forget_device(viewer.tenant, viewer.user, &device_id).await? {
            0 => Err(Problem::new(ProblemKind::SyncStateNotFound, Message::not_synced_yet())
                .with("user_id", viewer.user.0)
                .with("device_id", device_id.as_str())),
            states => Ok(states),
        }
    })
    .await?;
    Ok(Forgotten { success: true, device_id, states })
}
