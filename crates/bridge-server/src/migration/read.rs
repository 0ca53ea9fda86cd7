//! Reading the records that are to be carried over.

use crate::auth::Admin;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_erp::{ErpField, SearchRead};
use bridge_model::migration::Record;
use bridge_model::{ModelName, Timestamp};
use bridge_store::System;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Those of the records `ids` that there are, in the order of their ids, with the system's own credential: only an admin
/// may ask for that. References are bare ids: the name beside one belongs to the other record.
pub(super) async fn read(
    cx: &Context,
    _: &Admin,
    system: &System,
    model: &ModelName,
    ids: &[i64],
    fields: Option<&[String]>,
) -> Result<Vec<(i64, Record)>, Problem> {
    let adapter = cx.erps.adapter(system)?;
    let known: BTreeMap<String, ErpField> =
        adapter.fields(model).await?.into_iter().map(|field| (field.name.clone(), field)).collect();
    let fields = match fields {
        Some(names) => {
            if let Some(unknown) = names.iter().find(|name| !known.contains_key(*name)) {
                let problem = Problem::field("fields", Reason::unknown_model_field());
                return Err(problem.with("unknown_field", unknown.as_str()).with("model", model.as_str()));
            }
            names.to_vec()
        }
        None => known.values().filter(|field| is_own(field)).map(|field| field.name.clone()).collect(),
    };
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(cx.config.migration.batch_records) {
        let query = SearchRead {
            model: model.clone(),
            domain: json!([["id", "in", ids]]),
            fields: fields.clone(),
            offset: 0,
            limit: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            order: "id asc".to_owned(),
            // An archived record is a record.
            context: Map::from_iter([("active_test".to_owned(), json!(false))]),
        };
        for mut record in adapter.search_read(&query).await? {
            let Some(id) = record.get("id").and_then(Value::as_i64) else { continue };
            for (name, value) in &mut record {
                if let Some(field) = known.get(name) {
                    tidy(&field.kind, value);
                }
            }
            found.push((id, record));
        }
    }
    found.sort_unstable_by_key(|(id, _)| *id);
    Ok(found)
}

/// Whether a field is part of the record itself and not a file.
fn is_own(field: &ErpField) -> bool {
    field.stored && !matches!(field.kind.as_str(), "binary" | "one2many")
}

/// Frees a value of Odoo's way of writing it.
fn tidy(kind: &str, value: &mut Value) {
    match (kind, &*value) {
        ("boolean" | "json" | "properties" | "properties_definition", _) => {}
        (_, Value::Bool(false)) => *value = Value::Null,
        ("many2one", Value::Array(pair)) => *value = pair.first().cloned().unwrap_or_default(),
        ("datetime", Value::String(text)) => {
            if let Ok(time) = Timestamp::parse_odoo(text) {
                *value = json!(time);
            }
        }
        _ => {}
    }
}
