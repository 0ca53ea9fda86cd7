//! Looks a system's models up from time to time, and sees to it that each is owned by the best strategy that works.

use super::{leader, pipeline};
use crate::alerts;
use crate::config::ms;
use crate::context::Context;
use crate::detection::{self, Judge, Move};
use crate::problem::Problem;
use bridge_model::{Strategy, Timestamp};
use bridge_store::{AlertKind, AlertSubject, Append, Choice, Detection, Lease, Ownership, System, TrackedModel};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Watches until `stop`, or until the lease is lost. Answers the lease as last renewed.
pub(super) async fn watch_while_leading(
    cx: &Context,
    system: &System,
    lease: Lease,
    stop: &CancellationToken,
) -> Lease {
    let mut watch = Watch { cx, system, lease, watched_since: cx.clock.now(), look_up_at: cx.clock.now(), failures: 0 };
    loop {
        let watched = tokio::select! {
            () = stop.cancelled() => return watch.lease,
            watched = watch.step() => watched,
        };
        match watched {
            Ok(true) => {}
            Ok(false) => return watch.lease,
            Err(problem) => tracing::warn!(
                system.id = %system.system_id,
                causes = %problem.causes(),
                "watch over how changes are seen: {}", cx.texts.english(&problem.message)
            ),
        }
        tokio::select! {
            () = stop.cancelled() => return watch.lease,
            () = tokio::time::sleep(ms(cx.config.detection.watch_interval_ms)) => {}
        }
    }
}

struct Watch<'a> {
    cx: &'a Context,
    system: &'a System,
    lease: Lease,
    watched_since: Timestamp,
    /// When the models are to be looked up next.
    look_up_at: Timestamp,
    failures: u32,
}

impl Watch<'_> {
    /// False: the lease is lost.
    async fn step(&mut self) -> Result<bool, Problem> {
        if !leader::keep_lease(self.cx, &mut self.lease).await? {
            return Ok(false);
        }
        let looked_up = if self.cx.clock.now() >= self.look_up_at { self.look_up().await } else { Ok(()) };
        // Also when the system can't be asked: that is when others have to take over.
        self.assign().await?;
        looked_up.map(|()| true)
    }

    async fn look_up(&mut self) -> Result<(), Problem> {
        let interval = ms(self.cx.config.detection.discover_interval_ms);
        match detection::discover(self.cx, self.system, &self.lease.fence()).await {
            Ok(found) => {
                self.failures = 0;
                self.look_up_at = self.cx.clock.now().plus(interval);
                tracing::debug!(system.id = %self.system.system_id, models = ?found, "looked the models up");
                Ok(())
            }
            Err(problem) => {
                self.failures = self.failures.saturating_add(1);
                let pause = ms(self.cx.config.detection.watch_interval_ms).saturating_mul(1 << self.failures.min(10));
                self.look_up_at = self.cx.clock.now().plus(pause.min(interval));
                Err(problem)
            }
        }
    }

    /// Takes the steps that bring each model closer to who should own it.
    async fn assign(&self) -> Result<(), Problem> {
        let (store, tenant, key) = (&self.cx.store, self.system.tenant, self.system.key);
        // Before the models: whatever changes from here on makes the steps that are planned outdated. The models of one
        // moment and the default of another could leave a model to nobody that an admin has just chosen a strategy for.
        let Some(Detection { version, fallback, .. }) = store.detection(tenant, key).await? else { return Ok(()) };
        let models = store.tracked_models(tenant, key).await?;
        let health = store.strategy_health(tenant, key).await?;
        let judge = Judge {
            health: &health,
            now: self.cx.clock.now(),
            watched_since: self.watched_since,
            patience: ms(self.cx.config.detection.failover_ms),
        };
        let has_addon = health.iter().any(|health| health.strategy == Strategy::Addon && health.succeeded_at.is_some())
            || models.iter().any(|model| model.found.available.contains(&Strategy::Addon));
        let moves = detection::plan(&models, fallback, has_addon, &judge);
        if models.iter().any(|model| is_elsewhere(model, fallback)) {
            self.cx.alerts.still(AlertKind::Takeover, key);
        }
        if moves.is_empty() {
            return Ok(());
        }
        self.say_resets(&moves).await?;
        let steps: Vec<_> = moves.iter().map(|moved| (moved.model.clone(), moved.step.clone())).collect();
        if !store.move_ownership_at(tenant, key, version, &steps, &self.lease.fence()).await? {
            // The next step sees what has changed.
            return Ok(());
        }
        self.cx.owners.forget(key);
        self.tell(&moves).await;
        self.cx.hub.nudge_all(key);
        Ok(())
    }

    /// Before a model is taken from an owner that can't say how far it came, or from nobody, the log says that everything
    /// of it may have changed. If we are cut off in between, the step is repeated.
    async fn say_resets(&self, moves: &[Move]) -> Result<(), Problem> {
        let models: Vec<_> = moves.iter().filter(|moved| moved.with_reset).map(|moved| moved.model.clone()).collect();
        if models.is_empty() {
            return Ok(());
        }
        let source = self.cx.store.source(self.system.tenant, self.system.key).await?;
        let now = self.cx.clock.now();
        let cause = format!("takeover:{}", now.as_micros());
        let changes = pipeline::resets(self.system.key, source.epoch, models, &cause, now);
        let batch = Append { changes, fence: Some(self.lease.fence()), ..Append::default() };
        pipeline::append(self.cx, self.system.tenant, batch).await.map(drop)
    }

    async fn tell(&self, moves: &[Move]) {
        let mut taken = 0;
        for Move { model, step, with_reset } in moves {
            let is_from_nobody = matches!(step, Ownership::Cut { from: None, .. });
            if *with_reset && !is_from_nobody {
                taken += 1;
                self.cx.metrics.takeovers.inc();
                tracing::warn!(
                    system.id = %self.system.system_id, model = %model, step = ?step,
                    "a strategy has failed for too long: the next best has taken over"
                );
            } else if *with_reset || !is_from_nobody {
                tracing::info!(system.id = %self.system.system_id, model = %model, step = ?step, "a model changes hands");
            }
        }
        if taken > 0 {
            let subject = AlertSubject::System(self.system.key);
            alerts::raise(self.cx, AlertKind::Takeover, subject, json!({ "models": taken }), taken).await;
        }
    }
}

/// Whether a model has an owner that is not the one who should see its changes.
fn is_elsewhere(model: &TrackedModel, fallback: Choice) -> bool {
    model.owner.is_some() && model.owner != detection::wanted(model, fallback)
}
