//! `GET /api/v1/devices`.

use crate::auth::Caller;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use crate::sync::viewer_for;
use bridge_model::{AppType, DeviceId, Position, Timestamp};
use bridge_store::AppOfDevice;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Devices in one page if the request does not say.
const LIMIT_DEFAULT: u32 = 100;

/// The most devices in one page.
const LIMIT_MAX: u32 = 500;

/// The query of the request.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListDevices {
    /// The caller's own user id, or for admins that of any user of the tenant; may be left out.
    pub user_id: Option<i64>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<DeviceId>,
    /// The most devices in the page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    pub limit: Option<u32>,
}

/// A page of devices.
#[derive(Debug, Serialize, ToSchema)]
pub struct DevicePage {
    /// The devices by their ids.
    pub items: Vec<DeviceView>,
    /// For the next page; `null` on the last.
    pub next_cursor: Option<String>,
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device)]
pub struct DeviceView {
    /// Its id.
    pub device_id: DeviceId,
    /// Whose it is.
    pub user_id: i64,
    /// When it came first.
    pub created_at: Timestamp,
    /// When it was last answered.
    pub last_sync_time: Option<Timestamp>,
    /// When something of it was last noted. What is not used for long enough after that is forgotten.
    pub last_used_at: Timestamp,
    /// The apps on it.
    pub apps: Vec<AppView>,
}

/// An app on a device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppOfDevice)]
pub struct AppView {
    /// The kind of app.
    pub app_type: AppType,
    /// How many sync states it has: one for each system and models filter that it pulls with.
    pub states: u64,
    /// How far the least advanced of them is confirmed.
    pub last_event_id: Position,
    /// When it was last answered.
    pub last_sync_time: Option<Timestamp>,
    /// How many pulls were noted.
    pub sync_count: i64,
    /// Changes handed out in all.
    pub total_events_synced: i64,
}

/// The devices of the caller, or for an admin those of any user of the tenant.
pub async fn list(cx: &Context, caller: &Caller, request: ListDevices) -> Result<DevicePage, Problem> {
    let viewer = viewer_for(cx, caller, request.user_id).await?;
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field("limit", Reason::between(1, LIMIT_MAX)));
    }
    // One more than asked for tells whether there is a next page.
    let rows = cx.store.devices(viewer.tenant, viewer.user, request.cursor.as_ref(), limit + 1).await?;
    let mut items: Vec<DeviceView> = Vec::new();
    for row in rows {
        match items.last_mut() {
            Some(device) if device.device_id == row.device => device.add(row),
            _ => items.push(DeviceView::of(viewer.user.0, row)),
        }
    }
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next_cursor = items.last().filter(|_| more).map(|device| device.device_id.to_string());
    Ok(DevicePage { items, next_cursor })
}

impl DeviceView {
    fn of(user_id: i64, row: AppOfDevice) -> Self {
        Self {
            device_id: row.device.clone(),
            user_id,
            created_at: row.created_at,
            last_sync_time: row.last_sync_at,
            last_used_at: row.used_at,
            apps: vec![row.into()],
        }
    }

    fn add(&mut self, row: AppOfDevice) {
        self.created_at = self.created_at.min(row.created_at);
        self.last_sync_time = self.last_sync_time.max(row.last_sync_at);
        self.last_used_at = self.last_used_at.max(row.used_at);
        self.apps.push(row.into());
    }
}

impl From<AppOfDevice> for AppView {
    fn from(row: AppOfDevice) -> Self {
        Self {
            app_type: row.app_type,
            states: row.cursors,
            last_event_id: row.confirmed,
            last_sync_time: row.last_sync_at,
            sync_count: row.sync_count,
            total_events_synced: row.events_synced,
        }
    }
}
