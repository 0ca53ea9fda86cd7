//! Claims jobs and does them; fires schedules.

use super::clean_up;
use super::renew_key::{self, RENEW_KEY};
use crate::alerts;
use crate::context::Context;
use crate::files;
use crate::metrics::Timer;
use crate::supervise::caught;
use anyhow::Context as _;
use bridge_model::Timestamp;
use bridge_store::{AlertKind, AlertSubject, Job, NewJob, Schedule};
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// The kinds of job that this binary does.
const KINDS: &[&str] = &[CLEAN_UP, LOOK_AT_KEYS, RENEW_KEY, SWEEP_FILES];
const CLEAN_UP: &str = "clean_up";
const LOOK_AT_KEYS: &str = "look_at_keys";
const SWEEP_FILES: &str = "sweep_files";

/// What happens again and again: a name, which is also the job's kind, and when, as cron in UTC.
const SCHEDULES: &[(&str, &str)] =
    &[(CLEAN_UP, "17 * * * *"), (LOOK_AT_KEYS, "41 * * * *"), (SWEEP_FILES, "29 * * * *")];

/// How often due work is looked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How long a worker may be silent before another takes its job.
const LEASE: Duration = Duration::from_mins(10);

/// The pause after a job's first failure; doubled with each further one.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// The most jobs claimed at once.
const CLAIM_MAX: u32 = 4;

/// Does due jobs until `stop`. `node` names this process among several.
pub async fn run(cx: Context, node: String, stop: CancellationToken) {
    loop {
        if let Err(error) = run_due(&cx, &node).await {
            tracing::warn!(error = %format!("{error:#}"), "do the due jobs");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
    }
}

/// Fires what is due and does every job that is due, one after the other. Answers how many were done.
pub async fn run_due(cx: &Context, node: &str) -> anyhow::Result<usize> {
    fire_schedules(cx).await?;
    let mut done = 0;
    loop {
        let jobs = cx.store.claim_jobs(node, KINDS, LEASE, CLAIM_MAX).await.context("claim jobs")?;
        if jobs.is_empty() {
            return Ok(done);
        }
        for job in jobs {
            let span = tracing::info_span!("job", job.id = job.id.0, job.kind = %job.kind, job.attempt = job.attempt);
            do_one(cx, &job).instrument(span).await?;
            done += 1;
        }
    }
}

async fn do_one(cx: &Context, job: &Job) -> anyhow::Result<()> {
    let seconds = cx.metrics.job_duration.with_label_values(&[job.kind.as_str()]);
    let (started, timer) = (cx.clock.now(), Timer::start(&*cx.clock, &seconds));
    let outcome = match caught(&cx.metrics, "job", perform(cx, job)).await {
        Some(outcome) => outcome,
        None => Err(anyhow::anyhow!("the job panicked")),
    };
    drop(timer);
    let word = if outcome.is_ok() { "done" } else { "failed" };
    cx.metrics.jobs_done.with_label_values(&[job.kind.as_str(), word]).inc();
    tracing::debug!(outcome = word, duration_ms = cx.clock.now().since(started).as_secs_f64() * 1_000.0, "attempted");
    let kept = match outcome {
        Ok(()) => cx.store.complete_job(job).await.context("complete a job")?,
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(job.kind = %job.kind, job.attempt = job.attempt, %error, "a job failed");
            if job.attempt >= job.attempts_max {
                // A job for a tenant is about one of its systems, and what is wrong there is told where it is found.
                if job.tenant.is_none() {
                    let facts = json!({ "job": job.kind });
                    alerts::raise(cx, AlertKind::JobFailed, AlertSubject::Installation, facts, 1).await;
                }
                cx.store.fail_job(job, &error).await.context("fail a job")?
            } else {
                let pause = RETRY_PAUSE.saturating_mul(1 << job.attempt.min(10));
                cx.store.retry_job(job, cx.clock.now().plus(pause), &error).await.context("put a job back")?
            }
        }
    };
    if !kept {
        tracing::warn!(job.kind = %job.kind, "a job took longer than its lease; another worker has it now");
    }
    Ok(())
}

async fn perform(cx: &Context, job: &Job) -> anyhow::Result<()> {
    match job.kind.as_str() {
        CLEAN_UP => clean_up::clean_up(cx).await.context("clean up"),
        LOOK_AT_KEYS => renew_key::look_at_all(cx).await.context("look at the systems' API keys"),
        SWEEP_FILES => files::sweep(cx).await.context("sweep files"),
        RENEW_KEY => renew_key::look_at(cx, job.tenant, &job.payload).await,
        other => Err(anyhow::anyhow!("this version does not know jobs of kind {other}")),
    }
}

async fn fire_schedules(cx: &Context) -> anyhow::Result<()> {
    let now = cx.clock.now();
    for (name, cron) in SCHEDULES {
        cx.store.ensure_schedule(name, next_run(cron, now)?).await.context("note a schedule")?;
    }
    for schedule in cx.store.due_schedules(now).await.context("find due schedules")? {
        fire(cx, &schedule, now).await?;
    }
    Ok(())
}

async fn fire(cx: &Context, schedule: &Schedule, now: Timestamp) -> anyhow::Result<()> {
    let Some((name, cron)) = SCHEDULES.iter().find(|(name, _)| *name == schedule.name) else { return Ok(()) };
    let job = NewJob {
        tenant: None,
        kind: (*name).to_owned(),
        payload: json!({}),
        run_at: now,
        attempts_max: 3,
        unique_key: Some(format!("schedule:{name}")),
    };
    // False means that another node fired it.
    cx.store.fire_schedule(schedule, next_run(cron, now)?, job).await.context("fire a schedule")?;
    Ok(())
}

/// The first moment after `now` that the cron line names.
fn next_run(line: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    use std::str::FromStr as _;
    let cron = croner::Cron::from_str(line).with_context(|| format!("read the schedule {line}"))?;
    let now = croner_time(now)?;
    let next = cron.find_next_occurrence(&now, false).context("find the next run")?;
    Ok(Timestamp::from_micros(next.timestamp_micros()))
}

fn croner_time(now: Timestamp) -> anyhow::Result<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::from_timestamp_micros(now.as_micros()).context("a time outside the calendar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_readable_and_lie_ahead() {
        let now = Timestamp::parse_rfc3339("2025-11-16T10:17:00Z").unwrap();
        for (_, cron) in SCHEDULES {
            assert!(next_run(cron, now).unwrap() > now);
        }
        assert_eq!(next_run("17 * * * *", now).unwrap().to_string(), "2025-11-16T11:17:00Z");
    }
}
