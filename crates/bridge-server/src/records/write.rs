//! Creating, changing and deleting records, and calling their methods.

use super::{Acting, Options, Record};
use crate::language::Reason;
use crate::problem::Problem;
use bridge_erp::{Work, Write};
use bridge_model::{ModelName, Operation, RecordId};
use serde_json::{Map, Value};

/// What has an action of its own, so that it is checked as such and not called by its name.
const ACTIONS: [(&str, &str); 8] = [
    ("create", "create"),
    ("read", "read"),
    ("write", "update"),
    ("unlink", "delete"),
    ("search", "search"),
    ("search_read", "read"),
    ("search_count", "count"),
    ("fields_get", "fields"),
];

impl Acting {
    /// Creates records and answers their ids in the same order, all of them or none.
    pub async fn create(
        &self,
        model: &ModelName,
        records: &[Record],
        options: &Options,
    ) -> Result<Vec<RecordId>, Problem> {
        self.check(model, Operation::Create)?;
        let mut values = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            let at = if records.len() == 1 { "data".to_owned() } else { format!("data[{index}]") };
            values.push(self.values(model, record, &at, true).await?);
        }
        let answer = self.perform(model, Work::Create(values), options).await?;
        // The adapter answers a list of as many ids as there were records.
        Ok(answer.as_array().into_iter().flatten().filter_map(Value::as_i64).map(RecordId::Number).collect())
    }

    /// Writes the same values to these records, to all of them or to none.
    pub async fn update(
        &self,
        model: &ModelName,
        ids: &[RecordId],
        record: &Record,
        options: &Options,
    ) -> Result<(), Problem> {
        self.check(model, Operation::Update)?;
        let values = self.values(model, record, "data", false).await?;
        self.perform(model, Work::Update(ids.to_vec(), values), options).await.map(drop)
    }

    /// Deletes these records, all of them or none.
    pub async fn delete(&self, model: &ModelName, ids: &[RecordId], options: &Options) -> Result<(), Problem> {
        self.check(model, Operation::Delete)?;
        self.perform(model, Work::Delete(ids.to_vec()), options).await.map(drop)
    }

    /// Calls a public method of a model, on these records if there are any, and answers what it answers, as it is.
    pub async fn call(
        &self,
        model: &ModelName,
        method: &str,
        ids: &[RecordId],
        args: &[Value],
        kwargs: &Map<String, Value>,
        options: &Options,
    ) -> Result<Value, Problem> {
        let is_name = method.starts_with(|c: char| c.is_ascii_alphabetic())
            && method.len() <= 128
            && method.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(Problem::field("method", Reason::method_form()));
        }
        if let Some((_, action)) = ACTIONS.iter().find(|(name, _)| *name == method) {
            return Err(Problem::field("method", Reason::method_has_action(action)));
        }
        if kwargs.contains_key("context") {
            return Err(Problem::field("kwargs.context", Reason::context_beside()));
        }
        self.check_method(model, method)?;
        let mut all = Vec::with_capacity(args.len() + 1);
        if !ids.is_empty() {
            all.push(serde_json::json!(ids));
        }
        all.extend_from_slice(args);
        let work = Work::Call { method: method.to_owned(), args: all, kwargs: kwargs.clone() };
        self.perform(model, work, options).await
    }

    async fn perform(&self, model: &ModelName, work: Work, options: &Options) -> Result<Value, Problem> {
        let _drops = self.cx.records.cache.writing(self.system.key, model, &work);
        let write = Write { model: model.clone(), work, context: options.0.clone() };
        self.adapter.perform(write).await.map_err(|error| self.problem(model, error))
    }
}
