//! The add-on's reading of records with the rights of another user.

use super::call::{Args, Outcome};
use super::engine::rights::{Access, SUPERUSER};
use super::engine::work::Work;
use super::methods::{self, Target};
use super::refusal::Refusal;
use serde_json::Value;

/// The most records in one answer.
const RECORDS_MAX: i64 = 1_000;

/// What `search_read` takes, in the order of the method's own parameters.
const PARAMETERS: [&str; 8] = ["user_id", "model", "domain", "fields", "offset", "limit", "order", "context"];

/// Runs `search_read` as the user that is named. The demo ERP has no record rules and no fields for certain groups.
pub(super) fn search_read(work: &mut Work<'_>, target: Target, args: &mut Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Read)?;
    let given = args.bind(&PARAMETERS, 3)?;
    let limit = given[5].as_i64().unwrap_or(RECORDS_MAX);
    if !(1..=RECORDS_MAX).contains(&limit) {
        return Err(Refusal::user(format!("The limit must be between 1 and {RECORDS_MAX}.")));
    }
    let uid = given[0].as_i64().unwrap_or(0);
    let view = work.view();
    let users = view.schema.find("res.users");
    let user = users.and_then(|users| view.get(users, uid));
    if uid == SUPERUSER || !user.is_some_and(|user| user.cell("active").as_bool()) {
        return Err(Refusal::access(format!("There is no active user {uid}.")));
    }
    let name = given[1].as_str().unwrap_or_default();
    let model = view.schema.find(name).ok_or_else(|| Refusal::user(format!("There is no model {name}.")))?;
    let mut context = std::mem::take(&mut args.context);
    if let Value::Object(more) = &given[7] {
        context.extend(more.clone());
    }
    let names = ["domain", "fields", "offset", "limit", "order"];
    let mut kwargs: serde_json::Map<String, Value> =
        names.into_iter().zip(&given[2..7]).map(|(name, value)| (name.to_owned(), value.clone())).collect();
    kwargs.insert("limit".to_owned(), Value::from(limit));
    let args = Args { method: "search_read".to_owned(), positional: Vec::new(), kwargs, context };
    methods::search_read(work, Target { uid, model }, args)
}
