//! Looks at what goes on, and hands what is to be told to those who send it.

use super::{Noted, send};
use crate::config::ms;
use crate::context::Context;
use anyhow::Context as _;
use bridge_erp::CircuitState;
use bridge_model::{SystemKey, Timestamp};
use bridge_store::{AlertKind, AlertSubject, NewJob};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The most alerts that are handed on at one look.
const TELL_MAX: u32 = 100;

/// What is remembered from one look to the next.
pub(super) struct Looker<'a> {
    cx: &'a Context,
    /// Since when it has been looked without a break: who did not look can't say that something is over.
    looking_since: Timestamp,
    looked_at: Timestamp,
    ended_at: Timestamp,
    /// The last opening of each system's circuit that was told.
    opened: HashMap<SystemKey, Timestamp>,
    /// When it was last noted that something is still so.
    held: HashMap<(AlertKind, SystemKey), Timestamp>,
}

impl<'a> Looker<'a> {
    pub(super) fn new(cx: &'a Context) -> Self {
        let now = cx.clock.now();
        let (opened, held) = (HashMap::new(), HashMap::new());
        Self { cx, looking_since: now, looked_at: now, ended_at: now, opened, held }
    }

    /// Looks again and again. What fails is logged when it begins to.
    pub(super) async fn look_until(&mut self, stop: &CancellationToken) {
        let mut is_failing = false;
        loop {
            let outcome = self.look().await;
            if let Err(error) = &outcome
                && !is_failing
            {
                tracing::warn!(error = %format!("{error:#}"), "look for what is to be told");
            }
            is_failing = outcome.is_err();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ms(self.cx.config.alerts.look_interval_ms)) => {}
            }
        }
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let (now, settle) = (self.cx.clock.now(), self.settle());
        if now.since(self.looked_at) > settle / 2 {
            self.looking_since = now;
        }
        self.looked_at = now;
        self.take_notes().await?;
        self.look_at_circuits(now).await?;
        for (key, retained_bytes) in self.cx.wal_readers.alarmed() {
            self.hold(AlertKind::WalRetained, key, now, json!({ "retained_bytes": retained_bytes })).await?;
        }
        if now.since(self.ended_at) >= settle / 4 {
            self.look_at_credentials(now).await?;
            if now.since(self.looking_since) >= settle {
                let told_before = now.minus(ms(self.cx.config.alerts.repeat_ms));
                self.cx.store.end_alerts(now.minus(settle), told_before).await.context("end alerts")?;
            }
            self.held.retain(|_, held_at| now.since(*held_at) < settle);
            self.ended_at = now;
        }
        self.tell(now).await
    }

    /// How long something must be well before it is over: longer than the pause until a reader fails again.
    fn settle(&self) -> Duration {
        let config = &self.cx.config;
        let pause = config.ingest.pull_backoff_max_ms.max(config.wal.backoff_max_ms);
        ms(config.alerts.settle_ms.max(pause.saturating_mul(2)))
    }

    async fn take_notes(&mut self) -> anyhow::Result<()> {
        let mut noted = self.cx.alerts.take_noted();
        while let Some(((kind, key), Noted { facts, times })) = noted.pop_first() {
            let (store, now) = (&self.cx.store, self.cx.clock.now());
            let noting = if times == 0 {
                self.still(kind, key, now).await.map(drop)
            } else {
                store.raise_alert(kind, AlertSubject::System(key), &facts, times).await.context("raise what was noted")
            };
            if let Err(error) = noting {
                noted.insert((kind, key), Noted { facts, times });
                for ((kind, key), noted) in noted {
                    self.cx.alerts.note_times(kind, key, noted);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn look_at_circuits(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let circuits = self.cx.erps.circuits();
        self.opened.retain(|key, _| circuits.iter().any(|(known, ..)| known == key));
        for (key, status, opened_at) in circuits {
            let facts = json!({ "failures": status.failures });
            if let Some(opened_at) = opened_at
                && self.opened.get(&key) != Some(&opened_at)
            {
                self.raise(AlertKind::CircuitOpen, key, &facts, now).await?;
                self.opened.insert(key, opened_at);
            } else if status.state != CircuitState::Closed {
                self.hold(AlertKind::CircuitOpen, key, now, facts).await?;
            } else if status.failures > 0 {
                // After a restart it begins closed; an alert from before is not over while calls go on to fail.
                self.still(AlertKind::CircuitOpen, key, now).await?;
            }
        }
        Ok(())
    }

    async fn look_at_credentials(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let ends = self.cx.store.credential_ends().await.context("look at the ends of API keys")?;
        for (key, expires_at, is_stuck) in ends {
            if is_stuck {
                self.hold(AlertKind::CredentialEnding, key, now, json!({ "expires_at": expires_at })).await?;
            }
        }
        Ok(())
    }

    async fn raise(&mut self, kind: AlertKind, key: SystemKey, facts: &Value, now: Timestamp) -> anyhow::Result<()> {
        self.cx.store.raise_alert(kind, AlertSubject::System(key), facts, 1).await.context("raise an alert")?;
        self.held.insert((kind, key), now);
        Ok(())
    }

    /// Notes that something is so, and raises the alert if there is none yet.
    async fn hold(&mut self, kind: AlertKind, key: SystemKey, now: Timestamp, facts: Value) -> anyhow::Result<()> {
        if self.still(kind, key, now).await? { Ok(()) } else { self.raise(kind, key, &facts, now).await }
    }

    /// Notes that something is still so, not at each look; `false` if no alert of it is open.
    async fn still(&mut self, kind: AlertKind, key: SystemKey, now: Timestamp) -> anyhow::Result<bool> {
        if self.held.get(&(kind, key)).is_some_and(|held_at| now.since(*held_at) < self.settle() / 4) {
            return Ok(true);
        }
        let is_open = self.cx.store.hold_alert(kind, key).await.context("note that an alert goes on")?;
        if is_open {
            self.held.insert((kind, key), now);
        }
        Ok(is_open)
    }

    /// Makes a job for each target of each alert that is to be told. Of several nodes one does, whichever is first. While
    /// too many messages wait, alerts wait as they are.
    async fn tell(&self, now: Timestamp) -> anyhow::Result<()> {
        let (cx, config) = (self.cx, &self.cx.config.alerts);
        let alerts = cx.store.alerts_to_tell(now.minus(ms(config.repeat_ms)), TELL_MAX).await;
        let alerts = alerts.context("find what is to be told")?;
        if alerts.is_empty() {
            return Ok(());
        }
        let open = cx.store.open_jobs(send::SEND_ALERT).await.context("count the messages that wait")?;
        let mut room = config.queue_max.saturating_sub(open);
        for alert in alerts {
            let to: Vec<_> = cx.alerts.targets.of(&alert).collect();
            let jobs: Vec<NewJob> = to.into_iter().map(|target| send::job(&alert, target, now)).collect();
            let Some(left) = room.checked_sub(jobs.len() as u64) else { return Ok(()) };
            if cx.store.tell_alert(&alert, &jobs).await.context("hand an alert on")? {
                room = left;
                let (kind, over) = (alert.kind.as_str(), alert.resolved_at.is_some());
                tracing::info!(alert.id = alert.id.0, kind, over, targets = jobs.len(), "an alert is told");
            }
        }
        Ok(())
    }
}
