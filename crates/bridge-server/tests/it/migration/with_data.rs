//! Records that come with the request, and plans.

use crate::support::{App, Client, Setup, demo_erp, on_both_databases, register_demo_system};
use bridge_erp::fake::DemoErp;
use serde_json::{Value, json};

on_both_databases!(
    the_documented_requests_get_the_documented_answers,
    both_rule_packs_and_both_directions_can_be_asked_for,
    what_is_lost_is_told_in_the_callers_language,
    what_can_not_be_understood_is_refused_by_field,
);

const MIGRATE: &str = "/api/v1/systems/main/migrate";
const PLAN: &str = "/api/v1/systems/main/migrate/plan";

/// A user who is no admin, and a system that is not asked for anything.
async fn stage(setup: Setup) -> (App, DemoErp, Client) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    register_demo_system(&app.admin().await, &erp, "main").await;
    let user = app.user("sara", None).await;
    (app, erp, user)
}

async fn the_documented_requests_get_the_documented_answers(setup: Setup) {
    let (app, erp, user) = stage(setup).await;
    let data = json!({ "name": "Ahmed Al-Saudi", "customer": true, "phone": "+966501234567", "user_id": 5 });
    let body = json!({ "model": "res.partner", "from_version": "13.0", "to_version": "19.0", "data": data });
    let answer = user.post(MIGRATE, &body).await.expect(200);
    assert_eq!((&answer["success"], &answer["migrated"], &answer["errors"]), (&json!(true), &json!(1), &json!([])));
    assert_eq!(answer["migration_path"], json!(["13.0", "14.0", "15.0", "16.0", "17.0", "18.0", "19.0"]));
    let documented = json!({
        "name": "Ahmed Al-Saudi", "type": "contact", "phone_primary": "+966501234567", "sales_person_id": 5
    });
    assert_eq!(answer["data"], documented);

    let mut body = json!({ "model": "res.partner", "from_version": "13.0", "to_version": "19.0" });
    body["rule_pack"] = json!("documented");
    let plan = user.post(PLAN, &body).await.expect(200);
    let shown = json!({
        "success": plan["success"], "from_version": plan["from_version"], "to_version": plan["to_version"],
        "migration_path": plan["migration_path"], "complexity": plan["complexity"],
    });
    let documented = json!({
        "success": true, "from_version": "13.0", "to_version": "19.0",
        "migration_path": ["13.0", "14.0", "15.0", "16.0", "17.0", "18.0", "19.0"], "complexity": 6,
    });
    assert_eq!(shown, documented);
    let step = &plan["steps"][0];
    assert_eq!((&step["from"], &step["to"]), (&json!("13.0"), &json!("14.0")));
    assert_eq!(step["changes"]["removed_fields"], json!(["customer", "supplier"]));
    assert_eq!(step["changes"]["renamed_fields"], json!([]));
    assert_eq!(step["changes"]["warnings"], json!(["customer field removed, use type field"]));
    app.stop().await;
    erp.stop().await;
}

async fn both_rule_packs_and_both_directions_can_be_asked_for(setup: Setup) {
    let (app, erp, user) = stage(setup).await;
    let mut body = json!({
        "model": "sale.order.line", "from_version": "18.0", "to_version": "19.0", "rule_pack": "odoo",
        "data": [{ "product_uom": 1, "tax_id": [2] }, { "route_id": 4 }],
    });
    let up = user.post(MIGRATE, &body).await.expect(200);
    assert_eq!((&up["rule_pack"], &up["migrated"]), (&json!("odoo"), &json!(2)));
    assert_eq!(up["data"], json!([{ "product_uom_id": 1, "tax_ids": [2] }, { "route_ids": [4] }]));
    body["from_version"] = json!("19.0");
    body["to_version"] = json!("18.0");
    let given = std::mem::replace(&mut body["data"], up["data"].clone());
    assert_eq!(user.post(MIGRATE, &body).await.expect(200)["data"], given);
    // The system's own version is where records come from unless the request says otherwise.
    body.as_object_mut().unwrap().remove("from_version");
    assert_eq!(user.post(MIGRATE, &body).await.expect(200)["from_version"], "19.0");
    app.stop().await;
    erp.stop().await;
}

async fn what_is_lost_is_told_in_the_callers_language(setup: Setup) {
    let (app, erp, user) = stage(setup).await;
    let body = json!({
        "model": "res.partner", "from_version": "17.0", "to_version": "19.0", "rule_pack": "odoo",
        "data": { "name": "A", "title": 3, "phone": "1", "mobile": "2" },
    });
    let answer = user.post(MIGRATE, &body).await.expect(200);
    assert_eq!(answer["data"], json!({ "name": "A", "phone": "1 // 2" }));
    let title: Vec<&Value> =
        answer["warnings"].as_array().unwrap().iter().filter(|warning| warning["field"] == "title").collect();
    let [title] = title.as_slice() else { panic!("{answer}") };
    assert_eq!(
        (&title["kind"], &title["is_loss"], &title["records"]),
        (&json!("field_missing"), &json!(true), &json!(1))
    );
    assert_eq!((&title["model"], &title["version"]), (&json!("res.partner"), &json!("19.0")));
    assert!(title["message"].as_str().unwrap().contains("title"), "{title}");
    user.put("/api/v1/auth/me", &json!({ "language": "fr" })).await.expect(200);
    let french = user.post(PLAN, &body).await.expect(200);
    assert_eq!((&french["records"], &french["complexity"]), (&json!(1), &json!(2)));
    let said = french["warnings"].as_array().unwrap().iter().map(|warning| warning["message"].as_str().unwrap());
    assert!(said.clone().any(|message| message.contains("perdues")), "{french}");
    app.stop().await;
    erp.stop().await;
}

async fn what_can_not_be_understood_is_refused_by_field(setup: Setup) {
    let (app, erp, user) = stage(setup).await;
    let good = json!({ "model": "res.partner", "from_version": "13.0", "to_version": "19.0", "data": { "name": "A" } });
    for (field, value) in [
        ("from_version", json!("12.0")),
        ("to_version", json!("next")),
        ("rule_pack", json!("mine")),
        ("model", json!("res partner")),
        ("data", json!([])),
        ("data", json!("text")),
        ("data", json!([{ "name": "A" }, 7])),
        ("record_ids", json!([1])),
        ("to_verzion", json!("19.0")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        for path in [MIGRATE, PLAN] {
            let refused = user.post(path, &body).await.expect_problem(400, "DATA_VALIDATION_FAILED");
            assert_eq!(refused["details"]["field"], field, "{value}: {refused}");
        }
    }
    // A model that a version on the way does not have.
    let body = json!({ "model": "hr.expense.sheet", "from_version": "18.0", "to_version": "19.0", "data": {} });
    let mut gone = body.clone();
    gone["rule_pack"] = json!("odoo");
    let refused = user.post(MIGRATE, &gone).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    let details = &refused["details"];
    let named = (&details["field"], &details["model"], &details["version"], &details["rule_pack"]);
    assert_eq!(named, (&json!("model"), &json!("hr.expense.sheet"), &json!("19.0"), &json!("odoo")));
    assert_eq!(user.post(PLAN, &gone).await.expect(200)["model_missing_in"], "19.0");
    let nothing = json!({ "model": "res.partner", "from_version": "13.0", "to_version": "19.0" });
    user.post(MIGRATE, &nothing).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    user.post("/api/v1/systems/other/migrate", &good).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    user.anonymous().post(MIGRATE, &good).await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.stop().await;
    erp.stop().await;
}
