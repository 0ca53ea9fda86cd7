//! The add-on's taking over of many devices' states at once.

use super::addon_methods::{find, own};
use super::call::{Args, Outcome};
use super::engine::work::{Values, Work};
use super::methods::Target;
use super::refusal::Refusal;
use serde_json::{Value, json};

/// The most states in one call.
const STATES_MAX: usize = 500;

const APP_TYPES: [&str; 5] = ["sales_app", "delivery_app", "warehouse_app", "manager_app", "mobile_app"];

/// What is taken over of a state.
const FIELDS: [&str; 6] =
    ["last_event_id", "last_sync_time", "sync_count", "last_event_count", "total_events_synced", "is_active"];

/// Sets the states and answers for each false, or why it is refused.
pub(super) fn mirror_states(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    own(work, target, 0)?;
    let given = args.bind(&["states"], 1)?;
    let states: Vec<Value> = given[0].as_array().cloned().unwrap_or_default();
    if states.len() > STATES_MAX {
        return Err(Refusal::user(format!("At most {STATES_MAX} states at once.")));
    }
    let mut refused = Vec::new();
    for state in &states {
        refused.push(set(work, target, state)?.map_or(Value::Bool(false), Value::from));
    }
    Ok(Some(json!({"refused": refused})))
}

fn set(work: &mut Work<'_>, target: Target, state: &Value) -> Result<Option<&'static str>, Refusal> {
    let (user, device) = (state["user_id"].as_i64().unwrap_or(0), state["device_id"].as_str().unwrap_or_default());
    let app = state["app_type"].as_str().unwrap_or_default();
    let users = work.model("res.users")?;
    if work.view().get(users, user).is_none() {
        return Ok(Some("There is no such user."));
    }
    if !APP_TYPES.contains(&app) {
        return Ok(Some("Unknown app type."));
    }
    if !(3..=255).contains(&device.chars().count()) {
        return Ok(Some("A device id has 3 to 255 characters."));
    }
    let id = match find(work, target, user, device, Some(app)) {
        Some(id) => id,
        None if state["is_active"] == json!(false) => return Ok(None),
        None => {
            let values = [("user_id", json!(user)), ("device_id", json!(device)), ("app_type", json!(app))];
            work.create(target.model, &values.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())?
        }
    };
    let values: Values =
        FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), state.get(*name)?.clone()))).collect();
    work.write(target.model, &[id], &values)?;
    Ok(None)
}
