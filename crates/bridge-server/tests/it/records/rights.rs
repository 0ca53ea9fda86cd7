//! Who may do what.

use super::{Stage, crud, result};
use crate::support::{Setup, on_both_databases, register_demo_system};
use serde_json::json;

on_both_databases!(
    nothing_is_open_unless_an_admin_opens_it,
    a_filter_tells_nothing_of_models_that_are_closed,
    what_is_open_survives_a_restart_and_is_seen_by_admins_alone,
    systems_of_others_and_systems_that_are_off,
);

async fn nothing_is_open_unless_an_admin_opens_it(setup: Setup) {
    let stage = Stage::new(setup).await;
    let user = stage.app.user("amina", None).await;
    let all = [
        json!({ "action": "read", "model": "res.partner" }),
        json!({ "action": "search", "model": "res.partner" }),
        json!({ "action": "count", "model": "res.partner" }),
        json!({ "action": "fields", "model": "res.partner" }),
        json!({ "action": "create", "model": "res.partner", "data": { "name": "x" } }),
        json!({ "action": "update", "model": "res.partner", "record_id": 1, "data": { "name": "x" } }),
        json!({ "action": "delete", "model": "res.partner", "record_id": 1 }),
        json!({ "action": "call", "model": "res.partner", "record_id": 1, "method": "action_archive" }),
    ];
    // The background reader calls other models meanwhile.
    let methods = ["search_read", "search_count", "fields_get", "create", "write", "unlink", "action_archive"];
    let calls = || methods.map(|method| stage.erp.faults().calls("res.partner", method)).iter().sum::<u64>();
    let before = calls();
    for request in &all {
        crud(&user, request.clone()).await.expect_problem(403, "FORBIDDEN");
    }
    assert_eq!(calls(), before, "the system is not even asked");
    // Admins read what the system's credential may read, and write only what is open.
    for (index, request) in all.iter().enumerate() {
        if index < 4 {
            result(&stage.admin, request.clone()).await;
        } else {
            crud(&stage.admin, request.clone()).await.expect_problem(403, "FORBIDDEN");
        }
    }
    stage.allow(json!({ "res.partner": { "operations": ["read", "create"] } })).await;
    for (index, request) in all.iter().enumerate() {
        if index < 5 {
            result(&user, request.clone()).await;
        } else {
            crud(&user, request.clone()).await.expect_problem(403, "FORBIDDEN");
        }
    }
    crud(&user, json!({ "action": "read", "model": "res.users" })).await.expect_problem(403, "FORBIDDEN");
    stage.allow(json!({})).await;
    crud(&user, all[0].clone()).await.expect_problem(403, "FORBIDDEN");
    stage.app.anonymous().post("/api/v1/systems/demo/crud", &all[0]).await.expect_problem(401, "AUTHENTICATION_FAILED");
    stage.end().await;
}

async fn a_filter_tells_nothing_of_models_that_are_closed(setup: Setup) {
    let stage = Stage::new(setup).await;
    let user = stage.app.user("amina", None).await;
    stage.allow(json!({ "res.partner": { "operations": ["read"] } })).await;
    for condition in [
        json!(["user_id.password", "=like", "a%"]),
        json!(["user_id", "any", [["password", "=like", "a%"]]]),
        json!(["sale_order_ids.amount_total", ">", 1000]),
        json!(["parent_id.user_id.login", "=", "admin"]),
        json!(["country_id.code", "=", "MA"]),
        json!(["user_id", "ilike", "admin"]),
        json!(["user_id", "=", "Administrator"]),
        json!(["user_id", "in", [1, "Administrator"]]),
        json!(["parent_id.user_id", "not ilike", "admin"]),
        json!(["category_id", "child_of", [1]]),
        json!(["category_id", "parent_of", 1]),
    ] {
        let count = json!({ "action": "count", "model": "res.partner", "domain": [condition] });
        let refused = crud(&user, count.clone()).await.expect_problem(403, "FORBIDDEN");
        assert_ne!(refused["details"]["model"], "res.partner", "{refused}");
        result(&stage.admin, count).await;
    }
    // What stands in the record itself, or in records that are open, may be asked for.
    for condition in [
        json!(["parent_id.name", "!=", null]),
        json!(["parent_id", "ilike", "a"]),
        json!(["parent_id", "child_of", [1]]),
        json!(["user_id", "=", 2]),
        json!(["user_id", "!=", false]),
        json!(["category_id", "in", [1, null]]),
    ] {
        result(&user, json!({ "action": "count", "model": "res.partner", "domain": [condition] })).await;
    }
    stage.end().await;
}

async fn what_is_open_survives_a_restart_and_is_seen_by_admins_alone(setup: Setup) {
    let stage = Stage::new(setup).await;
    let path = "/api/v1/systems/demo/allowed";
    assert_eq!(stage.admin.get(path).await.expect(200), json!({ "system_id": "demo", "models": {} }));
    let models = json!({
        "res.partner": { "operations": ["read", "update"], "methods": ["action_archive"] },
        "sale.order": { "operations": [], "methods": [] },
    });
    assert_eq!(stage.allow(models.clone()).await["models"], models);
    for (body, field) in [
        (json!({ "models": { "res.partner": { "operations": ["fly"] } } }), "models.res.partner.operations[0]"),
        (json!({ "models": { "res.partner": { "methods": ["_write"] } } }), "models.res.partner.methods[0]"),
        (json!({}), "models"),
    ] {
        let refused = stage.admin.put(path, &body).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(refused["details"]["field"], field);
    }
    let user = stage.app.user("amina", None).await;
    user.get(path).await.expect_problem(403, "FORBIDDEN");
    user.put(path, &json!({ "models": {} })).await.expect_problem(403, "FORBIDDEN");
    stage.admin.get("/api/v1/systems/no-such/allowed").await.expect_problem(404, "SYSTEM_NOT_FOUND");
    let other = stage.app.other_tenant("other-admin").await;
    other.get(path).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    let app = stage.app.stop().await.start().await;
    assert_eq!(app.admin().await.get(path).await.expect(200)["models"], models);
    app.stop().await;
    stage.erp.stop().await;
}

async fn systems_of_others_and_systems_that_are_off(setup: Setup) {
    let stage = Stage::open(setup).await;
    let read = json!({ "action": "read", "model": "res.partner", "limit": 1 });
    let other = stage.app.other_tenant("other-admin").await;
    crud(&other, read.clone()).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    register_demo_system(&other, &stage.erp, "demo").await;
    result(&other, read.clone()).await;
    let create = json!({ "action": "create", "model": "res.partner", "data": { "name": "x" } });
    crud(&other, create.clone()).await.expect_problem(403, "FORBIDDEN");
    result(&stage.admin, create).await;
    stage.admin.put("/api/v1/systems/demo", &json!({ "is_active": false })).await.expect(200);
    crud(&stage.admin, read.clone()).await.expect_problem(403, "FORBIDDEN");
    result(&other, read).await;
    stage.end().await;
}
