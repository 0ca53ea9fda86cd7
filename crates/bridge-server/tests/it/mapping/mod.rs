//! Records in words that are the same for every system.

mod records;

use crate::support::{App, Client, Setup, demo_erp, on_both_databases, register_demo_system};
use bridge_erp::fake::DemoErp;
use serde_json::{Value, json};

on_both_databases!(
    records_are_turned_around_in_the_words_of_each_version,
    what_can_not_be_mapped_names_what_there_is,
    a_tenants_changes_are_laid_over_the_map_and_taken_away_again,
    wrong_changes_are_refused_by_field,
);

const CONTACT: &str = "/api/v1/mappings/contact";

/// An admin, and a user who is none.
async fn stage(setup: Setup) -> (App, DemoErp, Client, Client) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let user = app.user("sara", None).await;
    (app, erp, admin, user)
}

async fn records_are_turned_around_in_the_words_of_each_version(setup: Setup) {
    let (app, erp, _, user) = stage(setup).await;
    let listed = user.get("/api/v1/mappings").await.expect(200);
    let contact = listed["items"].as_array().unwrap().iter().find(|one| one["entity"] == "contact").unwrap();
    assert_eq!((&contact["model"], &contact["is_changed"]), (&json!("res.partner"), &json!(false)));
    let map = user.get(CONTACT).await.expect(200);
    assert_eq!((&map["version"], &map["system_id"], &map["changes"]), (&json!("19.0"), &json!("main"), &Value::Null));
    let kind = map["fields"].as_array().unwrap().iter().find(|field| field["name"] == "kind").unwrap();
    assert_eq!(kind["values"][0], json!({ "value": "company", "system_value": true }));
    let line = json!({ "quantity": 2, "unit_id": 1, "line_type": "item" });
    let native = |unit: &str| json!({ "product_uom_qty": 2, unit: 1, "display_type": null });
    for (version, unit) in [("18.0", "product_uom"), ("19.0", "product_uom_id")] {
        let path = "/api/v1/mappings/order_line/apply";
        let mut body = json!({ "direction": "to_system", "version": version, "data": line });
        let mapped = user.post(path, &body).await.expect(200);
        assert_eq!((&mapped["model"], &mapped["data"]), (&json!("sale.order.line"), &native(unit)));
        body["direction"] = json!("from_system");
        body["data"] = json!([mapped["data"]]);
        assert_eq!(user.post(path, &body).await.expect(200)["data"], json!([line]));
    }
    app.stop().await;
    erp.stop().await;
}

async fn what_can_not_be_mapped_names_what_there_is(setup: Setup) {
    let (app, erp, _, user) = stage(setup).await;
    let apply = format!("{CONTACT}/apply");
    let to_system = |data: Value| json!({ "direction": "to_system", "data": data });
    let refused = user.post(&apply, &to_system(json!({ "phnoe": "1" }))).await;
    let refused = refused.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(
        (&refused["details"]["unknown_field"], &refused["details"]["nearest"]),
        (&json!("phnoe"), &json!(["phone"]))
    );
    assert!(refused["message"].as_str().unwrap().contains("phone"), "{refused}");
    for (data, field) in [
        (json!({ "full_address": "x" }), "data.full_address"),
        (json!({ "qqqqqqqqq": 1 }), "data.qqqqqqqqq"),
        (json!("text"), "data"),
        (json!([{ "name": "A" }, 7]), "data[1]"),
        (json!([{ "name": "A" }, { "phnoe": "1" }]), "data[1].phnoe"),
    ] {
        let refused = user.post(&apply, &to_system(data)).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(refused["details"]["field"], field, "{refused}");
    }
    let kind = to_system(json!({ "kind": "gas" }));
    let refused =
        user.post("/api/v1/mappings/product/apply", &kind).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert!(refused["message"].as_str().unwrap().contains("consumable"), "{refused}");
    let unknown = user.get("/api/v1/mappings/spaceship").await.expect_problem(404, "NOT_FOUND");
    assert!(unknown["details"]["known"].as_array().unwrap().contains(&json!("contact")), "{unknown}");
    user.get(&format!("{CONTACT}?system_id=other")).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    user.get(&format!("{CONTACT}?version=9.0")).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    user.anonymous().get(CONTACT).await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.stop().await;
    erp.stop().await;
}

async fn a_tenants_changes_are_laid_over_the_map_and_taken_away_again(setup: Setup) {
    let (app, erp, admin, user) = stage(setup).await;
    let fields = json!({
        "loyalty": "x_loyalty", "website": null, "grade": { "field": "x_grade", "values": [["gold", "1"]] },
    });
    let changes = json!({ "fields": fields });
    user.put(CONTACT, &changes).await.expect_problem(403, "FORBIDDEN");
    user.delete(CONTACT).await.expect_problem(403, "FORBIDDEN");
    let held = admin.put(CONTACT, &changes).await.expect(200);
    assert_eq!(held["changes"]["fields"], fields);
    assert_eq!(user.get(CONTACT).await.expect(200), held, "at once, for everybody");
    let app = app.stop().await.start().await;
    let admin = app.admin().await;
    assert_eq!(admin.get(CONTACT).await.expect(200), held);
    let listed = admin.get("/api/v1/mappings").await.expect(200);
    let contact = listed["items"].as_array().unwrap().iter().find(|one| one["entity"] == "contact").unwrap();
    assert_eq!(contact["is_changed"], true);
    let body = json!({ "direction": "to_system", "data": { "name": "A", "loyalty": 5, "grade": "gold" } });
    let mapped = admin.post(&format!("{CONTACT}/apply"), &body).await.expect(200);
    assert_eq!(mapped["data"], json!({ "name": "A", "x_loyalty": 5, "x_grade": "1" }));
    // Another tenant sees nothing of it.
    let stranger = app.other_tenant("boss").await;
    stranger.get(&format!("{CONTACT}?system_id=main")).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    let reset = admin.delete(CONTACT).await.expect(200);
    assert_eq!(reset["changes"], Value::Null);
    assert!(reset["fields"].as_array().unwrap().iter().any(|field| field["name"] == "website"));
    app.stop().await;
    erp.stop().await;
}

async fn wrong_changes_are_refused_by_field(setup: Setup) {
    let (app, erp, admin, _) = stage(setup).await;
    for (fields, field) in [
        (json!({ "other": "email" }), "fields.other"),
        (json!({ "other": {} }), "fields.other"),
        (json!({ "other": 7 }), "fields.other"),
        (json!({ "other": { "field": "x", "vlaues": [] } }), "fields.other"),
        (json!({ "other": { "field": "x", "entity": "spaceship" } }), "fields.other"),
        (json!({ "two words": "x" }), "fields.two words"),
    ] {
        let refused = admin.put(CONTACT, &json!({ "fields": fields })).await;
        let refused = refused.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert!(
            ["fields.other", field, "fields.email"].contains(&refused["details"]["field"].as_str().unwrap()),
            "{refused}"
        );
    }
    admin.put("/api/v1/mappings/spaceship", &json!({ "fields": {} })).await.expect_problem(404, "NOT_FOUND");
    assert_eq!(admin.get(CONTACT).await.expect(200)["changes"], Value::Null);
    app.stop().await;
    erp.stop().await;
}
