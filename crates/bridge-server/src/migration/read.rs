//! Reading the records that are to be carried over.

use crate::auth::Admin;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use crate::records::{Acting, ModelFields, Options, acting};
use bridge_model::migration::Record;
use bridge_model::{ModelName, Operation, RecordId, SystemId};
use serde_json::Value;
use std::sync::Arc;

/// The records of a model of a system, read as whoever asks.
#[derive(Debug)]
pub(super) struct Reading {
    acting: Acting,
    model: ModelName,
    known: Arc<ModelFields>,
    /// The fields that are read.
    pub(super) fields: Vec<String>,
    /// How many records one call reads: few, if files are among the fields.
    pub(super) batch_records: usize,
}

impl Reading {
    /// Of these fields, or of all that a record itself holds but files. With `to_write`, only those of them that people
    /// may write.
    pub(super) async fn new(
        cx: &Context,
        admin: &Admin,
        system_id: &SystemId,
        model: &ModelName,
        fields: Option<&[String]>,
        to_write: bool,
    ) -> Result<Self, Problem> {
        let acting = acting(cx, &admin.0, system_id).await?;
        acting.check(model, Operation::Read)?;
        let known = acting.fields_with(model, fields.unwrap_or_default().iter().map(String::as_str)).await?;
        let fields = if let Some(names) = fields {
            if let Some(unknown) = names.iter().find(|name| known.get(name).is_none()) {
                let problem = Problem::field("fields", Reason::unknown_model_field());
                return Err(problem.with("unknown_field", unknown.as_str()).with("model", model.as_str()));
            }
            names.to_vec()
        } else {
            let mut own = known.own();
            own.retain(|name| !to_write || known.get(name).is_some_and(|field| !field.readonly));
            own
        };
        let has_files = fields.iter().any(|name| known.get(name).is_some_and(|field| field.kind == "binary"));
        let most = cx.config.migration.batch_records;
        let batch_records = if has_files { most.min(cx.config.records.binary_rows_max as usize) } else { most };
        Ok(Self { acting, model: model.clone(), known, fields, batch_records })
    }

    /// Those of the records `ids` that there are, in the order of their ids. References are bare ids: the name beside one
    /// belongs to the other record.
    pub(super) async fn records(&self, ids: &[i64]) -> Result<Vec<(i64, Record)>, Problem> {
        let keys: Vec<RecordId> = ids.iter().copied().map(RecordId::Number).collect();
        let rows = self.acting.read_ids(&self.model, &keys, Some(self.fields.clone()), &Options::default()).await?;
        let mut found = Vec::with_capacity(rows.len());
        for mut record in rows {
            let Some(id) = record.get("id").and_then(Value::as_i64) else { continue };
            for (name, value) in &mut record {
                if self.known.get(name).is_some_and(|field| field.kind == "many2one")
                    && let Value::Array(pair) = value
                {
                    *value = pair.first().cloned().unwrap_or_default();
                }
            }
            found.push((id, record));
        }
        found.sort_unstable_by_key(|(id, _)| *id);
        Ok(found)
    }

    /// The same for any number of ids, in batches.
    pub(super) async fn all(&self, ids: &[i64]) -> Result<Vec<(i64, Record)>, Problem> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(self.batch_records) {
            found.extend(self.records(ids).await?);
        }
        Ok(found)
    }
}
