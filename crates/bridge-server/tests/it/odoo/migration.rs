//! Records carried from another system into a real Odoo, and back.

use super::server::Odoo;
use super::stage::Stage;
use crate::support::{demo_erp, register_demo_system};
use serde_json::{Value, json};

/// What is compared of partners.
const PARTNER: [&str; 6] = ["name", "email", "phone", "city", "is_company", "ref"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_carried_into_a_real_odoo_and_back() {
    let open = json!({ "operations": ["read", "create", "update"] });
    let models = json!({ "res.partner": open, "sale.order": open });
    let stage = Stage::open(Odoo::start_bare("migration").await, models.clone()).await;
    let demo = demo_erp().await;
    register_demo_system(&stage.admin, &demo, "demo").await;
    stage.admin.put("/api/v1/systems/demo/allowed", &json!({ "models": models })).await.expect(200);
    partners_there_and_back(&stage).await;
    orders_lead_to_partners_that_came_before(&stage).await;
    what_odoo_does_not_take_is_told(&stage).await;
    stage.app.stop().await;
    demo.stop().await;
}

/// What becomes of records of one system in the other.
async fn migrate(stage: &Stage, from: &str, to: &str, mut body: Value) -> Value {
    body["target_system_id"] = json!(to);
    stage.admin.post(&format!("/api/v1/systems/{from}/migrate"), &body).await.expect(200)
}

/// The new ids of records, in their order.
fn targets(answer: &Value) -> Vec<Value> {
    answer["written"].as_array().unwrap().iter().map(|one| one["target_id"].clone()).collect()
}

/// These records without their ids, in their order.
async fn records(stage: &Stage, system: &str, model: &str, ids: &[Value], fields: &[&str]) -> Vec<Value> {
    let mut found = Vec::new();
    for id in ids {
        let read = json!({ "action": "read", "model": model, "record_id": id, "fields": fields });
        let path = format!("/api/v1/systems/{system}/crud");
        let mut record = stage.admin.post(&path, &read).await.expect(200)["result"].clone();
        record.as_object_mut().unwrap().remove("id");
        found.push(record);
    }
    found
}

async fn partners_there_and_back(stage: &Stage) {
    let ids = [json!(1), json!(3), json!(4)];
    let body = json!({
        "model": "res.partner", "from_version": "18.0", "to_version": "19.0", "record_ids": ids, "fields": PARTNER,
    });
    let plan = stage.admin.post("/api/v1/systems/demo/migrate/plan", &body).await.expect(200);
    assert_eq!((&plan["records"], &plan["rule_pack"]), (&json!(3), &json!("odoo")), "{plan}");
    let before = records(stage, "demo", "res.partner", &ids, &PARTNER).await;
    let there = migrate(stage, "demo", "odoo", body.clone()).await;
    assert_eq!((&there["success"], &there["migrated"], &there["errors"]), (&json!(true), &json!(3), &json!([])));
    let new = targets(&there);
    assert_eq!(records(stage, "odoo", "res.partner", &new, &PARTNER).await, before);
    // Sent again, after somebody has changed one of them, they are the same records as they are in the source.
    let update = json!({ "action": "update", "model": "res.partner", "record_id": new[0], "data": { "city": "Fes" } });
    stage.result(update).await;
    assert_eq!(targets(&migrate(stage, "demo", "odoo", body).await), new);
    assert_eq!(records(stage, "odoo", "res.partner", &new, &PARTNER).await, before);
    // Back again they are records of their own, which say the same.
    let back = json!({
        "model": "res.partner", "from_version": "19.0", "to_version": "19.0", "record_ids": new, "fields": PARTNER,
    });
    let back = migrate(stage, "odoo", "demo", back).await;
    assert_eq!((&back["success"], &back["migrated"]), (&json!(true), &json!(3)), "{back}");
    assert_eq!(records(stage, "demo", "res.partner", &targets(&back), &PARTNER).await, before);
    assert!(targets(&back).iter().all(|id| !ids.contains(id)), "{back}");
}

async fn orders_lead_to_partners_that_came_before(stage: &Stage) {
    let fields = ["date_order", "client_order_ref", "partner_id"];
    let before = records(stage, "demo", "sale.order", &[json!(1)], &fields).await[0].clone();
    let order = json!({
        "model": "sale.order", "from_version": "18.0", "to_version": "19.0", "record_ids": [1], "fields": fields,
        "relations": "migrated",
    });
    let partner = json!({
        "model": "res.partner", "from_version": "18.0", "to_version": "19.0", "record_ids": [before["partner_id"][0]],
        "fields": ["name"],
    });
    let partner = targets(&migrate(stage, "demo", "odoo", partner).await)[0].clone();
    let there = migrate(stage, "demo", "odoo", order).await;
    assert_eq!((&there["success"], &there["migrated"]), (&json!(true), &json!(1)), "{there}");
    let made = records(stage, "odoo", "sale.order", &targets(&there), &fields).await[0].clone();
    assert_eq!(made["partner_id"][0], partner);
    assert_eq!((&made["date_order"], &made["client_order_ref"]), (&before["date_order"], &before["client_order_ref"]));
}

async fn what_odoo_does_not_take_is_told(stage: &Stage) {
    // An order whose customer was not migrated, beside one whose customer was.
    let mut orders = Vec::new();
    for name in ["Migrated", "Left behind"] {
        let create = |model: &str, data: Value| json!({ "action": "create", "model": model, "data": data });
        let made = async |body: Value| {
            stage.admin.post("/api/v1/systems/demo/crud", &body).await.expect(200)["result"]["id"].clone()
        };
        let customer = made(create("res.partner", json!({ "name": name }))).await;
        orders.push((customer.clone(), made(create("sale.order", json!({ "partner_id": customer }))).await));
    }
    let [(customer, order), (_, other)] = &orders[..] else { panic!("{orders:?}") };
    let partner = json!({
        "model": "res.partner", "from_version": "18.0", "to_version": "19.0", "record_ids": [customer], "fields": ["name"],
    });
    migrate(stage, "demo", "odoo", partner).await;
    let body = json!({
        "model": "sale.order", "from_version": "18.0", "to_version": "19.0", "record_ids": [order, other],
        "fields": ["partner_id"], "relations": "migrated",
    });
    let answer = migrate(stage, "demo", "odoo", body).await;
    assert_eq!((&answer["success"], &answer["migrated"]), (&json!(false), &json!(1)), "{answer}");
    assert_eq!((&answer["written"][0]["record_id"], &answer["errors"][0]["record_id"]), (order, other));
    assert!(!answer["errors"][0]["message"].as_str().unwrap().is_empty(), "{answer}");
    assert!(!answer.to_string().contains("Traceback"), "{answer}");
    // A name that only 18.0 has is refused by what this Odoo itself tells of its fields.
    let body = json!({
        "model": "sale.order.line", "from_version": "19.0", "to_version": "18.0", "record_ids": [1],
        "fields": ["name", "product_uom_id"], "target_system_id": "odoo",
    });
    let models = json!({ "models": { "sale.order.line": { "operations": ["create", "update"] } } });
    stage.admin.put("/api/v1/systems/odoo/allowed", &models).await.expect(200);
    let refused = stage.admin.post("/api/v1/systems/demo/migrate", &body).await;
    let refused = refused.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(
        (&refused["details"]["unknown_field"], &refused["details"]["target_system_id"]),
        (&json!("product_uom"), &json!("odoo"))
    );
}
