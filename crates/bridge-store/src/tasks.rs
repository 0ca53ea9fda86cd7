//! Tasks: work that somebody asked for and does not wait for, with what came of it so far.
//!
//! A task is a list of operations that are done in order. What was begun is noted before it is begun, and what came of it
//! afterwards, so that whoever takes over from a process that died knows which operations may have been done. What is
//! noted bears the fence of a lease: one who lost it is not heard.

use crate::alerts::task_failed;
use crate::db::{Expect, Row, Statement, params};
use crate::leases::check_fence;
use crate::{Fence, Store, StoreError};
use bridge_model::{SystemId, TenantId, Timestamp, UserId};
use serde_json::Value;

/// The number of a task; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub i64);

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// Nothing is begun.
    Queued,
    /// Something is begun.
    Running,
    /// It went through to its end.
    Completed,
    /// It was ended on request before its end.
    Cancelled,
    /// It could not go on.
    Failed,
}

impl TaskState {
    /// The word in the store and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Completed, Self::Cancelled, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A task on its way into the store.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Whose it is.
    pub user: UserId,
    /// The kind of work.
    pub kind: String,
    /// The system that it works in.
    pub system_id: SystemId,
    /// What is to be done; kept encrypted.
    pub request: Value,
    /// How many operations that is.
    pub total: u64,
    /// Names its writes; unlike that of any other task.
    pub series: String,
}

/// A task, without what is to be done and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// The tenant.
    pub tenant: TenantId,
    /// Whose it is.
    pub user: UserId,
    /// The kind of work.
    pub kind: String,
    /// The system that it works in.
    pub system_id: SystemId,
    /// How far it is.
    pub state: TaskState,
    /// Names its writes; `None` for a task that an older version has kept.
    pub series: Option<String>,
    /// Whether somebody asked for its end.
    pub is_cancelled: bool,
    /// How many operations there are.
    pub total: u64,
    /// How many of them, from the first on, have an outcome.
    pub settled: u64,
    /// How many of those that follow have been begun.
    pub under_way: u64,
    /// How many were done.
    pub successful: u64,
    /// How many failed.
    pub failed: u64,
    /// Why it could not go on.
    pub last_error: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its first operation was begun.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What came of the next operations of a task.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The outcomes, in order; kept encrypted.
    pub outcomes: Vec<Value>,
    /// How many of them were done.
    pub successful: u64,
    /// How many of them failed.
    pub failed: u64,
}

macro_rules! columns {
    () => {
        "id, tenant_id, user_id, kind, system_id, state, is_cancelled, total, settled, under_way, successful, failed,
         last_error, created_at, started_at, finished_at, series"
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM tasks ", $rest)
    };
}

impl Store {
    /// Keeps a task that is to be done; `None` if the tenant has `open_max` that have not ended. A few more may get in
    /// when several are added at once.
    pub async fn add_task(&self, tenant: TenantId, task: NewTask, open_max: u64) -> Result<Option<Task>, StoreError> {
        let now = self.now();
        let request = self.crypt().encrypt(&task.request.to_string(), now);
        let sql = concat!(
            "INSERT INTO tasks (tenant_id, user_id, kind, system_id, request, state, is_cancelled, total, settled, under_way,
                successful, failed, created_at, series)
             SELECT tenant_id, id, ?3, ?4, ?5, 'queued', 0, ?6, 0, 0, 0, 0, ?7, ?9 FROM users
             WHERE tenant_id = ?1 AND id = ?2
                AND (SELECT COUNT(*) FROM tasks WHERE tenant_id = ?1 AND finished_at IS NULL) < ?8
             RETURNING ",
            columns!()
        );
        let most = i64::try_from(open_max).unwrap_or(i64::MAX);
        let total = i64::try_from(task.total).unwrap_or(i64::MAX);
        let values = params![tenant, task.user, task.kind, &task.system_id, request, total, now, most, task.series];
        self.returned(vec![Statement::new(sql, values)], read_task).await
    }

    /// A tenant's task of this number.
    pub async fn task(&self, tenant: TenantId, id: TaskId) -> Result<Option<Task>, StoreError> {
        let sql = select!("WHERE tenant_id = ?1 AND id = ?2");
        self.row(Statement::new(sql, params![tenant, id.0]), read_task).await
    }

    /// A tenant's task whose writes have this name.
    pub async fn task_of_series(&self, tenant: TenantId, series: &str) -> Result<Option<Task>, StoreError> {
        let sql = select!("WHERE tenant_id = ?1 AND series = ?2");
        self.row(Statement::new(sql, params![tenant, series]), read_task).await
    }

    /// A tenant's tasks, those of one user or of all, the newest first, with lower numbers than `before`.
    pub async fn tasks(
        &self,
        tenant: TenantId,
        user: Option<UserId>,
        before: Option<TaskId>,
        limit: u32,
    ) -> Result<Vec<Task>, StoreError> {
        let sql = select!(
            "WHERE tenant_id = ?1 AND id < ?2 AND user_id = COALESCE(CAST(?3 AS BIGINT), user_id) ORDER BY id DESC LIMIT ?4"
        );
        let before = before.map_or(i64::MAX, |id| id.0);
        self.rows(Statement::new(sql, params![tenant, before, user, limit]), read_task).await
    }

    /// What a task is to do; an error if no key decrypts it.
    pub async fn task_request(&self, id: TaskId) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT request FROM tasks WHERE id = ?1";
        let kept = self.row(Statement::new(sql, params![id.0]), |row| row.get_text(0)).await?;
        kept.map(|kept| self.decrypted(&kept)).transpose()
    }

    /// What came of a task's operations so far, in order; an error if no key decrypts it.
    pub async fn task_outcomes(&self, id: TaskId) -> Result<Vec<Value>, StoreError> {
        let sql = "SELECT outcomes FROM task_outcomes WHERE task_id = ?1 ORDER BY first";
        let kept = self.rows(Statement::new(sql, params![id.0]), |row| row.get_text(0)).await?;
        let mut outcomes = Vec::new();
        for part in kept {
            match self.decrypted(&part)? {
                Value::Array(part) => outcomes.extend(part),
                _ => return Err(StoreError::Corrupt { what: "the outcomes of a task" }),
            }
        }
        Ok(outcomes)
    }

    /// The tenants that have tasks which have not ended, those whose task has waited longest first.
    pub async fn tenants_with_tasks(&self) -> Result<Vec<TenantId>, StoreError> {
        let sql = "SELECT tenant_id FROM tasks WHERE finished_at IS NULL GROUP BY tenant_id ORDER BY MIN(id)";
        self.rows(Statement::new(sql, params![]), |row| row.get_i64(0).map(TenantId)).await
    }

    /// The oldest task of a tenant that has not ended.
    pub async fn next_task(&self, tenant: TenantId) -> Result<Option<Task>, StoreError> {
        let sql = select!("WHERE tenant_id = ?1 AND finished_at IS NULL ORDER BY id LIMIT 1");
        self.row(Statement::new(sql, params![tenant]), read_task).await
    }

    /// Notes that the next `count` operations after the first `settled` are begun. `false`, and then nothing is noted, if
    /// the task has ended, is to end, or is at another place; `Fenced` if another may be working on it.
    pub async fn begin_operations(
        &self,
        id: TaskId,
        settled: u64,
        count: u64,
        fence: &Fence,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let note = Statement::new(
            "UPDATE tasks SET under_way = ?3, state = 'running', started_at = COALESCE(started_at, ?4)
             WHERE id = ?1 AND settled = ?2 AND finished_at IS NULL AND is_cancelled = 0",
            params![id.0, number(settled), number(count), now],
        );
        self.all_or_nothing(vec![check_fence(fence, now).expecting(Expect::Fence), note.expecting(Expect::Rows(1))])
            .await
    }

    /// Notes what came of the next operations after the first `first`; what is under way is over with it. `false`, and
    /// then nothing is noted, if the task has ended or is at another place; `Fenced` if another may be working on it.
    pub async fn settle_operations(
        &self,
        id: TaskId,
        first: u64,
        settled: Settled,
        fence: &Fence,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let count = u64::try_from(settled.outcomes.len()).unwrap_or(u64::MAX);
        let advance = Statement::new(
            "UPDATE tasks SET settled = settled + ?3, under_way = 0, successful = successful + ?4, failed = failed + ?5
             WHERE id = ?1 AND settled = ?2 AND finished_at IS NULL",
            params![id.0, number(first), number(count), number(settled.successful), number(settled.failed)],
        );
        let mut statements = vec![check_fence(fence, now).expecting(Expect::Fence), advance.expecting(Expect::Rows(1))];
        if count > 0 {
            let outcomes = self.crypt().encrypt(&Value::Array(settled.outcomes).to_string(), now);
            statements.push(Statement::new(
                "INSERT INTO task_outcomes (task_id, first, outcomes) VALUES (?1, ?2, ?3)",
                params![id.0, number(first), outcomes],
            ));
        }
        self.all_or_nothing(statements).await
    }

    /// Ends a task in this state, with the reason if it could not go on. `false` if it had ended; `Fenced` if another may
    /// be working on it.
    pub async fn end_task(
        &self,
        id: TaskId,
        state: TaskState,
        error: Option<&str>,
        fence: &Fence,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let end = Statement::new(
            "UPDATE tasks SET state = ?2, last_error = ?3, finished_at = ?4, under_way = 0
             WHERE id = ?1 AND finished_at IS NULL",
            params![id.0, state.as_str(), error, now],
        );
        let mut statements = vec![check_fence(fence, now).expecting(Expect::Fence), end.expecting(Expect::Rows(1))];
        if state == TaskState::Failed {
            statements.push(task_failed(id, now));
        }
        self.all_or_nothing(statements).await
    }

    /// Asks for the end of a task, and answers it as it is then; `None` if the tenant has none of this number. One of
    /// which nothing is begun ends at once; one that has ended stays as it is.
    pub async fn cancel_task(&self, tenant: TenantId, id: TaskId) -> Result<Option<Task>, StoreError> {
        let now = self.now();
        let statement = Statement::new(
            "UPDATE tasks SET is_cancelled = 1,
                finished_at = CASE WHEN state = 'queued' THEN ?3 ELSE finished_at END,
                state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END
             WHERE tenant_id = ?1 AND id = ?2 AND finished_at IS NULL",
            params![tenant, id.0, now],
        );
        self.changed(statement).await?;
        self.task(tenant, id).await
    }

    /// Forgets tasks that ended before this time, in transactions of at most `batch` rows; answers how many.
    pub async fn purge_tasks(&self, finished_before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        self.purge(
            "DELETE FROM tasks WHERE id IN
                (SELECT id FROM tasks WHERE finished_at IS NOT NULL AND finished_at < ?1 ORDER BY finished_at LIMIT ?2)",
            finished_before,
            batch,
        )
        .await
    }

    fn decrypted(&self, kept: &str) -> Result<Value, StoreError> {
        let text = self.crypt().decrypt(kept)?;
        serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { what: "a task" })
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn read_task(row: &Row) -> Result<Task, StoreError> {
    let system_id = SystemId::parse(row.get_text(4)?).map_err(|_| StoreError::Corrupt { what: "a task's system" })?;
    Ok(Task {
        id: TaskId(row.get_i64(0)?),
        tenant: TenantId(row.get_i64(1)?),
        user: UserId(row.get_i64(2)?),
        kind: row.get_text(3)?,
        system_id,
        state: TaskState::from_word(&row.get_text(5)?).ok_or(StoreError::Corrupt { what: "a task's state" })?,
        is_cancelled: row.get_bool(6)?,
        total: row.get_u64(7)?,
        settled: row.get_u64(8)?,
        under_way: row.get_u64(9)?,
        successful: row.get_u64(10)?,
        failed: row.get_u64(11)?,
        last_error: row.get_opt_text(12)?,
        created_at: row.get_time(13)?,
        started_at: row.get_opt_time(14)?,
        finished_at: row.get_opt_time(15)?,
        series: row.get_opt_text(16)?,
    })
}
