//! What the readers say of their looks.

use super::ModelOwners;
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::{ModelName, Strategy};
use bridge_store::{Fence, Ownership, System};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is noted in the store that a strategy works.
const NOTE_INTERVAL: Duration = Duration::from_secs(5);

/// How often it is noted that one fails, after the first time.
const FAILURE_INTERVAL: Duration = Duration::from_mins(1);

/// Says that a look by `strategy` has succeeded: one that began after `seen` was taken, put everything that it found
/// of the strategy's models into the log, and is durable. `covered` says which models it looked at.
///
/// Of those, the ones that the strategy is to take over are ready from now on: whatever is committed after this look
/// will be seen by the next one, and what was committed before it is the owner's. The ones whose successor was ready
/// before the look began are given up.
pub async fn looked(
    cx: &Context,
    system: &System,
    strategy: Strategy,
    seen: &ModelOwners,
    covered: impl Fn(&ModelName) -> bool,
    fence: &Fence,
) -> Result<(), Problem> {
    let ready = seen.awaited_of(strategy).map(|model| (model, Ownership::Ready(strategy)));
    let given_up = seen.to_give_up_of(strategy).map(|model| (model, Ownership::GiveUp(strategy)));
    let steps: Vec<_> =
        ready.chain(given_up).filter(|(model, _)| covered(model)).map(|(model, step)| (model.clone(), step)).collect();
    if !steps.is_empty() {
        cx.store.move_ownership(system.tenant, system.key, &steps, Some(fence)).await?;
        for (model, step) in &steps {
            tracing::info!(system.id = %system.system_id, model = %model, step = ?step, "a model is handed over");
        }
        cx.owners.forget(system.key);
    }
    if is_to_be_noted(cx, system, strategy, true) {
        cx.store.note_success(system.tenant, system.key, strategy).await?;
    }
    Ok(())
}

/// Says that a look by `strategy` has failed. When that lasts, the next best strategies take its models over.
pub async fn failed(cx: &Context, system: &System, strategy: Strategy, error: &str) {
    if !is_to_be_noted(cx, system, strategy, false) {
        return;
    }
    if let Err(error) = cx.store.note_failure(system.tenant, system.key, strategy, error).await {
        tracing::warn!(system.id = %system.system_id, error = %error, "note that a strategy fails");
    }
}

fn is_to_be_noted(cx: &Context, system: &System, strategy: Strategy, works: bool) -> bool {
    let interval = if works { NOTE_INTERVAL } else { FAILURE_INTERVAL };
    let mut noted = cx.owners.noted.lock().unwrap_or_else(PoisonError::into_inner);
    let recent =
        noted.get(&(system.key, strategy)).is_some_and(|(at, worked)| *worked == works && at.elapsed() < interval);
    if !recent {
        noted.insert((system.key, strategy), (Instant::now(), works));
    }
    !recent
}
