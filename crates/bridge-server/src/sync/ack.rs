//! `POST /api/v2/sync/ack`: a device says what it has, without pulling.

use super::pull::{Token, never_handed_out, parse_token};
use super::scope::{Scope, viewer_for};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{AppType, DeviceId, ModelName, Position, SystemId, Timestamp};
use bridge_store::{Cursor, CursorKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a device sends.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AckRequest {
    /// The caller's own user id; may be left out.
    #[serde(default)]
    pub user_id: Option<i64>,
    /// The device.
    pub device_id: DeviceId,
    /// The app type of the pull that is confirmed.
    pub app_type: AppType,
    /// Its models filter.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub models_filter: Option<Vec<ModelName>>,
    /// Its system.
    #[serde(default)]
    pub system_id: Option<SystemId>,
    /// Its `next_sync_token`.
    pub last_sync_token: Token,
}

/// What it gets.
#[derive(Debug, Serialize, ToSchema)]
pub struct Acked {
    /// Always `success`.
    pub status: &'static str,
    /// How far the device's cursor reaches now.
    pub confirmed_token: String,
    /// When the device was last answered.
    pub last_sync_time: Option<Timestamp>,
}

/// Moves the device's cursor to the token.
pub async fn ack(cx: &Context, caller: &Caller, request: AckRequest) -> Result<Acked, Problem> {
    let viewer = viewer_for(cx, caller, request.user_id).await?;
    let token = parse_token(&request.last_sync_token)?;
    let scope =
        Scope::resolve(cx, viewer.tenant, request.app_type, request.models_filter, request.system_id.as_ref()).await?;
    let key = scope.cursor_key(&viewer, request.device_id);
    let cursor = confirm(cx, &key, token, None).await?;
    Ok(Acked { status: "success", confirmed_token: cursor.confirmed.to_string(), last_sync_time: cursor.last_sync_at })
}

/// How often a confirmation is done again because another request of the same device was faster.
const TRIES_MAX: u32 = 8;

/// Moves a cursor to `token`, which must not be above what was handed out. `sent_live` is what an open connection of
/// the device has handed out besides; a cursor is made for it if there is none yet.
pub async fn confirm(
    cx: &Context,
    key: &CursorKey,
    token: Position,
    sent_live: Option<Position>,
) -> Result<Cursor, Problem> {
    for _ in 0..TRIES_MAX {
        let now = cx.clock.now();
        let mut cursor = match (cx.store.cursor(key).await?, sent_live) {
            (Some(cursor), _) => cursor,
            (None, Some(_)) => Cursor::starting_at(key.clone(), Position::START, now),
            (None, None) => {
                return Err(Problem::new(ProblemKind::SyncStateNotFound, Message::not_synced_yet())
                    .with("user_id", key.user.0)
                    .with("device_id", key.device.as_str()));
            }
        };
        cursor.offered = cursor.offered.max(sent_live.unwrap_or_default());
        if token > cursor.offered {
            return Err(never_handed_out(token));
        }
        cursor.confirmed = token;
        cursor.explicit = true;
        cursor.last_sync_at = Some(now);
        if cx.store.save_cursor(&cursor).await? {
            return Ok(cursor);
        }
    }
    Err(Problem::new(ProblemKind::SyncConflict, Message::other_requests_of_device()))
}

/// The cursor of a device that subscribes at `start`; made there if it has none.
pub async fn open_cursor(cx: &Context, key: &CursorKey, start: Position) -> Result<Cursor, Problem> {
    for _ in 0..TRIES_MAX {
        if let Some(cursor) = cx.store.cursor(key).await? {
            return Ok(cursor);
        }
        let cursor = Cursor::starting_at(key.clone(), start, cx.clock.now());
        if cx.store.save_cursor(&cursor).await? {
            return Ok(cursor);
        }
    }
    Err(Problem::new(ProblemKind::SyncConflict, Message::other_requests_of_device()))
}

/// Notes that an open connection has handed out everything up to `sent`. Moves no confirmation; a device without a
/// cursor has none made for it.
pub async fn note_handed_out(cx: &Context, key: &CursorKey, sent: Position) -> Result<(), Problem> {
    for _ in 0..TRIES_MAX {
        let Some(mut cursor) = cx.store.cursor(key).await? else { return Ok(()) };
        if cursor.offered >= sent {
            return Ok(());
        }
        cursor.offered = sent;
        if cx.store.save_cursor(&cursor).await? {
            return Ok(());
        }
    }
    Ok(())
}
