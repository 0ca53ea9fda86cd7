//! Creating, changing and deleting records, and calling their methods.

use super::audited::Sent;
use super::keyed::{Stage, as_unknown};
use super::{Acting, Options, Record};
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use bridge_erp::{ErpError, ErpErrorKind, Work, Write};
use bridge_model::{MethodName, ModelName, Operation, RecordId, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;

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

/// By how much the clocks of both sides may differ.
const CLOCKS_APART: Duration = Duration::from_mins(2);

/// That the request ended before the system's answer came.
fn too_late() -> ErpError {
    ErpError::new(ErpErrorKind::Timeout, "no answer within the time of the request")
}

/// The request that shows whether a write was done.
fn check(model: &ModelName, work: &Work, now: Timestamp) -> Value {
    match work {
        Work::Update(ids, _) | Work::Delete(ids) => json!({ "action": "read", "model": model, "record_ids": ids }),
        Work::Create(_) | Work::Call { .. } => changed_since(model, now),
    }
}

/// The request that shows what has been written to a model from now on, or a little earlier.
pub(crate) fn changed_since(model: &ModelName, now: Timestamp) -> Value {
    let since = now.minus(CLOCKS_APART).whole_seconds();
    let domain = json!([["write_date", ">=", since]]);
    json!({ "action": "read", "model": model, "domain": domain, "order": "id desc" })
}

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

    /// Creates or changes a record for each row, under the external id that stands in its column `id`: all of them or
    /// none. Answers what the system answers. What was lost on the way may be sent again: the system keeps each external
    /// id in the same transaction as its record.
    pub async fn load(&self, model: &ModelName, headers: &[&str], rows: &[Vec<String>]) -> Result<Value, Problem> {
        self.check(model, Operation::Create)?;
        self.check(model, Operation::Update)?;
        if self.time_left().is_zero() {
            return Err(self.problem(model, too_late().unsent()));
        }
        let method = MethodName::parse("load")?;
        let work = Work::Call { method, args: vec![json!(headers), json!(rows)], kwargs: Map::new() };
        let noted = self.note(&self.entry_of_load(model, headers, rows).await).await?;
        let _drops = self.cx.records.cache.writing(self.system.key, model, &work);
        let context = Map::from_iter([("tz".to_owned(), json!("UTC")), ("tracking_disable".to_owned(), json!(true))]);
        let write = Write { model: model.clone(), work, context, kept: None };
        let performed = self.in_time(self.tried(self.adapter.perform(write))).await;
        let performed = performed.unwrap_or_else(|| Err(too_late()));
        let stage = if performed.as_ref().is_err_and(ErpError::may_be_done) { Stage::Open } else { Stage::Done };
        let answer = performed.map_err(|error| self.problem(model, error));
        self.note_outcome(noted, Sent::Loading, stage, &answer).await;
        answer
    }

    /// Calls a public method of a model, on these records if there are any, and answers what it answers, as it is.
    pub async fn call(
        &self,
        model: &ModelName,
        method: &MethodName,
        ids: &[RecordId],
        args: &[Value],
        kwargs: &Map<String, Value>,
        options: &Options,
    ) -> Result<Value, Problem> {
        if let Some((_, action)) = ACTIONS.iter().find(|(name, _)| *name == method.as_str()) {
            return Err(Problem::field("method", Reason::method_has_action(action)));
        }
        if kwargs.contains_key("context") {
            return Err(Problem::field("kwargs.context", Reason::context_beside()));
        }
        self.check_method(model, method)?;
        let mut all = Vec::with_capacity(args.len() + 1);
        if !ids.is_empty() {
            all.push(json!(ids));
        }
        all.extend_from_slice(args);
        let work = Work::Call { method: method.clone(), args: all, kwargs: kwargs.clone() };
        self.perform(model, work, options).await
    }

    pub(super) async fn perform(&self, model: &ModelName, work: Work, options: &Options) -> Result<Value, Problem> {
        if self.time_left().is_zero() {
            return Err(self.problem(model, too_late().unsent()));
        }
        let entry = self.entry(model, &work).await;
        // To read what was there before may have taken long.
        if self.time_left().is_zero() {
            return Err(self.problem(model, too_late().unsent()));
        }
        let _drops = self.cx.records.cache.writing(self.system.key, model, &work);
        let to_check = check(model, &work, self.cx.clock.now());
        let sent = if matches!(work, Work::Create(_)) { Sent::Creating } else { Sent::Other };
        let (kept, noted) = match &self.keyed {
            Some(keyed) => keyed.send(self, model, &to_check, &entry).await?,
            None => (None, self.note(&entry).await?),
        };
        self.is_noted.store(true, Ordering::Relaxed);
        let may_come_again = kept.is_some() && self.keyed.as_ref().is_some_and(|keyed| keyed.may_come_again());
        let write = Write { model: model.clone(), work, context: options.0.clone(), kept };
        let performed = self.in_time(self.tried(self.adapter.perform(write))).await.unwrap_or_else(|| Err(too_late()));
        let is_repeat = self.keyed.as_ref().is_some_and(|keyed| keyed.is_repeat());
        let stage = match &performed {
            Ok(_) => Stage::Done,
            // That it was not sent again says nothing of the earlier try.
            Err(error) if error.may_be_done() || (error.is_unsent && is_repeat) => Stage::Open,
            Err(_) => Stage::Refused,
        };
        if let Some(keyed) = &self.keyed {
            keyed.reached(stage);
        }
        let answer = performed.map_err(|error| match stage {
            Stage::Open => {
                let problem = Problem::of_erp(ProblemKind::OutcomeUnknown, Message::outcome_unknown(), error);
                as_unknown(problem, &to_check, may_come_again)
            }
            _ => self.problem(model, error),
        });
        self.note_outcome(noted, sent, stage, &answer).await;
        answer
    }
}
