//! Users' own credentials.

use super::{Stage, crud, result};
use crate::support::{App, Client, Setup, demo_erp, manual_clock, on_both_databases};
use futures_util::future::join_all;
use serde_json::json;

on_both_databases!(
    whoever_is_linked_acts_with_their_own_rights,
    a_credential_that_does_not_hold,
    guesses_at_once_are_counted_before_the_system_answers,
    a_credential_is_shown_to_no_other_address,
    links_are_ones_own,
);

async fn id_of(client: &Client) -> i64 {
    client.get("/api/v1/auth/me").await.expect(200)["id"].as_i64().unwrap()
}

async fn linked(app: &App, name: &str, login: &str) -> (Client, i64) {
    let user = app.user(name, None).await;
    let id = id_of(&user).await;
    let link = json!({ "system_id": "demo", "username": login, "password": login });
    user.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201);
    (user, id)
}

async fn whoever_is_linked_acts_with_their_own_rights(setup: Setup) {
    let stage = Stage::new(setup).await;
    let (sales, id) = linked(&stage.app, "amina", "sales").await;
    // Nothing is open, and yet the ERP lets a salesperson create partners, but not delete them.
    let create = json!({ "action": "create", "model": "res.partner", "data": { "name": "Dar Al Noor" } });
    let made = result(&sales, create.clone()).await["id"].clone();
    let who = json!({ "action": "read", "model": "res.partner", "record_id": made, "fields": ["create_uid"] });
    assert_eq!(result(&stage.admin, who).await["create_uid"][0], 6, "it was the salesperson");
    let delete = json!({ "action": "delete", "model": "res.partner", "record_id": made });
    let refused = crud(&sales, delete).await.expect_problem(403, "ERP_ACCESS_DENIED");
    assert_eq!(refused["details"]["error_type"], "business");
    let closed = json!({ "action": "read", "model": "account.move" });
    crud(&sales, closed).await.expect_problem(403, "ERP_ACCESS_DENIED");
    // A method that no admin opened: the ERP judges.
    let order = json!({ "action": "create", "model": "sale.order", "data": {
        "partner_id": made, "order_line": [[0, 0, { "product_id": 1 }]],
    } });
    let order = result(&sales, order).await["id"].clone();
    let confirm = json!({ "action": "call", "model": "sale.order", "record_id": order, "method": "action_confirm" });
    result(&sales, confirm).await;
    let shown = sales.get(&format!("/api/v1/users/{id}/links")).await.expect(200);
    let link = &shown["items"][0];
    assert_eq!(
        (&link["system_id"], &link["username"], &link["odoo_user_id"]),
        (&json!("demo"), &json!("sales"), &json!(6))
    );
    assert!(!shown.to_string().contains("password"), "{shown}");
    // Another credential takes its place at once.
    let stock = json!({ "system_id": "demo", "username": "stock", "password": "stock" });
    sales.post(&format!("/api/v1/users/{id}/links"), &stock).await.expect(201);
    crud(&sales, create.clone()).await.expect_problem(403, "ERP_ACCESS_DENIED");
    let app = stage.app.stop().await.start().await;
    let again = app.login("amina", "a user's password").await;
    crud(&again, create.clone()).await.expect_problem(403, "ERP_ACCESS_DENIED");
    again.delete(&format!("/api/v1/users/{id}/links/demo")).await.expect(200);
    crud(&again, create).await.expect_problem(403, "FORBIDDEN");
    again.delete(&format!("/api/v1/users/{id}/links/demo")).await.expect_problem(404, "NOT_FOUND");
    app.stop().await;
    stage.erp.stop().await;
}

async fn a_credential_that_does_not_hold(setup: Setup) {
    let stage = Stage::new(setup.clock(manual_clock()).limits(|limits| limits.per_minute.authentication = 4)).await;
    let (sales, id) = linked(&stage.app, "amina", "sales").await;
    let path = format!("/api/v1/users/{id}/links");
    let wrong = json!({ "system_id": "demo", "username": "admin", "password": "guessed" });
    for _ in 0..3 {
        sales.post(&path, &wrong).await.expect_problem(403, "ERP_LINK_REFUSED");
    }
    let limited = sales.post(&path, &wrong).await;
    assert!(limited.headers.contains_key("retry-after"));
    limited.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    // The one that was linked before still holds, until its password is changed in the ERP.
    let read = json!({ "action": "read", "model": "res.partner", "limit": 1 });
    result(&sales, read.clone()).await;
    let password =
        json!({ "action": "update", "model": "res.users", "record_id": 6, "data": { "password": "another" } });
    stage.allow(json!({ "res.users": { "operations": ["update"] } })).await;
    result(&stage.admin, password).await;
    stage.erp.expire_sessions();
    let refused = crud(&sales, read.clone()).await.expect_problem(403, "ERP_LINK_REFUSED");
    assert_eq!(refused["error"], "OdooAuthenticationException");
    result(&stage.admin, read).await;
    stage.end().await;
}

async fn guesses_at_once_are_counted_before_the_system_answers(setup: Setup) {
    let stage = Stage::new(setup.clock(manual_clock()).limits(|limits| limits.per_minute.authentication = 4)).await;
    let (sales, id) = linked(&stage.app, "amina", "sales").await;
    let path = format!("/api/v1/users/{id}/links");
    // They all arrive before the first is answered.
    stage.erp.faults().latency_ms(300);
    let guess = async |number: usize| {
        let wrong = json!({ "system_id": "demo", "username": "admin", "password": format!("guess {number}") });
        sales.post(&path, &wrong).await
    };
    let answers = join_all((0..12).map(guess)).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(403), count(429)), (3, 9));
    stage.end().await;
}

async fn a_credential_is_shown_to_no_other_address(setup: Setup) {
    let stage = Stage::new(setup).await;
    let (sales, id) = linked(&stage.app, "amina", "sales").await;
    let create = json!({ "action": "create", "model": "res.partner", "data": { "name": "Dar Al Noor" } });
    result(&sales, create.clone()).await;
    // Another password or time-out of the system is no other address.
    let mut connection = json!(stage.erp.connection());
    connection["timeout_ms"] = json!(10_000);
    stage.admin.put("/api/v1/systems/demo", &json!({ "connection_config": connection })).await.expect(200);
    result(&sales, create.clone()).await;
    let elsewhere = demo_erp().await;
    let moved = json!({ "connection_config": elsewhere.connection() });
    stage.admin.put("/api/v1/systems/demo", &moved).await.expect(200);
    crud(&sales, create.clone()).await.expect_problem(403, "FORBIDDEN");
    assert_eq!(elsewhere.faults().calls("res.partner", "create"), 0);
    let links = sales.get(&format!("/api/v1/users/{id}/links")).await.expect(200);
    assert_eq!(links["items"], json!([]));
    // Nor is it when the old address comes back: who changed it may have been somebody else.
    let back = json!({ "connection_config": stage.erp.connection() });
    stage.admin.put("/api/v1/systems/demo", &back).await.expect(200);
    crud(&sales, create.clone()).await.expect_problem(403, "FORBIDDEN");
    let link = json!({ "system_id": "demo", "username": "sales", "password": "sales" });
    sales.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201);
    result(&sales, create).await;
    elsewhere.stop().await;
    stage.end().await;
}

async fn links_are_ones_own(setup: Setup) {
    let stage = Stage::new(setup).await;
    let (_, id) = linked(&stage.app, "amina", "sales").await;
    let path = format!("/api/v1/users/{id}/links");
    let stranger = stage.app.user("omar", None).await;
    let link = json!({ "system_id": "demo", "username": "sales", "password": "sales" });
    stranger.get(&path).await.expect_problem(403, "FORBIDDEN");
    stranger.post(&path, &link).await.expect_problem(403, "FORBIDDEN");
    stranger.delete(&format!("{path}/demo")).await.expect_problem(403, "FORBIDDEN");
    let other = stage.app.other_tenant("other-admin").await;
    other.get(&path).await.expect_problem(404, "NOT_FOUND");
    other.delete(&format!("{path}/demo")).await.expect_problem(404, "NOT_FOUND");
    assert_eq!(stage.admin.get(&path).await.expect(200)["items"].as_array().unwrap().len(), 1);
    for (body, field) in [
        (json!({ "system_id": "demo", "username": "", "password": "x" }), "username"),
        (json!({ "system_id": "demo", "username": "x" }), "password"),
        (json!({ "system_id": "demo", "username": "x", "password": "p".repeat(2_000) }), "password"),
        (json!({ "username": "x", "password": "x" }), "system_id"),
    ] {
        let refused = stage.admin.post(&path, &body).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(refused["details"]["field"], field);
    }
    let elsewhere = json!({ "system_id": "no-such", "username": "x", "password": "x" });
    stage.admin.post(&path, &elsewhere).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    stage.admin.delete(&format!("{path}/demo")).await.expect(200);
    stage.end().await;
}
