use crate::support::{App, Client, Setup, demo_erp, on_both_databases, register_demo_system};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    a_push_key_pushes_and_does_nothing_else,
    a_replaced_push_key_is_dead_at_once,
    a_system_that_is_off_or_gone_does_not_push,
    each_key_speaks_for_its_own_tenant,
);

async fn a_push_key_pushes_and_does_nothing_else(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let system = register_demo_system(&admin, &erp, "demo").await;
    let key = system["push_key"].as_str().unwrap();
    assert!(key.starts_with("bcpk_") && key.len() == 69, "{key}");

    push(&app, key).await.expect(200);
    let by_header = app.anonymous().request(Method::POST, "/api/v1/webhooks/receive");
    app.anonymous().send(by_header.header("x-api-key", key).json(&event())).await.expect(200);
    // A user's token cannot push, not even an admin's.
    push(&app, admin.token()).await.expect_problem(401, "AUTHENTICATION_FAILED");
    for wrong in ["bcpk_", "bcpk_00", &format!("{key}0"), &key.to_uppercase()] {
        push(&app, wrong).await.expect_problem(401, "AUTHENTICATION_FAILED");
    }
    let nobody = app.anonymous();
    nobody.post("/api/v1/webhooks/receive", &event()).await.expect_problem(401, "AUTHENTICATION_FAILED");

    let pusher = app.anonymous().with_token(key);
    for path in
        ["/api/v1/auth/me", "/api/v1/users", "/api/v1/systems", "/api/v1/systems/demo", "/api/v1/systems/demo/status"]
    {
        pusher.get(path).await.expect_problem(401, "AUTHENTICATION_FAILED");
    }
    pusher.post("/api/v1/auth/refresh", &json!({})).await.expect_problem(401, "AUTHENTICATION_FAILED");
    pusher.post("/api/v1/auth/logout", &json!({})).await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.stop().await;
    erp.stop().await;
}

async fn a_replaced_push_key_is_dead_at_once(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let old = key_of(&register_demo_system(&admin, &erp, "demo").await);
    push(&app, &old).await.expect(200);
    let changed = admin.put("/api/v1/systems/demo", &json!({ "rotate_push_key": true })).await.expect(200);
    let new = key_of(&changed);
    push(&app, &old).await.expect_problem(401, "AUTHENTICATION_FAILED");
    push(&app, &new).await.expect(200);
    // No later answer shows it, and other changes keep it.
    let changed = admin.put("/api/v1/systems/demo", &json!({ "name": "Demo" })).await.expect(200);
    assert!(changed.get("push_key").is_none());
    push(&app, &new).await.expect(200);
    app.stop().await;
    erp.stop().await;
}

async fn a_system_that_is_off_or_gone_does_not_push(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let key = key_of(&register_demo_system(&admin, &erp, "demo").await);
    push(&app, &key).await.expect(200);
    admin.put("/api/v1/systems/demo", &json!({ "is_active": false })).await.expect(200);
    push(&app, &key).await.expect_problem(401, "AUTHENTICATION_FAILED");
    admin.put("/api/v1/systems/demo", &json!({ "is_active": true })).await.expect(200);
    push(&app, &key).await.expect(200);
    admin.delete("/api/v1/systems/demo").await.expect(200);
    push(&app, &key).await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.stop().await;
    erp.stop().await;
}

async fn each_key_speaks_for_its_own_tenant(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let (ours, theirs) = (app.admin().await, app.other_tenant("rival").await);
    // The same public name in two tenants is two systems.
    let our_key = key_of(&register_demo_system(&ours, &erp, "demo").await);
    let their_key = key_of(&register_demo_system(&theirs, &erp, "demo").await);
    assert_ne!(our_key, their_key);
    let before = heads(&app, [&ours, &theirs]).await;
    push_without_feed(&app, &our_key).await;
    let after = heads(&app, [&ours, &theirs]).await;
    assert!(after[0] > before[0], "{before:?} {after:?}");
    assert_eq!(after[1], before[1]);
    app.stop().await;
    erp.stop().await;
}

async fn push(app: &App, key: &str) -> crate::support::Answer {
    app.anonymous().with_token(key).post("/api/v1/webhooks/receive", &event()).await
}

/// Pushes an event that goes into the log by itself, since it carries an id of its own.
async fn push_without_feed(app: &App, key: &str) {
    let mut event = event();
    event["_webhook_metadata"] = json!({ "event_id": "from-elsewhere-1" });
    app.anonymous().with_token(key).post("/api/v1/webhooks/receive", &event).await.expect(200);
}

/// How far each one's tenant's log reaches.
async fn heads<const N: usize>(app: &App, admins: [&Client; N]) -> [i64; N] {
    let mut heads = [0; N];
    for (head, admin) in heads.iter_mut().zip(admins) {
        let me = admin.get("/api/v1/auth/me").await.expect(200);
        let tenant = bridge_model::TenantId(me["tenant_id"].as_i64().unwrap());
        *head = app.context().store.head(tenant).await.unwrap().to_string().parse().unwrap();
    }
    heads
}

fn event() -> Value {
    json!({ "model": "res.partner", "record_id": 7, "event": "write", "timestamp": "2026-03-02T09:00:00Z" })
}

fn key_of(system: &Value) -> String {
    system["push_key"].as_str().unwrap().to_owned()
}
