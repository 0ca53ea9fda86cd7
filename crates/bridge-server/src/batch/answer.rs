//! What is answered.

use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::{Keep, ids_alone};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// What became of a batch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// How many operations there were.
    pub total: usize,
    /// How many of them were done.
    pub successful: usize,
    /// How many failed.
    pub failed: usize,
    /// How many were not begun.
    pub not_done: usize,
    /// What became of each, in their order.
    pub results: Vec<OperationResult>,
}

/// What became of an operation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OperationResult {
    /// Its place in the request, from 0.
    pub index: usize,
    /// What became of it.
    pub status: OperationStatus,
    /// Whether it was done.
    pub success: bool,
    /// What it answers, as it would by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub result: Option<Value>,
    /// What happened, in words, after a `delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why it failed or was not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<OperationError>,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationStatus {
    /// It was done.
    Done,
    /// It failed. Nothing was changed, unless the error is `OUTCOME_UNKNOWN`.
    Failed,
    /// It was not begun.
    NotDone,
}

/// Why an operation failed or was not begun, in the shape of all problems.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OperationError {
    /// The name of the exception.
    pub error: String,
    /// A sentence for people, in the caller's language.
    pub message: String,
    /// What went wrong, for programs.
    pub code: String,
    /// Facts for programs.
    #[schema(value_type = Object, additional_properties)]
    pub details: Value,
}

impl BatchAnswer {
    /// The answer with these results, which are those of all operations.
    pub(super) fn of(results: Vec<OperationResult>) -> Self {
        let count = |status| results.iter().filter(|result| result.status == status).count();
        Self {
            total: results.len(),
            successful: count(OperationStatus::Done),
            failed: count(OperationStatus::Failed),
            not_done: count(OperationStatus::NotDone),
            results,
        }
    }

    /// What is kept of it for those who ask again with the same key: all of it, or if that is too long, the ids of its
    /// records. Nothing as long as something is not known that can be found out by asking again.
    pub(super) fn to_keep(&self, bytes_max: usize) -> Keep {
        if self.results.iter().any(OperationResult::may_come_out) {
            return Keep::Open;
        }
        let whole = json!(self);
        if whole.to_string().len() <= bytes_max {
            return Keep::Answer(whole);
        }
        let short = |result: &OperationResult| OperationResult {
            result: result.result.as_ref().map(ids_alone),
            message: result.message.clone(),
            error: result.error.clone(),
            ..*result
        };
        Keep::Answer(json!(Self { results: self.results.iter().map(short).collect(), ..*self }))
    }
}

impl OperationResult {
    /// Whether it is not known what became of it, and can be found out.
    fn may_come_out(&self) -> bool {
        let is_unknown = |error: &OperationError| error.code == ProblemKind::OutcomeUnknown.code();
        self.error.as_ref().is_some_and(|error| is_unknown(error) && error.details["safe_to_repeat"] == true)
    }

    /// Of an operation that was done.
    pub(super) fn done(index: usize, result: Option<Value>, message: Option<String>) -> Self {
        Self { index, status: OperationStatus::Done, success: true, result, message, error: None }
    }

    /// Of one that failed.
    pub(super) fn failed(index: usize, error: OperationError) -> Self {
        let status = OperationStatus::Failed;
        Self { index, status, success: false, result: None, message: None, error: Some(error) }
    }

    /// Of one that was not begun.
    pub(crate) fn not_done(index: usize, error: OperationError) -> Self {
        Self { status: OperationStatus::NotDone, ..Self::failed(index, error) }
    }

    /// About how many bytes it takes in the answer.
    pub(super) fn bytes(&self) -> usize {
        self.result.as_ref().map_or(0, bytes) + self.error.as_ref().map_or(0, |error| bytes(&error.details)) + 128
    }
}

fn bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(bytes).sum::<usize>() + 2,
        Value::Object(fields) => fields.iter().map(|(name, field)| name.len() + bytes(field) + 4).sum::<usize>() + 2,
    }
}

impl OperationError {
    /// The problem in the caller's language. It is logged here, since it does not leave as an answer of its own.
    pub(crate) fn of(cx: &Context, caller: &Caller, problem: &Problem) -> Self {
        let (code, causes) = (problem.kind.code(), problem.causes());
        if problem.kind.status() >= 500 {
            tracing::warn!(code, %causes, "an operation of a batch failed");
        } else {
            tracing::debug!(code, "an operation of a batch was refused");
        }
        Self {
            error: problem.kind.exception().to_owned(),
            message: cx.texts.say(caller.speaks(), &problem.message),
            code: code.to_owned(),
            details: problem.details.clone(),
        }
    }

    /// That an operation was not begun, and why.
    pub(crate) fn not_attempted(cx: &Context, caller: &Caller, why: Message) -> Self {
        Self::of(cx, caller, &Problem::new(ProblemKind::NotAttempted, why))
    }
}
