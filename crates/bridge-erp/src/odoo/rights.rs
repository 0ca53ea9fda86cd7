//! What a user may read, and what the credential may change. What can't be found out is an error, never a yes.

use super::calls::{Call, Caller};
use super::feed::{Owner, TABLE, search_read};
use super::normalise::number;
use crate::{ErpError, ErpErrorKind};
use bridge_model::{ModelName, RecordId};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// Those of `models` that the user may read.
pub(super) async fn readable(
    caller: &Caller,
    owner: Option<Owner>,
    user_id: i64,
    models: &[ModelName],
) -> Result<Vec<ModelName>, ErpError> {
    if models.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = models.iter().map(ModelName::as_str).collect();
    let readable = if owner == Some(Owner::Bridgecore) {
        asked(caller, user_id, &names).await?
    } else {
        computed(caller, user_id, &names).await?
    };
    Ok(models.iter().filter(|model| readable.contains(model.as_str())).cloned().collect())
}

/// Refuses, as Odoo does, whoever may not change this record.
pub(super) async fn check_update(caller: &Caller, model: &ModelName, id: &RecordId) -> Result<(), ErpError> {
    // Up to 17 the second asks for the rules of records alone; from 18 on it asks for the rights to the model as well.
    for (method, args) in
        [("check_access_rights", vec![json!("write")]), ("check_access_rule", vec![json!([id]), json!("write")])]
    {
        caller.read(&Call { model: model.as_str(), method, args, kwargs: Map::new() }).await?;
    }
    Ok(())
}

/// By our add-on, which asks Odoo itself as that user.
async fn asked(caller: &Caller, user_id: i64, names: &[&str]) -> Result<HashSet<String>, ErpError> {
    let args = vec![json!(user_id), json!(names)];
    let call = Call { model: TABLE, method: "readable_models", args, kwargs: Map::new() };
    match caller.read(&call).await {
        Ok(Value::Array(found)) => Ok(found.into_iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()),
        Ok(_) => Err(unclear("readable_models answered something else than a list")),
        // An older version of the add-on.
        Err(error) if error.kind == ErpErrorKind::UnknownMethod => computed(caller, user_id, names).await,
        Err(error) => Err(error),
    }
}

/// By Odoo's own table of rights, as Odoo does it: a row grants reading if it is active and is for everybody or for a
/// group that the user is in, directly or by another group.
async fn computed(caller: &Caller, user_id: i64, names: &[&str]) -> Result<HashSet<String>, ErpError> {
    let groups_field = groups_field(caller).await?;
    let domain = json!([["id", "=", user_id], ["active", "=", true]]);
    let users = search_read(caller, "res.users", &domain, &json!(["id", groups_field]), "id asc", Some(1)).await?;
    let Some(user) = users.first() else {
        return Ok(HashSet::new());
    };
    let groups = user[groups_field].as_array().ok_or_else(|| unclear("the user's groups can't be read"))?;

    let domain = json!([["model", "in", names]]);
    let entries = search_read(caller, "ir.model", &domain, &json!(["id", "model"]), "id asc", None).await?;
    let entry_ids: Vec<&Value> = entries.iter().map(|entry| &entry["id"]).collect();
    let domain = json!([
        ["model_id", "in", entry_ids],
        ["perm_read", "=", true],
        ["active", "=", true],
        "|",
        ["group_id", "=", false],
        ["group_id", "in", groups],
    ]);
    let grants = search_read(caller, "ir.model.access", &domain, &json!(["model_id"]), "id asc", None).await?;
    let granted: HashSet<i64> = grants.iter().filter_map(|grant| number(&grant["model_id"])).collect();
    let readable = entries.iter().filter(|entry| entry["id"].as_i64().is_some_and(|id| granted.contains(&id)));
    Ok(readable.filter_map(|entry| entry["model"].as_str().map(str::to_owned)).collect())
}

/// The field with all of a user's groups: 19 computes it; up to 18 the plain field holds the implied ones already.
async fn groups_field(caller: &Caller) -> Result<&'static str, ErpError> {
    let candidates = ["all_group_ids", "groups_id"];
    let args = vec![json!(candidates), json!(["type"])];
    let call = Call { model: "res.users", method: "fields_get", args, kwargs: Map::new() };
    let fields = caller.read(&call).await?;
    let found = candidates.into_iter().find(|name| fields.get(name).is_some());
    found.ok_or_else(|| unclear("this Odoo has no field that this version knows for a user's groups"))
}

fn unclear(message: &str) -> ErpError {
    ErpError::new(ErpErrorKind::Protocol, message)
}
