//! `POST /api/v2/sync/reset`: a device starts over.

use super::scope::{Scope, Viewer, viewer_for};
use super::state::not_found;
use crate::audit::{Change, audited};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::Problem;
use bridge_model::{AppType, DeviceId, Position, RecordId};
use bridge_store::Cursor;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// Which device starts over.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ResetRequest {
    /// The caller's own user id; may be left out.
    #[serde(default)]
    pub user_id: Option<i64>,
    /// The device.
    pub device_id: DeviceId,
    /// Only the states of this app type; makes one if the device has none.
    #[serde(default)]
    pub app_type: Option<AppType>,
}

/// What it gets.
#[derive(Debug, Serialize, ToSchema)]
pub struct WasReset {
    /// Always `success`.
    pub status: &'static str,
    /// A sentence for people.
    pub message: String,
    /// The log's end before the device reads the current records: pulling goes on from here, so that nothing that
    /// happens meanwhile is missed.
    pub snapshot_position: Position,
    /// The same as a token.
    pub next_sync_token: String,
}

/// Puts the device's cursors at the log's end, for it to read the current records and then pull on.
pub async fn reset(cx: &Context, caller: &Caller, request: ResetRequest) -> Result<WasReset, Problem> {
    let viewer = viewer_for(cx, caller, request.user_id).await?;
    let change = Change::new("device", "reset")
        .of(RecordId::Text(request.device_id.as_str().to_owned()))
        .to(json!({ "user_id": viewer.user }))
        .set("app_type", request.app_type.as_ref());
    let position = audited(cx, caller, change, start_over(cx, &viewer, request)).await?;
    Ok(WasReset {
        status: "success",
        message: cx.texts.say(caller.speaks(), &Message::state_reset()),
        snapshot_position: position,
        next_sync_token: position.to_string(),
    })
}

/// Puts the cursors at the log's end, and answers where that is.
async fn start_over(cx: &Context, viewer: &Viewer, request: ResetRequest) -> Result<Position, Problem> {
    let position = cx.store.head(viewer.tenant).await?;
    let moved = cx
        .store
        .reset_cursors(viewer.tenant, viewer.user, &request.device_id, request.app_type.as_ref(), position)
        .await?;
    if moved == 0 {
        let Some(app_type) = request.app_type else {
            return Err(not_found(viewer.user.0, &request.device_id));
        };
        let scope = Scope::resolve(cx, viewer.tenant, app_type, None, None).await?;
        let cursor = Cursor::starting_at(scope.cursor_key(viewer, request.device_id), position, cx.clock.now());
        // False means that a pull made the cursor in between: then the device starts from there, which is earlier.
        cx.store.save_cursor(&cursor).await?;
    }
    Ok(position)
}
