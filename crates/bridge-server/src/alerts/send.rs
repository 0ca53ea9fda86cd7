//! Sends what is to be told: one durable job for each alert and target, claimed by one node at a time.
//!
//! A job says which alert is to be told of to whom, and what is told is the alert as it is when it is sent: of one that is
//! over by the time that a target can be reached again, it is told that it is over. Messages can come twice, with the same
//! id; none is lost until it is given up.

use super::message::Outgoing;
use super::targets::{SendError, Target};
use crate::backoff::backoff;
use crate::config::ms;
use crate::context::Context;
use anyhow::Context as _;
use bridge_model::Timestamp;
use bridge_store::{Alert, AlertId, Job, NewJob};
use futures_util::future::join_all;
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The kind of these jobs.
pub(super) const SEND_ALERT: &str = "send_alert";

/// The most messages sent at once.
const AT_ONCE_MAX: u32 = 8;

/// What a lease lasts beyond twice the time that a message may take.
const LEASE_MARGIN: Duration = Duration::from_secs(1);

/// More than it can come to before a message is given up by its age.
const ATTEMPTS_MAX: u32 = 1_000_000;

/// The job of telling a target of an alert.
pub(super) fn job(alert: &Alert, target: &Target, now: Timestamp) -> NewJob {
    NewJob {
        tenant: alert.tenant,
        kind: SEND_ALERT.to_owned(),
        payload: json!({ "alert": alert.id.0, "target": target.name, "since": now.as_micros() }),
        run_at: now,
        attempts_max: ATTEMPTS_MAX,
        // One that still waits tells the newest as well.
        unique_key: Some(format!("{SEND_ALERT}:{}:{}", alert.id.0, target.name)),
    }
}

/// Sends what is due until `stop`.
pub(super) async fn send_until(cx: &Context, node: &str, stop: &CancellationToken) {
    let config = &cx.config.alerts;
    let lease = ms(config.send_timeout_ms) * 2 + LEASE_MARGIN;
    let mut is_failing = false;
    while !stop.is_cancelled() {
        let outcome = send_some(cx, node, lease).await;
        if let Err(error) = &outcome
            && !is_failing
        {
            tracing::warn!(error = %format!("{error:#}"), "send alerts");
        }
        is_failing = outcome.is_err();
        if matches!(outcome, Ok(sent) if sent > 0) {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(ms(config.look_interval_ms)) => {}
        }
    }
}

async fn send_some(cx: &Context, node: &str, lease: Duration) -> anyhow::Result<usize> {
    // Claiming writes, and mostly there is nothing.
    if cx.store.open_jobs(SEND_ALERT).await.context("look for messages")? == 0 {
        return Ok(0);
    }
    let jobs = cx.store.claim_jobs(node, &[SEND_ALERT], lease, AT_ONCE_MAX).await.context("claim messages")?;
    let done = join_all(jobs.iter().map(|job| perform(cx, job))).await;
    done.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(jobs.len())
}

async fn perform(cx: &Context, job: &Job) -> anyhow::Result<()> {
    let id = AlertId(job.payload["alert"].as_i64().context("the job names no alert")?);
    let name = job.payload["target"].as_str().context("the job names no target")?;
    let since = Timestamp::from_micros(job.payload["since"].as_i64().context("the job does not say since when")?);
    let alert = cx.store.alert(id).await.context("read an alert")?;
    let (Some(alert), Some(target)) = (alert, cx.alerts.targets.named(name)) else {
        // Its system was deleted, or the target is not in the config any more.
        cx.store.complete_job(job).await.context("drop a message")?;
        return Ok(());
    };
    let now = cx.clock.now();
    let rests_until = target.failing().rests_until.filter(|until| *until > now);
    if let Some(until) = rests_until {
        cx.store.retry_job(job, until, "the target rests").await.context("put a message back")?;
        return Ok(());
    }
    let tenant = match alert.tenant {
        Some(tenant) => cx.store.tenant(tenant).await.context("read a tenant")?,
        None => None,
    };
    let message = Outgoing::of(cx, &alert, tenant.as_ref(), target.language);
    let sending = tokio::time::timeout(ms(cx.config.alerts.send_timeout_ms), target.send(&message));
    match sending.await.unwrap_or(Err(SendError::Late)) {
        Ok(()) => {
            succeeded(cx, target);
            cx.store.complete_job(job).await.context("note that a message was sent")?;
        }
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            let again_at = failed(cx, target, &error);
            let give_up_at = since.plus(Duration::from_secs(cx.config.alerts.give_up_hours * 3_600));
            if again_at < give_up_at {
                cx.store.retry_job(job, again_at, &error).await.context("put a message back")?;
            } else {
                count(cx, target, "given_up");
                tracing::error!(target.name = name, alert.id = id.0, error, "a message was given up");
                cx.store.fail_job(job, &error).await.context("give a message up")?;
            }
        }
    }
    Ok(())
}

fn succeeded(cx: &Context, target: &Target) {
    count(cx, target, "sent");
    let before = std::mem::take(&mut *target.failing());
    if before.failures > 0 {
        tracing::info!(target.name = target.name, failures = before.failures, "alerts can be sent again");
    }
}

/// Answers when it is tried again. The first failure is logged, those that follow are only counted.
fn failed(cx: &Context, target: &Target, error: &str) -> Timestamp {
    count(cx, target, "failed");
    let config = &cx.config.alerts;
    let mut failing = target.failing();
    if failing.failures == 0 {
        tracing::warn!(target.name = target.name, error, "an alert could not be sent; it is tried again");
    }
    let pause = backoff(&*cx.entropy, failing.failures, ms(config.retry_min_ms), ms(config.retry_max_ms));
    failing.failures = failing.failures.saturating_add(1);
    let again_at = cx.clock.now().plus(pause);
    failing.rests_until = Some(again_at);
    again_at
}

fn count(cx: &Context, target: &Target, outcome: &str) {
    cx.metrics.alerts_sent.with_label_values(&[target.name.as_str(), outcome]).inc();
}
