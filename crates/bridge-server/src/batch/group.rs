//! Operations that are done in one call of the system.

use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::Problem;
use crate::records::{Action, CrudRequest, Data, no_such_record};
use bridge_model::{ModelName, RecordId};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Operations that can be one call, in their order.
#[derive(Debug)]
pub(crate) struct Group {
    first: CrudRequest,
    others: Vec<CrudRequest>,
    /// The records that the members name.
    named: HashSet<RecordId>,
    rows: usize,
    rows_max: usize,
}

impl Group {
    /// A group that begins with this operation and is to have at most `rows_max` records, unless this one has more.
    pub(super) fn of(first: CrudRequest, rows_max: usize) -> Self {
        let (named, rows) = (ids(&first).iter().cloned().collect(), ids(&first).len().max(1));
        Self { first, others: Vec::new(), named, rows, rows_max }
    }

    /// A group of just these operations, which were one call before.
    pub(super) fn again(first: CrudRequest, others: Vec<CrudRequest>) -> Self {
        let mut group = Self::of(first, usize::MAX);
        for next in others {
            group.add(next);
        }
        group
    }

    /// Takes an operation in; `false` if it has to be a call of its own.
    pub(super) fn take(&mut self, next: CrudRequest) -> bool {
        if !self.takes(&next) {
            return false;
        }
        self.add(next);
        true
    }

    fn add(&mut self, next: CrudRequest) {
        self.named.extend(ids(&next).iter().cloned());
        self.rows += ids(&next).len().max(1);
        self.others.push(next);
    }

    /// The model of its operations.
    pub(super) fn model(&self) -> &ModelName {
        &self.first.model
    }

    /// How many operations there are.
    pub(crate) fn len(&self) -> usize {
        self.others.len() + 1
    }

    /// Whether it changes something, or may.
    pub(super) fn is_write(&self) -> bool {
        self.first.action.is_write()
    }

    fn members(&self) -> impl Iterator<Item = &CrudRequest> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn takes(&self, next: &CrudRequest) -> bool {
        let (one, other) = (&self.first, next);
        let is_same_kind = one.action == other.action
            && one.model == other.model
            && one.fields == other.fields
            && one.context == other.context
            && one.lang == other.lang;
        // What is wrong in its form is refused by itself.
        let is_fit = is_same_kind && one.check_fit().is_ok() && other.check_fit().is_ok();
        let names = |member: &CrudRequest| !ids(member).is_empty();
        is_fit
            && self.rows + ids(other).len().max(1) <= self.rows_max
            && match one.action {
                Action::Create => match (&one.data, &other.data) {
                    (Some(Data::One(one)), Some(Data::One(other))) => {
                        one.len() == other.len() && one.keys().all(|name| other.contains_key(name))
                    }
                    _ => false,
                },
                Action::Update => match (&one.data, &other.data) {
                    (Some(Data::One(data)), Some(Data::One(others))) => {
                        data == others && names(one) && names(other) && self.knows_none_of(other)
                    }
                    _ => false,
                },
                // What is deleted twice is missing the second time.
                Action::Delete => names(one) && names(other) && self.knows_none_of(other),
                Action::Read => is_by_id(one) && is_by_id(other),
                Action::Search | Action::Count | Action::Fields | Action::Call => false,
            }
    }

    fn knows_none_of(&self, next: &CrudRequest) -> bool {
        ids(next).iter().all(|id| !self.named.contains(id))
    }

    /// The one request for all of them.
    pub(super) fn request(&self) -> CrudRequest {
        let mut whole = self.first.clone();
        if self.others.is_empty() {
            return whole;
        }
        if whole.action == Action::Create {
            let record = |member: &CrudRequest| match &member.data {
                Some(Data::One(record)) => Some(record.clone()),
                _ => None,
            };
            whole.data = Some(Data::Many(self.members().filter_map(record).collect()));
        } else {
            let mut seen = HashSet::new();
            whole.record_ids = Some(self.members().flat_map(ids).filter(|id| seen.insert(*id)).cloned().collect());
            whole.record_id = None;
        }
        whole
    }

    /// What each of them would have been answered by itself.
    pub(super) fn split(&self, cx: &Context, caller: &Caller, answer: Answered) -> Vec<Result<Answered, Problem>> {
        if self.others.is_empty() {
            return vec![Ok(answer)];
        }
        let rows = match answer.result {
            Some(Value::Array(rows)) => rows,
            _ => Vec::new(),
        };
        match self.first.action {
            // One row for each, in their order.
            Action::Create => {
                let mut rows = rows.into_iter();
                self.members().map(|_| Ok(Answered::of(rows.next().unwrap_or_default()))).collect()
            }
            Action::Delete => {
                let message = |member| cx.texts.say(caller.speaks(), &Message::records_deleted(ids(member).len()));
                self.members().map(|member| Ok(Answered { result: None, message: Some(message(member)) })).collect()
            }
            _ => {
                let by_id = |row: Value| Some((row.get("id")?.to_string(), row));
                let by_id: HashMap<String, Value> = rows.into_iter().filter_map(by_id).collect();
                self.members().map(|member| own_rows(member, &by_id)).collect()
            }
        }
    }
}

/// What an operation answers.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(super) result: Option<Value>,
    pub(super) message: Option<String>,
}

impl Answered {
    fn of(result: Value) -> Self {
        Self { result: Some(result), message: None }
    }
}

/// What an operation that names records answers, out of the rows of all.
fn own_rows(member: &CrudRequest, rows: &HashMap<String, Value>) -> Result<Answered, Problem> {
    let row_of = |id: &RecordId| rows.get(&json!(id).to_string()).cloned();
    if let Some(id) = &member.record_id {
        return row_of(id).map(Answered::of).ok_or_else(|| no_such_record(&member.model, id));
    }
    let mut seen = HashSet::new();
    let own = ids(member).iter().filter(|id| seen.insert(*id));
    Ok(Answered::of(own.filter_map(row_of).collect()))
}

/// The records that an operation names.
fn ids(member: &CrudRequest) -> &[RecordId] {
    match (&member.record_id, &member.record_ids) {
        (Some(id), _) => std::slice::from_ref(id),
        (None, Some(ids)) => ids,
        (None, None) => &[],
    }
}

fn is_by_id(member: &CrudRequest) -> bool {
    let is_query =
        member.domain.is_some() || member.limit.is_some() || member.offset.is_some() || member.order.is_some();
    !ids(member).is_empty() && !is_query
}
