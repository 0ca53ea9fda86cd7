//! The methods of the add-on's own models.

use super::Addon;
use super::call::{Args, Outcome};
use super::engine::addon;
use super::engine::cell::Cell;
use super::engine::rights::Access;
use super::engine::view::Handle;
use super::engine::work::{Values, Work};
use super::methods::Target;
use super::refusal::Refusal;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The most events in one answer.
const EVENTS_MAX: usize = 1_000;

/// Calls a method of the add-on; `None` if there is no such method.
pub(super) fn call(work: &mut Work<'_>, target: Target, model: &str, method: &str, args: &mut Args) -> Option<Outcome> {
    let ours = work.state.addon == Addon::Bridgecore;
    let outcome = match (model, method) {
        ("update.webhook", "bridgecore_info") if ours => info(work, target, args),
        ("update.webhook", "events_by_ids") if ours => events_by_ids(work, target, args),
        ("update.webhook", "readable_models") if ours => readable_models(work, target, args),
        ("update.webhook", "search_read_as") if ours => super::read_as::search_read(work, target, args),
        ("update.webhook", "pull_events") => pull_events(work, target, args),
        ("update.webhook", "mark_batch_as_processed") => mark(work, target, args),
        ("update.webhook", "get_statistics") => statistics(work, target, args),
        ("user.sync.state", "get_or_create_state") => get_or_create(work, target, args),
        ("user.sync.state", "update_sync_state") => update_state(work, target, args),
        ("user.sync.state", "reset_sync_state") => reset_state(work, target, args),
        ("user.sync.state", "mirror_states") if ours => super::mirror_states::mirror_states(work, target, args),
        ("bridgecore.idempotency", "execute") => super::answers::execute(work, target, args),
        ("bridgecore.idempotency", "lookup") => super::answers::look_up(work, target, args),
        _ => return None,
    };
    Some(outcome)
}

fn info(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Read)?;
    args.bind(&[], 0)?;
    Ok(Some(addon::info(work)))
}

fn events_by_ids(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Read)?;
    let mut wanted = ids(&args.bind(&["event_ids"], 1)?[0]);
    if wanted.len() > EVENTS_MAX {
        return Err(Refusal::user(format!("At most {EVENTS_MAX} ids at once.")));
    }
    wanted.sort_unstable();
    wanted.dedup();
    let view = work.view();
    let (found, missing): (Vec<i64>, Vec<i64>) = wanted.iter().partition(|id| view.get(target.model, **id).is_some());
    let events: Vec<Value> = found.iter().filter_map(|id| view.get(target.model, *id)).map(event).collect();
    Ok(Some(json!({"count": events.len(), "events": events, "missing": missing})))
}

fn readable_models(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Read)?;
    let given = args.bind(&["user_id", "models"], 2)?;
    let uid = given[0].as_i64().unwrap_or(0);
    let view = work.view();
    let names = given[1].as_array().into_iter().flatten().filter_map(Value::as_str);
    let readable = names.filter(|name| view.schema.find(name).is_some_and(|model| view.may(uid, model, Access::Read)));
    Ok(Some(readable.collect()))
}

fn pull_events(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Read)?;
    let mut given = args.bind(&["last_event_id", "models", "limit", "priority"], 0)?;
    // The older order of the arguments has the limit before the models.
    if given[1].is_i64() {
        given.swap(1, 2);
    }
    let after = given[0].as_i64().unwrap_or(0);
    let models: Vec<&str> = given[1].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let limit = usize::try_from(given[2].as_i64().unwrap_or(100)).unwrap_or(1).clamp(1, EVENTS_MAX);
    let wanted = |one: &Handle<'_>| {
        let model = one.cell("model").as_text().unwrap_or_default();
        let priority = given[3].as_str();
        (models.is_empty() || models.contains(&model))
            && priority.is_none_or(|text| one.cell("priority").as_text() == Some(text))
    };
    let rows = work.view().range(target.model, after.saturating_add(1)..=i64::MAX).filter(wanted);
    let mut events: Vec<Value> = rows.take(limit + 1).map(event).collect();
    let has_more = events.len() > limit;
    events.truncate(limit);
    let last = events.last().map_or(after, |one| one["id"].as_i64().unwrap_or(after));
    Ok(Some(
        json!({"count": events.len(), "events": events, "last_event_id": last, "last_id": last, "has_more": has_more}),
    ))
}

/// An event as the add-on's own methods answer it.
pub(super) fn event(one: Handle<'_>) -> Value {
    let mut all = Map::new();
    all.insert("id".to_owned(), json!(one.id));
    for name in [
        "model",
        "record_id",
        "event",
        "priority",
        "category",
        "user_id",
        "changed_fields",
        "payload",
        "idempotency_key",
        "is_processed",
    ] {
        let Some(place) = one.view.schema.models[one.model].find(name) else { continue };
        let value = match one.cell(name) {
            Cell::Unset => Value::Null,
            _ => one.json(place, false),
        };
        all.insert(name.to_owned(), value);
    }
    let time = one.cell("timestamp").as_text().map(|text| format!("{}Z", text.replace(' ', "T")));
    all.insert("timestamp".to_owned(), json!(time));
    Value::Object(all)
}

fn mark(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Write)?;
    let given = args.bind(&["event_ids"], 1)?;
    let values = Values::from_iter([
        ("is_processed".to_owned(), json!(true)),
        ("processed_at".to_owned(), json!(work.now.to_odoo())),
    ]);
    for id in ids(&given[0]).into_iter().take(EVENTS_MAX) {
        if work.view().get(target.model, id).is_some() {
            work.write(target.model, &[id], &values)?;
        }
    }
    Ok(Some(json!(true)))
}

fn statistics(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Read)?;
    args.bind(&[], 0)?;
    let (mut total, mut processed, mut archived) = (0, 0, 0);
    let mut groups: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for one in work.view().all(target.model) {
        total += 1;
        processed += u64::from(one.cell("is_processed").as_bool());
        archived += u64::from(one.cell("is_archived").as_bool());
        for name in ["event", "model", "priority"] {
            let key = one.cell(name).as_text().unwrap_or("none").to_owned();
            *groups.entry(name).or_default().entry(key).or_default() += 1;
        }
    }
    Ok(Some(json!({
        "total": total,
        "processed": processed,
        "pending": total - processed,
        "archived": archived,
        "by_event": groups.get("event"),
        "by_model": groups.get("model"),
        "by_priority": groups.get("priority"),
    })))
}

fn get_or_create(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    let given = args.bind(&["user_id", "device_id", "app_type", "device_info", "app_version"], 2)?;
    let user = given[0].as_i64().unwrap_or(0);
    own(work, target, user)?;
    let device = given[1].as_str().unwrap_or_default();
    if !(3..=255).contains(&device.chars().count()) {
        return Err(Refusal::validation("A device id has 3 to 255 characters."));
    }
    let app = given[2].as_str().unwrap_or("mobile_app");
    let id = if let Some(id) = find(work, target, user, device, Some(app)) {
        id
    } else {
        let values = [("user_id", json!(user)), ("device_id", json!(device)), ("app_type", json!(app))];
        work.create(target.model, &values.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())?
    };
    let mut news = Values::from_iter([("is_active".to_owned(), json!(true))]);
    for (name, value) in [("device_info", &given[3]), ("app_version", &given[4])] {
        if value.is_string() {
            news.insert(name.to_owned(), value.clone());
        }
    }
    work.write(target.model, &[id], &news)?;
    state(work, target, id)
}

fn update_state(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    let given = args.bind(&["user_id", "device_id", "last_event_id", "events_synced", "app_type", "event_count"], 0)?;
    // Called on a state: ([id], last_event_id, event_count).
    let (id, confirmed, count) = match (&given[0], &given[1]) {
        (Value::Array(states), confirmed) => (ids(&json!(states)).first().copied(), confirmed, &given[2]),
        (user, device) => {
            let user = user.as_i64().unwrap_or(0);
            own(work, target, user)?;
            (find(work, target, user, device.as_str().unwrap_or_default(), given[4].as_str()), &given[2], &given[3])
        }
    };
    let id = id.ok_or_else(|| Refusal::user("There is no sync state for this device."))?;
    let one = work.get(target.model, id)?;
    let owner = one.cell("user_id").as_one().unwrap_or(0);
    let number = |name: &str| one.cell(name).as_int();
    let confirmed = confirmed.as_i64().filter(|number| *number >= 0);
    let confirmed = confirmed.ok_or_else(|| {
        Refusal::validation("The last event id and the number of events must be whole numbers from 0.")
    })?;
    let count = count.as_i64().or(given[5].as_i64()).unwrap_or(0).max(0);
    let Value::Object(values) = json!({
        "last_event_id": number("last_event_id").max(confirmed),
        "last_sync_time": work.now.to_odoo(),
        "sync_count": number("sync_count") + 1,
        "last_event_count": count,
        "total_events_synced": number("total_events_synced") + count,
    }) else {
        return Ok(None);
    };
    own(work, target, owner)?;
    work.write(target.model, &[id], &values)?;
    state(work, target, id)
}

fn reset_state(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    let given = args.bind(&["user_id", "device_id", "app_type"], 0)?;
    let states: Vec<i64> = match &given[0] {
        Value::Array(states) => ids(&json!(states)),
        user => {
            let (user, device) = (user.as_i64().unwrap_or(0), given[1].as_str().unwrap_or_default());
            own(work, target, user)?;
            matching(work, target, user, device, given[2].as_str())
        }
    };
    if states.is_empty() {
        return Err(Refusal::user("There is no sync state for this device."));
    }
    let Value::Object(values) =
        json!({"last_event_id": 0, "sync_count": 0, "last_event_count": 0, "last_sync_time": false})
    else {
        return Ok(None);
    };
    for id in &states {
        let owner = work.get(target.model, *id)?.cell("user_id").as_one().unwrap_or(0);
        own(work, target, owner)?;
    }
    work.write(target.model, &states, &values)?;
    Ok(Some(json!(true)))
}

/// People handle their own devices; who may delete states handles all of them.
pub(super) fn own(work: &Work<'_>, target: Target, user: i64) -> Result<(), Refusal> {
    if user == target.uid || work.view().may(target.uid, target.model, Access::Unlink) {
        return Ok(());
    }
    Err(Refusal::access("This sync state belongs to another user."))
}

fn matching(work: &Work<'_>, target: Target, user: i64, device: &str, app: Option<&str>) -> Vec<i64> {
    let rows = work.view().all(target.model);
    let is_it = |one: &Handle<'_>| {
        one.cell("user_id").as_one() == Some(user)
            && one.cell("device_id").as_text() == Some(device)
            && app.is_none_or(|app| one.cell("app_type").as_text() == Some(app))
    };
    rows.filter(is_it).map(|one| one.id).collect()
}

pub(super) fn find(work: &Work<'_>, target: Target, user: i64, device: &str, app: Option<&str>) -> Option<i64> {
    matching(work, target, user, device, app).last().copied()
}

fn state(work: &Work<'_>, target: Target, id: i64) -> Outcome {
    let one = work.get(target.model, id)?;
    let mut all = Map::new();
    all.insert("id".to_owned(), json!(id));
    for name in [
        "user_id",
        "device_id",
        "app_type",
        "last_event_id",
        "last_sync_time",
        "sync_count",
        "is_active",
        "device_info",
        "app_version",
        "last_event_count",
        "total_events_synced",
    ] {
        let place = one.view.schema.models[one.model].find(name);
        let value = match (place, one.cell(name)) {
            (None, _) | (_, Cell::Unset) => Value::Null,
            (Some(place), _) => one.json(place, false),
        };
        all.insert(name.to_owned(), value);
    }
    if let Some(time) = one.cell("last_sync_time").as_text() {
        all.insert("last_sync_time".to_owned(), json!(format!("{}Z", time.replace(' ', "T"))));
    }
    Ok(Some(Value::Object(all)))
}

fn ids(value: &Value) -> Vec<i64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
}
