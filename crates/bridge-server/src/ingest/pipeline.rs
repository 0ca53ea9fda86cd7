//! The one way into the log: tracked models only, one durable transaction, then the wake-up.

use crate::context::Context;
use crate::metrics::{Held, Timer};
use crate::problem::Problem;
use bridge_erp::ErpEvent;
use bridge_model::{Epoch, Event, ModelName, NewChange, Origin, SourceId, SystemKey, TenantId, Timestamp, is_among};
use bridge_store::{Append, Appended};
use serde_json::value::{RawValue, to_raw_value};

/// Appends a batch and wakes whoever waits on the tenant. When this returns, the batch is durable: the database's
/// sync call has come back. What is in the log already is left out (its place in the answer is `None`).
pub async fn append(cx: &Context, tenant: TenantId, batch: Append) -> Result<Appended, Problem> {
    let metrics = &cx.metrics;
    let counters: Vec<_> = batch.changes.iter().map(|change| metrics.received(&change.model, change.event)).collect();
    let rejected = u64::try_from(batch.dead_letters.len()).unwrap_or(u64::MAX);
    let (waiting, timer) = (Held::one(&metrics.webhook_queue_size), Timer::start(&*cx.clock, &metrics.append_seconds));
    let appended = cx.store.append(tenant, batch).await?;
    drop((waiting, timer));
    cx.hub.wake(tenant, appended.head);
    metrics.webhook_rejected.inc_by(rejected);
    for (counter, position) in counters.iter().zip(&appended.positions) {
        if position.is_some() { counter } else { &metrics.webhook_duplicates }.inc();
    }
    Ok(appended)
}

/// Whether changes of this model are taken at all. Our own tables and mirrors never are: they would feed themselves.
pub fn tracked(untracked: &[String], model: &ModelName) -> bool {
    !is_among(untracked, model.as_str())
}

/// An event of the ERP as a change for the log.
pub(super) fn change_of(
    system: SystemKey,
    epoch: Epoch,
    origin: Origin,
    event: ErpEvent,
    payload_bytes_max: usize,
) -> NewChange {
    let payload = event.payload.and_then(|payload| to_raw_value(&payload).ok());
    NewChange {
        epoch,
        priority: event.priority,
        origin,
        source_id: event.source_id,
        changed_fields: event.changed_fields.filter(|names| are_names(names)),
        payload: bounded(payload, payload_bytes_max),
        erp_user_id: event.erp_user_id,
        idempotency_key: event.idempotency_key.filter(|key| is_key(key)),
        ..NewChange::of(system, event.model, event.record_id, event.event, event.occurred_at)
    }
}

/// The most bytes of a key that is kept.
const KEY_BYTES_MAX: usize = 200;

/// Whether a text can be kept as a key. What is not ours may hold anything, and one bad row must not stop the others.
pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && text.len() <= KEY_BYTES_MAX && !text.chars().any(char::is_control)
}

/// The most names of changed fields that are kept; a model with more is read as a whole anyway.
const CHANGED_FIELDS_MAX: usize = 200;

/// Whether these can be the names of a record's changed fields.
pub(super) fn are_names(names: &[String]) -> bool {
    names.len() <= CHANGED_FIELDS_MAX && names.iter().all(|name| name.len() <= KEY_BYTES_MAX)
}

/// A payload within the limit; a larger one is left out, since the record itself can always be read.
pub(super) fn bounded(payload: Option<Box<RawValue>>, bytes_max: usize) -> Option<Box<RawValue>> {
    payload.filter(|payload| payload.get().len() <= bytes_max)
}

/// 'Everything of these models may have changed', for when a source may have lost events. `cause` makes the change
/// the same one when the step that appends it is repeated.
pub(super) fn resets(
    system: SystemKey,
    epoch: Epoch,
    models: impl IntoIterator<Item = ModelName>,
    cause: &str,
    now: Timestamp,
) -> Vec<NewChange> {
    models
        .into_iter()
        .map(|model| NewChange {
            system,
            epoch,
            source_id: Some(SourceId(format!("reset:{cause}:{model}"))),
            model,
            record_id: None,
            event: Event::Reset,
            priority: bridge_model::Priority::Medium,
            occurred_at: now,
            origin: Origin::Pull,
            changed_fields: None,
            payload: None,
            old_data: None,
            new_data: None,
            erp_user_id: None,
            idempotency_key: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_tables_are_never_tracked() {
        let untracked = crate::config::Ingest::default().untracked_models;
        for (model, expected) in [
            ("update.webhook", false),
            ("webhook.config", false),
            ("bus.bus", false),
            ("business.unit", true),
            ("sale.order", true),
        ] {
            assert_eq!(tracked(&untracked, &ModelName::parse(model).unwrap()), expected, "{model}");
        }
    }
}
