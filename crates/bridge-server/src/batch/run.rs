//! A batch under way.

use super::answer::{OperationError, OperationResult};
use super::group::{Answered, Group};
use super::references;
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::{self, CrudRequest, Freshness, Output, Series, Wishes};
use bridge_model::{SystemId, Timestamp};
use bridge_store::WritePart;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A batch under way: what was done, and what comes next.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    cx: &'a Context,
    caller: &'a Caller,
    system_id: &'a SystemId,
    operations: Vec<CrudRequest>,
    stop_on_error: bool,
    /// What became of the first operations, in their order.
    results: Vec<OperationResult>,
    /// About how many bytes those take.
    bytes: usize,
    /// Where calls have to end, the nearest last: those that went further were refused.
    ends: Vec<usize>,
    /// The first operation that was not done.
    failed: Option<usize>,
    /// When a call has to have ended, if the request has an end.
    ends_at: Option<Timestamp>,
    /// The keys of its calls, if what becomes of them is to be found out later.
    series: Option<Series>,
    /// The calls that were begun before and may have been done, by their first operation.
    begun: BTreeMap<usize, Begun>,
}

/// A call that was begun before.
#[derive(Debug)]
struct Begun {
    operations: usize,
    /// What shows whether it was done.
    to_check: Value,
}

impl<'a> Run<'a> {
    /// Nothing is done yet.
    pub(crate) fn new(
        cx: &'a Context,
        caller: &'a Caller,
        system_id: &'a SystemId,
        operations: Vec<CrudRequest>,
        stop_on_error: bool,
    ) -> Self {
        Self {
            cx,
            caller,
            system_id,
            operations,
            stop_on_error,
            results: Vec::new(),
            bytes: 0,
            ends: Vec::new(),
            failed: None,
            ends_at: None,
            series: None,
            begun: BTreeMap::new(),
        }
    }

    /// The same with calls that have to have ended at this time.
    pub(super) fn until(self, ends_at: Timestamp) -> Self {
        Self { ends_at: Some(ends_at), ..self }
    }

    /// The same, of which the first operations have these results.
    pub(crate) fn resume(mut self, results: Vec<OperationResult>) -> Self {
        for result in results {
            self.settle(result);
        }
        self
    }

    /// The same with keys for its calls. Those that were begun before have theirs already: they are the same calls again.
    pub(crate) fn in_series(self, series: Series, begun: Vec<(WritePart, Value)>) -> Self {
        let place = |number| usize::try_from(number).unwrap_or(usize::MAX);
        let begun = begun
            .into_iter()
            .map(|(part, to_check)| (place(part.first), Begun { operations: place(part.operations), to_check }));
        // What has its result needs no second look.
        let begun = begun.filter(|(first, _)| *first >= self.results.len()).collect();
        Self { series: Some(series), begun, ..self }
    }

    /// Says that the next `count` operations were begun without keys, so that nobody knows what came of them. Reads are
    /// simply done again.
    pub(crate) fn interrupted(&mut self, count: usize) {
        let begin = self.results.len();
        for index in begin..self.operations.len().min(begin + count) {
            let operation = &self.operations[index];
            if !operation.action.is_write() {
                break;
            }
            let problem = Problem::new(ProblemKind::OutcomeUnknown, Message::outcome_unknown())
                .with("model", operation.model.as_str());
            let error = self.error(&problem);
            self.settle(OperationResult::failed(index, error));
        }
    }

    /// The operations of the next call; `None` if all of them have a result.
    pub(crate) fn next(&mut self) -> Option<Group> {
        while self.results.len() < self.operations.len() {
            let begin = self.results.len();
            if let Some(begun) = self.begun.get(&begin) {
                if let Some(group) = self.again(begin, begun.operations) {
                    return Some(group);
                }
                self.leave_begun(begin);
                continue;
            }
            if let Some(failed) = self.failed.filter(|_| self.stop_on_error) {
                self.leave_next(|| Message::operation_after_failed(failed));
                continue;
            }
            if self.bytes >= self.cx.config.batch.answer_bytes_max {
                self.leave_next(Message::operation_beyond_answer);
                continue;
            }
            while self.ends.pop_if(|end| *end <= begin).is_some() {}
            match self.prepared(begin) {
                Ok(first) => return Some(self.group(begin, first)),
                Err(result) => self.settle(*result),
            }
        }
        None
    }

    /// A call that was begun before; `None` if it can't be the same call any more.
    fn again(&self, begin: usize, operations: usize) -> Option<Group> {
        let end = begin.checked_add(operations).filter(|end| *end <= self.operations.len())?;
        let mut members = (begin..end).map(|index| self.prepared(index).ok());
        let first = members.next()??;
        Some(Group::again(first, members.collect::<Option<_>>()?))
    }

    /// As many operations as can be one call, from `first` on.
    fn group(&self, begin: usize, first: CrudRequest) -> Group {
        let mut group = Group::of(first, self.cx.config.batch.rows_per_call_max);
        let nearest = self.begun.range(begin + 1..).next().map(|(first, _)| *first);
        let ends = [self.ends.last().copied(), nearest];
        let end = ends.into_iter().flatten().min().unwrap_or(self.operations.len());
        for index in begin + 1..end {
            // What refers to an operation of the same call has to wait for it.
            let needs = references::needs(&self.operations[index]);
            if needs.iter().any(|needed| *needed >= begin) {
                break;
            }
            let Ok(next) = self.prepared(index) else { break };
            if !group.take(next) {
                break;
            }
        }
        group
    }

    /// An operation with its references resolved, or the result that it has without a call.
    fn prepared(&self, index: usize) -> Result<CrudRequest, Box<OperationResult>> {
        let mut operation = self.operations[index].clone();
        let needs: BTreeSet<usize> = references::needs(&operation);
        let is_done = |needed: &usize| self.results.get(*needed).is_some_and(|result| result.success);
        if let Some(needed) = needs.iter().find(|needed| !is_done(needed)) {
            return Err(Box::new(self.not_done(index, Message::operation_needs_other(needed))));
        }
        let answer = |needed: usize| self.results.get(needed)?.result.as_ref();
        references::resolve(&mut operation, answer)
            .map_err(|problem| Box::new(OperationResult::failed(index, self.error(&problem))))?;
        Ok(operation)
    }

    /// Does the operations of a call.
    pub(crate) async fn perform(&self, group: &Group) -> Result<Answered, Problem> {
        // What this batch has changed must not be read as it was before.
        let has_written = self.operations.iter().take(self.results.len()).any(|operation| operation.action.is_write());
        let freshness = if has_written { Freshness::Asked } else { Freshness::Any };
        let key = self.series.as_ref().map(|series| series.part(self.results.len(), group.len()));
        let wishes = Wishes { freshness, key, ends_at: self.ends_at };
        let answer = records::crud(self.cx, self.caller, self.system_id, group.request(), wishes).await?;
        let result = answer.result.map(Output::into_value).transpose()?;
        Ok(Answered { result, message: answer.message })
    }

    /// That nobody knows what came of a call which did not even end.
    pub(super) fn lost(&self, group: &Group) -> Problem {
        let to_check = records::changed_since(group.model(), self.cx.clock.now());
        records::unknown(&to_check, self.series.is_some())
    }

    /// Notes what became of a call. One that was refused as a whole is done again in halves.
    pub(crate) fn note(&mut self, group: &Group, outcome: Result<Answered, Problem>) {
        let begin = self.results.len();
        self.begun.remove(&begin);
        match outcome {
            Ok(answer) => {
                for (offset, own) in group.split(self.cx, self.caller, answer).into_iter().enumerate() {
                    let result = match own {
                        Ok(Answered { result, message }) => OperationResult::done(begin + offset, result, message),
                        Err(problem) => OperationResult::failed(begin + offset, self.error(&problem)),
                    };
                    let is_end = self.stop_on_error && !result.success;
                    self.settle(result);
                    if is_end {
                        // What was read beyond it is not told.
                        break;
                    }
                }
            }
            Err(problem) if group.len() > 1 && is_refusal(problem.kind) => {
                self.ends.push(begin + group.len());
                self.ends.push(begin + group.len() / 2);
            }
            Err(problem) => {
                let error = self.error(&problem);
                for index in begin..begin + group.len() {
                    self.settle(OperationResult::failed(index, error.clone()));
                }
            }
        }
    }

    /// Leaves out whatever has no result yet.
    pub(super) fn leave(&mut self, why: impl Fn() -> Message) {
        while self.results.len() < self.operations.len() {
            self.leave_next(&why);
            self.leave_begun(self.results.len());
        }
    }

    /// Leaves out what comes before the next call that was begun before.
    fn leave_next(&mut self, why: impl Fn() -> Message) {
        let begin = self.results.len();
        let end = self.begun.range(begin..).next().map_or(self.operations.len(), |(first, _)| *first);
        for index in begin..end.min(self.operations.len()) {
            self.settle(self.not_done(index, why()));
        }
    }

    /// Says of a call that was begun before that it is not known what came of it.
    fn leave_begun(&mut self, begin: usize) {
        let Some(Begun { operations, to_check }) = self.begun.remove(&begin) else { return };
        let may_come_again = self.series.as_ref().is_some_and(|series| series.may_come_again);
        let error = self.error(&records::unknown(&to_check, may_come_again));
        for index in begin..begin.saturating_add(operations).min(self.operations.len()) {
            self.settle(OperationResult::failed(index, error.clone()));
        }
    }

    /// What became of the operations that have a result.
    pub(crate) fn results(&self) -> &[OperationResult] {
        &self.results
    }

    /// The same, to be kept.
    pub(super) fn into_results(self) -> Vec<OperationResult> {
        self.results
    }

    fn settle(&mut self, result: OperationResult) {
        if !result.success && self.failed.is_none() {
            self.failed = Some(result.index);
        }
        self.bytes += result.bytes();
        self.results.push(result);
    }

    fn error(&self, problem: &Problem) -> OperationError {
        OperationError::of(self.cx, self.caller, problem)
    }

    fn not_done(&self, index: usize, why: Message) -> OperationResult {
        OperationResult::not_done(index, OperationError::not_attempted(self.cx, self.caller, why))
    }
}

/// Whether a call that ended so was refused, so that nothing of it was done and a part of it may be taken.
fn is_refusal(kind: ProblemKind) -> bool {
    matches!(
        kind,
        ProblemKind::Invalid
            | ProblemKind::ErpAccessDenied
            | ProblemKind::RecordNotFound
            | ProblemKind::ErpValidation
            | ProblemKind::ErpRefused
            | ProblemKind::ErpFailed
    )
}
