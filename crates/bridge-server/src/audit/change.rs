//! Changes in the service itself.

use super::hide::bounded;
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{RecordId, SystemId, TenantId};
use bridge_store::{AuditId, AuditOutcome, NewAuditEntry};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::pin::Pin;

/// A change in the service itself. What is kept of it is named one by one, so that no secret gets in by itself.
#[derive(Debug)]
pub(crate) struct Change {
    kind: &'static str,
    action: &'static str,
    record: Option<RecordId>,
    system_id: Option<SystemId>,
    before: Value,
    after: Value,
    left_out: Vec<&'static str>,
}

impl Change {
    /// A change of this kind of thing.
    pub(crate) fn new(kind: &'static str, action: &'static str) -> Self {
        let (before, after) = (Value::Null, Value::Null);
        Self { kind, action, record: None, system_id: None, before, after, left_out: Vec::new() }
    }

    /// The same of this one.
    pub(crate) fn of(self, record: RecordId) -> Self {
        Self { record: Some(record), ..self }
    }

    /// The same about a system.
    pub(crate) fn in_system(self, system_id: &SystemId) -> Self {
        Self { system_id: Some(system_id.clone()), ..self }
    }

    /// The same with what is there before.
    pub(crate) fn from(self, before: Value) -> Self {
        Self { before, ..self }
    }

    /// The same with what is wanted.
    pub(crate) fn to(self, after: Value) -> Self {
        Self { after, ..self }
    }

    /// The same with a field that is wanted to be so, if it was given.
    pub(crate) fn set(mut self, field: &str, value: Option<impl Serialize>) -> Self {
        if let Some(value) = value {
            self.after[field] = json!(value);
        }
        self
    }

    /// The same with a field whose value is not kept, if it was given.
    pub(crate) fn without(mut self, field: &'static str, is_given: bool) -> Self {
        if is_given {
            self.left_out.push(field);
        }
        self
    }

    fn entry(self, cx: &Context, caller: &Caller) -> NewAuditEntry {
        let mut values = Map::new();
        for (name, value) in [("before", self.before), ("after", self.after)] {
            if !value.is_null() {
                values.insert(name.to_owned(), value);
            }
        }
        if !self.left_out.is_empty() {
            values.insert("left_out".to_owned(), json!(self.left_out));
        }
        NewAuditEntry {
            tenant: caller.tenant,
            user: caller.user,
            username: caller.username.to_string(),
            acting_as: None,
            system_id: self.system_id,
            model: format!("bridgecore.{}", self.kind),
            record_ids: self.record.into_iter().collect(),
            action: self.action.to_owned(),
            values: bounded(values, cx.config.audit.values_bytes_max),
            outcome: AuditOutcome::Unknown,
            code: None,
            request_id: caller.origin.request_id.clone().map(String::from),
            idempotency_key: None,
            address: caller.origin.address.map(|address| address.to_string()),
        }
    }
}

/// The work of a change while it is noted; it has a place of its own, as whoever waits for it would become large.
type Noted<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// Makes a change, with an entry in the audit.
pub(crate) fn audited<'a, T: Send + 'a>(
    cx: &'a Context,
    caller: &'a Caller,
    change: Change,
    work: impl Future<Output = Result<T, Problem>> + Send + 'a,
) -> Noted<'a, T> {
    Box::pin(noted(cx, caller, change, work, |_| (End::Done, None)))
}

/// The same with a change that makes something new; `made` tells what it is called.
pub(crate) fn audited_making<'a, T: Send + 'a>(
    cx: &'a Context,
    caller: &'a Caller,
    change: Change,
    work: impl Future<Output = Result<T, Problem>> + Send + 'a,
    made: impl FnOnce(&T) -> RecordId + Send + 'a,
) -> Noted<'a, T> {
    Box::pin(noted(cx, caller, change, work, |answer| (End::Done, Some(made(answer)))))
}

/// The same with a change whose answer tells how it ended.
pub(crate) fn audited_ending<'a, T: Send + 'a>(
    cx: &'a Context,
    caller: &'a Caller,
    change: Change,
    work: impl Future<Output = Result<T, Problem>> + Send + 'a,
    end: impl FnOnce(&T) -> End + Send + 'a,
) -> Noted<'a, T> {
    Box::pin(noted(cx, caller, change, work, |answer| (end(answer), None)))
}

async fn noted<T>(
    cx: &Context,
    caller: &Caller,
    change: Change,
    work: impl Future<Output = Result<T, Problem>>,
    read: impl FnOnce(&T) -> (End, Option<RecordId>),
) -> Result<T, Problem> {
    let id = cx.store.add_audit_entry(&change.entry(cx, caller)).await?;
    let outcome = work.await;
    let (end, made) = match &outcome {
        Ok(answer) => read(answer),
        Err(problem) => (End::of(problem), None),
    };
    settle(cx, caller.tenant, id, end, made.as_ref().map(std::slice::from_ref)).await;
    outcome
}

/// Notes a change that was refused before it was begun. That this can't be noted changes nothing of the refusal.
pub(crate) async fn note_refused(cx: &Context, caller: &Caller, change: Change, why: ProblemKind) {
    let code = Some(why.code().to_owned());
    let entry = NewAuditEntry { outcome: AuditOutcome::Refused, code, ..change.entry(cx, caller) };
    if let Err(error) = cx.store.add_audit_entry(&entry).await {
        tracing::warn!(tenant.id = %caller.tenant, %error, "what was refused is not in the audit");
    }
}

/// How a change ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// It is made.
    Done,
    /// It is not made, and this code says why.
    Refused(&'static str),
    /// This went wrong, and says nothing of whether it is made.
    Open(&'static str),
}

impl End {
    /// The end by a problem. A failure, other than a refusal, can come after the change was made.
    fn of(problem: &Problem) -> Self {
        let code = problem.kind.code();
        if problem.kind.status() < 500 { Self::Refused(code) } else { Self::Open(code) }
    }
}

/// Notes how a change ended. That this can't be noted changes nothing of what was done: the entry stays unknown then.
pub(crate) async fn settle(cx: &Context, tenant: TenantId, id: AuditId, end: End, record_ids: Option<&[RecordId]>) {
    let (outcome, code) = match end {
        End::Done => (AuditOutcome::Done, None),
        End::Refused(code) => (AuditOutcome::Refused, Some(code)),
        End::Open(code) => (AuditOutcome::Unknown, Some(code)),
    };
    if let Err(error) = cx.store.settle_audit_entry(id, outcome, code, record_ids).await {
        tracing::warn!(tenant.id = %tenant, %error, "the outcome of a change is not in the audit");
    }
}
