//! One round: what has changed since the ERP was told last, told to it.

use crate::context::Context;
use crate::problem::Problem;
use bridge_erp::{DeviceState, ErpErrorKind};
use bridge_model::{Epoch, Position};
use bridge_store::{MirrorKey, MirroredState, StateToMirror, StoreError, System, Told};
use std::collections::HashMap;

/// The most devices of one round.
const STATES_MAX: u32 = 1_000;

/// The most steps in which one round makes up for marks of event ids that are missing, each over 100,000 positions.
const MARK_STEPS_MAX: u32 = 5;

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// The ERP was told what there was to tell, or as much of it as a round may.
    Told,
    /// The system has no place for it.
    NotShownThere,
}

/// Tells the ERP of the states that it does not show yet.
pub(super) async fn tell(cx: &Context, system: &System) -> Result<Round, Problem> {
    let ended = cx.store.states_to_end(system, STATES_MAX).await?;
    let waiting = cx.store.states_to_mirror(system, STATES_MAX).await?;
    note_waiting(cx, system, &waiting);
    if ended.is_empty() && waiting.is_empty() {
        return Ok(Round::Told);
    }
    let (untold, unclear) = with_event_ids(cx, system, waiting).await?;
    let states: Vec<DeviceState> =
        ended.iter().map(end).chain(untold.iter().map(|(state, told)| show(state, told.last_event_id))).collect();
    if states.is_empty() {
        return Ok(Round::Told);
    }
    let adapter = cx.erps.adapter(system)?;
    let outcomes = match adapter.show_devices(&states, cx.config.mirror.calls_max).await {
        Ok(outcomes) => outcomes,
        Err(error) if matches!(error.kind, ErpErrorKind::UnknownModel | ErpErrorKind::UnknownMethod) => {
            tracing::debug!(system.id = %system.system_id, error = %error, "the system shows no devices");
            return Ok(Round::NotShownThere);
        }
        Err(error) => return Err(error.into()),
    };
    let all_told = outcomes.len() == states.len() && !unclear;
    note_told(cx, system, ended, untold, outcomes).await?;
    if all_told {
        cx.mirrors.update(system.key, |status| status.untold_since = None);
    }
    Ok(Round::Told)
}

/// The age of what is untold counts from the first time that it was seen, however busy the device is since.
fn note_waiting(cx: &Context, system: &System, waiting: &[StateToMirror]) {
    let oldest = waiting.iter().map(|state| state.used_at).min();
    cx.mirrors.update(system.key, |status| {
        status.untold_since = oldest.map(|oldest| status.untold_since.map_or(oldest, |since| since.min(oldest)));
    });
}

/// The states with what is to be told of them; `true` if there are others whose event id is not known yet.
async fn with_event_ids(
    cx: &Context,
    system: &System,
    waiting: Vec<StateToMirror>,
) -> Result<(Vec<(StateToMirror, Told)>, bool), StoreError> {
    let epoch = cx.store.source(system.tenant, system.key).await?.epoch;
    let last = waiting.iter().map(|state| state.confirmed).max().unwrap_or_default();
    cx.store.mark_events(system.tenant, system.key, epoch, last, MARK_STEPS_MAX).await?;
    // Many devices have confirmed the same position, the log's end.
    let mut known: HashMap<Position, Option<i64>> = HashMap::new();
    let (mut clear, mut unclear) = (Vec::new(), false);
    for state in waiting {
        let highest = if let Some(highest) = known.get(&state.confirmed) {
            *highest
        } else {
            let highest = cx.store.highest_event_id(system.tenant, system.key, epoch, state.confirmed).await?;
            known.insert(state.confirmed, highest);
            highest
        };
        match highest {
            Some(highest) => {
                let told = told_of(&state, epoch, highest);
                clear.push((state, told));
            }
            None => unclear = true,
        }
    }
    Ok((clear, unclear))
}

/// `highest` is that of the changes which the log still has: what was told before may be of one that was trimmed.
fn told_of(state: &StateToMirror, epoch: Epoch, highest: i64) -> Told {
    let before = state.told.filter(|told| told.epoch == epoch && told.confirmed <= state.confirmed);
    let last_event_id = match (state.is_starting, before) {
        (true, _) => 0,
        (false, Some(before)) => highest.max(before.last_event_id),
        (false, None) => highest,
    };
    Told { epoch, confirmed: state.confirmed, last_event_id }
}

async fn note_told(
    cx: &Context,
    system: &System,
    mut ended: Vec<MirrorKey>,
    untold: Vec<(StateToMirror, Told)>,
    outcomes: Vec<Result<(), String>>,
) -> Result<(), StoreError> {
    let mut outcomes = outcomes.into_iter();
    // One that the ERP refuses to end is gone there as well, or will never be ended.
    ended.truncate(outcomes.by_ref().take(ended.len()).count());
    let told: Vec<MirroredState> = untold
        .into_iter()
        .zip(outcomes)
        .map(|((state, told), outcome)| {
            if let Err(reason) = &outcome {
                tracing::warn!(
                    system.id = %system.system_id, user.id = state.key.user.0, device.id = %state.key.device,
                    reason, "the ERP refuses to show a device"
                );
            }
            MirroredState { state, told, refusal: outcome.err() }
        })
        .collect();
    cx.store.note_mirrored(system, &told, &ended).await?;
    let refused = told.iter().filter(|one| one.refusal.is_some()).count();
    for (outcome, count) in [("ended", ended.len()), ("refused", refused), ("shown", told.len() - refused)] {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        cx.metrics.mirror_states.with_label_values(&[outcome]).inc_by(count);
    }
    Ok(())
}

fn show(state: &StateToMirror, last_event_id: i64) -> DeviceState {
    DeviceState {
        last_event_id,
        last_sync_at: state.last_sync_at.filter(|_| !state.is_starting),
        sync_count: state.sync_count,
        last_event_count: state.last_event_count,
        total_events_synced: state.events_synced,
        is_active: true,
        ..end(&state.key)
    }
}

fn end(key: &MirrorKey) -> DeviceState {
    DeviceState {
        erp_user_id: key.erp_user_id,
        device_id: key.device.to_string(),
        app_type: key.app_type.to_string(),
        last_event_id: 0,
        last_sync_at: None,
        sync_count: 0,
        last_event_count: 0,
        total_events_synced: 0,
        is_active: false,
    }
}
