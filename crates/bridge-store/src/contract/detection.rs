//! The models of a system and who owns them.

use super::systems::new_system;
use super::{Bed, contract};
use crate::{Choice, FoundModel, Ownership, Store, StoreError, TrackedModel};
use bridge_model::{Clock as _, ModelClass, ModelName, Strategy, SystemKey, TenantId};
use std::time::Duration;

contract! {
    found_models_are_kept_and_what_is_gone_is_forgotten,
    ownership_moves_only_step_by_step,
    steps_that_were_planned_before_something_changed_are_not_taken,
    a_choice_of_an_unknown_model_keeps_nothing,
    health_tells_since_when_a_strategy_fails,
}

fn model(name: &str) -> ModelName {
    ModelName::parse(name).unwrap()
}

fn found(name: &str) -> FoundModel {
    FoundModel {
        model: model(name),
        label: Some("A model".to_owned()),
        table_name: None,
        modules: Some("base".to_owned()),
        class: ModelClass::Critical,
        has_write_date: true,
        available: vec![Strategy::Addon, Strategy::Poll],
        recommended: Some(Strategy::Addon),
    }
}

async fn place(bed: &Bed) -> (Store, TenantId, SystemKey) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap().key;
    (store, tenant, system)
}

async fn one(store: &Store, tenant: TenantId, system: SystemKey) -> TrackedModel {
    let mut models = store.tracked_models(tenant, system).await.unwrap();
    assert_eq!(models.len(), 1);
    models.remove(0)
}

async fn found_models_are_kept_and_what_is_gone_is_forgotten(bed: Bed) {
    let (store, tenant, system) = place(&bed).await;
    assert_eq!(store.detection(tenant, system).await.unwrap(), None);
    let both = [found("res.partner"), found("sale.order")];
    store.save_found_models(tenant, system, &both, None).await.unwrap();
    let kept = store.tracked_models(tenant, system).await.unwrap();
    assert_eq!(kept.iter().map(|model| &model.found).collect::<Vec<_>>(), both.iter().collect::<Vec<_>>());
    assert_eq!((kept[0].owner, kept[0].choice, kept[0].found_at), (None, Choice::Auto, bed.clock.now()));
    let detection = store.detection(tenant, system).await.unwrap().unwrap();
    assert_eq!((detection.version, detection.discovered_at), (1, Some(bed.clock.now())));

    let poll = [(model("sale.order"), Choice::Strategy(Strategy::Poll))];
    store.choose_strategies(tenant, system, &poll, Some(Choice::Nothing)).await.unwrap();
    let cut = Ownership::Cut { from: None, to: Some(Strategy::Poll) };
    assert!(store.move_ownership(tenant, system, &[(model("sale.order"), cut)], None).await.unwrap());
    bed.clock.advance(Duration::from_secs(1));
    let changed = FoundModel { class: ModelClass::Standard, available: vec![Strategy::Poll], ..found("sale.order") };
    store.save_found_models(tenant, system, std::slice::from_ref(&changed), None).await.unwrap();
    let kept = one(&store, tenant, system).await;
    assert_eq!(kept.found, changed);
    assert_eq!((kept.owner, kept.choice), (Some(Strategy::Poll), Choice::Strategy(Strategy::Poll)));
    let detection = store.detection(tenant, system).await.unwrap().unwrap();
    assert!(detection.version > 1 && detection.fallback == Choice::Nothing, "{detection:?}");

    let other = bed.tenant(&store).await;
    assert_eq!(store.tracked_models(other, system).await.unwrap(), []);
    let lease = store.acquire_lease("reader", "a node", Duration::from_secs(1)).await.unwrap().unwrap();
    bed.clock.advance(Duration::from_secs(2));
    let fenced = store.save_found_models(tenant, system, &both, Some(&lease.fence())).await;
    assert!(matches!(fenced, Err(StoreError::Fenced)), "{fenced:?}");
    assert_eq!(store.tracked_models(tenant, system).await.unwrap().len(), 1);
    assert!(store.delete_system(tenant, &new_system("odoo").system_id).await.unwrap());
    assert_eq!(store.tracked_models(tenant, system).await.unwrap(), []);
    assert_eq!(store.detection(tenant, system).await.unwrap(), None);
}

async fn ownership_moves_only_step_by_step(bed: Bed) {
    let (store, tenant, system) = place(&bed).await;
    store.save_found_models(tenant, system, &[found("res.partner")], None).await.unwrap();
    let step = async |step: Ownership| {
        let before = store.detection(tenant, system).await.unwrap().unwrap().version;
        let moved = store.move_ownership(tenant, system, &[(model("res.partner"), step)], None).await.unwrap();
        let after = store.detection(tenant, system).await.unwrap().unwrap().version;
        assert!(after > before || !moved);
        moved
    };
    let seen = async || {
        let model = one(&store, tenant, system).await;
        (model.owner, model.successor, model.successor_ready)
    };
    let (addon, poll) = (Strategy::Addon, Strategy::Poll);
    assert!(step(Ownership::Cut { from: None, to: Some(addon) }).await);
    assert!(!step(Ownership::Cut { from: None, to: Some(poll) }).await, "somebody is in charge");
    assert!(!step(Ownership::Ready(poll)).await, "nobody asked it to take over");
    assert!(!step(Ownership::GiveUp(addon)).await, "there is no successor");
    assert!(step(Ownership::HandOver(poll)).await);
    assert!(!step(Ownership::HandOver(poll)).await, "it is taking over already");
    assert_eq!(seen().await, (Some(addon), Some(poll), false));
    assert!(!step(Ownership::GiveUp(addon)).await, "the successor is not ready");
    assert!(!step(Ownership::Ready(Strategy::Wal)).await, "another one is taking over");
    assert!(step(Ownership::Ready(poll)).await);
    assert!(!step(Ownership::GiveUp(poll)).await, "it is not in charge yet");
    bed.clock.advance(Duration::from_secs(1));
    assert!(step(Ownership::GiveUp(addon)).await);
    assert_eq!(seen().await, (Some(poll), None, false));
    assert_eq!(one(&store, tenant, system).await.owned_since, Some(bed.clock.now()));
    // A hand-over that is called off begins anew the next time.
    assert!(step(Ownership::HandOver(addon)).await && step(Ownership::Ready(addon)).await);
    assert!(step(Ownership::HandOver(poll)).await);
    assert_eq!(seen().await, (Some(poll), None, false));
    assert!(step(Ownership::HandOver(addon)).await);
    assert_eq!(seen().await, (Some(poll), Some(addon), false));
    assert!(step(Ownership::Cut { from: Some(poll), to: None }).await);
    assert_eq!(seen().await, (None, None, false));
}

async fn steps_that_were_planned_before_something_changed_are_not_taken(bed: Bed) {
    let (store, tenant, system) = place(&bed).await;
    store.save_found_models(tenant, system, &[found("res.partner")], None).await.unwrap();
    let lease = store.acquire_lease("watch", "a node", Duration::from_secs(5)).await.unwrap().unwrap();
    let version = async || store.detection(tenant, system).await.unwrap().unwrap().version;
    let steps = |to| [(model("res.partner"), Ownership::Cut { from: None, to: Some(to) })];
    let move_at =
        async |version, to| store.move_ownership_at(tenant, system, version, &steps(to), &lease.fence()).await;
    let planned_at = version().await;
    store.choose_strategies(tenant, system, &[(model("res.partner"), Choice::Nothing)], None).await.unwrap();
    assert!(!move_at(planned_at, Strategy::Poll).await.unwrap(), "somebody has chosen");
    assert_eq!(one(&store, tenant, system).await.owner, None);
    let planned_at = version().await;
    assert!(move_at(planned_at, Strategy::Poll).await.unwrap());
    assert_eq!(one(&store, tenant, system).await.owner, Some(Strategy::Poll));
    assert!(!move_at(planned_at, Strategy::Addon).await.unwrap(), "the steps count as a change as well");
    bed.clock.advance(Duration::from_secs(6));
    let fenced = move_at(version().await, Strategy::Addon).await;
    assert!(matches!(fenced, Err(StoreError::Fenced)), "{fenced:?}");
}

async fn a_choice_of_an_unknown_model_keeps_nothing(bed: Bed) {
    let (store, tenant, system) = place(&bed).await;
    store.save_found_models(tenant, system, &[found("res.partner")], None).await.unwrap();
    let choices = [(model("res.partner"), Choice::Nothing), (model("no.such"), Choice::Nothing)];
    let refused = store.choose_strategies(tenant, system, &choices, None).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    assert_eq!(one(&store, tenant, system).await.choice, Choice::Auto);
}

async fn health_tells_since_when_a_strategy_fails(bed: Bed) {
    let (store, tenant, system) = place(&bed).await;
    assert_eq!(store.strategy_health(tenant, system).await.unwrap(), []);
    let began = bed.clock.now();
    store.note_success(tenant, system, Strategy::Poll).await.unwrap();
    bed.clock.advance(Duration::from_secs(1));
    let failing = bed.clock.now();
    store.note_failure(tenant, system, Strategy::Poll, "down").await.unwrap();
    bed.clock.advance(Duration::from_secs(1));
    store.note_failure(tenant, system, Strategy::Poll, "still down").await.unwrap();
    let health = store.strategy_health(tenant, system).await.unwrap().remove(0);
    assert_eq!((health.succeeded_at, health.failing_since), (Some(began), Some(failing)));
    assert_eq!(health.last_error.as_deref(), Some("still down"));
    store.note_success(tenant, system, Strategy::Poll).await.unwrap();
    let health = store.strategy_health(tenant, system).await.unwrap().remove(0);
    assert_eq!((health.succeeded_at, health.failing_since), (Some(bed.clock.now()), None));
}
