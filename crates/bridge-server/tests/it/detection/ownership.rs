//! What the add-on tells of models that are not its own, and its share in a hand-over.

use crate::ingest::pusher::{Pusher, event, log_of, tenant_of};
use crate::support::{App, Client, Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use bridge_erp::fake::DemoErp;
use bridge_model::{ModelClass, ModelName, Strategy, SystemKey, TenantId};
use bridge_store::{FoundModel, Ownership, TrackedModel};
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(2);

on_both_databases!(
    what_the_add_on_tells_of_a_model_that_is_not_its_own_stays_out_of_the_log,
    the_add_on_takes_over_and_gives_up_when_asked_to,
);

async fn what_the_add_on_tells_of_a_model_that_is_not_its_own_stays_out_of_the_log(setup: Setup) {
    let (app, erp) = (setup.config(|config| config.detection.owners_fresh_ms = 0).start().await, demo_erp().await);
    let admin = app.admin().await;
    let system = register_demo_system(&admin, &erp, "main").await;
    let place = Place::of(&admin, system["id"].as_i64().unwrap()).await;
    place.found(&app, &["res.partner", "sale.order"]).await;
    place.step(&app, "res.partner", Ownership::Cut { from: None, to: Some(Strategy::Wal) }).await;
    place.step(&app, "sale.order", Ownership::Cut { from: None, to: Some(Strategy::Addon) }).await;

    read_anew(&app, &admin, place.system).await;

    let source = Pusher::with_key(&app, system["push_key"].as_str().unwrap());
    let received = source.push(&event(900, "res.partner", 1, "write")).await.expect(200);
    assert_eq!((&received["accepted"], &received["deferred"]), (&json!(0), &json!(1)), "{received}");
    let woken = app.context().hub.reader(place.system, Strategy::Wal);
    woken.woken().await;
    assert_eq!(woken.take_hints().iter().map(ModelName::as_str).collect::<Vec<_>>(), ["res.partner"]);

    let (partner, order) = (erp.db().ids("res.partner")[0], erp.db().ids("sale.order")[0]);
    write(&erp, "res.partner", partner);
    write(&erp, "sale.order", order);
    eventually("the order's change is in the log", PATIENCE, async || {
        models_in_log(&app, &admin).await.contains(&"sale.order".to_owned()).then_some(())
    })
    .await;
    assert!(!models_in_log(&app, &admin).await.contains(&"res.partner".to_owned()));
    eventually("what was read wakes the owner as well", PATIENCE, async || {
        woken.take_hints().iter().any(|model| model.as_str() == "res.partner").then_some(())
    })
    .await;
    app.stop().await;
    erp.stop().await;
}

async fn the_add_on_takes_over_and_gives_up_when_asked_to(setup: Setup) {
    let (app, erp) = (setup.config(|config| config.detection.owners_fresh_ms = 0).start().await, demo_erp().await);
    let admin = app.admin().await;
    let system = register_demo_system(&admin, &erp, "main").await;
    let place = Place::of(&admin, system["id"].as_i64().unwrap()).await;
    place.found(&app, &["res.partner"]).await;
    place.step(&app, "res.partner", Ownership::Cut { from: None, to: Some(Strategy::Wal) }).await;
    place.step(&app, "res.partner", Ownership::HandOver(Strategy::Addon)).await;
    eventually("the add-on's reader says that it is ready", PATIENCE, async || {
        place.one(&app).await.successor_ready.then_some(())
    })
    .await;
    assert_eq!(place.one(&app).await.owner, Some(Strategy::Wal), "the owner goes on until it has caught up");
    let partner = erp.db().ids("res.partner")[0];
    write(&erp, "res.partner", partner);
    eventually("the successor's finds are in the log", PATIENCE, async || {
        (!models_in_log(&app, &admin).await.is_empty()).then_some(())
    })
    .await;
    place.step(&app, "res.partner", Ownership::GiveUp(Strategy::Wal)).await;
    assert_eq!(place.one(&app).await.owner, Some(Strategy::Addon));

    place.step(&app, "res.partner", Ownership::HandOver(Strategy::Capture)).await;
    write(&erp, "res.partner", partner);
    eventually("the owner goes on", PATIENCE, async || (models_in_log(&app, &admin).await.len() == 2).then_some(()))
        .await;
    assert_eq!(place.one(&app).await.owner, Some(Strategy::Addon));
    place.step(&app, "res.partner", Ownership::Ready(Strategy::Capture)).await;
    eventually("the add-on's reader has given the model up", PATIENCE, async || {
        (place.one(&app).await.owner == Some(Strategy::Capture)).then_some(())
    })
    .await;
    app.stop().await;
    erp.stop().await;
}

/// Waits until the add-on's events were read by a look that began after this was called: one that goes on from before
/// may still hold what was true then.
async fn read_anew(app: &App, admin: &Client, system: SystemKey) {
    let read_at = async || {
        let status = admin.get("/api/v1/systems/main/status").await.expect(200);
        status["readers"]["addon"]["last_success_at"].clone()
    };
    for _ in 0..2 {
        let before = read_at().await;
        eventually("the events are read", PATIENCE, async || {
            app.context().hub.nudge_all(system);
            (read_at().await != before).then_some(())
        })
        .await;
    }
}

/// A system in the store, for what other strategies would do there.
struct Place {
    tenant: TenantId,
    system: SystemKey,
}

impl Place {
    async fn of(admin: &Client, system: i64) -> Self {
        Self { tenant: tenant_of(admin).await, system: SystemKey(system) }
    }

    async fn found(&self, app: &App, models: &[&str]) {
        let found: Vec<_> = models.iter().map(|name| found(name)).collect();
        app.context().store.save_found_models(self.tenant, self.system, &found, None).await.unwrap();
    }

    async fn step(&self, app: &App, name: &str, step: Ownership) {
        let cx = app.context();
        let steps = [(ModelName::parse(name).unwrap(), step)];
        assert!(cx.store.move_ownership(self.tenant, self.system, &steps, None).await.unwrap(), "{steps:?}");
        cx.owners.forget(self.system);
    }

    async fn one(&self, app: &App) -> TrackedModel {
        app.context().store.tracked_models(self.tenant, self.system).await.unwrap().remove(0)
    }
}

fn found(name: &str) -> FoundModel {
    FoundModel {
        model: ModelName::parse(name).unwrap(),
        label: None,
        table_name: None,
        modules: None,
        class: ModelClass::Standard,
        has_write_date: true,
        available: Strategy::ALL.to_vec(),
        recommended: Some(Strategy::Addon),
    }
}

fn write(erp: &DemoErp, model: &str, id: i64) {
    let mut transaction = erp.db().begin(2);
    let field = if model == "res.partner" { "city" } else { "client_order_ref" };
    transaction.write(model, &[id], json!({ field: "Somewhere" })).unwrap();
    transaction.commit();
}

async fn models_in_log(app: &App, admin: &Client) -> Vec<String> {
    log_of(app, admin).await.iter().map(|change| change.body.model.to_string()).collect()
}
