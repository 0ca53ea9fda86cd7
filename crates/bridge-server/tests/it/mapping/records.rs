//! Records read and written in universal words.

use crate::records::Stage;
use crate::support::{Answer, Client, Setup, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    a_contact_is_made_read_changed_and_deleted_in_universal_words,
    an_order_is_made_with_its_lines,
    records_are_found_over_relations,
    what_is_wrong_is_named_in_universal_words,
    rights_hold_as_for_models,
    a_tenants_own_words_are_used,
);

async fn crud(client: &Client, entity: &str, body: Value) -> Answer {
    client.post(&format!("/api/v1/systems/demo/entities/{entity}/crud"), &body).await
}

async fn result(stage: &Stage, entity: &str, body: Value) -> Value {
    crud(&stage.admin, entity, body).await.expect(200)["result"].clone()
}

async fn a_contact_is_made_read_changed_and_deleted_in_universal_words(setup: Setup) {
    let stage = Stage::open(setup).await;
    let data = json!({ "name": "Atlas", "kind": "company", "postal_code": "20000", "tax_number": "M1" });
    let made = result(&stage, "contact", json!({ "action": "create", "data": data })).await;
    let id = made["id"].clone();
    let mut expected = data.clone();
    expected["id"] = id.clone();
    assert_eq!(made, expected);
    // The system has it under its own names.
    let own =
        json!({ "action": "read", "model": "res.partner", "record_id": id, "fields": ["zip", "is_company", "vat"] });
    let expected = json!({ "id": id, "zip": "20000", "is_company": true, "vat": "M1" });
    assert_eq!(stage.result(own).await, expected);
    let changed =
        json!({ "action": "update", "record_id": id, "data": { "kind": "person" }, "fields": ["kind", "name"] });
    let expected = json!({ "id": id, "kind": "person", "name": "Atlas" });
    assert_eq!(result(&stage, "contact", changed).await, expected);
    // Whole, and without what this system does not have.
    let whole = result(&stage, "contact", json!({ "action": "read", "record_ids": [id] })).await;
    assert_eq!((&whole[0]["full_address"], &whole[0]["is_active"]), (&json!("20000"), &json!(true)));
    assert!(whole[0].get("zip").is_none() && whole[0].get("mobile").is_none(), "{whole}");
    let several = json!({ "action": "create", "data": [{ "name": "B", "kind": "company" }, { "name": "C" }] });
    let several = result(&stage, "contact", several).await;
    assert_eq!((&several[0]["kind"], &several[1]["name"]), (&json!("company"), &json!("C")));
    let gone = crud(&stage.admin, "contact", json!({ "action": "delete", "record_id": id })).await.expect(200);
    assert!(gone["message"].is_string() && gone.get("result").is_none(), "{gone}");
    let read = json!({ "action": "read", "record_id": id });
    crud(&stage.admin, "contact", read).await.expect_problem(404, "RECORD_NOT_FOUND");
    stage.end().await;
}

async fn an_order_is_made_with_its_lines(setup: Setup) {
    let stage = Stage::open(setup).await;
    let product = json!({ "action": "search", "order": "name", "limit": 1 });
    let product = result(&stage, "product", product).await[0].clone();
    let data = json!({ "customer_id": 1, "customer_reference": "PO-7", "line_ids": [
        { "action": "create", "data": { "product_id": product, "quantity": 3, "unit_price": 10 } },
    ] });
    let body = json!({ "action": "create", "data": data, "fields": ["customer_reference", "status", "line_ids"] });
    let order = result(&stage, "order", body).await;
    assert_eq!((&order["customer_reference"], &order["status"]), (&json!("PO-7"), &json!("quotation")));
    let lines =
        json!({ "action": "read", "domain": [["order_id", "=", order["id"]]], "fields": ["quantity", "unit_price"] });
    let lines = result(&stage, "order_line", lines).await;
    let expected = json!([{ "id": order["line_ids"][0], "quantity": 3.0, "unit_price": 10.0 }]);
    assert_eq!(lines, expected);
    stage.end().await;
}

async fn records_are_found_over_relations(setup: Setup) {
    let stage = Stage::open(setup).await;
    let count = |domain: Value| json!({ "action": "count", "domain": domain });
    let companies = result(&stage, "contact", count(json!([["kind", "=", "company"]]))).await;
    let own = json!({ "action": "count", "model": "res.partner", "domain": [["is_company", "=", true]] });
    assert_eq!(companies, stage.result(own).await);
    assert!(companies.as_u64().unwrap() > 0);
    let own = json!({ "action": "search", "model": "sale.order", "order": "id",
        "domain": [["partner_id.is_company", "=", true], ["state", "=", "sale"]] });
    let asked = json!({ "action": "search", "order": "id",
        "domain": [["customer_id.kind", "=", "company"], ["status", "=", "confirmed"]] });
    let found = result(&stage, "order", asked).await;
    assert_eq!(found, stage.result(own).await);
    assert!(!found.as_array().unwrap().is_empty());
    let sorted = json!({ "action": "read", "fields": ["name"], "order": "postal_code desc, id", "limit": 3 });
    let own =
        json!({ "action": "read", "model": "res.partner", "fields": ["name"], "order": "zip desc, id", "limit": 3 });
    assert_eq!(result(&stage, "contact", sorted).await, stage.result(own).await);
    stage.end().await;
}

async fn what_is_wrong_is_named_in_universal_words(setup: Setup) {
    let stage = Stage::open(setup).await;
    let create = |data: Value| json!({ "action": "create", "data": data });
    let line = |data: Value| json!([{ "action": "create", "data": data }]);
    for (entity, body, field, entity_field) in [
        ("contact", create(json!({ "phnoe": "1" })), "data.phnoe", "phnoe"),
        ("contact", create(json!([{ "name": "A" }, { "zip": "1" }])), "data[1].zip", "zip"),
        ("contact", create(json!({ "kind": "robot" })), "data.kind", "kind"),
        ("contact", create(json!({ "full_address": "x" })), "data.full_address", "full_address"),
        // What the model itself refuses.
        ("order", create(json!({ "order_date": "soon" })), "data.date_order", "order_date"),
        (
            "order",
            create(json!({ "line_ids": line(json!({ "qty": 1 })) })),
            "data.line_ids[0].data.qty",
            "line_ids[0].data.qty",
        ),
        ("contact", json!({ "action": "read", "fields": ["nmae"] }), "fields", "nmae"),
        ("contact", json!({ "action": "read", "order": "full_address" }), "order", "full_address"),
        (
            "order",
            json!({ "action": "count", "domain": [["customer_id.phnoe", "=", "1"]] }),
            "domain",
            "customer_id.phnoe",
        ),
    ] {
        let refused = crud(&stage.admin, entity, body).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        let details = &refused["details"];
        assert_eq!((&details["field"], &details["entity_field"]), (&json!(field), &json!(entity_field)), "{refused}");
    }
    let refused = crud(&stage.admin, "contact", json!({ "action": "read", "fields": ["nmae"] })).await;
    let refused = refused.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(
        (&refused["details"]["nearest"], &refused["details"]["unknown_field"]),
        (&json!(["name"]), &json!("nmae"))
    );
    for action in ["fields", "call"] {
        let refused = crud(&stage.admin, "contact", json!({ "action": action })).await;
        refused.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    crud(&stage.admin, "spaceship", json!({ "action": "count" })).await.expect_problem(404, "NOT_FOUND");
    stage.end().await;
}

async fn rights_hold_as_for_models(setup: Setup) {
    let stage = Stage::new(setup).await;
    let user = stage.app.user("sara", None).await;
    for body in [json!({ "action": "read" }), json!({ "action": "create", "data": { "name": "A" } })] {
        let refused = crud(&user, "contact", body).await.expect_problem(403, "FORBIDDEN");
        assert_eq!(refused["details"]["model"], "res.partner");
    }
    stage.allow(json!({ "res.partner": { "operations": ["read"] } })).await;
    crud(&user, "contact", json!({ "action": "read", "limit": 1 })).await.expect(200);
    let create = json!({ "action": "create", "data": { "name": "A" } });
    crud(&user, "contact", create).await.expect_problem(403, "FORBIDDEN");
    stage.end().await;
}

async fn a_tenants_own_words_are_used(setup: Setup) {
    let stage = Stage::open(setup).await;
    let changes = json!({ "fields": { "postal_code": null, "post_office": "zip" } });
    stage.admin.put("/api/v1/mappings/contact?system_id=demo", &changes).await.expect(200);
    let data = json!({ "name": "A", "post_office": "7" });
    let made = result(&stage, "contact", json!({ "action": "create", "data": data })).await;
    assert_eq!(made["post_office"], "7");
    let data = json!({ "name": "A", "postal_code": "7" });
    let refused = crud(&stage.admin, "contact", json!({ "action": "create", "data": data })).await;
    refused.expect_problem(400, "DATA_VALIDATION_FAILED");
    stage.end().await;
}
