//! `GET /api/v2/sync/state`: how far a device has come.

use super::scope::viewer_for;
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{DeviceId, ModelName, Position, SystemId, Timestamp};
use bridge_store::Cursor;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Whose state is asked for.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StateRequest {
    /// The caller's own user id; may be left out.
    #[serde(default)]
    pub user_id: Option<i64>,
    /// The device.
    pub device_id: DeviceId,
}

/// The states of a device. The fields beside `states` are those of the one that was used last.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateAnswer {
    /// Always `success`.
    pub status: &'static str,
    /// The user.
    pub user_id: i64,
    /// The device.
    pub device_id: DeviceId,
    /// How far the device has confirmed.
    pub last_event_id: Position,
    /// When it was last answered.
    pub last_sync_time: Option<Timestamp>,
    /// How many pulls were noted.
    pub sync_count: i64,
    /// One for each app type, system and models filter that the device pulled with.
    pub states: Vec<DeviceState>,
}

/// One cursor of a device.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceState {
    /// The app type.
    pub app_type: String,
    /// The system, if the pulls name one.
    pub system_id: Option<SystemId>,
    /// The models, if the pulls name some.
    pub models_filter: Option<Vec<ModelName>>,
    /// How far the device has confirmed.
    pub last_event_id: Position,
    /// The highest position that was handed out to it.
    pub last_offered_id: Position,
    /// `token` once the device has sent one, otherwise `next_pull`: the weaker mode.
    pub confirmed_by: &'static str,
    /// When it was last answered.
    pub last_sync_time: Option<Timestamp>,
    /// How many pulls were noted; pulls that find nothing are noted once a minute.
    pub sync_count: i64,
    /// Changes handed out in all.
    pub total_events_synced: i64,
    /// Changes in the last answer.
    pub last_event_count: i64,
    /// Always true; a state that is not used is removed.
    pub is_active: bool,
    /// When the device came first.
    pub created_at: Timestamp,
}

/// The states of a device of the caller.
pub async fn state(cx: &Context, caller: &Caller, request: StateRequest) -> Result<StateAnswer, Problem> {
    let viewer = viewer_for(cx, caller, request.user_id).await?;
    let mut cursors = cx.store.cursors(viewer.tenant, viewer.user, Some(&request.device_id)).await?;
    cursors.sort_by_key(|cursor| std::cmp::Reverse(cursor.last_sync_at));
    let Some(latest) = cursors.first() else {
        return Err(not_found(viewer.user.0, &request.device_id));
    };
    let names = cx.store.system_names(viewer.tenant).await?;
    Ok(StateAnswer {
        status: "success",
        user_id: viewer.user.0,
        device_id: request.device_id,
        last_event_id: latest.confirmed,
        last_sync_time: latest.last_sync_at,
        sync_count: latest.sync_count,
        states: cursors
            .iter()
            .map(|cursor| {
                let system_id = cursor.key.system.and_then(|system| names.get(&system).cloned());
                one(cursor, system_id)
            })
            .collect(),
    })
}

fn one(cursor: &Cursor, system_id: Option<SystemId>) -> DeviceState {
    DeviceState {
        app_type: cursor.key.app_type.to_string(),
        system_id,
        models_filter: cursor.key.models.clone(),
        last_event_id: cursor.confirmed,
        last_offered_id: cursor.offered,
        confirmed_by: if cursor.explicit { "token" } else { "next_pull" },
        last_sync_time: cursor.last_sync_at,
        sync_count: cursor.sync_count,
        total_events_synced: cursor.events_synced,
        last_event_count: cursor.last_event_count,
        is_active: true,
        created_at: cursor.created_at,
    }
}

pub(super) fn not_found(user_id: i64, device_id: &DeviceId) -> Problem {
    Problem::new(ProblemKind::SyncStateNotFound, Message::no_sync_state(user_id, device_id))
        .with("user_id", user_id)
        .with("device_id", device_id.as_str())
}
