//! The add-on's calls that are made once under each key, with their answers.

use super::call::{self, Args, Call, Outcome};
use super::engine::view::Handle;
use super::engine::work::{Values, Work};
use super::methods::Target;
use super::refusal::Refusal;
use serde_json::{Map, Value, json};

/// The most answers that are kept; the oldest go first.
const KEPT_MAX: usize = 10_000;

/// Makes a call in this transaction and keeps its answer, or gives the one that is kept.
pub(super) fn execute(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    let given = args.bind(&["key", "model", "method", "args", "kwargs"], 3)?;
    let text = |place: usize| given[place].as_str().unwrap_or_default().to_owned();
    let (key, model, method) = (text(0), text(1), text(2));
    if !(8..=255).contains(&key.chars().count()) {
        return Err(Refusal::user("An idempotency key has 8 to 255 characters."));
    }
    if model == work.schema().models[target.model].name || work.model(&model).is_err() {
        return Err(Refusal::user(format!("The model {model} cannot be called.")));
    }
    let request = json!(given[1..]).to_string();
    if let Some(one) = find(work, target, &key) {
        let is_same = one.cell("user_id").as_one() == Some(target.uid);
        if !is_same || one.cell("request_hash").as_text() != Some(request.as_str()) {
            return Err(Refusal::user("This idempotency key was used for another call."));
        }
        return Ok(Some(answer(one)));
    }
    let args = given[3].as_array().cloned().unwrap_or_default();
    let mut kwargs = given[4].as_object().cloned().unwrap_or_default();
    let mut context = match kwargs.remove("context") {
        Some(Value::Object(context)) => context,
        _ => Map::new(),
    };
    context.insert("bridgecore_idempotency_key".to_owned(), json!(key));
    kwargs.insert("context".to_owned(), Value::Object(context));
    let first = args.first().cloned();
    let call = Call { uid: target.uid, model, method: method.clone(), args, kwargs };
    let result = call::run_in(work, call)?.unwrap_or_default();
    let touched = if matches!(method.as_str(), "create" | "copy") { Some(result.clone()) } else { first };
    let ids: Vec<i64> = match touched {
        Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_i64).collect(),
        single => single.iter().filter_map(Value::as_i64).collect(),
    };
    let values = [
        ("key", json!(key)),
        ("user_id", json!(target.uid)),
        ("request_hash", json!(request)),
        // In an object, because a field without a value and one that holds false read alike.
        ("result", json!({ "result": result })),
        ("res_ids", json!({ "ids": ids })),
    ];
    let values: Values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    work.create(target.model, &values)?;
    let mut kept = work.view().all(target.model).map(|one| one.id);
    let oldest = kept.next();
    if kept.count() >= KEPT_MAX
        && let Some(oldest) = oldest
    {
        work.unlink(target.model, &[oldest])?;
    }
    Ok(Some(json!({ "result": result, "replayed": false, "res_ids": ids })))
}

/// The answer that is kept under a key for the user who asks.
pub(super) fn look_up(work: &Work<'_>, target: Target, args: &mut Args) -> Outcome {
    let given = args.bind(&["key"], 1)?;
    let found = find(work, target, given[0].as_str().unwrap_or_default());
    let found = found.filter(|one| one.cell("user_id").as_one() == Some(target.uid));
    Ok(Some(found.map_or(Value::Bool(false), answer)))
}

fn find<'w>(work: &'w Work<'_>, target: Target, key: &str) -> Option<Handle<'w>> {
    work.view().all(target.model).rev().find(|one| one.cell("key").as_text() == Some(key))
}

fn answer(one: Handle<'_>) -> Value {
    let kept = |name: &str, inside: &str| {
        let place = one.view.schema.models[one.model].find(name);
        place.map_or(Value::Null, |place| one.json(place, false)[inside].take())
    };
    json!({ "result": kept("result", "result"), "replayed": true, "res_ids": kept("res_ids", "ids") })
}
