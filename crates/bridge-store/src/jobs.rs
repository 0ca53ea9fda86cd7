//! Durable work: jobs that are claimed, retried and kept until they are purged, and the schedules that make them.
//!
//! A job is enqueued in the transaction that needs it and may run twice: a worker whose lease runs out is taken
//! for dead, and another one begins the job anew.

use crate::db::{Expect, Param, Row, Statement, params};
use crate::{Store, StoreError};
use bridge_model::{TenantId, Timestamp};
use serde_json::Value;
use std::time::Duration;

/// The number of a job; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub i64);

/// A job on its way into the queue.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The tenant it works for; `None` for work that concerns the whole installation.
    pub tenant: Option<TenantId>,
    /// The kind, by which workers find what they can do.
    pub kind: String,
    /// What the worker needs to know.
    pub payload: Value,
    /// Not before this time.
    pub run_at: Timestamp,
    /// How often it is begun at most; at least 1.
    pub attempts_max: u32,
    /// While a job with this key waits in the queue, no second one is added. A running job does not count: what
    /// it has already read may have changed since.
    pub unique_key: Option<String>,
}

/// A job that a worker holds.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// The tenant it works for.
    pub tenant: Option<TenantId>,
    /// The kind.
    pub kind: String,
    /// What the worker needs to know.
    pub payload: Value,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many attempts there are.
    pub attempts_max: u32,
    /// Grows with every claim; what a worker says with an older one is not heard.
    pub lease_token: i64,
}

/// A schedule and the time when it fires next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// When it fires next.
    pub next_run: Timestamp,
}

/// How many jobs are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// Waiting, due or not.
    pub queued: u64,
    /// Claimed by a worker.
    pub running: u64,
    /// Given up.
    pub failed: u64,
}

impl Store {
    /// Adds a job; `None` if one with its unique key is already waiting.
    pub async fn enqueue(&self, job: NewJob) -> Result<Option<JobId>, StoreError> {
        self.returned(vec![insert_job(&job, self.now())], |row| row.get_i64(0).map(JobId)).await
    }

    /// Claims up to `limit` due jobs of these kinds for `worker`, who has `lease` to say how each went.
    ///
    /// A job whose worker let its lease run out is due again, unless that was its last attempt: then it failed.
    pub async fn claim_jobs(
        &self,
        worker: &str,
        kinds: &[&str],
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError> {
        if kinds.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let now = self.now();
        let statements = vec![give_up_lost(kinds, now), claim_due(worker, kinds, now, now.plus(lease), limit)];
        let outcomes = self.db().write(statements).await?;
        let claimed = outcomes.iter().flat_map(|outcome| &outcome.rows);
        let mut jobs = claimed.map(job).collect::<Result<Vec<_>, StoreError>>()?;
        // Neither database promises an order of what an UPDATE returns.
        jobs.sort_by_key(|(run_at, job)| (*run_at, job.id));
        Ok(jobs.into_iter().map(|(_, job)| job).collect())
    }

    /// Marks a job as done; `false` if its lease was lost, and then nothing is changed.
    pub async fn complete_job(&self, job: &Job) -> Result<bool, StoreError> {
        self.changed(Statement::new(
            "UPDATE jobs SET state = 'done', finished_at = ?3, last_error = NULL
             WHERE id = ?1 AND lease_token = ?2 AND state = 'running'",
            params![job.id.0, job.lease_token, self.now()],
        ))
        .await
    }

    /// Puts a job back into the queue for `run_at`; `false` if its lease was lost, and then nothing is changed.
    ///
    /// After the last attempt it fails instead. If a job with the same unique key has been queued meanwhile, that
    /// one does the work and this one counts as done.
    pub async fn retry_job(&self, job: &Job, run_at: Timestamp, error: &str) -> Result<bool, StoreError> {
        let statement = || {
            Statement::new(
                "UPDATE jobs SET
                    state = CASE
                        WHEN attempts >= attempts_max THEN 'failed'
                        WHEN EXISTS (SELECT 1 FROM jobs AS other
                            WHERE other.unique_key = jobs.unique_key AND other.state = 'queued') THEN 'done'
                        ELSE 'queued' END,
                    finished_at = CASE
                        WHEN attempts >= attempts_max THEN ?5
                        WHEN EXISTS (SELECT 1 FROM jobs AS other
                            WHERE other.unique_key = jobs.unique_key AND other.state = 'queued') THEN ?5
                        ELSE finished_at END,
                    run_at = ?3, due_at = ?3, last_error = ?4
                 WHERE id = ?1 AND lease_token = ?2 AND state = 'running'",
                params![job.id.0, job.lease_token, run_at, error, self.now()],
            )
        };
        match self.changed(statement()).await {
            // A job with the same key was queued while the statement ran: now it is there to be seen.
            Err(StoreError::Conflict(_)) => self.changed(statement()).await,
            outcome => outcome,
        }
    }

    /// Gives a job up; `false` if its lease was lost, and then nothing is changed.
    pub async fn fail_job(&self, job: &Job, error: &str) -> Result<bool, StoreError> {
        self.changed(Statement::new(
            "UPDATE jobs SET state = 'failed', finished_at = ?3, last_error = ?4
             WHERE id = ?1 AND lease_token = ?2 AND state = 'running'",
            params![job.id.0, job.lease_token, self.now(), error],
        ))
        .await
    }

    /// How many jobs are in which state.
    pub async fn job_counts(&self) -> Result<JobCounts, StoreError> {
        let sql = "SELECT state, COUNT(*) FROM jobs WHERE state IN ('queued', 'running', 'failed') GROUP BY state";
        let mut counts = JobCounts::default();
        for (state, jobs) in
            self.rows(Statement::new(sql, params![]), |row| Ok((row.get_text(0)?, row.get_u64(1)?))).await?
        {
            match state.as_str() {
                "queued" => counts.queued = jobs,
                "running" => counts.running = jobs,
                _ => counts.failed = jobs,
            }
        }
        Ok(counts)
    }

    /// How many jobs of this kind wait or are being done.
    pub async fn open_jobs(&self, kind: &str) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM jobs WHERE finished_at IS NULL AND kind = ?1";
        Ok(self.row(Statement::new(sql, params![kind]), |row| row.get_u64(0)).await?.unwrap_or(0))
    }

    /// Forgets jobs that were done or given up before this time, in transactions of at most `batch` rows; answers
    /// how many.
    pub async fn purge_jobs(&self, finished_before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        self.purge(
            "DELETE FROM jobs WHERE id IN
                (SELECT id FROM jobs WHERE finished_at IS NOT NULL AND finished_at < ?1 ORDER BY finished_at LIMIT ?2)",
            finished_before,
            batch,
        )
        .await
    }

    /// Makes a schedule that fires first at `first_run`; one that exists is left as it is.
    pub async fn ensure_schedule(&self, name: &str, first_run: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT INTO schedules (name, next_run) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.changed(Statement::new(sql, params![name, first_run])).await?;
        Ok(())
    }

    /// The schedules that should have fired by `now`, the longest overdue first.
    pub async fn due_schedules(&self, now: Timestamp) -> Result<Vec<Schedule>, StoreError> {
        let sql = "SELECT name, next_run FROM schedules WHERE next_run <= ?1 ORDER BY next_run, name";
        let read = |row: &Row| Ok(Schedule { name: row.get_text(0)?, next_run: row.get_time(1)? });
        self.rows(Statement::new(sql, params![now]), read).await
    }

    /// Moves a schedule on to `next_run` and adds its job, both or neither; `false` if another node was first.
    pub async fn fire_schedule(
        &self,
        schedule: &Schedule,
        next_run: Timestamp,
        job: NewJob,
    ) -> Result<bool, StoreError> {
        let advance = Statement::new(
            "UPDATE schedules SET next_run = ?3 WHERE name = ?1 AND next_run = ?2",
            params![schedule.name.as_str(), schedule.next_run, next_run],
        );
        self.all_or_nothing(vec![advance.expecting(Expect::Rows(1)), insert_job(&job, self.now())]).await
    }
}

/// The statement that adds a job, for [`Store::enqueue`] and for every transaction that needs a job done; it
/// returns the new id, or no row if a job with the same unique key is waiting.
pub(crate) fn insert_job(job: &NewJob, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO jobs
            (tenant_id, kind, payload, state, unique_key, run_at, due_at, attempts, attempts_max, lease_token, created_at)
         VALUES (?1, ?2, ?3, 'queued', ?4, ?5, ?5, 0, ?6, 0, ?7)
         ON CONFLICT DO NOTHING RETURNING id",
        params![
            job.tenant,
            job.kind.as_str(),
            job.payload.to_string(),
            job.unique_key.clone(),
            job.run_at,
            job.attempts_max.max(1),
            now,
        ],
    )
}

/// Fails the jobs whose last attempt ended with its lease.
fn give_up_lost(kinds: &[&str], now: Timestamp) -> Statement {
    let mut params = params![now];
    let kinds = placeholders(kinds, &mut params);
    let lost = format!(
        "SELECT id FROM jobs
         WHERE finished_at IS NULL AND due_at <= ?1 AND state = 'running' AND attempts >= attempts_max
            AND kind IN ({kinds})"
    );
    let update = "UPDATE jobs SET state = 'failed', finished_at = ?1,
            last_error = 'the worker of the last attempt was not heard of again'
         WHERE id IN (SELECT id FROM taken)";
    take(&lost, update, params)
}

fn claim_due(worker: &str, kinds: &[&str], now: Timestamp, lease_until: Timestamp, limit: u32) -> Statement {
    let mut params = params![now, worker, lease_until, limit];
    let kinds = placeholders(kinds, &mut params);
    let due = format!(
        "SELECT id FROM jobs WHERE finished_at IS NULL AND due_at <= ?1 AND kind IN ({kinds})
            AND (state = 'queued' OR attempts < attempts_max)
         ORDER BY due_at, id LIMIT ?4"
    );
    let update = "UPDATE jobs SET state = 'running', attempts = attempts + 1, lease_token = lease_token + 1,
            leased_by = ?2, due_at = ?3
         WHERE id IN (SELECT id FROM taken)
         RETURNING id, tenant_id, kind, payload, attempts, attempts_max, lease_token, run_at";
    take(&due, update, params)
}

/// Runs `update` on the rows that `select` finds. On PostgreSQL, where several workers may do this at the same
/// time, each passes over the rows that another one is just taking.
fn take(select: &str, update: &str, params: Vec<Param>) -> Statement {
    // MATERIALIZED: otherwise PostgreSQL may run the SELECT more than once and lock more rows than it updates.
    Statement::new(format!("WITH taken AS MATERIALIZED ({select}) {update}"), params)
        .or_postgres(format!("WITH taken AS MATERIALIZED ({select} FOR UPDATE SKIP LOCKED) {update}"))
}

/// `?5, ?6, …` for the kinds, whose values are added to `params`.
fn placeholders(kinds: &[&str], params: &mut Vec<Param>) -> String {
    let mut signs = Vec::with_capacity(kinds.len());
    for kind in kinds {
        params.push((*kind).into());
        signs.push(format!("?{}", params.len()));
    }
    signs.join(", ")
}

fn job(row: &Row) -> Result<(Timestamp, Job), StoreError> {
    let job = Job {
        id: JobId(row.get_i64(0)?),
        tenant: row.get_opt_i64(1)?.map(TenantId),
        kind: row.get_text(2)?,
        payload: row.get_json(3)?,
        attempt: row.get_u32(4)?,
        attempts_max: row.get_u32(5)?,
        lease_token: row.get_i64(6)?,
    };
    Ok((row.get_time(7)?, job))
}
