//! Reading records.

use super::fields::ModelFields;
use super::order::{order_of, ordered_by};
use super::problems::no_such_record;
use super::values::tidy;
use super::{Acting, Options, Record};
use crate::language::Reason;
use crate::problem::Problem;
use bridge_erp::SearchRead;
use bridge_model::domain::{Domain, Operator};
use bridge_model::{ModelName, Operation, RecordId};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Which records to read, and what of them.
#[derive(Debug, Clone)]
pub struct Query {
    /// The model.
    pub model: ModelName,
    /// The filter.
    pub domain: Domain,
    /// The fields; `None` for what the records themselves hold. The id is always among them.
    pub fields: Option<Vec<String>>,
    /// The order, `name asc, id desc`; empty for the system's own.
    pub order: String,
    /// How many to leave out.
    pub offset: u32,
    /// The most to answer, at least 1.
    pub limit: u32,
}

impl Query {
    /// All records of a model, as many as `limit`.
    pub fn of(model: &ModelName, limit: u32) -> Self {
        let model = model.clone();
        Self { model, domain: Domain::All, fields: None, order: String::new(), offset: 0, limit }
    }
}

impl Acting {
    /// Reads records by a filter. Archived ones are not among them, unless the filter speaks of `active` or the options
    /// say so.
    pub async fn read(&self, query: &Query, options: &Options) -> Result<Vec<Record>, Problem> {
        let Query { model, fields, order, .. } = query;
        self.check(model, Operation::Read)?;
        let named = fields.iter().flatten().map(String::as_str).chain(ordered_by(order));
        let known = self.fields_with(model, named).await?;
        let fields = wanted(&known, fields.as_deref(), query.limit, self.cx.config.records.binary_rows_max)?;
        let search = SearchRead {
            model: model.clone(),
            domain: self.domain(model, &query.domain).await?.to_odoo_json(),
            fields,
            offset: query.offset,
            limit: query.limit,
            order: order_of(&known, order)?,
            context: options.0.clone(),
        };
        let mut rows = self.asked(model, self.adapter.search_read(&search)).await?;
        for row in &mut rows {
            for (name, value) in row.iter_mut() {
                if let Some(field) = known.get(name) {
                    tidy(&field.kind, value);
                }
            }
        }
        Ok(rows)
    }

    /// Reads these records, archived ones as well, in the order of `ids`. What there is not, or what the acting user
    /// may not see, is left out.
    pub async fn read_ids(
        &self,
        model: &ModelName,
        ids: &[RecordId],
        fields: Option<Vec<String>>,
        options: &Options,
    ) -> Result<Vec<Record>, Problem> {
        let Ok(limit) = u32::try_from(ids.len()) else { return Err(too_many(self)) };
        if limit == 0 {
            return Ok(Vec::new());
        }
        let keys: Vec<Value> = ids.iter().map(|id| json!(id)).collect();
        let query = Query {
            domain: Domain::condition("id", Operator::In, keys),
            fields,
            order: "id asc".to_owned(),
            ..Query::of(model, limit)
        };
        let mut options = options.clone();
        options.0.insert("active_test".to_owned(), json!(false));
        let rows = self.read(&query, &options).await?;
        let mut by_id: HashMap<String, Record> =
            rows.into_iter().filter_map(|row| Some((row.get("id")?.to_string(), row))).collect();
        Ok(ids.iter().filter_map(|id| by_id.remove(&json!(id).to_string())).collect())
    }

    /// Reads one record; `RecordNotFound` if there is none, or none that the acting user may see.
    pub async fn read_one(
        &self,
        model: &ModelName,
        id: &RecordId,
        fields: Option<Vec<String>>,
        options: &Options,
    ) -> Result<Record, Problem> {
        let rows = self.read_ids(model, std::slice::from_ref(id), fields, options).await?;
        rows.into_iter().next().ok_or_else(|| no_such_record(model, id))
    }

    /// The ids of the records that a query finds, in its order; its fields are not looked at.
    pub async fn search(&self, query: Query, options: &Options) -> Result<Vec<Value>, Problem> {
        let rows = self.read(&Query { fields: Some(Vec::new()), ..query }, options).await?;
        Ok(rows.into_iter().filter_map(|mut row| row.remove("id")).collect())
    }

    /// How many records a filter finds.
    pub async fn count(&self, model: &ModelName, domain: &Domain, options: &Options) -> Result<u64, Problem> {
        self.check(model, Operation::Read)?;
        let domain = self.domain(model, domain).await?.to_odoo_json();
        self.asked(model, self.adapter.count_with(model, &domain, &options.0)).await
    }

    /// The fields of a model as an answer: those of `names`, or all, with what is for people in the language of the
    /// options.
    pub async fn describe(
        &self,
        model: &ModelName,
        names: Option<&[String]>,
        options: &Options,
    ) -> Result<Record, Problem> {
        self.check(model, Operation::Read)?;
        let fields = self.asked(model, self.adapter.fields_in(model, options.language())).await?;
        if let Some(unknown) = names.into_iter().flatten().find(|name| !fields.iter().any(|field| field.name == **name))
        {
            return Err(unknown_field(unknown));
        }
        let is_wanted = |name: &String| names.is_none_or(|names| names.contains(name));
        Ok(fields
            .into_iter()
            .filter(|field| is_wanted(&field.name))
            .map(|field| (field.name.clone(), json!(field)))
            .collect())
    }
}

/// The fields to ask for. Files weigh much, so that they are read only by their names and for few records at once.
fn wanted(
    known: &ModelFields,
    fields: Option<&[String]>,
    limit: u32,
    binary_rows_max: u32,
) -> Result<Vec<String>, Problem> {
    let Some(fields) = fields else {
        let mut own = known.own();
        if !own.iter().any(|name| name == "id") {
            own.push("id".to_owned());
        }
        return Ok(own);
    };
    let mut wanted = vec!["id".to_owned()];
    for name in fields.iter().filter(|name| *name != "id") {
        let field = known.get(name).ok_or_else(|| unknown_field(name))?;
        if field.kind == "binary" && limit > binary_rows_max {
            return Err(
                Problem::field("limit", Reason::rows_with_files(binary_rows_max)).with("binary_field", name.as_str())
            );
        }
        if !wanted.contains(name) {
            wanted.push(name.clone());
        }
    }
    Ok(wanted)
}

fn unknown_field(name: &str) -> Problem {
    Problem::field("fields", Reason::unknown_model_field()).with("unknown_field", name)
}

fn too_many(acting: &Acting) -> Problem {
    Problem::field("record_ids", Reason::items(1, acting.cx.config.records.limit_max))
}
