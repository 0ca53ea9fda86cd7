//! Shows each user's devices in the ERP, in `user.sync.state` of its add-on.
//!
//! Our own cursors are the truth; what the ERP shows is a copy for its users. From time to time, on one node for each
//! system, the states that were written since are told to the ERP: however often a device confirmed meanwhile, it is
//! one write, and many devices share a call. Nobody waits for it, and an ERP that is down is told later.

mod round;

use crate::backoff::backoff;
use crate::config::ms;
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::{SystemKey, Timestamp};
use bridge_store::{Lease, System};
use round::Round;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// How far a system's ERP has been told of the devices, by this node.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct MirrorStatus {
    /// When the last round ended well.
    pub last_success_at: Option<Timestamp>,
    /// Since when there is a state that the ERP does not show yet.
    pub untold_since: Option<Timestamp>,
    /// What went wrong last, while it does.
    pub last_error: Option<String>,
}

/// The systems whose devices this node mirrors.
#[derive(Debug, Default)]
pub struct Mirrors(Mutex<HashMap<SystemKey, MirrorStatus>>);

impl Mirrors {
    /// The state of a system's mirror; `None` if another node does it, or if there is nothing that shows devices.
    pub fn get(&self, system: SystemKey) -> Option<MirrorStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&system).cloned()
    }

    /// Drops what is known of a system.
    pub fn forget(&self, system: SystemKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&system);
    }

    fn update(&self, system: SystemKey, change: impl FnOnce(&mut MirrorStatus)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(system).or_default());
    }
}

/// Mirrors a system's devices until `stop`, while this node holds the lease for it.
pub async fn run(cx: &Context, node: &str, system: &System, stop: &CancellationToken) {
    let settings = &cx.config.mirror;
    if !settings.enabled {
        return;
    }
    let (interval, backoff_max) = (ms(settings.interval_ms), ms(settings.backoff_max_ms));
    let (mut pause, mut failures) = (interval, 0_u32);
    let mut lease = None;
    loop {
        let round = async {
            tokio::time::sleep(pause).await;
            lead_round(cx, node, system, &mut lease).await
        };
        let outcome = tokio::select! {
            () = stop.cancelled() => break,
            outcome = round => outcome,
        };
        match outcome {
            Ok(None | Some(Round::Told)) => (pause, failures) = (interval, 0),
            // An add-on may be installed one day.
            Ok(Some(Round::NotShownThere)) => (pause, failures) = (backoff_max.max(interval), 0),
            Err(problem) => {
                failures = failures.saturating_add(1);
                cx.metrics.mirror_failures.inc();
                tracing::warn!(
                    system.id = %system.system_id, tenant.id = system.tenant.0, failures,
                    causes = %problem.causes(), "show devices in the ERP: {}", cx.texts.english(&problem.message)
                );
                pause = backoff(&*cx.entropy, failures, interval, backoff_max.max(interval));
            }
        }
    }
    if let Some(lease) = lease
        && let Err(error) = cx.store.release_lease(&lease).await
    {
        tracing::warn!(system.id = %system.system_id, error = %error, "release the mirror's lease");
    }
    cx.mirrors.forget(system.key);
}

/// A round, if this node leads; `None` if another does. The lease outlives the pause, so that the node that has it
/// keeps it. What a node does that has lost it unawares is safe to repeat: values are set, not added to.
async fn lead_round(
    cx: &Context,
    node: &str,
    system: &System,
    lease: &mut Option<Lease>,
) -> Result<Option<Round>, Problem> {
    let ttl = ms(cx.config.mirror.interval_ms) + ms(cx.config.ingest.lease_ms);
    *lease = cx.store.acquire_lease(&format!("mirror:{}", system.key), node, ttl).await?;
    if lease.is_none() {
        cx.mirrors.forget(system.key);
        return Ok(None);
    }
    let outcome = round::tell(cx, system).await;
    match &outcome {
        Ok(Round::Told) => cx.mirrors.update(system.key, |status| {
            status.last_success_at = Some(cx.clock.now());
            status.last_error = None;
        }),
        Ok(Round::NotShownThere) => cx.mirrors.forget(system.key),
        Err(problem) => {
            let message = cx.texts.english(&problem.message);
            cx.mirrors.update(system.key, |status| status.last_error = Some(message));
        }
    }
    outcome.map(Some)
}
