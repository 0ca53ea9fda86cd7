//! The event table `update.webhook`, kept by our add-on or by the public one that existing users have.

use super::calls::{Call, Caller};
use super::errors;
use super::normalise::feed_event;
use crate::adapter::{FeedEvent, FeedInfo, FeedKind};
use crate::{ErpError, ErpErrorKind};
use bridge_model::ModelName;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The event table's model.
pub(super) const TABLE: &str = "update.webhook";
/// What both add-ons keep of an event.
const FIELDS: &[&str] = &["id", "model", "record_id", "event", "timestamp", "user_id", "priority", "payload"];
/// What only ours keeps.
const OUR_FIELDS: &[&str] = &["changed_fields", "idempotency_key"];
/// The field that can be too large for a reply.
const PAYLOAD: &str = "payload";

/// Whose event table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Our add-on.
    Bridgecore,
    /// The existing public add-on.
    AutoWebhook,
}

/// The state of the event table, or `None` if there is none.
pub(super) async fn info(caller: &Caller) -> Result<Option<FeedInfo>, ErpError> {
    let call = Call { model: TABLE, method: "bridgecore_info", args: Vec::new(), kwargs: Map::new() };
    match caller.read(&call).await {
        Ok(answer) => ours(&answer).map(Some),
        Err(error) if error.kind == ErpErrorKind::UnknownModel => Ok(None),
        // The same error could come out of a fault inside our own add-on, so its fields are looked at as well.
        Err(error) if error.kind == ErpErrorKind::UnknownMethod => {
            if is_ours_by_fields(caller).await? {
                Err(error)
            } else {
                theirs(caller).await.map(Some)
            }
        }
        Err(error) => Err(error),
    }
}

impl Owner {
    /// Who keeps the table that `info` describes.
    pub(super) fn of(info: &FeedInfo) -> Self {
        match info.kind {
            FeedKind::Bridgecore { .. } => Self::Bridgecore,
            FeedKind::AutoWebhook => Self::AutoWebhook,
        }
    }
}

/// The rows above `after`, in the order of their ids, at most `limit`.
///
/// A batch that is too large for a reply, or that holds what the protocol can't carry, is asked for in ever smaller parts, down to one row without its payload, so
/// that no row can stop the feed.
pub(super) async fn after(caller: &Caller, owner: Owner, after: i64, limit: u32) -> Result<Vec<FeedEvent>, ErpError> {
    let domain = json!([["id", ">", after]]);
    let mut limit = limit.max(1);
    loop {
        match rows(caller, owner, &domain, limit, true).await {
            Err(error) if is_not_carried(&error) && limit > 1 => limit = limit.div_ceil(2).min(limit - 1),
            Err(error) if is_not_carried(&error) => return rows(caller, owner, &domain, 1, false).await,
            outcome => return outcome,
        }
    }
}

/// Those of the rows `ids` that can be seen now, in the order of their ids.
///
/// Our add-on is asked by a method of its own: Odoo may answer a `search_read` from a copy of its database that lags
/// behind, and a row that is missing there would be taken for one that was rolled back.
pub(super) async fn by_ids(caller: &Caller, owner: Owner, ids: &[i64]) -> Result<Vec<FeedEvent>, ErpError> {
    let mut events = Vec::new();
    let mut parts = vec![ids];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let domain = json!([["id", "in", part]]);
        let limit = u32::try_from(part.len()).unwrap_or(u32::MAX);
        let found = match owner {
            Owner::Bridgecore => named(caller, part).await,
            Owner::AutoWebhook => rows(caller, owner, &domain, limit, true).await,
        };
        match found {
            Ok(found) => events.extend(found),
            Err(error) if is_not_carried(&error) && part.len() > 1 => {
                let (first, second) = part.split_at(part.len() / 2);
                // The higher ids next: what they tell of a record came after what the lower ones tell.
                parts.extend([first, second]);
            }
            Err(error) if is_not_carried(&error) => {
                // The row is there, only not its payload.
                let bare = rows(caller, owner, &domain, limit, false).await?;
                if bare.is_empty() {
                    return Err(error);
                }
                events.extend(bare);
            }
            Err(error) => return Err(error),
        }
    }
    events.sort_by_key(|event| event.id);
    Ok(events)
}

/// Those of the rows `ids` that our add-on sees now.
async fn named(caller: &Caller, ids: &[i64]) -> Result<Vec<FeedEvent>, ErpError> {
    let call = Call { model: TABLE, method: "events_by_ids", args: vec![json!(ids)], kwargs: Map::new() };
    match caller.read(&call).await?.get_mut("events").map(Value::take) {
        Some(Value::Array(rows)) => Ok(rows.into_iter().filter_map(feed_event).collect()),
        _ => Err(ErpError::new(ErpErrorKind::Protocol, "events_by_ids answered without a list of events")),
    }
}

/// Whether it is the content of the rows that keeps them from coming: their size, or a None over XML-RPC.
fn is_not_carried(error: &ErpError) -> bool {
    error.kind == ErpErrorKind::TooLarge
        || (error.kind == ErpErrorKind::Protocol && error.name.as_deref() == Some(errors::HOLDS_NONE))
}

async fn rows(
    caller: &Caller,
    owner: Owner,
    domain: &Value,
    limit: u32,
    with_payload: bool,
) -> Result<Vec<FeedEvent>, ErpError> {
    let mut fields: Vec<&str> = FIELDS.iter().copied().filter(|field| with_payload || *field != PAYLOAD).collect();
    if owner == Owner::Bridgecore {
        fields.extend(OUR_FIELDS);
    }
    let rows = search_read(caller, TABLE, domain, &json!(fields), "id asc", Some(limit)).await?;
    let count = rows.len();
    let events: Vec<_> = rows.into_iter().filter_map(feed_event).collect();
    if events.len() < count {
        tracing::warn!(left_out = count - events.len(), "rows of the event table came without an id");
    }
    Ok(events)
}

/// Reads all records of a filter, archived ones as well.
pub(super) async fn search_read(
    caller: &Caller,
    model: &str,
    domain: &Value,
    fields: &Value,
    order: &str,
    limit: Option<u32>,
) -> Result<Vec<Value>, ErpError> {
    let mut kwargs = Map::new();
    kwargs.insert("domain".into(), domain.clone());
    kwargs.insert("fields".into(), fields.clone());
    kwargs.insert("order".into(), order.into());
    if let Some(limit) = limit {
        kwargs.insert("limit".into(), limit.into());
    }
    kwargs.insert("context".into(), json!({"active_test": false}));
    match caller.read(&Call { model, method: "search_read", args: Vec::new(), kwargs }).await? {
        Value::Array(rows) => Ok(rows),
        _ => Err(ErpError::new(ErpErrorKind::Protocol, "search_read answered something else than a list")),
    }
}

fn ours(answer: &Value) -> Result<FeedInfo, ErpError> {
    let Some(epoch) = answer["epoch"].as_str().filter(|epoch| !epoch.is_empty()) else {
        return Err(ErpError::new(ErpErrorKind::Protocol, "bridgecore_info answered without an epoch"));
    };
    let newest_id =
        [&answer["event_id_last"], &answer["event_id_max"], &answer["max_id"]].into_iter().find_map(Value::as_i64);
    Ok(FeedInfo {
        kind: FeedKind::Bridgecore { version: answer["version"].as_str().unwrap_or_default().to_owned() },
        // The add-on sees to it that a restored copy bears another name, and names it in its pushes as well.
        identity: epoch.to_owned(),
        newest_id: newest_id.unwrap_or(0),
        cleaned_to: answer["event_id_cleaned_to"].as_i64().unwrap_or(0),
        oldest_transaction_ms: oldest_transaction_ms(answer),
        covers: answer["tracked_models"].as_array().map(|names| names.iter().filter_map(model_name).collect()),
    })
}

fn model_name(name: &Value) -> Option<ModelName> {
    ModelName::parse(name.as_str()?).ok()
}

/// The age in whole milliseconds, rounded up: too young would declare an open transaction lost.
fn oldest_transaction_ms(answer: &Value) -> Option<u64> {
    let whole = answer["oldest_transaction_ms"].as_u64();
    whole.or_else(|| {
        let seconds = Duration::try_from_secs_f64(answer["transaction_age_max_s"].as_f64()?).ok()?;
        u64::try_from(seconds.as_micros().div_ceil(1_000)).ok()
    })
}

async fn is_ours_by_fields(caller: &Caller) -> Result<bool, ErpError> {
    let args = vec![json!(["changed_fields"]), json!(["type"])];
    let call = Call { model: TABLE, method: "fields_get", args, kwargs: Map::new() };
    Ok(caller.read(&call).await?.get("changed_fields").is_some())
}

/// The public add-on says nothing of itself. The database's uuid changes when the database is copied, and the number
/// of the table's entry in the list of models changes when the add-on is installed anew. Where the account may not
/// read one of them, it is left out: a restore is then seen later, when ids start over.
async fn theirs(caller: &Caller) -> Result<FeedInfo, ErpError> {
    let newest = search_read(caller, TABLE, &json!([]), &json!(["id"]), "id desc", Some(1)).await?;
    let uuid = where_allowed(
        search_read(
            caller,
            "ir.config_parameter",
            &json!([["key", "=", "database.uuid"]]),
            &json!(["value"]),
            "id asc",
            Some(1),
        )
        .await,
    )?;
    let entry = where_allowed(
        search_read(caller, "ir.model", &json!([["model", "=", TABLE]]), &json!(["id"]), "id asc", Some(1)).await,
    )?;
    let uuid = uuid.as_ref().and_then(|row| row["value"].as_str()).unwrap_or("-");
    let entry = entry.as_ref().and_then(|row| row["id"].as_i64()).unwrap_or(0);
    Ok(FeedInfo {
        kind: FeedKind::AutoWebhook,
        identity: format!("{uuid}/{entry}"),
        newest_id: newest.first().and_then(|row| row["id"].as_i64()).unwrap_or(0),
        cleaned_to: 0,
        oldest_transaction_ms: None,
        covers: None,
    })
}

fn where_allowed(outcome: Result<Vec<Value>, ErpError>) -> Result<Option<Value>, ErpError> {
    match outcome {
        Ok(rows) => Ok(rows.into_iter().next()),
        Err(error) if error.kind == ErpErrorKind::AccessDenied => Ok(None),
        Err(error) => Err(error),
    }
}
