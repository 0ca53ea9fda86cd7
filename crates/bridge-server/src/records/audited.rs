//! What the audit is told of writes.

use super::keyed::Stage;
use super::{Acting, CrudRequest, Data, ModelFields, tidy};
use crate::audit::{End, Hide, bounded, settle};
use crate::problem::{Problem, ProblemKind};
use bridge_erp::{ErpField, SearchRead, Work};
use bridge_model::{ModelName, Operation, RecordId};
use bridge_store::{AuditId, AuditOutcome, NewAuditEntry};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The most records that are read whole before they are deleted; of more, their names are.
const WHOLE_RECORDS_MAX: usize = 10;

/// The longest text that is kept as the id of a record, in bytes.
const RECORD_ID_BYTES_MAX: usize = 128;

/// The share of the time that a write has left which reading what it changes may take.
const SHARE_OF_TIME: u32 = 4;

impl Acting {
    /// The entry of a write that is about to be sent. Where config wants it, what is about to be changed is read first, in
    /// the same rights; that it can't be read, or not soon, hinders nothing.
    pub(super) async fn entry(&self, model: &ModelName, work: &Work) -> NewAuditEntry {
        let mut values = Map::new();
        let (action, record_ids) = match work {
            Work::Create(records) => {
                let (mut after, left_out) = self.known(model).await.shown(records);
                let after = if after.len() == 1 { after.remove(0) } else { after.into() };
                note_after(&mut values, after, &left_out);
                ("create", Vec::new())
            }
            Work::Update(ids, record) => {
                let known = self.known(model).await;
                let (mut after, left_out) = known.shown(std::slice::from_ref(record));
                let after = after.pop().unwrap_or_default();
                let fields = after.as_object().into_iter().flat_map(Map::keys).cloned().collect();
                note_after(&mut values, after, &left_out);
                self.note_before(&mut values, &known, ids, fields).await;
                ("update", ids.clone())
            }
            Work::Delete(ids) => {
                if self.cx.config.audit.before {
                    let known = self.known(model).await;
                    self.note_before(&mut values, &known, ids, known.to_read(ids.len())).await;
                }
                ("delete", ids.clone())
            }
            // Nobody knows which of its arguments is a password.
            Work::Call { method, args, kwargs } => {
                values.insert("method".to_owned(), method.as_str().into());
                if !kwargs.is_empty() {
                    values.insert("arguments".to_owned(), kwargs.keys().cloned().collect());
                }
                ("call", self.called_on(args))
            }
        };
        self.entry_of(model, action, record_ids, values)
    }

    /// The entry of rows that are about to be loaded.
    pub(super) async fn entry_of_load(
        &self,
        model: &ModelName,
        headers: &[&str],
        rows: &[Vec<String>],
    ) -> NewAuditEntry {
        let known = self.known(model).await;
        let cells = |row: &Vec<String>| {
            // A column of related records is named by its field and the kind of their ids.
            let names = headers.iter().map(|header| header.split('/').next().unwrap_or(header));
            let cells = names.zip(row).filter(|(name, _)| *name != "id");
            cells.map(|(name, text)| (name.to_owned(), json!(text))).collect()
        };
        let records: Vec<super::Record> = rows.iter().map(cells).collect();
        let (after, left_out) = known.shown(&records);
        let mut values = Map::new();
        note_after(&mut values, after.into(), &left_out);
        let names: Vec<&String> = rows.iter().filter_map(|row| row.first()).collect();
        values.insert("external_ids".to_owned(), json!(names));
        self.entry_of(model, "load", Vec::new(), values)
    }

    /// Notes a write that was refused before anything was sent.
    pub(super) async fn note_refused(&self, request: &CrudRequest, problem: &Problem) {
        let fields: Vec<&String> = match &request.data {
            Some(Data::One(record)) => record.keys().collect(),
            Some(Data::Many(records)) => records.first().into_iter().flat_map(Map::keys).collect(),
            None => Vec::new(),
        };
        let mut values = Map::new();
        if !fields.is_empty() {
            values.insert("fields".to_owned(), json!(fields));
        }
        if let Some(method) = &request.method {
            values.insert("method".to_owned(), method.as_str().into());
        }
        let ids = request.record_id.iter().chain(request.record_ids.iter().flatten()).cloned().collect();
        self.note_not_sent(&request.model, request.action.as_str(), ids, values, problem).await;
    }

    /// The same for a write of any kind. What has an entry needs no other, and what is done again has one.
    pub(super) async fn note_not_sent(
        &self,
        model: &ModelName,
        action: &str,
        ids: Vec<RecordId>,
        values: Map<String, Value>,
        problem: &Problem,
    ) {
        let is_repeat = self.keyed.as_ref().is_some_and(|keyed| keyed.is_repeat());
        if is_repeat || self.is_noted.load(Ordering::Relaxed) {
            return;
        }
        let code = Some(problem.kind.code().to_owned());
        let entry = self.entry_of(model, action, ids, values);
        let entry = NewAuditEntry { outcome: AuditOutcome::Refused, code, ..entry };
        if let Err(error) = self.cx.store.add_audit_entry(&entry).await {
            tracing::warn!(%error, "a write that was refused is not in the audit");
        }
    }

    /// Notes a write that is about to be sent.
    pub(super) async fn note(&self, entry: &NewAuditEntry) -> Result<AuditId, Problem> {
        Ok(self.cx.store.add_audit_entry(entry).await?)
    }

    /// Notes what came of a write that was sent; where nothing said so, it stays unknown.
    pub(super) async fn note_outcome(&self, id: AuditId, sent: Sent, stage: Stage, outcome: &Result<Value, Problem>) {
        let (cx, tenant) = (&self.cx, self.by.tenant);
        match outcome {
            Ok(answer) => {
                let ids = match sent {
                    Sent::Creating => answer.as_array(),
                    Sent::Loading => match answer["ids"].as_array() {
                        Some(ids) => Some(ids),
                        // It keeps all rows or none.
                        None => {
                            return settle(cx, tenant, id, End::Refused(ProblemKind::ErpValidation.code()), None).await;
                        }
                    },
                    Sent::Other => None,
                };
                let numbers = |ids: &Vec<Value>| ids.iter().filter_map(Value::as_i64).map(RecordId::Number).collect();
                let ids: Option<Vec<RecordId>> = ids.map(numbers);
                settle(cx, tenant, id, End::Done, ids.as_deref()).await;
            }
            Err(problem) => {
                let code = problem.kind.code();
                let end = if stage == Stage::Open { End::Open(code) } else { End::Refused(code) };
                settle(cx, tenant, id, end, None).await;
            }
        }
    }

    fn entry_of(
        &self,
        model: &ModelName,
        action: &str,
        mut record_ids: Vec<RecordId>,
        values: Map<String, Value>,
    ) -> NewAuditEntry {
        let by = &self.by;
        // What was refused may hold anything.
        record_ids.truncate(self.cx.config.records.write_rows_max);
        record_ids.retain(|id| !matches!(id, RecordId::Text(text) if text.len() > RECORD_ID_BYTES_MAX));
        NewAuditEntry {
            tenant: by.tenant,
            user: by.user,
            username: by.username.to_string(),
            acting_as: Some(if self.own_user().is_some() { "own" } else { "system" }.to_owned()),
            system_id: Some(self.system.system_id.clone()),
            model: model.to_string(),
            record_ids,
            action: action.to_owned(),
            values: bounded(values, self.cx.config.audit.values_bytes_max),
            outcome: AuditOutcome::Unknown,
            code: None,
            request_id: by.origin.request_id.clone().map(String::from),
            idempotency_key: self.keyed.as_ref().map(|keyed| keyed.label().to_owned()),
            address: by.origin.address.map(|address| address.to_string()),
        }
    }

    async fn known<'a>(&'a self, model: &'a ModelName) -> Known<'a> {
        let hide = Hide { config: &self.cx.config.audit, model };
        let fields = match hide.fixed() {
            Some(_) => None,
            // Mostly they were asked for when the values were checked.
            None => self.in_time(self.fields(model)).await.and_then(Result::ok),
        };
        Known { hide, fields }
    }

    async fn note_before(
        &self,
        values: &mut Map<String, Value>,
        known: &Known<'_>,
        ids: &[RecordId],
        fields: Vec<String>,
    ) {
        let Hide { config, model } = known.hide;
        let is_repeat = self.keyed.as_ref().is_some_and(|keyed| keyed.is_repeat());
        if !config.before || is_repeat || fields.is_empty() || self.check(model, Operation::Read).is_err() {
            return;
        }
        let query = SearchRead {
            model: model.clone(),
            domain: json!([["id", "in", ids]]),
            fields,
            offset: 0,
            limit: u32::try_from(ids.len()).unwrap_or(u32::MAX).max(1),
            order: "id".to_owned(),
            context: Map::from_iter([("active_test".to_owned(), json!(false))]),
        };
        let read = self.tried(self.adapter.search_read(&query));
        if let Ok(Ok(rows)) = tokio::time::timeout(self.time_left() / SHARE_OF_TIME, read).await {
            let kept = |(name, value): (String, Value)| {
                let value = known.kept(&name, value);
                (name, value)
            };
            let row = |row: Map<String, Value>| Value::Object(row.into_iter().map(kept).collect());
            values.insert("before".to_owned(), rows.into_iter().map(row).collect());
        }
    }

    /// The records that a method is called on: the list of numbers that comes first, if one does.
    fn called_on(&self, args: &[Value]) -> Vec<RecordId> {
        let ids = args.first().and_then(Value::as_array).into_iter().flatten();
        let ids = ids.filter_map(Value::as_i64).map(RecordId::Number);
        ids.take(self.cx.config.records.write_rows_max).collect()
    }
}

/// A model whose values are kept by rule, with its fields as far as they are known.
struct Known<'a> {
    hide: Hide<'a>,
    fields: Option<Arc<ModelFields>>,
}

impl Known<'_> {
    fn field(&self, name: &str) -> Option<&ErpField> {
        self.fields.as_ref().and_then(|fields| fields.get(name))
    }

    /// What is kept of a value that may be, in the form in which the API answers it.
    fn kept(&self, name: &str, mut value: Value) -> Value {
        tidy(self.field(name).map(|field| field.kind.as_str()).unwrap_or_default(), &mut value);
        self.hide.short(&value)
    }

    /// What is kept of records, and the fields whose values are not.
    fn shown(&self, records: &[super::Record]) -> (Vec<Value>, Vec<String>) {
        let (mut shown, mut left_out) = (Vec::with_capacity(records.len()), Vec::new());
        for record in records {
            let mut kept = Map::new();
            for (name, value) in record {
                if self.hide.shows(name, self.field(name)) {
                    kept.insert(name.clone(), self.kept(name, value.clone()));
                } else if !left_out.contains(name) {
                    left_out.push(name.clone());
                }
            }
            shown.push(Value::Object(kept));
        }
        (shown, left_out)
    }

    /// The fields that are read of so many records before they are deleted: those that a record holds itself.
    fn to_read(&self, records: usize) -> Vec<String> {
        if let Some(fields) = self.hide.fixed() {
            return fields.iter().map(ToString::to_string).collect();
        }
        let fields = self.fields.iter().flat_map(|fields| fields.iter());
        let is_kept = |field: &&ErpField| field.stored && self.hide.shows(&field.name, Some(field));
        let is_read = |field: &&ErpField| records <= WHOLE_RECORDS_MAX || field.name == "name";
        fields.filter(is_kept).filter(is_read).map(|field| field.name.clone()).collect()
    }
}

/// What was sent, as far as its answer tells of records.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sent {
    Creating,
    Loading,
    Other,
}

fn note_after(values: &mut Map<String, Value>, after: Value, left_out: &[String]) {
    values.insert("after".to_owned(), after);
    if !left_out.is_empty() {
        values.insert("left_out".to_owned(), json!(left_out));
    }
}
