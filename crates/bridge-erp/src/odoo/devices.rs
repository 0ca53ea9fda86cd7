//! The states of devices in `user.sync.state`, where an Odoo's users see them.

use super::calls::{Call, Caller};
use super::errors;
use super::feed::{Owner, search_read};
use crate::adapter::DeviceState;
use crate::{ErpError, ErpErrorKind};
use bridge_model::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};

const MODEL: &str = "user.sync.state";

/// The most states in one call of our add-on.
const STATES_PER_CALL_MAX: usize = 200;

/// The largest number that the add-on's fields hold.
const NUMBER_MAX: i64 = i32::MAX as i64;

type Outcomes = Vec<Result<(), String>>;

/// Shows the states; [`crate::Adapter::show_devices`] says what is answered.
pub(super) async fn show(
    caller: &Caller,
    owner: Owner,
    states: &[DeviceState],
    calls_max: usize,
) -> Result<Outcomes, ErpError> {
    if owner == Owner::AutoWebhook {
        return one_by_one(caller, states, calls_max).await;
    }
    let mut outcomes = Vec::new();
    for part in states.chunks(STATES_PER_CALL_MAX).take(calls_max) {
        match together(caller, part).await {
            Ok(found) => outcomes.extend(found),
            // A version of the add-on that can't do it yet.
            Err(error) if error.kind == ErpErrorKind::UnknownMethod && outcomes.is_empty() => {
                return one_by_one(caller, states, calls_max).await;
            }
            Err(error) if outcomes.is_empty() => return Err(error),
            // It shows again at the next call, which begins with what is left.
            Err(_) => break,
        }
    }
    Ok(outcomes)
}

/// By our add-on, all in one call.
async fn together(caller: &Caller, states: &[DeviceState]) -> Result<Outcomes, ErpError> {
    let rows: Vec<Value> = states
        .iter()
        .map(|state| {
            let mut row = values(state);
            row.insert("user_id".into(), state.erp_user_id.into());
            row.insert("device_id".into(), state.device_id.as_str().into());
            row.insert("app_type".into(), state.app_type.as_str().into());
            Value::Object(row)
        })
        .collect();
    let kwargs = Map::from_iter([("states".to_owned(), Value::Array(rows))]);
    let answer = caller.once(&Call { model: MODEL, method: "mirror_states", args: Vec::new(), kwargs }).await?;
    let found = answer["refused"].as_array().filter(|refused| refused.len() == states.len());
    let unexpected = || ErpError::new(ErpErrorKind::Protocol, "mirror_states answered something else than it should");
    let found = found.ok_or_else(unexpected)?;
    Ok(found.iter().map(|reason| reason.as_str().map_or(Ok(()), |reason| Err(reason.to_owned()))).collect())
}

/// By the methods that the existing add-on has: one call finds the states, and each then takes one or two.
async fn one_by_one(caller: &Caller, states: &[DeviceState], calls_max: usize) -> Result<Outcomes, ErpError> {
    let mut outcomes = Vec::new();
    let mut calls = calls_max.saturating_sub(1);
    let states = &states[..states.len().min(calls_max)];
    let known = known(caller, states).await?;
    for state in states {
        let id = known.get(&(state.erp_user_id, state.device_id.as_str(), state.app_type.as_str()));
        let takes = match (id, state.is_active) {
            (Some(_), _) => 1,
            (None, true) => 2,
            (None, false) => 0,
        };
        // Even the smallest share is enough for one state.
        if takes > calls && !outcomes.is_empty() {
            break;
        }
        calls = calls.saturating_sub(takes);
        match write(caller, state, id.copied()).await {
            Ok(()) => outcomes.push(Ok(())),
            Err(error) if is_of_the_state(&error) => outcomes.push(Err(error.to_string())),
            Err(error) if outcomes.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(outcomes)
}

type Key<'a> = (i64, &'a str, &'a str);

/// The ids of those states that are there.
async fn known<'a>(caller: &Caller, states: &'a [DeviceState]) -> Result<HashMap<Key<'a>, i64>, ErpError> {
    let users: BTreeSet<i64> = states.iter().map(|state| state.erp_user_id).collect();
    let devices: BTreeSet<&str> = states.iter().map(|state| state.device_id.as_str()).collect();
    let domain = json!([["user_id", "in", users], ["device_id", "in", devices]]);
    let rows =
        search_read(caller, MODEL, &domain, &json!(["user_id", "device_id", "app_type"]), "id asc", None).await?;
    let mut known = HashMap::new();
    for row in &rows {
        let (id, user) = (row["id"].as_i64(), row["user_id"][0].as_i64().or(row["user_id"].as_i64()));
        let is_it = |state: &&DeviceState| {
            Some(state.erp_user_id) == user
                && row["device_id"] == state.device_id.as_str()
                && row["app_type"] == state.app_type.as_str()
        };
        if let (Some(id), Some(state)) = (id, states.iter().find(is_it)) {
            known.insert((state.erp_user_id, state.device_id.as_str(), state.app_type.as_str()), id);
        }
    }
    Ok(known)
}

async fn write(caller: &Caller, state: &DeviceState, id: Option<i64>) -> Result<(), ErpError> {
    let id = match id {
        Some(id) => id,
        None if !state.is_active => return Ok(()),
        None => {
            let kwargs = Map::from_iter([
                ("user_id".to_owned(), state.erp_user_id.into()),
                ("device_id".to_owned(), state.device_id.as_str().into()),
                ("app_type".to_owned(), state.app_type.as_str().into()),
            ]);
            let call = Call { model: MODEL, method: "get_or_create_state", args: Vec::new(), kwargs };
            let made = match caller.once(&call).await {
                Ok(made) => made["id"].as_i64().or(made.as_i64()),
                // It was made; only the answer could not be carried.
                Err(error) if error.name.as_deref() == Some(errors::HOLDS_NONE) => {
                    known(caller, std::slice::from_ref(state)).await?.into_values().next()
                }
                Err(error) => return Err(error),
            };
            let unexpected = || ErpError::new(ErpErrorKind::Protocol, "get_or_create_state answered without an id");
            made.ok_or_else(unexpected)?
        }
    };
    let args = vec![json!([id]), Value::Object(values(state))];
    caller.once(&Call { model: MODEL, method: "write", args, kwargs: Map::new() }).await.map(drop)
}

/// What is shown. A device that is no longer in use keeps what was shown last.
fn values(state: &DeviceState) -> Map<String, Value> {
    let mut values = Map::from_iter([("is_active".to_owned(), Value::Bool(state.is_active))]);
    if !state.is_active {
        return values;
    }
    let numbers = [
        ("last_event_id", state.last_event_id),
        ("sync_count", state.sync_count),
        ("last_event_count", state.last_event_count),
        ("total_events_synced", state.total_events_synced),
    ];
    values.extend(numbers.map(|(name, number)| (name.to_owned(), number.clamp(0, NUMBER_MAX).into())));
    let time = state.last_sync_at.map_or(Value::Bool(false), |at: Timestamp| at.to_odoo().into());
    values.insert("last_sync_time".to_owned(), time);
    values
}

/// Whether the error is about this state and says nothing of the others.
fn is_of_the_state(error: &ErpError) -> bool {
    matches!(
        error.kind,
        ErpErrorKind::MissingRecord | ErpErrorKind::Validation | ErpErrorKind::Business | ErpErrorKind::InvalidRequest
    )
}
