//! `GET /api/v1/webhooks/check-updates`: whether a pull would bring anything.

use super::since::Since;
use super::visible::look_over;
use crate::auth::Caller;
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use crate::sync::{Scope, Viewer, viewer_for};
use bridge_model::{AppType, DeviceId, Position, Timestamp};
use bridge_store::{Cursor, LogFilter, LogSpan};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query of the request.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct CheckUpdates {
    /// After which position (digits), or what arrived at or after which time (RFC 3339). If left out, what the device
    /// has confirmed.
    #[param(pattern = "^([0-9]{1,18}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2}))$", example = "525")]
    pub since: Option<String>,
    /// The device: only what its last pull asked for counts.
    pub device_id: Option<DeviceId>,
    /// The device's last pull of this app type is meant.
    pub app_type: Option<AppType>,
    /// The caller's own user id; may be left out.
    pub user_id: Option<i64>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Updates {
    /// Whether there is something new.
    pub has_updates: bool,
    /// How many changes are new.
    pub count: u64,
    /// Whether `count` is all of them: of a long log only the newest part is counted.
    pub count_is_exact: bool,
    /// The position of the newest one.
    pub latest_event_id: Option<Position>,
    /// The position after which was counted.
    pub since: Position,
    /// Whether the log is not kept back to there any more, so that the device has to start from a snapshot.
    pub resync_required: bool,
}

/// Counts what the caller may see after a position. Cheap: when nothing has arrived, that is one read of one row.
pub async fn check_updates(cx: &Context, caller: &Caller, request: CheckUpdates) -> Result<Updates, Problem> {
    let viewer = viewer_for(cx, caller, request.user_id).await?;
    let asked = request.since.as_deref().map(Since::parse).transpose()?;
    let cursor = match &request.device_id {
        None => None,
        Some(device) => latest_cursor(cx, &viewer, device, request.app_type.as_ref()).await?,
    };
    let since = match (asked, &cursor, &request.device_id) {
        (Some(since), ..) => since.position(cx, viewer.tenant).await?,
        (None, Some(cursor), _) => cursor.confirmed,
        (None, None, Some(device)) => return Err(unknown_device(&viewer, device)),
        (None, None, None) => return Err(Problem::field("since", Reason::or_device_id())),
    };
    let kept = cx.store.kept(viewer.tenant).await?;
    if since > kept.up_to {
        return Err(Problem::new(ProblemKind::InvalidSyncToken, Message::position_not_in_log())
            .with("field", "since")
            .with("token", since.to_string()));
    }
    let mut updates = Updates {
        has_updates: false,
        count: 0,
        count_is_exact: true,
        latest_event_id: None,
        since,
        resync_required: since < kept.after,
    };
    if since < kept.up_to {
        let start = kept.up_to.get().saturating_sub(i64::from(cx.config.sync.scan_max));
        let span = LogSpan { after: since.max(kept.after).max(Position::new(start)), up_to: kept.up_to };
        let filter = filter(cx, &viewer, cursor).await?;
        let sight = look_over(cx, &viewer, span, filter).await?;
        updates.count = sight.counts.iter().map(|count| count.count).sum();
        updates.latest_event_id = sight.counts.iter().map(|count| count.last).max();
        updates.count_is_exact = sight.span.after <= since;
    }
    // Where not everything was looked at, only a pull can tell.
    updates.has_updates = updates.count > 0 || !updates.count_is_exact;
    Ok(updates)
}

/// The cursor that the device used last.
async fn latest_cursor(
    cx: &Context,
    viewer: &Viewer,
    device: &DeviceId,
    app_type: Option<&AppType>,
) -> Result<Option<Cursor>, Problem> {
    let cursors = cx.store.cursors(viewer.tenant, viewer.user, Some(device)).await?;
    let of_app = cursors.into_iter().filter(|cursor| app_type.is_none_or(|app_type| cursor.key.app_type == *app_type));
    Ok(of_app.max_by_key(|cursor: &Cursor| cursor.last_sync_at.unwrap_or(Timestamp::from_micros(i64::MIN))))
}

/// What the device's pulls ask for; everything where there is no device.
async fn filter(cx: &Context, viewer: &Viewer, cursor: Option<Cursor>) -> Result<LogFilter, Problem> {
    let Some(Cursor { key, .. }) = cursor else { return Ok(LogFilter::default()) };
    let scope = Scope::resolve(cx, viewer.tenant, key.app_type, key.models, None).await?;
    Ok(LogFilter { models: scope.models, system: key.system, ..LogFilter::default() })
}

fn unknown_device(viewer: &Viewer, device: &DeviceId) -> Problem {
    Problem::new(ProblemKind::SyncStateNotFound, Message::not_synced_yet())
        .with("user_id", viewer.user.0)
        .with("device_id", device.as_str())
}
