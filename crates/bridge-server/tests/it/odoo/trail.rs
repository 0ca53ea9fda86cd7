//! Odoo's own trail: changes that are seen without the add-on say who made them, and from what to what.

use super::main_job::events_of;
use super::server::Odoo;
use super::watched::{register, watching};
use crate::support::{App, Client, Setup, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

const SYSTEMS: &[&str] = &["captured", "read", "polled"];

/// One that Odoo tracks, one that `auditlog` has a rule for, and one that nobody notes anything of.
const MODELS: &[&str] = &["res.partner", "res.partner.category", "res.partner.industry"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_say_who_made_them_and_what_was_there_before() {
    let odoo = Odoo::start_audited("trail").await;
    let seller = hire(&odoo).await;
    audit(&odoo, "res.partner.category").await;
    let partner = odoo.create("res.partner", json!({ "name": "Amal", "email": "old@example.com" })).await;
    let tag = odoo.create("res.partner.category", json!({ "name": "Lamps" })).await;
    let industry = odoo.create("res.partner.industry", json!({ "name": "Light" })).await;
    let setup = watching(Setup::sqlite()).config(|config| {
        // A busy machine is no reason to leave out what is tested here.
        config.detection.trail.timeout_ms = 30_000;
        config.detection.trail.call_timeout_ms = 30_000;
    });
    let app = setup.start().await;
    let admin = app.admin().await;
    let capture = odoo.install("capture", &["--trail"]).await;
    let wal = odoo.install("wal", &["--trail"]).await;
    register(&app, &odoo, ("captured", "capture"), Some(capture), MODELS).await;
    register(&app, &odoo, ("read", "wal"), Some(wal), MODELS).await;
    register(&app, &odoo, ("polled", "poll"), None, MODELS).await;

    let as_seller = odoo.log_in("seller", "seller-pw-1");
    as_seller.write("res.partner", partner, json!({ "email": "new@example.com", "user_id": seller })).await;
    as_seller.write("res.partner.category", tag, json!({ "name": "Lights" })).await;
    odoo.write("res.partner.industry", industry, json!({ "name": "Lamps" })).await;
    for system in SYSTEMS {
        // What Odoo tracks.
        let event = told(&admin, system, "res.partner", partner, "write").await;
        assert_eq!(event["user_id"], seller, "{system}: {event}");
        assert_eq!(event["old_data"], json!({ "email": "old@example.com", "user_id": null }), "{system}: {event}");
        assert_eq!(
            event["new_data"],
            json!({ "email": "new@example.com", "user_id": [seller, "seller"] }),
            "{system}: {event}"
        );
        // These are not all that changed.
        assert_eq!(event["changed_fields"], Value::Null, "{system}: {event}");
        // What auditlog notes.
        let event = told(&admin, system, "res.partner.category", tag, "write").await;
        assert_eq!(event["user_id"], seller, "{system}: {event}");
        assert_eq!(
            (&event["old_data"]["name"], &event["new_data"]["name"]),
            (&json!("Lamps"), &json!("Lights")),
            "{system}: {event}"
        );
        // What nobody notes but Odoo in the record itself.
        let event = told(&admin, system, "res.partner.industry", industry, "write").await;
        assert_eq!((&event["user_id"], &event["old_data"]), (&json!(2), &Value::Null), "{system}: {event}");
    }

    // Who deleted a record is known to auditlog alone.
    as_seller.unlink("res.partner.category", tag).await;
    for system in SYSTEMS {
        let event = told(&admin, system, "res.partner.category", tag, "unlink").await;
        assert_eq!(event["user_id"], seller, "{system}: {event}");
        assert_eq!(event["new_data"], Value::Null, "{system}: {event}");
    }

    // What something else than Odoo writes is not the work of whoever wrote there last.
    let sql = format!("UPDATE res_partner_industry SET active = false WHERE id = {industry}");
    odoo.client().await.batch_execute(&sql).await.unwrap();
    for system in ["captured", "read"] {
        let event = eventually(&format!("{system} has the second write"), PATIENCE, async || {
            let log = writes(&admin, system, "res.partner.industry", industry, "write").await;
            log.get(1).cloned()
        })
        .await;
        assert_eq!(event["user_id"], Value::Null, "{system}: {event}");
    }
    values_are_for_admins(&app, seller, partner).await;
    app.stop().await;
}

async fn hire(odoo: &Odoo) -> i64 {
    let internal = odoo.reference("base", "group_user").await;
    let contacts = odoo.reference("base", "group_partner_manager").await;
    let user = json!({
        "name": "seller", "login": "seller", "password": "seller-pw-1", "group_ids": [[6, 0, [internal, contacts]]],
    });
    odoo.create("res.users", user).await
}

async fn audit(odoo: &Odoo, model: &str) {
    let models = odoo.call("ir.model", "search", json!([[["model", "=", model]]])).await;
    let rule = json!({
        "name": "Audit", "model_id": models[0], "log_type": "full", "log_create": true, "log_write": true,
        "log_unlink": true, "log_read": false, "log_export_data": false, "capture_record": true,
    });
    let rule = odoo.create("auditlog.rule", rule).await;
    odoo.call("auditlog.rule", "set_to_confirmed", json!([[rule]])).await;
}

/// The first such change of a record in the log.
async fn told(admin: &Client, system: &str, model: &str, record: i64, event: &str) -> Value {
    eventually(&format!("{system} has {event} of {model} {record}"), PATIENCE, async || {
        writes(admin, system, model, record, event).await.into_iter().next()
    })
    .await
}

async fn writes(admin: &Client, system: &str, model: &str, record: i64, event: &str) -> Vec<Value> {
    let mut log = events_of(admin).await;
    log.retain(|told| {
        told["system_id"] == system && told["model"] == model && told["record_id"] == record && told["event"] == event
    });
    log
}

async fn values_are_for_admins(app: &App, seller: i64, partner: i64) {
    let client = app.user("seller", Some(seller)).await;
    let log = events_of(&client).await;
    let of_partner: Vec<_> =
        log.iter().filter(|told| told["record_id"] == partner && told["user_id"] == seller).collect();
    assert!(!of_partner.is_empty(), "the seller sees that there was a change: {log:?}");
    assert!(of_partner.iter().all(|told| told.get("old_data").is_none() && told.get("new_data").is_none()));
}
