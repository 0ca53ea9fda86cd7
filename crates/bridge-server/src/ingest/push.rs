//! What an ERP sends by itself: `POST /api/v1/webhooks/receive`.

use super::{life, pipeline};
use crate::context::Context;
use crate::detection::{self, ModelOwners};
use crate::language::Message;
use crate::metrics::Timer;
use crate::problem::{Problem, ProblemKind, decoding};
use bridge_erp::write_key::callers_key;
use bridge_model::{Event, ModelName, NewChange, Origin, Priority, RecordId, SourceId, Strategy, Timestamp};
use bridge_store::{Append, NewDeadLetter, SourceState, System};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// The answer to a push. It is given only when everything in it is durable.
#[derive(Debug, Serialize, ToSchema)]
pub struct Received {
    /// Always true; failures have the error shape.
    pub success: bool,
    /// The documented sentence.
    pub message: &'static str,
    /// Events that are now in the log.
    pub accepted: usize,
    /// Events that were in the log already.
    pub duplicates: usize,
    /// Events that only woke a background reader, which will find them by itself.
    pub deferred: usize,
    /// Events of models that are not tracked.
    pub ignored: usize,
    /// Events that could not be understood: they are kept as dead letters.
    pub rejected: Vec<Rejected>,
}

/// An event that could not be understood.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Rejected {
    /// Its place in the request, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// What the body of a push looks like. It is taken apart event by event, so that one that can't be understood does not
/// spoil the others.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum Pushed<'a> {
    /// One event.
    One(Box<PushedEvent<'a>>),
    /// Several; at most `ingest.push_events_max`.
    Many(Vec<PushedEvent<'a>>),
}

/// An event as the add-on sends it. Field names are public API.
#[derive(Deserialize, ToSchema)]
#[schema(as = PushedEvent)]
pub struct PushedEvent<'a> {
    /// The model.
    model: ModelName,
    /// The record.
    record_id: RecordId,
    /// `create`, `write`, `unlink` or `manual`.
    #[schema(pattern = "^(create|write|unlink|manual)$")]
    event: String,
    /// How urgent it is: `high`, `medium` or `low`; `medium` if left out.
    #[serde(default)]
    #[schema(pattern = "^(high|medium|low)$")]
    priority: Option<String>,
    /// When it happened, as RFC 3339 or in Odoo's own form (`2025-11-16 10:30:00`, in UTC); now if left out.
    #[serde(default)]
    timestamp: Option<String>,
    /// The names of the fields that changed.
    #[serde(default)]
    changed_fields: Option<Vec<String>>,
    /// The ERP user who did it.
    #[serde(default)]
    user_id: Option<i64>,
    /// The key of the write that it came from, if that bore one.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    idempotency_key: Option<String>,
    /// Anything that the source sends along; left out where it is larger than `ingest.payload_bytes_max`.
    #[serde(default, borrow)]
    #[schema(value_type = Value)]
    payload: Option<&'a RawValue>,
    /// The record before.
    #[serde(default, borrow)]
    #[schema(value_type = Value)]
    old_data: Option<&'a RawValue>,
    /// The record after.
    #[serde(default, borrow)]
    #[schema(value_type = Value)]
    new_data: Option<&'a RawValue>,
    /// Where it stands in the ERP's own table.
    #[serde(default, rename = "_webhook_metadata")]
    metadata: Option<Metadata>,
}

/// Where an event stands in the ERP's own table.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = PushedEventMetadata)]
struct Metadata {
    /// The id of the event there, also as `id`: the same id is the same event. Without it the event only wakes the
    /// reader, where the ERP keeps an event table.
    #[serde(default, alias = "id")]
    event_id: Option<EventId>,
    /// The life of that numbering, as the add-on names it.
    #[serde(default)]
    epoch: Option<String>,
}

/// The ERP's id of an event: a positive number, or any other short key.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum EventId {
    Number(i64),
    Text(String),
}

/// What becomes of one event.
enum Sorted {
    Append(Box<NewChange>),
    /// It has no id of its own, or one of another life of the table: the reader finds it there.
    Defer,
    /// Another strategy than the add-on owns the model: it is told to look.
    Wake(Strategy, ModelName),
    Ignore,
}

/// Takes one event or an array of them from `system`.
///
/// What can't be understood goes to the dead letters; if that is all there was, the answer is an error that says so.
pub async fn receive(cx: &Context, system: &System, body: &[u8]) -> Result<Received, Problem> {
    let _timer = Timer::start(&*cx.clock, &cx.metrics.webhook_processing);
    let events = match split(body) {
        Ok(events) => events,
        Err(error) => return refuse_whole(cx, system, body, &error).await,
    };
    let events_max = cx.config.ingest.push_events_max;
    if events.len() > events_max {
        return Err(Problem::new(ProblemKind::PayloadTooLarge, Message::too_many_events(events_max))
            .with("push_events_max", events_max));
    }
    let owners = detection::owners(cx, system).await?;
    let mut source = cx.store.source(system.tenant, system.key).await?;
    let mut batch = Append::default();
    let mut early = Vec::new();
    let mut received = Received {
        success: true,
        message: "Event queued for processing",
        accepted: 0,
        duplicates: 0,
        deferred: 0,
        ignored: 0,
        rejected: Vec::new(),
    };
    for (index, raw) in events.iter().enumerate() {
        match sort(cx, system, (&source, &owners), raw.get()) {
            Ok(Sorted::Append(change)) if in_turn(&mut source, &change) => batch.changes.push(*change),
            Ok(Sorted::Append(change)) => early.push(*change),
            Ok(Sorted::Defer) => received.deferred += 1,
            Ok(Sorted::Wake(owner, model)) => {
                cx.hub.nudge_for(system.key, owner, &model);
                received.deferred += 1;
            }
            Ok(Sorted::Ignore) => received.ignored += 1,
            Err(reason) => {
                batch.dead_letters.push(dead_letter(system, &reason, raw.get().as_bytes()));
                received.rejected.push(Rejected { index, reason });
            }
        }
    }
    if !batch.changes.is_empty() || !batch.dead_letters.is_empty() {
        let appended = pipeline::append(cx, system.tenant, batch).await?;
        received.duplicates = appended.positions.iter().filter(|position| position.is_none()).count();
        received.accepted = appended.positions.len() - received.duplicates;
    }
    append_early(cx, system, early, &mut received).await?;
    if received.deferred > 0 || received.accepted > 0 {
        // What is pushed is in the event table as well, and so may be its neighbours that are not pushed.
        cx.hub.nudge(system.key, Strategy::Addon);
    }
    if !received.rejected.is_empty() && received.rejected.len() == events.len() {
        return Err(rejected_all(&received.rejected));
    }
    Ok(received)
}

/// Whether everything that came before an event in the ERP's table has been read, so that it can't overtake an earlier
/// event of its record. Where there is no table, or the ids are no numbers, events are taken as they come.
fn in_turn(source: &mut SourceState, change: &NewChange) -> bool {
    let Some(id) = change.source_id.as_ref().and_then(SourceId::as_number) else { return true };
    if source.identity.is_none() {
        return true;
    }
    let in_turn = super::status::has_come_to(source, id - 1);
    if in_turn {
        // Only for the further events of this push: the reader keeps its own count.
        source.read_to = source.read_to.max(id);
        source.gaps.retain(|gap| gap.id != id);
    }
    in_turn
}

/// Events that came before their turn wait for the background reader to get to them. Then they are appended: mostly
/// they are in the log by now, and the count says so. If the reader can't read, late is worse than out of turn, and
/// the record can always be read.
async fn append_early(
    cx: &Context,
    system: &System,
    early: Vec<NewChange>,
    received: &mut Received,
) -> Result<(), Problem> {
    let Some(highest) = early.iter().filter_map(|change| change.source_id.as_ref()?.as_number()).max() else {
        return Ok(());
    };
    cx.hub.nudge(system.key, Strategy::Addon);
    if !super::status::wait_until_read(cx, system, highest).await? {
        tracing::warn!(
            system.id = %system.system_id,
            events = early.len(),
            "the event table can't be read: pushed events are taken out of turn"
        );
    }
    let count = early.len();
    let appended = pipeline::append(cx, system.tenant, Append { changes: early, ..Append::default() }).await?;
    let duplicates = appended.positions.iter().filter(|position| position.is_none()).count();
    received.duplicates += duplicates;
    received.accepted += count - duplicates;
    Ok(())
}

/// The events of a body: an array's elements, or the one object.
fn split(body: &[u8]) -> Result<Vec<&RawValue>, serde_json::Error> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        serde_json::from_slice(body)
    } else {
        serde_json::from_slice(body).map(|event| vec![event])
    }
}

/// What is to become of one event; the error is why it can't be understood.
fn sort(
    cx: &Context,
    system: &System,
    (source, owners): (&SourceState, &ModelOwners),
    raw: &str,
) -> Result<Sorted, String> {
    if !raw.trim_start().starts_with('{') {
        return Err("an event must be an object".to_owned());
    }
    let mut pushed: PushedEvent<'_> = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    let metadata = pushed.metadata.take().unwrap_or_default();
    let source_id = metadata.event_id.map(source_id).transpose()?;
    let mut change = understand(cx, system, pushed)?;
    if !pipeline::tracked(&cx.config.ingest.untracked_models, &change.model) {
        return Ok(Sorted::Ignore);
    }
    if !owners.takes_from_addon(&change.model, change.event) {
        return Ok(owners.owner(&change.model).map_or(Sorted::Ignore, |owner| Sorted::Wake(owner, change.model)));
    }
    let other_life = match (&metadata.epoch, &source.identity) {
        (Some(told), Some(known)) => !life::is_same(known, told),
        // Until the reader has seen the table, whatever comes is of the life that it will see first.
        _ => false,
    };
    if (source_id.is_none() && source.identity.is_some()) || (source_id.is_some() && other_life) {
        return Ok(Sorted::Defer);
    }
    change.epoch = source.epoch;
    change.source_id = source_id;
    Ok(Sorted::Append(Box::new(change)))
}

/// The ERP's id of an event: a positive number, also in quotes, or any other short key.
fn source_id(id: EventId) -> Result<SourceId, String> {
    match id {
        EventId::Number(number) if number > 0 => Ok(SourceId::from(number)),
        EventId::Number(_) => Err("_webhook_metadata.event_id must be positive".to_owned()),
        // The same number in quotes is the same event.
        EventId::Text(text) if text.parse::<i64>().is_ok_and(|number| number > 0) => {
            text.parse::<i64>().map(SourceId::from).map_err(|error| error.to_string())
        }
        EventId::Text(text) if pipeline::is_key(&text) => Ok(SourceId(text)),
        EventId::Text(_) => Err("_webhook_metadata.event_id must have 1 to 200 printable characters".to_owned()),
    }
}

fn understand(cx: &Context, system: &System, pushed: PushedEvent<'_>) -> Result<NewChange, String> {
    let event = match Event::from_word(&pushed.event) {
        None | Some(Event::Reset) => {
            return Err(format!("event must be create, write, unlink or manual, not {:?}", clip(&pushed.event)));
        }
        Some(event) => event,
    };
    let priority = match pushed.priority.as_deref() {
        None => Priority::default(),
        Some(word) => Priority::from_word(word)
            .ok_or_else(|| format!("priority must be high, medium or low, not {:?}", clip(word)))?,
    };
    match &pushed.record_id {
        RecordId::Number(number) if *number <= 0 => return Err("record_id must be positive".to_owned()),
        RecordId::Text(text) if !pipeline::is_key(text) => {
            return Err("record_id must have 1 to 200 printable characters".to_owned());
        }
        _ => {}
    }
    if pushed.idempotency_key.as_deref().is_some_and(|key| !pipeline::is_key(key)) {
        return Err("idempotency_key must have 1 to 200 printable characters".to_owned());
    }
    let occurred_at = match pushed.timestamp.as_deref() {
        None => cx.clock.now(),
        Some(text) => Timestamp::parse_any(text).map_err(|error| format!("timestamp: {error}"))?,
    };
    let bytes_max = cx.config.ingest.payload_bytes_max;
    let keep = |raw: Option<&RawValue>| {
        pipeline::bounded(raw.filter(|raw| raw.get() != "null").map(ToOwned::to_owned), bytes_max)
    };
    Ok(NewChange {
        priority,
        origin: Origin::Push,
        changed_fields: pushed.changed_fields.filter(|names| pipeline::are_names(names)),
        payload: keep(pushed.payload),
        old_data: keep(pushed.old_data),
        new_data: keep(pushed.new_data),
        erp_user_id: pushed.user_id,
        idempotency_key: pushed.idempotency_key.map(|key| callers_key(&key).to_owned()),
        ..NewChange::of(system.key, pushed.model, pushed.record_id, event, occurred_at)
    })
}

/// The start of a text that came from outside, for an error message.
fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

fn dead_letter(system: &System, reason: &str, body: &[u8]) -> NewDeadLetter {
    NewDeadLetter {
        system: Some(system.key),
        origin: Origin::Push,
        source_id: None,
        reason: reason.to_owned(),
        body: body.to_vec(),
    }
}

/// A body that is no JSON at all is kept whole, and its sender is told.
async fn refuse_whole(
    cx: &Context,
    system: &System,
    body: &[u8],
    error: &serde_json::Error,
) -> Result<Received, Problem> {
    let letter = dead_letter(system, &format!("not JSON: {error}"), body);
    pipeline::append(cx, system.tenant, Append { dead_letters: vec![letter], ..Append::default() }).await?;
    Err(decoding::not_json(error).with("kept_as_dead_letter", true))
}

fn rejected_all(rejected: &[Rejected]) -> Problem {
    let first = rejected.first().map_or("", |rejected| rejected.reason.as_str());
    Problem::new(ProblemKind::Invalid, Message::no_event_understood(first))
        .with("rejected", serde_json::to_value(rejected).unwrap_or_default())
        .with("kept_as_dead_letter", true)
}
