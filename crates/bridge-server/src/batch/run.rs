//! A batch under way.

use super::answer::{OperationError, OperationResult};
use super::group::{Answered, Group};
use super::references;
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::{self, CrudRequest, Freshness, Output};
use bridge_model::SystemId;
use std::collections::BTreeSet;

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
}

impl<'a> Run<'a> {
    /// Nothing is done yet.
    pub(super) fn new(
        cx: &'a Context,
        caller: &'a Caller,
        system_id: &'a SystemId,
        operations: Vec<CrudRequest>,
        stop_on_error: bool,
    ) -> Self {
        Self { cx, caller, system_id, operations, stop_on_error, results: Vec::new(), bytes: 0, ends: Vec::new() }
    }

    /// One that was worked on before, with the results of its first operations.
    pub(crate) fn resume(
        cx: &'a Context,
        caller: &'a Caller,
        system_id: &'a SystemId,
        operations: Vec<CrudRequest>,
        stop_on_error: bool,
        results: Vec<OperationResult>,
    ) -> Self {
        let mut run = Self::new(cx, caller, system_id, operations, stop_on_error);
        for result in results {
            run.settle(result);
        }
        run
    }

    /// Says that the next `count` operations were begun and that nobody knows what came of them. Reads are simply done
    /// again.
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
            if let Some(failed) = self.results.last().filter(|last| self.stop_on_error && !last.success) {
                let failed = failed.index;
                self.leave(|| Message::operation_after_failed(failed));
                return None;
            }
            if self.bytes >= self.cx.config.batch.answer_bytes_max {
                self.leave(Message::operation_beyond_answer);
                return None;
            }
            let begin = self.results.len();
            while self.ends.pop_if(|end| *end <= begin).is_some() {}
            match self.prepared(begin) {
                Ok(first) => return Some(self.group(begin, first)),
                Err(result) => self.settle(*result),
            }
        }
        None
    }

    /// As many operations as can be one call, from `first` on.
    fn group(&self, begin: usize, first: CrudRequest) -> Group {
        let mut group = Group::of(first, self.cx.config.batch.rows_per_call_max);
        let end = self.ends.last().copied().unwrap_or(self.operations.len());
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
        let answer = records::crud(self.cx, self.caller, self.system_id, group.request(), freshness, None).await?;
        let result = answer.result.map(Output::into_value).transpose()?;
        Ok(Answered { result, message: answer.message })
    }

    /// Notes what became of a call. One that was refused as a whole is done again in halves.
    pub(crate) fn note(&mut self, group: &Group, outcome: Result<Answered, Problem>) {
        let begin = self.results.len();
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
        for index in self.results.len()..self.operations.len() {
            self.settle(self.not_done(index, why()));
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
