//! Polling a real Odoo that has no add-on.

use super::server::Odoo;
use crate::ingest::pusher::{log_of, tenant_of};
use crate::support::{App, Client, Setup, eventually, on_both_databases};
use bridge_model::{Event, ModelName, Origin, RecordId, SystemKey};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(2);

on_both_databases!(what_happens_to_a_partner_is_seen_without_an_add_on);

async fn what_happens_to_a_partner_is_seen_without_an_add_on(setup: Setup) {
    let odoo = Odoo::start_bare("polling").await;
    let setup = setup.config(|config| {
        config.detection.enabled = true;
        config.detection.watch_interval_ms = 50;
        config.detection.owners_fresh_ms = 0;
        config.detection.poll.share_percent = 100.0;
        config.detection.poll.critical_interval_ms = 100;
        config.detection.poll.critical_idle_ms = 500;
    });
    let app = setup.start().await;
    let admin = app.admin().await;
    let registration = json!({
        "system_id": "odoo", "system_type": "odoo", "name": "Odoo", "connection_config": odoo.connection(),
    });
    let system = SystemKey(admin.post("/api/v1/systems", &registration).await.expect(201)["id"].as_i64().unwrap());
    let partner = of(&admin, "res.partner").await;
    assert_eq!((&partner["class"], &partner["has_write_date"]), (&json!("critical"), &json!(true)), "{partner}");
    let wizard = of(&admin, "base.language.install").await;
    assert_eq!((&wizard["class"], &wizard["available"]), (&json!("transient"), &json!([])), "{wizard}");
    // Every model is looked at once before, which takes a while; nothing of what is there is news.
    let tenant = tenant_of(&admin).await;
    let store = &app.context().store;
    eventually("every model that can be read is taken as it is", PATIENCE, async || {
        let seen = admin.get("/api/v1/systems/odoo/detection").await.expect(200);
        let status = admin.get("/api/v1/systems/odoo/status").await.expect(200);
        let adopted = store.polled_models(tenant, system).await.unwrap();
        let is_idle = status["poll"]["models"] == seen["strategies"][3]["owned"]
            && status["poll"]["behind_seconds"].as_f64().unwrap() < 1.0;
        (is_idle && adopted.contains(&ModelName::parse("res.partner").unwrap()) && adopted.len() > 50).then(|| {
            println!("{} models are polled, of which can't be read: {}", adopted.len(), status["poll"]["refused"]);
        })
    })
    .await;

    let id = odoo.create("res.partner", json!({ "name": "Dar Al Noor" })).await;
    told(&app, &admin, id, Event::Create).await;
    odoo.write("res.partner", id, json!({ "active": false })).await;
    told(&app, &admin, id, Event::Write).await;
    odoo.unlink("res.partner", id).await;
    told(&app, &admin, id, Event::Unlink).await;
    app.stop().await;
}

async fn of(admin: &Client, model: &str) -> Value {
    eventually("the models are looked up", PATIENCE, async || {
        let page = admin.get("/api/v1/systems/odoo/models?limit=1000").await.expect(200);
        page["items"].as_array().unwrap().iter().find(|item| item["model"] == model && item["class"] != "").cloned()
    })
    .await
}

async fn told(app: &App, admin: &Client, id: i64, event: Event) {
    eventually(&format!("{event} of the partner is in the log"), PATIENCE, async || {
        let log = log_of(app, admin).await;
        let is_it = |change: &bridge_model::Change| {
            change.body.model.as_str() == "res.partner"
                && change.body.record_id == Some(RecordId::Number(id))
                && change.body.event == event
                && change.body.origin == Origin::Poll
        };
        log.iter().any(is_it).then_some(())
    })
    .await;
}
