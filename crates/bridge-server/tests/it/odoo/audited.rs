//! What is told of writes to a real Odoo 19, and of its absence.

use super::server::Odoo;
use super::stage::{Stage, refusal};
use crate::alerts::receiver::Receiver;
use crate::alerts::telling;
use crate::support::{Setup, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(2);

/// The newest entry of partners.
async fn newest(stage: &Stage) -> Value {
    stage.admin.get("/api/v1/audit?model=res.partner&limit=1").await.expect(200)["items"][0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_to_a_real_odoo_and_its_absence_are_told() {
    let receiver = Receiver::start().await;
    let setup = telling(Setup::sqlite(), &receiver).config(|config| config.erp.circuit_recovery_ms = 500);
    let models = json!({ "res.partner": { "operations": ["read", "create", "update", "delete"] } });
    let mut stage = Stage::open_on(setup, Odoo::start_bare("audited").await, models).await;
    let id = writes(&stage).await;
    absence(&mut stage, &receiver, &id).await;
    stage.app.stop().await;
}

async fn writes(stage: &Stage) -> Value {
    let id =
        stage.create("res.partner", json!({ "name": "Dar Al Noor", "email": "a@example.com" })).await["id"].clone();
    let made = newest(stage).await;
    assert_eq!(
        (&made["action"], &made["outcome"], &made["record_ids"]),
        (&json!("create"), &json!("done"), &json!([id]))
    );
    assert_eq!(made["values"], json!({ "after": { "name": "Dar Al Noor", "email": "a@example.com" } }));

    let update = |data: Value| json!({ "action": "update", "model": "res.partner", "record_id": id, "data": data });
    stage.result(update(json!({ "email": "b@example.com", "phone": null, "is_company": true }))).await;
    let updated = newest(stage).await;
    assert_eq!((&updated["action"], &updated["outcome"]), (&json!("update"), &json!("done")));
    let before = json!([{ "id": id, "email": "a@example.com", "phone": null, "is_company": false }]);
    assert_eq!(updated["values"]["before"], before, "as Odoo answers it, in our words");
    assert_eq!(updated["values"]["after"]["email"], "b@example.com");

    // What Odoo itself says no to.
    refusal(&stage.admin, update(json!({ "parent_id": id })), 422, "ERP_VALIDATION_FAILED").await;
    let refused = newest(stage).await;
    assert_eq!(
        (&refused["action"], &refused["outcome"], &refused["code"]),
        (&json!("update"), &json!("refused"), &json!("ERP_VALIDATION_FAILED"))
    );
    assert_eq!(refused["values"]["after"], json!({ "parent_id": id }));

    let gone = stage.create("res.partner", json!({ "name": "Gone", "ref": "G-1" })).await["id"].clone();
    stage.result(json!({ "action": "delete", "model": "res.partner", "record_id": gone })).await;
    let deleted = newest(stage).await;
    assert_eq!(
        (&deleted["action"], &deleted["outcome"], &deleted["record_ids"]),
        (&json!("delete"), &json!("done"), &json!([gone]))
    );
    let whole = &deleted["values"]["before"][0];
    assert_eq!((&whole["id"], &whole["name"], &whole["ref"]), (&gone, &json!("Gone"), &json!("G-1")));
    assert!(whole.get("image_1920").is_none() && whole.get("signup_type").is_none_or(Value::is_null), "{whole}");
    id
}

async fn absence(stage: &mut Stage, receiver: &Receiver, id: &Value) {
    stage.odoo.stop().await;
    let update = json!({ "action": "update", "model": "res.partner", "record_id": id, "data": { "ref": "away" } });
    eventually("the circuit opens", PATIENCE, async || {
        let answer = stage.admin.post("/api/v1/systems/odoo/crud", &update).await;
        (answer.body["code"] == "CIRCUIT_OPEN").then_some(())
    })
    .await;
    let not_sent = newest(stage).await;
    assert_eq!((&not_sent["action"], &not_sent["outcome"]), (&json!("update"), &json!("refused")));
    let told = receiver.wait("alert.open", "circuit_open").await;
    assert_eq!(told.body["data"]["system_id"], "odoo", "{told:?}");
    stage.odoo.launch().await;
    receiver.wait("alert.resolved", "circuit_open").await;
    let back = eventually("Odoo is reached again", PATIENCE, async || {
        let answer = stage.admin.post("/api/v1/systems/odoo/crud", &update).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    assert_eq!(back["result"]["ref"], "away");
    assert_eq!(newest(stage).await["outcome"], "done");
}
