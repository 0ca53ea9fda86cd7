//! API keys: the dialogue by which Odoo's web client makes and removes them, and the list of them.

use super::Shared;
use super::call::Outcome;
use super::engine::state::State;
use super::refusal::Refusal;
use bridge_model::{Entropy as _, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const DESCRIPTION: &str = "res.users.apikeys.description";
const CHECK: &str = "res.users.identitycheck";
const KEYS: &str = "res.users.apikeys";

/// How long a session needs no further proof of who is asking.
const PROOF: Duration = Duration::from_mins(10);

/// Whether it is one of the models of keys, which have no table here.
pub(super) fn is_known(model: &str) -> bool {
    [DESCRIPTION, CHECK, KEYS].contains(&model)
}

/// The keys that were made, and the dialogues that are under way.
#[derive(Debug, Default)]
pub(super) struct Keys {
    made: BTreeMap<i64, Key>,
    wizards: BTreeMap<i64, (String, u64)>,
    checks: BTreeMap<i64, (String, Step)>,
    proved: BTreeMap<String, Timestamp>,
    last_id: i64,
}

#[derive(Debug)]
struct Key {
    uid: i64,
    name: String,
    secret: String,
    expires_at: Option<Timestamp>,
}

/// What waits for a proof of who is asking.
#[derive(Debug, Clone)]
enum Step {
    Make(i64),
    Remove(Vec<i64>),
}

impl Keys {
    /// The user whose key it is, while it has not ended.
    pub(super) fn user(&self, secret: &str, now: Timestamp) -> Option<i64> {
        let holds = |key: &&Key| key.secret == secret && key.expires_at.is_none_or(|end| now < end);
        self.made.values().find(holds).map(|key| key.uid)
    }

    /// The names of a user's keys, in the order of their making.
    pub(super) fn names(&self, uid: i64) -> Vec<String> {
        self.made.values().filter(|key| key.uid == uid).map(|key| key.name.clone()).collect()
    }

    /// Adds a key.
    pub(super) fn add(&mut self, uid: i64, name: &str, secret: String, expires_at: Option<Timestamp>) {
        self.last_id += 1;
        self.made.insert(self.last_id, Key { uid, name: name.to_owned(), secret, expires_at });
    }

    fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }
}

/// A call of one of the dialogue's models; `None` if it is another model. `session` is the caller's, where the call
/// came in one: without it no key is made or removed.
pub(super) fn call(
    shared: &Shared,
    uid: i64,
    session: Option<&str>,
    (model, method): (&str, &str),
    args: &[Value],
    kwargs: &Map<String, Value>,
) -> Option<Outcome> {
    let ids = |value: Option<&Value>| -> Vec<i64> {
        value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_i64).collect()
    };
    let id = ids(args.first()).first().copied().unwrap_or(0);
    let outcome = match (model, method) {
        (DESCRIPTION, "create") => shared.work(|state, _| Ok(Some(json!(wizard(&mut state.keys, args.first()))))),
        (DESCRIPTION, "make_key") => ask(shared, uid, session, Step::Make(id)),
        (KEYS, "remove") => ask(shared, uid, session, Step::Remove(ids(args.first()))),
        (CHECK, "run_check") => run_check(shared, uid, session, id, kwargs),
        (KEYS, "search") => shared.read(|state| Ok(Some(json!(found(state, uid, args.first()))))),
        (KEYS, "search_read") => {
            let domain = args.first().or(kwargs.get("domain"));
            shared.read(|state| Ok(Some(rows(state, uid, domain))))
        }
        (DESCRIPTION | CHECK | KEYS, _) => Err(Refusal::access("This method can't be called remotely.")),
        _ => return None,
    };
    Some(outcome)
}

fn wizard(keys: &mut Keys, values: Option<&Value>) -> i64 {
    let values = values.cloned().unwrap_or_default();
    let days = values["duration"].as_str().and_then(|days| days.parse().ok()).unwrap_or(0);
    let id = keys.next_id();
    keys.wizards.insert(id, (values["name"].as_str().unwrap_or_default().to_owned(), days));
    id
}

/// Does the step, or asks for the password first.
fn ask(shared: &Shared, uid: i64, session: Option<&str>, step: Step) -> Outcome {
    let Some(session) = session else {
        return Err(Refusal::user("This method can only be accessed over HTTP"));
    };
    let secret = shared.entropy.hex(20);
    shared.work(|state, now| {
        if state.keys.proved.get(session).is_some_and(|at| now.since(*at) < PROOF) {
            return done(&mut state.keys, uid, step, &secret, now);
        }
        let id = state.keys.next_id();
        state.keys.checks.insert(id, (session.to_owned(), step));
        Ok(Some(json!({
            "type": "ir.actions.act_window", "res_model": CHECK, "res_id": id, "name": "Access Control",
            "target": "new", "views": [[false, "form"]], "context": {"dialog_size": "medium"},
        })))
    })
}

fn run_check(shared: &Shared, uid: i64, session: Option<&str>, id: i64, kwargs: &Map<String, Value>) -> Outcome {
    let password = kwargs.get("context").and_then(|context| context["password"].as_str()).unwrap_or_default();
    let secret = shared.entropy.hex(20);
    shared.work(|state, now| {
        let users = state.schema.find("res.users").ok_or_else(Refusal::denied)?;
        let is_right =
            state.view().get(users, uid).is_some_and(|user| user.cell("password").as_text() == Some(password));
        if !is_right {
            return Err(Refusal::user(
                "Incorrect Password, try again or click on Forgot Password to reset your password.",
            ));
        }
        let check = state.keys.checks.remove(&id).filter(|(asked_in, _)| Some(asked_in.as_str()) == session);
        let Some((session, step)) = check else { return Err(Refusal::missing(CHECK, id, uid)) };
        state.keys.proved.insert(session, now);
        done(&mut state.keys, uid, step, &secret, now)
    })
}

fn done(keys: &mut Keys, uid: i64, step: Step, secret: &str, now: Timestamp) -> Outcome {
    match step {
        Step::Make(wizard) => {
            let Some((name, days)) = keys.wizards.remove(&wizard) else {
                return Err(Refusal::missing(DESCRIPTION, wizard, uid));
            };
            let expires_at = (days > 0).then(|| now.plus(Duration::from_hours(24 * days)));
            keys.add(uid, &name, secret.to_owned(), expires_at);
            Ok(Some(json!({
                "type": "ir.actions.act_window", "res_model": "res.users.apikeys.show", "name": "API Key Ready",
                "views": [[false, "form"]], "target": "new", "context": {"default_key": secret},
            })))
        }
        Step::Remove(ids) => {
            keys.made.retain(|id, key| key.uid != uid || !ids.contains(id));
            Ok(Some(json!({"type": "ir.actions.act_window_close"})))
        }
    }
}

/// The user's own keys that a domain of plain conditions names.
fn found(state: &State, uid: i64, domain: Option<&Value>) -> Vec<i64> {
    let conditions: Vec<&Value> = domain.and_then(Value::as_array).into_iter().flatten().collect();
    let holds = |key: &Key| {
        conditions.iter().all(|condition| match condition[0].as_str() {
            Some("user_id") => condition[2] == key.uid,
            Some("name") => condition[2] == key.name.as_str(),
            // All of them are for every kind of call.
            Some("scope") => true,
            Some("expiration_date") => key.expires_at.is_some(),
            _ => false,
        })
    };
    state.keys.made.iter().filter(|(_, key)| key.uid == uid && holds(key)).map(|(id, _)| *id).collect()
}

/// The same as records, those that end first before the others.
fn rows(state: &State, uid: i64, domain: Option<&Value>) -> Value {
    let mut keys: Vec<_> =
        found(state, uid, domain).into_iter().filter_map(|id| Some((id, state.keys.made.get(&id)?))).collect();
    keys.sort_by_key(|(id, key)| (key.expires_at.is_none(), key.expires_at, std::cmp::Reverse(*id)));
    let end = |key: &Key| key.expires_at.map_or(Value::Bool(false), |end| json!(end.to_odoo()));
    keys.into_iter().map(|(id, key)| json!({"id": id, "expiration_date": end(key)})).collect()
}
