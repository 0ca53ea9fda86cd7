//! Rows of Odoo's event table, freed of Odoo's way of writing them.

use crate::adapter::{ErpEvent, FeedEvent};
use crate::write_key::callers_key;
use bridge_model::{Event, ModelName, Priority, RecordId, SourceId, Timestamp};
use serde_json::Value;

/// The row as an event of the feed; `None` if it does not even have an id.
pub(super) fn feed_event(row: Value) -> Option<FeedEvent> {
    let id = row["id"].as_i64()?;
    Some(FeedEvent { id, event: erp_event(id, &row), raw: row })
}

fn erp_event(id: i64, row: &Value) -> Result<ErpEvent, String> {
    let model = text(&row["model"]).ok_or("it names no model")?;
    let model = ModelName::parse(model).map_err(|error| error.to_string())?;
    let record_id = number(&row["record_id"]).filter(|id| *id > 0).ok_or("record_id must be a positive number")?;
    let word = text(&row["event"]).ok_or("it does not say what happened")?;
    // A reset is not an event of a record, so no row can be one.
    let event = Event::from_word(word)
        .filter(|event| *event != Event::Reset)
        .ok_or_else(|| format!("event must be create, write, unlink or manual, not {word:?}"))?;
    let time = [&row["timestamp"], &row["create_date"]].into_iter().find_map(text).ok_or("it has no timestamp")?;
    let occurred_at =
        Timestamp::parse_any(time).map_err(|_| format!("timestamp must be a date and a time, not {time:?}"))?;
    Ok(ErpEvent {
        source_id: Some(SourceId::from(id)),
        model,
        record_id: RecordId::Number(record_id),
        event,
        // An unknown word is no reason to lose the event.
        priority: text(&row["priority"]).and_then(Priority::from_word).unwrap_or_default(),
        occurred_at,
        changed_fields: names(&row["changed_fields"]),
        payload: Some(&row["payload"]).filter(|payload| !is_empty(payload)).cloned(),
        erp_user_id: number(&row["user_id"]),
        idempotency_key: text(&row["idempotency_key"]).map(callers_key).map(str::to_owned),
    })
}

/// Odoo writes an empty value of any type but boolean as `false`.
fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// A number, or the one in a many-to-one's pair of id and name.
pub(super) fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.get(0)?.as_i64())
}

/// The names of fields: a list, a list written as JSON text, or names with commas between them.
fn names(value: &Value) -> Option<Vec<String>> {
    let from_list = |list: &[Value]| list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    match value {
        Value::Array(list) => Some(from_list(list)),
        Value::String(text) => {
            if let Ok(Value::Array(list)) = serde_json::from_str(text) {
                return Some(from_list(&list));
            }
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            Some(names.map(str::to_owned).collect()).filter(|names: &Vec<_>| !names.is_empty())
        }
        _ => None,
    }
}
