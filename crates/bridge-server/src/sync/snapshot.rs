//! `POST /api/v2/sync/snapshot`: the current records, page by page, and the position from which pulls go on.

use super::current::{NotRead, ROWS_PER_CALL_MAX, Reading, is_linked};
use super::page_token::{self, Place};
use super::pull::limit_of;
use super::rights;
use super::scope::{Scope, Viewer, viewer_for};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::Record;
use bridge_erp::ErpErrorKind;
use bridge_model::{AppType, DeviceId, ModelName, Position, SystemId, SystemKey};
use bridge_store::{Cursor, CursorKey, System};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use utoipa::ToSchema;

/// What a device sends.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct SnapshotRequest {
    /// The caller's own user id; may be left out.
    #[serde(default)]
    pub user_id: Option<i64>,
    /// The device.
    pub device_id: DeviceId,
    /// The kind of app.
    pub app_type: AppType,
    /// Only these of the app type's models.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub models_filter: Option<Vec<ModelName>>,
    /// Only this system.
    #[serde(default)]
    pub system_id: Option<SystemId>,
    /// The most records in one page.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// The `next_page_token` of the page before; left out at the beginning.
    #[serde(default)]
    pub page_token: Option<String>,
    /// The fields to read, by model; for other models those that their records themselves hold.
    #[serde(default)]
    pub fields: BTreeMap<ModelName, Vec<String>>,
}

/// What it gets.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotPage {
    /// Always `success`.
    pub status: &'static str,
    /// The log's end before the first record was read: pulls go on from here once the last page is there.
    pub snapshot_position: Position,
    /// The system that the records are of.
    pub system_id: Option<SystemId>,
    /// The model that they are of; null if there are none.
    pub model: Option<ModelName>,
    /// The records, in the order of their ids.
    #[schema(value_type = Vec<Object>)]
    pub records: Vec<Record>,
    /// To be sent as `page_token` for the next page; null after the last.
    pub next_page_token: Option<String>,
    /// Whether there is another page.
    pub has_more: bool,
    /// Models that an admin's own reading could not get at, passed over by this page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// A model that could not be read.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeftOut {
    /// The system.
    pub system_id: SystemId,
    /// The model.
    pub model: ModelName,
    /// What the ERP said.
    pub reason: String,
}

/// How often the beginning is tried again because another request of the same device was faster.
const TRIES_MAX: u32 = 8;

/// How many models without records are passed over for one page: each costs a call.
const EMPTY_MODELS_MAX: usize = 10;

/// Answers a page of the records that are there now.
///
/// The first page takes the log's end before it reads anything. Whatever changes afterwards comes later in the log, so
/// that a device which pulls on from there misses nothing, whichever pages the change came before or after.
pub async fn snapshot(cx: &Context, caller: &Caller, request: SnapshotRequest) -> Result<SnapshotPage, Problem> {
    let viewer = viewer_for(cx, caller, request.user_id).await?;
    let limit = limit_of(cx, request.limit)?.min(ROWS_PER_CALL_MAX);
    let scope =
        Scope::resolve(cx, viewer.tenant, request.app_type, request.models_filter, request.system_id.as_ref()).await?;
    let name = page_token::snapshot_name(&viewer, &request.device_id, &scope);
    let (position, place) = match &request.page_token {
        Some(token) => page_token::open(cx, &name, token).map(|(position, place)| (position, Some(place)))?,
        None => (begin(cx, scope.cursor_key(&viewer, request.device_id)).await?, None),
    };
    let mut parts = parts(cx, &viewer, &scope).await?;
    parts.retain(|part| place.as_ref().is_none_or(|place| part.is_from(place)));
    let mut page = SnapshotPage {
        status: "success",
        snapshot_position: position,
        system_id: None,
        model: None,
        records: Vec::new(),
        next_page_token: None,
        has_more: false,
        left_out: Vec::new(),
    };
    let mut next = None;
    for (index, part) in parts.iter().enumerate() {
        if index > EMPTY_MODELS_MAX {
            next = Some(part.from(0));
            break;
        }
        let after = place.as_ref().filter(|place| part.is_at(place)).map_or(0, |place| place.after);
        let reading = Reading::new(cx, &viewer, &part.system)?;
        let fields = request.fields.get(&part.model).map(Vec::as_slice);
        let records = match reading.read(&part.model, &json!([["id", ">", after]]), fields, limit).await {
            Ok(records) => records,
            // For others the ERP has said that they may read it: something is wrong, and the page can be asked for
            // again. An admin is shown changes of every model, so that one they can't read must not end the snapshot.
            Err(NotRead::Erp(error))
                if viewer.is_admin && matches!(error.kind, ErpErrorKind::AccessDenied | ErpErrorKind::UnknownModel) =>
            {
                let (system_id, model) = (part.system.system_id.clone(), part.model.clone());
                page.left_out.push(LeftOut { system_id, model, reason: error.message });
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let Some(last) = records.last().map(|record| record.get("id").and_then(serde_json::Value::as_i64)) else {
            continue;
        };
        let last = last.ok_or_else(|| Problem::new(ProblemKind::ErpFailed, Message::erp_record_without_id()))?;
        let is_full = records.len() >= limit as usize;
        next = if is_full { Some(part.from(last)) } else { parts.get(index + 1).map(|part| part.from(0)) };
        page.system_id = Some(part.system.system_id.clone());
        page.model = Some(part.model.clone());
        page.records = records;
        break;
    }
    page.next_page_token = next.map(|place| page_token::seal(cx, &name, position, place)).transpose()?;
    page.has_more = page.next_page_token.is_some();
    Ok(page)
}

/// Takes the log's end, and notes that it is handed out: the device will come with it as its token.
async fn begin(cx: &Context, key: CursorKey) -> Result<Position, Problem> {
    for _ in 0..TRIES_MAX {
        let now = cx.clock.now();
        let mut cursor = match cx.store.cursor(&key).await? {
            Some(cursor) => cursor,
            None => Cursor::starting_at(key.clone(), Position::START, now),
        };
        let head = cx.store.head(key.tenant).await?;
        cursor.offered = cursor.offered.max(head);
        // Only a token confirms this place: a snapshot that was not read to its end must not count as received.
        cursor.batch_to = cursor.confirmed;
        cursor.last_sync_at = Some(now);
        if cx.store.save_cursor(&cursor).await? {
            return Ok(head);
        }
    }
    Err(Problem::new(ProblemKind::SyncConflict, Message::other_requests_of_device()))
}

/// The records of one model in one system.
struct Part {
    system: Arc<System>,
    model: ModelName,
}

impl Part {
    fn key(&self) -> (SystemKey, &ModelName) {
        (self.system.key, &self.model)
    }

    fn is_at(&self, place: &Place) -> bool {
        self.key() == (place.system, &place.model)
    }

    fn is_from(&self, place: &Place) -> bool {
        self.key() >= (place.system, &place.model)
    }

    fn from(&self, after: i64) -> Place {
        Place { system: self.system.key, model: self.model.clone(), after }
    }
}

/// What the viewer's snapshot consists of, in the order in which it is read.
async fn parts(cx: &Context, viewer: &Viewer, scope: &Scope) -> Result<Vec<Part>, Problem> {
    let mut systems = cx.store.systems(viewer.tenant).await?;
    systems.retain(|system| match scope.system {
        Some(key) => system.key == key,
        None => system.is_active,
    });
    if !viewer.is_admin {
        // In any other system there is nobody whom this user is linked to.
        systems.retain(|system| is_linked(viewer, system));
    }
    let mut parts = Vec::new();
    for system in systems {
        let system = Arc::new(system);
        for model in models(cx, viewer, scope, &system).await? {
            parts.push(Part { system: Arc::clone(&system), model });
        }
    }
    if viewer.is_admin {
        parts.sort_by(|one, other| one.key().cmp(&other.key()));
        return Ok(parts);
    }
    let wanted: Vec<_> = parts.iter().map(|part| (part.system.key, &part.model)).collect();
    let seen = rights::of(cx, viewer, &wanted, &[]).await?;
    let mut readable = Vec::new();
    for part in parts {
        match seen.may_see(part.system.key, &part.model) {
            Some(true) => readable.push(part),
            Some(false) => {}
            None => return Err(seen.into_unknown().unwrap_or_else(rights_unknown)),
        }
    }
    readable.sort_by(|one, other| one.key().cmp(&other.key()));
    Ok(readable)
}

/// The models of the app type; of one that hears of all models, those that any app asks for or the add-on tracks.
async fn models(cx: &Context, viewer: &Viewer, scope: &Scope, system: &System) -> Result<BTreeSet<ModelName>, Problem> {
    if let Some(models) = &scope.models {
        return Ok(models.iter().cloned().collect());
    }
    let configured = cx.config.sync.app_types.values().flatten();
    let mut models: BTreeSet<_> = configured.filter_map(|name| ModelName::parse(name.as_str()).ok()).collect();
    models.extend(Reading::new(cx, viewer, system)?.tracked_models().await?);
    Ok(models)
}

fn rights_unknown() -> Problem {
    Problem::new(ProblemKind::ErpUnreachable, Message::rights_unknown())
}
