//! Comparing records over the ERP's API, for models that nothing better sees.
//!
//! Each look at a model asks for what was written since the last (`look`), in a window that reaches back over the
//! transactions that may have been open, and counts the records to find deletions. A first look takes the records as
//! they are (`look::adopt`). Calls are spaced so that polling never takes more than its share of the system's time
//! (`session`).

mod clock;
mod digest;
mod ids;
mod known;
mod look;
mod rows;
mod session;
mod trail;

use super::status::{PollStatus, ReaderState, RefusedModel};
use crate::alerts;
use crate::backoff::backoff;
use crate::config::ms;
use crate::context::Context;
use crate::detection::{self, ModelOwners};
use crate::hub::Reader;
use bridge_model::{ModelClass, ModelName, Strategy};
use bridge_store::{Lease, System};
use known::{Known, Target};
use look::Manner;
use session::{Failure, Session};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether models were handed over, while there is nothing to do.
const OWNERS_INTERVAL: Duration = Duration::from_secs(1);

/// The shortest time between two looks at a model when others tell of it.
const HURRY_INTERVAL: Duration = Duration::from_millis(250);

/// The pause after a look that saw records whose second was not over.
const SECOND: Duration = Duration::from_millis(1_050);

/// A look that read no more records than this is cheap enough to be thorough each time.
const CHEAP_ROWS: usize = 200;

/// How many models that can't be read the status names.
const REFUSED_MAX: usize = 10;

/// Polls until `stop`, or until the lease is lost. Answers the lease as last renewed.
pub(super) async fn poll_while_leading(cx: &Context, system: &System, lease: Lease, stop: &CancellationToken) -> Lease {
    let mut poller = Poller {
        wake_up: cx.hub.reader(system.key, Strategy::Poll),
        session: Session::new(cx, system, lease),
        owners: None,
        slots: BTreeMap::new(),
        failures: 0,
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = poller.run() => {}
    }
    cx.readers.update_poll(system.key, |status| status.state = ReaderState::Idle);
    poller.session.lease
}

struct Poller<'a> {
    wake_up: Arc<Reader>,
    session: Session<'a>,
    owners: Option<Arc<ModelOwners>>,
    slots: BTreeMap<ModelName, Slot>,
    /// Looks in a row that failed because the system could not be asked.
    failures: u32,
}

/// A model's turn.
struct Slot {
    target: Target,
    due: Instant,
    looked: Instant,
    pause: Duration,
    known: Option<Known>,
    /// Why the model can't be read, while it can't.
    error: Option<String>,
}

impl Poller<'_> {
    /// Until the lease is lost.
    async fn run(&mut self) {
        loop {
            match self.step().await {
                Ok(()) => self.failures = 0,
                Err(Failure::Lost) => return,
                Err(failure) => self.rest_after(failure).await,
            }
        }
    }

    /// One look, at the model that has waited longest, or a pause if none is due.
    async fn step(&mut self) -> Result<(), Failure> {
        self.session.keep_lease().await?;
        let owners = detection::owners(self.session.cx, self.session.system).await?;
        if self.owners.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &owners)) {
            self.take_over(&owners).await?;
            self.owners = Some(Arc::clone(&owners));
        }
        for model in self.wake_up.take_hints() {
            if let Some(slot) = self.slots.get_mut(&model) {
                slot.due = slot.due.min(slot.looked + HURRY_INTERVAL);
            }
        }
        let now = Instant::now();
        let next = self.slots.values().min_by_key(|slot| slot.due).map(|slot| (slot.target.model.clone(), slot.due));
        self.say_status(now);
        match next {
            Some((model, due)) if due <= now => self.look(&model, &owners).await,
            next => {
                let wait = next.map_or(OWNERS_INTERVAL, |(_, due)| (due - now).min(OWNERS_INTERVAL));
                tokio::select! {
                    () = self.wake_up.woken() => {}
                    () = tokio::time::sleep(wait) => {}
                }
                Ok(())
            }
        }
    }

    /// Begins with models that polling has got a share in, and forgets those that it has not any more.
    async fn take_over(&mut self, owners: &ModelOwners) -> Result<(), Failure> {
        let (store, system) = (&self.session.cx.store, self.session.system);
        let mine = owners.models_of(Strategy::Poll);
        let known = store.polled_models(system.tenant, system.key).await?;
        let gone: Vec<ModelName> = known.into_iter().filter(|model| !mine.contains(model)).collect();
        if !gone.is_empty() {
            store.forget_polled(system.tenant, system.key, &gone, &self.session.lease.fence()).await?;
        }
        self.slots.retain(|model, _| mine.contains(model));
        let now = Instant::now();
        for model in mine {
            let target = Target {
                model: model.clone(),
                class: owners.class(model).unwrap_or(ModelClass::Standard),
                has_write_date: owners.has_write_date(model).unwrap_or(false),
            };
            let slot = self.slots.entry(model.clone()).or_insert_with(|| Slot {
                target: target.clone(),
                due: now,
                looked: now,
                pause: Duration::ZERO,
                known: None,
                error: None,
            });
            if owners.is_moving(model) {
                slot.due = slot.due.min(now);
            }
            slot.target = target;
        }
        Ok(())
    }

    /// Looks at one model and says when the next look is due.
    async fn look(&mut self, model: &ModelName, owners: &ModelOwners) -> Result<(), Failure> {
        let Some(slot) = self.slots.get_mut(model) else { return Ok(()) };
        slot.looked = Instant::now();
        let (shortest, longest) = intervals(self.session.cx, slot.target.class);
        let outcome = slot.look(&mut self.session, owners).await;
        let now = Instant::now();
        match outcome {
            Ok(looked) => {
                slot.error = None;
                slot.pause = if looked.changes > 0 { shortest } else { slot.pause.max(shortest) * 3 / 2 }.min(longest);
                slot.due = now + if looked.fresh > 0 { SECOND.min(slot.pause) } else { slot.pause };
                let covers = |covered: &ModelName| covered == model && looked.is_complete;
                let Session { cx, system, lease, .. } = &self.session;
                detection::looked(cx, system, Strategy::Poll, owners, covers, &lease.fence()).await?;
                let now = cx.clock.now();
                cx.readers.update_poll(system.key, |status| {
                    status.last_success_at = Some(now);
                    status.last_error = None;
                });
                Ok(())
            }
            Err(failure) => {
                // What is in memory may have run ahead of what was saved.
                slot.known = None;
                if !failure.is_of_model() {
                    slot.due = now + shortest;
                    return Err(failure);
                }
                slot.pause = longest;
                slot.due = now + longest;
                let problem = failure.into_problem();
                let message = self.session.cx.texts.english(&problem.message);
                if slot.error.as_ref() != Some(&message) {
                    tracing::warn!(
                        system.id = %self.session.system.system_id,
                        model = %model,
                        causes = %problem.causes(),
                        "poll a model: {message}"
                    );
                }
                slot.error = Some(message);
                Ok(())
            }
        }
    }

    /// Waits after the system could not be asked, longer each time.
    async fn rest_after(&mut self, failure: Failure) {
        self.failures = self.failures.saturating_add(1);
        let Session { cx, system, .. } = &self.session;
        let problem = failure.into_problem();
        let message = cx.texts.english(&problem.message);
        tracing::warn!(
            system.id = %system.system_id,
            failures = self.failures,
            causes = %problem.causes(),
            "poll: {message}"
        );
        alerts::source_failed(cx, system, Strategy::Poll, &problem, self.failures);
        detection::failed(cx, system, Strategy::Poll, &message).await;
        cx.readers.update_poll(system.key, |status| {
            status.state = ReaderState::Failing;
            status.last_error = Some(message);
        });
        let (shortest, longest) = (cx.config.ingest.pull_interval_min_ms, cx.config.ingest.pull_backoff_max_ms);
        tokio::time::sleep(backoff(&*cx.entropy, self.failures, ms(shortest), ms(longest))).await;
    }

    fn say_status(&self, now: Instant) {
        let behind = self.slots.values().map(|slot| now.saturating_duration_since(slot.due)).max();
        let refused = self
            .slots
            .values()
            .filter_map(|slot| Some(RefusedModel { model: slot.target.model.clone(), error: slot.error.clone()? }));
        let status = PollStatus {
            models: self.slots.len(),
            behind_seconds: behind.unwrap_or_default().as_secs_f64(),
            share_percent: self.session.share_percent(),
            calls: self.session.calls,
            refused: refused.take(REFUSED_MAX).collect(),
            ..PollStatus::default()
        };
        let failing = self.failures > 0;
        self.session.cx.readers.update_poll(self.session.system.key, |kept| {
            *kept = PollStatus {
                state: if failing { ReaderState::Failing } else { ReaderState::Running },
                last_success_at: kept.last_success_at,
                last_error: kept.last_error.take(),
                ..status
            };
        });
    }
}

/// What a look came to.
struct Looked {
    changes: usize,
    fresh: usize,
    /// Whether everything that was committed before it is in the log or was there when the model was taken over.
    is_complete: bool,
}

impl Slot {
    async fn look(&mut self, session: &mut Session<'_>, owners: &ModelOwners) -> Result<Looked, Failure> {
        if self.known.is_none() {
            self.known = Known::load(session, &self.target).await?;
        }
        let Some(known) = &mut self.known else {
            self.known = Some(look::adopt(session, &self.target).await?);
            return Ok(Looked { changes: 0, fresh: 0, is_complete: true });
        };
        let is_last = owners.is_to_give_up(&self.target.model, Strategy::Poll);
        let interval = ms(session.cx.config.detection.poll.thorough_interval_ms);
        let is_due = known.thorough.is_none_or(|(at, rows)| rows <= CHEAP_ROWS || at.elapsed() >= interval);
        let manner = Manner { is_thorough: is_due || owners.is_moving(&self.target.model), is_last };
        let found = look::look(session, &self.target, known, manner).await?;
        let is_complete = (manner.is_thorough || !self.target.has_write_date) && found.fresh == 0;
        Ok(Looked { changes: found.changes, fresh: found.fresh, is_complete })
    }
}

/// The pause between two looks while something happens, and while nothing does.
fn intervals(cx: &Context, class: ModelClass) -> (Duration, Duration) {
    let poll = &cx.config.detection.poll;
    let (shortest, longest) = match class {
        ModelClass::Critical => (poll.critical_interval_ms, poll.critical_idle_ms),
        ModelClass::Important => (poll.important_interval_ms, poll.important_idle_ms),
        ModelClass::Standard | ModelClass::Transient => (poll.standard_interval_ms, poll.standard_idle_ms),
    };
    (ms(shortest), ms(longest.max(shortest)))
}
