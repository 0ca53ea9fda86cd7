//! `POST /api/v2/sync/pull`: what a device does not have yet.

use super::compact::compact;
use super::event::{EventOut, EventText};
use super::follow::{Batch, Look, Patience, Wish, look};
use super::include::{Include, IncludeError, include};
use super::scope::{Scope, Viewer, viewer_for};
use crate::auth::Caller;
use crate::config::ms;
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use crate::records::Record;
use bridge_model::{AppType, DeviceId, ModelName, Position, SystemId, Timestamp};
use bridge_store::{Cursor, LogSpan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// What a device sends to pull.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct PullRequest {
    /// The caller's own user id; may be left out.
    #[serde(default)]
    pub user_id: Option<i64>,
    /// The device.
    pub device_id: DeviceId,
    /// The kind of app.
    pub app_type: AppType,
    /// The most changes to answer; `sync.limit_default` if left out, at most `sync.limit_max`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only these of the app type's models.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub models_filter: Option<Vec<ModelName>>,
    /// Only this system.
    #[serde(default)]
    pub system_id: Option<SystemId>,
    /// The `next_sync_token` of the last answer that the device has dealt with: confirms everything up to it.
    #[serde(default)]
    pub last_sync_token: Option<Token>,
    /// Only the last change of each record, of those in this answer.
    #[serde(default)]
    pub compact: bool,
    /// The changed records' current fields in the same answer.
    #[serde(default)]
    pub include: Option<Include>,
    /// How long to wait for a change if there is none, in seconds.
    #[serde(default)]
    pub wait_s: Option<u64>,
}

/// What a pull gets.
#[derive(Debug, ToSchema)]
pub struct PullAnswer {
    /// `success`, or `resync_required`.
    pub status: &'static str,
    /// Whether there are changes in this answer.
    pub has_updates: bool,
    /// How many.
    pub new_events_count: usize,
    /// The changes, in the order of their ids.
    #[schema(value_type = Vec<EventOut>)]
    pub events: Vec<EventText>,
    /// To be sent as `last_sync_token` once the changes are dealt with.
    pub next_sync_token: String,
    /// When this device was last answered before, if ever.
    pub last_sync_time: Option<Timestamp>,
    /// Whether another pull would find more at once.
    pub has_more: bool,
    /// Whether the device was away for so long that it has to start from a snapshot.
    pub resync_required: bool,
    /// Where to go on from after that snapshot.
    pub snapshot_position: Option<Position>,
    /// The changed records by model, if the request asked for them. One that was changed and is not here can't be read
    /// by this user any more.
    #[schema(value_type = Option<BTreeMap<String, Vec<Object>>>)]
    pub records: Option<BTreeMap<String, Vec<Record>>>,
    /// Why the records of some models are not here.
    pub include_error: Option<IncludeError>,
}

/// What stands before the changes in an answer.
#[derive(Serialize)]
struct Before {
    status: &'static str,
    has_updates: bool,
    new_events_count: usize,
}

/// What stands after them.
#[derive(Serialize)]
struct After<'a> {
    next_sync_token: &'a str,
    last_sync_time: Option<Timestamp>,
    has_more: bool,
    resync_required: bool,
    snapshot_position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<&'a BTreeMap<String, Vec<Record>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_error: Option<&'a IncludeError>,
}

/// What an answer without changes takes, about.
const ANSWER_BYTES: usize = 512;

impl PullAnswer {
    /// The answer as JSON, with the changes as they are written already.
    pub fn to_json(&self) -> Result<Vec<u8>, Problem> {
        let Self { status, has_updates, new_events_count, .. } = *self;
        let before = Before { status, has_updates, new_events_count };
        let after = After {
            next_sync_token: &self.next_sync_token,
            last_sync_time: self.last_sync_time,
            has_more: self.has_more,
            resync_required: self.resync_required,
            snapshot_position: self.snapshot_position,
            records: self.records.as_ref(),
            include_error: self.include_error.as_ref(),
        };
        let texts = self.events.iter().map(|event| event.text.len() + 1).sum::<usize>();
        let mut json = Vec::with_capacity(texts + ANSWER_BYTES);
        serde_json::to_writer(&mut json, &before).map_err(not_written)?;
        // Both parts are objects: the changes go between the one's fields and the other's.
        json.pop();
        json.extend_from_slice(b",\"events\":[");
        for (n, event) in self.events.iter().enumerate() {
            if n > 0 {
                json.push(b',');
            }
            json.extend_from_slice(event.text.as_bytes());
        }
        json.extend_from_slice(b"],");
        let fields = json.len();
        serde_json::to_writer(&mut json, &after).map_err(not_written)?;
        json.remove(fields);
        Ok(json)
    }
}

fn not_written(error: serde_json::Error) -> Problem {
    Problem::new(ProblemKind::Internal, Message::answer_not_written()).caused_by(error)
}

/// How often a pull is done again because another request of the same device was faster.
const TRIES_MAX: u32 = 8;

/// How often the log is looked at for one answer before an empty one with `has_more` is given.
const LOOKS_MAX: u32 = 10;

/// Answers the changes after the device's cursor.
///
/// A device that sends tokens confirms by them, and by nothing else. A client that never sent one is taken to have
/// got an answer when it comes for the next after the retry window; within the window it gets the same batch again.
pub(super) async fn pull(cx: &Context, caller: &Caller, request: PullRequest) -> Result<PullAnswer, Problem> {
    let viewer = viewer_for(cx, caller, request.user_id).await?;
    let limit = limit_of(cx, request.limit)?;
    let patience = patience(cx, &request);
    let token = request.last_sync_token.as_ref().map(parse_token).transpose()?;
    let scope =
        Scope::resolve(cx, viewer.tenant, request.app_type, request.models_filter, request.system_id.as_ref()).await?;
    let key = scope.cursor_key(&viewer, request.device_id);
    let mut patience = Patience::new(cx, viewer.tenant, patience);
    for _ in 0..TRIES_MAX {
        patience.mark();
        let now = cx.clock.now();
        let (known, span) = cx.store.place(&key).await?;
        let mut cursor = known.unwrap_or_else(|| Cursor::starting_at(key.clone(), Position::START, now));
        let last_sync_time = cursor.last_sync_at;
        let before = cursor.clone();
        if let Some(token) = token.filter(|token| cursor.version == 0 && *token > Position::START) {
            // The device was here before, but so long ago that its cursors were cleaned up. One that has cursors for
            // other scopes sent a token of those.
            let head = span.up_to;
            let others = cx.store.cursors(viewer.tenant, viewer.user, Some(&key.device)).await?;
            if token > head || !others.is_empty() {
                return Err(never_handed_out(token));
            }
            if start_over(cx, &mut cursor, head, now).await? {
                return Ok(resync(&cursor, head, last_sync_time));
            }
            continue;
        }
        let up_to = settle(&mut cursor, token, now, ms(cx.config.sync.retry_window_ms))?;
        // A repeated batch is as large as it was, whatever the limit says now: the rest of it counts as handed out.
        let limit = if up_to.is_some() { cx.config.sync.limit_max } else { limit };
        let wish = Wish { after: cursor.confirmed, up_to, limit };
        let batch = match read_patiently(cx, &viewer, &scope, wish, span, &mut patience).await? {
            Look::Page(batch) => batch,
            Look::Trimmed { head } => {
                // The device may go on from `head` once it has its snapshot, but only by saying so.
                if start_over(cx, &mut cursor, head, now).await? {
                    return Ok(resync(&cursor, head, last_sync_time));
                }
                continue;
            }
            Look::Ahead => return Err(never_handed_out(cursor.confirmed)),
        };
        // Waiting takes time: the batch is handed out only now.
        let now = cx.clock.now();
        offer(&mut cursor, &batch, up_to.is_some(), now);
        if !worth_saving(&before, &cursor, now) || cx.store.save_cursor(&cursor).await? {
            let mut answer = answer(batch, last_sync_time);
            if request.compact {
                answer.events = compact(answer.events).map_err(not_written)?;
                answer.new_events_count = answer.events.len();
            }
            if let Some(wish) = &request.include
                && let Some(included) = include(cx, &viewer, &scope, &answer.events, wish).await
            {
                answer.records = Some(included.records);
                answer.include_error = included.error;
            }
            return Ok(answer);
        }
    }
    Err(Problem::new(ProblemKind::SyncConflict, Message::other_requests_of_device()))
}

/// Reads a page, and if there is nothing for this device up to the log's end, waits as long as the request wishes.
async fn read_patiently(
    cx: &Context,
    viewer: &Viewer,
    scope: &Scope,
    mut wish: Wish,
    mut span: LogSpan,
    patience: &mut Patience,
) -> Result<Look, Problem> {
    loop {
        match read(cx, viewer, scope, wish, span).await? {
            Look::Page(batch) if batch.events.is_empty() && wish.up_to.is_none() && batch.scanned_to >= batch.head => {
                wish.after = batch.scanned_to;
                if !patience.wait(cx).await {
                    return Ok(Look::Page(batch));
                }
                patience.mark();
                span = cx.store.kept(viewer.tenant).await?;
            }
            found => return Ok(found),
        }
    }
}

/// What a request may take besides waiting: asking for rights, and the reading and writing of our own.
const BESIDES_WAITING: Duration = Duration::from_secs(6);

/// How long the request may wait: what it wishes, within the config's bound and what the request's time leaves.
fn patience(cx: &Context, request: &PullRequest) -> Duration {
    let wish = Duration::from_secs(request.wait_s.unwrap_or(0).min(cx.config.sync.wait_max_s));
    let reading = if request.include.is_some() { super::include::timeout(cx) } else { Duration::ZERO };
    wish.min(ms(cx.config.server.request_timeout_ms).saturating_sub(BESIDES_WAITING).saturating_sub(reading))
}

/// Reads a page, and goes on while nothing in it is for this device.
async fn read(cx: &Context, viewer: &Viewer, scope: &Scope, mut wish: Wish, span: LogSpan) -> Result<Look, Problem> {
    for _ in 1..LOOKS_MAX {
        match look(cx, viewer, scope, wish, span).await? {
            Look::Page(batch)
                if batch.events.is_empty()
                    && batch.scanned_to > wish.after
                    && batch.scanned_to < wish.up_to.unwrap_or(batch.head) =>
            {
                wish.after = batch.scanned_to;
            }
            found => return Ok(found),
        }
    }
    look(cx, viewer, scope, wish, span).await
}

/// Moves the cursor by what this request confirms. Answers where a repeated batch ends, if one is to be repeated.
fn settle(
    cursor: &mut Cursor,
    token: Option<Position>,
    now: Timestamp,
    retry_window: Duration,
) -> Result<Option<Position>, Problem> {
    if let Some(token) = token {
        if token > cursor.offered {
            return Err(never_handed_out(token));
        }
        // A token below the cursor comes from a device that was set back: it says what it has.
        cursor.confirmed = token;
        cursor.explicit = true;
        return Ok(None);
    }
    if cursor.explicit || cursor.batch_to <= cursor.confirmed {
        return Ok(None);
    }
    if cursor.offered_at.is_some_and(|at| now.since(at) < retry_window) {
        return Ok(Some(cursor.batch_to));
    }
    cursor.confirmed = cursor.batch_to;
    Ok(None)
}

/// Notes that the device may go on from `head` once it has its snapshot, but only by saying so.
async fn start_over(cx: &Context, cursor: &mut Cursor, head: Position, now: Timestamp) -> Result<bool, Problem> {
    cursor.offered = cursor.offered.max(head);
    cursor.batch_to = cursor.confirmed;
    cursor.last_sync_at = Some(now);
    Ok(cx.store.save_cursor(cursor).await?)
}

/// Notes what is handed out. A repeated batch keeps the time of its first hand-out, so that a client which polls
/// faster than the window still gets on.
fn offer(cursor: &mut Cursor, batch: &Batch, repeated: bool, now: Timestamp) {
    let count = i64::try_from(batch.events.len()).unwrap_or(i64::MAX);
    if !repeated {
        cursor.offered_at = Some(now);
        cursor.events_synced = cursor.events_synced.saturating_add(count);
    }
    cursor.batch_to = batch.scanned_to;
    cursor.offered = cursor.offered.max(batch.scanned_to);
    if batch.events.is_empty() && !cursor.explicit && !repeated {
        // Nothing was handed out that could get lost on the way.
        cursor.confirmed = batch.scanned_to.max(cursor.confirmed);
    }
    cursor.last_event_count = count;
    cursor.last_sync_at = Some(now);
    cursor.sync_count = cursor.sync_count.saturating_add(1);
}

/// A pull that found nothing is written down once a minute: the times and counts of a device are for people, and an
/// idle device should not cost a disk write every time it asks.
fn worth_saving(before: &Cursor, after: &Cursor, now: Timestamp) -> bool {
    let moved = before.version == 0
        || before.confirmed != after.confirmed
        || before.offered != after.offered
        || before.batch_to != after.batch_to
        || before.explicit != after.explicit
        || after.last_event_count > 0;
    moved || before.last_sync_at.is_none_or(|at| now.since(at) >= IDLE_SAVE_INTERVAL)
}

/// How old a device's noted time of its last pull may get while it finds nothing.
const IDLE_SAVE_INTERVAL: Duration = Duration::from_mins(1);

fn answer(batch: Batch, last_sync_time: Option<Timestamp>) -> PullAnswer {
    PullAnswer {
        status: "success",
        has_updates: !batch.events.is_empty(),
        new_events_count: batch.events.len(),
        has_more: batch.scanned_to < batch.head,
        next_sync_token: batch.scanned_to.to_string(),
        events: batch.events,
        last_sync_time,
        resync_required: false,
        snapshot_position: None,
        records: None,
        include_error: None,
    }
}

fn resync(cursor: &Cursor, head: Position, last_sync_time: Option<Timestamp>) -> PullAnswer {
    PullAnswer {
        status: "resync_required",
        has_updates: false,
        new_events_count: 0,
        events: Vec::new(),
        next_sync_token: cursor.confirmed.to_string(),
        last_sync_time,
        has_more: false,
        resync_required: true,
        snapshot_position: Some(head),
        records: None,
        include_error: None,
    }
}

/// The limit of a page: what the request asks for, within the config's bound.
pub(super) fn limit_of(cx: &Context, asked: Option<u32>) -> Result<u32, Problem> {
    let limit_max = cx.config.sync.limit_max;
    match asked {
        None => Ok(cx.config.sync.limit_default),
        Some(limit) if (1..=limit_max).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::field("limit", Reason::between(1, limit_max))),
    }
}

/// A token as a device sends it: text as it was given out, or the same as a number, as positions are elsewhere.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a token: digits, as text or as a number")]
#[schema(as = SyncToken)]
pub enum Token {
    /// As it was given out.
    Text(String),
    /// The same number.
    Number(i64),
}

/// Reads a token.
pub(super) fn parse_token(token: &Token) -> Result<Position, Problem> {
    let text = match token {
        Token::Text(text) => text.clone(),
        Token::Number(number) => number.to_string(),
    };
    text.parse().map_err(|_| {
        Problem::new(ProblemKind::InvalidSyncToken, Message::sync_token_form()).with("field", "last_sync_token")
    })
}

/// The problem of a token that this device was never given.
pub(super) fn never_handed_out(token: Position) -> Problem {
    Problem::new(ProblemKind::InvalidSyncToken, Message::never_handed_out()).with("token", token.to_string())
}
