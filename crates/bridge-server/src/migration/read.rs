//! Reading the records that are to be carried over.

use crate::auth::Admin;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_erp::{Adapter, ErpField, SearchRead};
use bridge_model::migration::Record;
use bridge_model::{ModelName, Timestamp};
use bridge_store::System;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The records of a model of a system, read with its own credential: only an admin may ask for that.
#[derive(Debug)]
pub(super) struct Reading {
    adapter: Arc<dyn Adapter>,
    model: ModelName,
    kinds: BTreeMap<String, String>,
    /// The fields that are read.
    pub(super) fields: Vec<String>,
}

impl Reading {
    /// Of these fields, or of all that a record itself holds but files. With `to_write`, only those of them that people
    /// may write.
    pub(super) async fn new(
        cx: &Context,
        _: &Admin,
        system: &System,
        model: &ModelName,
        fields: Option<&[String]>,
        to_write: bool,
    ) -> Result<Self, Problem> {
        let adapter = cx.erps.adapter(system)?;
        let known = adapter.fields(model).await?;
        let fields = if let Some(names) = fields {
            if let Some(unknown) = names.iter().find(|name| !known.iter().any(|field| field.name == **name)) {
                let problem = Problem::field("fields", Reason::unknown_model_field());
                return Err(problem.with("unknown_field", unknown.as_str()).with("model", model.as_str()));
            }
            names.to_vec()
        } else {
            let is_wanted = |field: &&ErpField| is_own(field) && !(to_write && field.readonly);
            known.iter().filter(is_wanted).map(|field| field.name.clone()).collect()
        };
        let kinds = known.into_iter().map(|field| (field.name, field.kind)).collect();
        Ok(Self { adapter, model: model.clone(), kinds, fields })
    }

    /// Those of the records `ids` that there are, in the order of their ids. References are bare ids: the name beside one
    /// belongs to the other record.
    pub(super) async fn records(&self, ids: &[i64]) -> Result<Vec<(i64, Record)>, Problem> {
        let query = SearchRead {
            model: self.model.clone(),
            domain: json!([["id", "in", ids]]),
            fields: self.fields.clone(),
            offset: 0,
            limit: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            order: "id asc".to_owned(),
            // An archived record is a record.
            context: Map::from_iter([("active_test".to_owned(), json!(false))]),
        };
        let mut found = Vec::with_capacity(ids.len());
        for mut record in self.adapter.search_read(&query).await? {
            let Some(id) = record.get("id").and_then(Value::as_i64) else { continue };
            for (name, value) in &mut record {
                if let Some(kind) = self.kinds.get(name) {
                    tidy(kind, value);
                }
            }
            found.push((id, record));
        }
        found.sort_unstable_by_key(|(id, _)| *id);
        Ok(found)
    }

    /// The same for any number of ids, in batches.
    pub(super) async fn all(&self, ids: &[i64], batch_records: usize) -> Result<Vec<(i64, Record)>, Problem> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(batch_records) {
            found.extend(self.records(ids).await?);
        }
        Ok(found)
    }
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
