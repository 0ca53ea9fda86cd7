//! One call of a method, whichever door it came in by.

use super::engine::rights::Access;
use super::engine::state::State;
use super::engine::work::Work;
use super::refusal::Refusal;
use super::{addon_methods, methods};
use bridge_model::Timestamp;
use serde_json::{Map, Value, json};

/// A call of a model's method by a user who has proved who they are.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) uid: i64,
    pub(super) model: String,
    pub(super) method: String,
    pub(super) args: Vec<Value>,
    pub(super) kwargs: Map<String, Value>,
}

/// What a method answers; `None` is Python's `None`, which JSON-RPC leaves out of its answer.
pub(super) type Outcome = Result<Option<Value>, Refusal>;

/// Methods that exist but may not be called from outside.
const PRIVATE: [&str; 9] = [
    "exists",
    "check_access",
    "browse",
    "filtered",
    "mapped",
    "sudo",
    "with_context",
    "with_user",
    "invalidate_recordset",
];

/// Runs a call in a transaction of its own: committed if it succeeds, forgotten if it is refused.
pub(super) fn run(state: &mut State, call: Call, now: Timestamp) -> Outcome {
    let mut work = Work::begin(state, call.uid, now);
    let outcome = run_in(&mut work, call)?;
    work.commit();
    Ok(outcome)
}

/// Runs a call in a transaction that goes on.
pub(super) fn run_in(work: &mut Work<'_>, call: Call) -> Outcome {
    let Call { uid, model: name, method, args, mut kwargs } = call;
    let model = work.model(&name)?;
    let context = match kwargs.remove("context") {
        Some(Value::Object(context)) => context,
        _ => Map::new(),
    };
    if method.starts_with('_') || PRIVATE.contains(&method.as_str()) {
        return Err(Refusal::access(format!("Private methods (such as '{name}.{method}') cannot be called remotely.")));
    }
    // Our add-on takes the key of a request from the context and keeps it with the events of that request.
    if let Some(key) =
        ["bridgecore_idempotency_key", "idempotency_key"].iter().find_map(|name| context.get(*name)?.as_str())
    {
        work.tx.idempotency_key = Some(key.to_owned());
    }
    let mut args = Args { method: method.clone(), positional: args, kwargs, context };
    let target = methods::Target { uid, model };
    match method.as_str() {
        "search" => methods::search(work, target, args),
        "search_count" => methods::search_count(work, target, args),
        "search_read" => methods::search_read(work, target, args),
        "read" => methods::read(work, target, args),
        "create" => methods::create(work, target, args),
        "write" => methods::write(work, target, args),
        "unlink" => methods::unlink(work, target, args),
        "load" => super::load::load(work, target, args),
        "copy" => methods::copy(work, target, args),
        "name_create" => methods::name_create(work, target, args),
        "name_search" => methods::name_search(work, target, args),
        "fields_get" => methods::fields_get(work, target, args),
        "has_access" => {
            let (_, access) = (args.ids()?, args.bind(&["operation"], 1)?);
            Ok(Some(Value::Bool(work.view().may(uid, model, access_of(access.first())?))))
        }
        "check_access_rights" => {
            let given = args.bind(&["operation", "raise_exception"], 1)?;
            let access = access_of(given.first())?;
            if given[1] != Value::Bool(false) {
                work.view().check(uid, model, access)?;
            }
            Ok(Some(Value::Bool(work.view().may(uid, model, access))))
        }
        "check_access_rule" => Ok(None),
        "context_get" if name == "res.users" => {
            args.bind(&[], 0)?;
            Ok(Some(json!({"lang": "en_US", "tz": "UTC", "uid": uid})))
        }
        _ => match addon_methods::call(work, target, &name, &method, &mut args) {
            Some(outcome) => outcome,
            None => act(work, target, &name, &method, args),
        },
    }
}

/// A button of an application.
fn act(work: &mut Work<'_>, target: methods::Target, name: &str, method: &str, mut args: Args) -> Outcome {
    let ids = args.ids().unwrap_or_default();
    let unknown = || Refusal::attribute(format!("The method '{name}.{method}' does not exist"));
    let may = work.view().check(target.uid, target.model, Access::Write);
    let outcome = super::engine::business::act(work, target.model, method, &ids).ok_or_else(unknown)?;
    may.and(outcome)
}

fn access_of(value: Option<&Value>) -> Result<Access, Refusal> {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    Access::parse(text).ok_or_else(|| Refusal::key(format!("'perm_{text}'")))
}

/// The arguments of a call.
#[derive(Debug)]
pub(super) struct Args {
    pub(super) method: String,
    pub(super) positional: Vec<Value>,
    pub(super) kwargs: Map<String, Value>,
    pub(super) context: Map<String, Value>,
}

impl Args {
    /// Takes the records that the method is called on, which come first.
    pub(super) fn ids(&mut self) -> Result<Vec<i64>, Refusal> {
        if self.positional.is_empty() {
            return Err(Refusal::index("list index out of range"));
        }
        Ok(match self.positional.remove(0) {
            Value::Array(ids) => ids.iter().filter_map(Value::as_i64).collect(),
            single => single.as_i64().into_iter().collect(),
        })
    }

    /// The arguments by the names of the method's parameters, of which the first `required` must be given; what is
    /// left out is null.
    pub(super) fn bind(&mut self, names: &[&str], required: usize) -> Result<Vec<Value>, Refusal> {
        let method = format!("BaseModel.{}()", self.method);
        if let Some(unexpected) = self.kwargs.keys().find(|name| !names.contains(&name.as_str())) {
            return Err(Refusal::type_error(format!("{method} got an unexpected keyword argument '{unexpected}'")));
        }
        let mut positional = std::mem::take(&mut self.positional).into_iter();
        let mut bound = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let value = match (positional.next(), self.kwargs.remove(*name)) {
                (Some(_), Some(_)) => {
                    return Err(Refusal::type_error(format!("{method} got multiple values for argument '{name}'")));
                }
                (Some(value), None) | (None, Some(value)) => value,
                (None, None) if index < required => {
                    return Err(Refusal::type_error(format!(
                        "{method} missing 1 required positional argument: '{name}'"
                    )));
                }
                (None, None) => Value::Null,
            };
            bound.push(value);
        }
        if positional.next().is_some() {
            let most = names.len() + 1;
            return Err(Refusal::type_error(format!("{method} takes {most} positional arguments but more were given")));
        }
        Ok(bound)
    }
}
