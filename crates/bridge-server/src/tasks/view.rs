//! A task as its owner sees it.

use crate::auth::Caller;
use crate::batch::{OperationError, OperationResult};
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{SystemId, Timestamp};
use bridge_store::{Task, TaskState};
use serde::Serialize;
use utoipa::ToSchema;

/// A task.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskView {
    /// Its number.
    pub id: i64,
    /// The kind of work: `batch`.
    pub kind: String,
    /// How far it is.
    pub status: TaskStatus,
    /// The system that it works in.
    pub system_id: SystemId,
    /// Whose it is.
    pub user_id: i64,
    /// How many operations there are.
    pub total: u64,
    /// How many of them have a result.
    pub finished: u64,
    /// How many were done.
    pub successful: u64,
    /// How many failed.
    pub failed: u64,
    /// How many were not begun, and will not be.
    pub not_done: u64,
    /// How much of it has a result, in percent.
    pub progress: u64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its first operation was begun.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it could not go on.
    pub error: Option<OperationError>,
    /// What became of its operations so far, in their order; only where one task is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<Vec<OperationResult>>,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Nothing is begun.
    Queued,
    /// Something is begun.
    Running,
    /// It ends as soon as what is under way has a result.
    Cancelling,
    /// It went through to its end; its results say what became of each operation.
    Completed,
    /// It was ended before its end.
    Cancelled,
    /// It could not go on.
    Failed,
}

/// Why a task could not go on, as it is kept.
pub(super) mod reasons {
    /// Its request can't be read.
    pub(in crate::tasks) const UNREADABLE: &str = "unreadable";
    /// Its user is not active any more.
    pub(in crate::tasks) const USER_NOT_ACTIVE: &str = "user_not_active";
    /// A mistake of the service.
    pub(in crate::tasks) const PANICKED: &str = "panicked";
}

impl TaskView {
    /// A task in the words of the API and the caller's language, without its results.
    pub(super) fn of(cx: &Context, caller: &Caller, task: Task) -> Self {
        let status = match task.state {
            TaskState::Queued => TaskStatus::Queued,
            TaskState::Running if task.is_cancelled => TaskStatus::Cancelling,
            TaskState::Running => TaskStatus::Running,
            TaskState::Completed => TaskStatus::Completed,
            TaskState::Cancelled => TaskStatus::Cancelled,
            TaskState::Failed => TaskStatus::Failed,
        };
        let reached = if task.finished_at.is_some() { task.total } else { task.settled };
        let error = task.last_error.as_deref().map(|reason| OperationError::of(cx, caller, &problem(reason)));
        Self {
            id: task.id.0,
            kind: task.kind,
            status,
            system_id: task.system_id,
            user_id: task.user.0,
            total: task.total,
            finished: task.settled,
            successful: task.successful,
            failed: task.failed,
            not_done: reached.saturating_sub(task.successful + task.failed),
            progress: (task.settled * 100).checked_div(task.total).unwrap_or(100),
            created_at: task.created_at,
            started_at: task.started_at,
            finished_at: task.finished_at,
            error,
            results: None,
        }
    }

    /// The same with the results that there are. A task that ended early has one for each operation all the same.
    pub(super) fn with_results(self, cx: &Context, caller: &Caller, mut results: Vec<OperationResult>) -> Self {
        let total = usize::try_from(self.total).unwrap_or(usize::MAX);
        if self.finished_at.is_some() {
            results.extend((results.len()..total).map(|index| {
                OperationResult::not_done(index, OperationError::not_attempted(cx, caller, Message::task_ended()))
            }));
        }
        Self { results: Some(results), ..self }
    }
}

fn problem(reason: &str) -> Problem {
    match reason {
        reasons::UNREADABLE => Problem::new(ProblemKind::Internal, Message::task_unreadable()),
        reasons::USER_NOT_ACTIVE => Problem::new(ProblemKind::Forbidden, Message::task_user_not_active()),
        _ => Problem::new(ProblemKind::Internal, Message::internal()),
    }
}
