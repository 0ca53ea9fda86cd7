use crate::support::{
    Answer, App, Client, Setup, demo_erp, manual_clock, on_both_databases, register_demo_system, registration,
};
use bridge_erp::fake::DemoErp;
use bridge_model::AddressBlock;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

on_both_databases!(
    a_key_is_used_from_where_it_may_be,
    behind_a_proxy_it_is_the_client_who_counts,
    nobody_who_is_no_proxy_says_where_they_are,
    lists_that_are_none_are_refused_and_change_nothing,
);

const SYSTEM: &str = "/api/v1/systems/demo";

async fn a_key_is_used_from_where_it_may_be(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let body = registered_with(&erp, json!(["203.0.113.9/24", "2001:DB8::/32", "::ffff:203.0.113.0/120"]));
    let system = admin.post("/api/v1/systems", &body).await.expect(201);
    // In one form, and each once.
    let canonical = json!(["203.0.113.0/24", "2001:db8::/32"]);
    assert_eq!(system["push_allowed_addresses"], canonical);
    let key = system["push_key"].as_str().unwrap();

    let problem = push(&app, key, &[]).await.expect_problem(403, "ADDRESS_NOT_ALLOWED");
    assert_eq!(
        (&problem["error"], &problem["details"]["address"]),
        (&json!("ForbiddenException"), &json!("127.0.0.1"))
    );
    assert!(problem["message"].as_str().unwrap().contains("127.0.0.1"), "{problem}");
    let by_header = app.anonymous().request(Method::POST, "/api/v1/webhooks/receive");
    let answer = app.anonymous().send(by_header.header("x-api-key", key).json(&event())).await;
    answer.expect_problem(403, "ADDRESS_NOT_ALLOWED");
    // Who does not have the key learns nothing of where it may be used.
    push(&app, &format!("{key}0"), &[]).await.expect_problem(401, "AUTHENTICATION_FAILED");
    // What was refused is nowhere.
    let taken = async || {
        let events = admin.get("/api/v1/webhooks/events").await.expect(200);
        events["items"].as_array().unwrap().len()
    };
    assert_eq!(taken().await, 0);

    // Only admins are told.
    let user = app.user("amina", None).await;
    assert_eq!(user.get(SYSTEM).await.expect(200)["push_allowed_addresses"], Value::Null);
    assert_eq!(admin.get(SYSTEM).await.expect(200)["push_allowed_addresses"], canonical);

    // A change holds at once, in both directions, and other changes leave the list as it is.
    for (allowed, status) in [
        (json!(["127.0.0.0/8"]), 200),
        (json!(["127.0.0.2"]), 403),
        (json!(["198.51.100.1", "127.0.0.1"]), 200),
        (json!(["::1", "::/0"]), 403),
        (json!([]), 200),
    ] {
        let changed = admin.put(SYSTEM, &json!({ "push_allowed_addresses": allowed })).await.expect(200);
        assert_eq!(changed["push_allowed_addresses"].as_array().unwrap().len(), allowed.as_array().unwrap().len());
        push(&app, key, &[]).await.expect(status);
        let changed = admin.put(SYSTEM, &json!({ "name": "Demo" })).await.expect(200);
        assert_eq!(changed["push_allowed_addresses"].as_array().unwrap().len(), allowed.as_array().unwrap().len());
        push(&app, key, &[]).await.expect(status);
    }
    assert_eq!(taken().await, 1, "the same event, once it was let in");
    // A new key is bound as the old one was.
    let bound = json!({ "push_allowed_addresses": ["203.0.113.0/24"], "rotate_push_key": true });
    let rotated = admin.put(SYSTEM, &bound).await.expect(200);
    push(&app, rotated["push_key"].as_str().unwrap(), &[]).await.expect_problem(403, "ADDRESS_NOT_ALLOWED");
    // Other systems are not.
    let other = register_demo_system(&admin, &erp, "other").await;
    assert_eq!(other["push_allowed_addresses"], json!([]));
    push(&app, other["push_key"].as_str().unwrap(), &[]).await.expect(200);
    app.stop().await;
    erp.stop().await;
}

async fn behind_a_proxy_it_is_the_client_who_counts(setup: Setup) {
    let proxies = ["127.0.0.1", "10.0.0.0/8"].map(|block| AddressBlock::parse(block).unwrap());
    let setup = setup.config(|config| config.server.trusted_proxies = proxies.to_vec());
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let body = registered_with(&erp, json!(["203.0.113.0/24", "2001:db8::/32", "127.0.0.0/8"]));
    let system = admin.post("/api/v1/systems", &body).await.expect(201);
    let key = system["push_key"].as_str().unwrap();
    for (forwarded, status) in [
        (&["203.0.113.7"][..], 200),
        (&["::ffff:203.0.113.7"], 200),
        (&["203.0.113.7:4711"], 200),
        (&["[2001:db8::7]:4711"], 200),
        (&["198.51.100.1, 203.0.113.7, 10.0.0.5"], 200),
        (&["198.51.100.1"], 403),
        // The client wrote the first name, the proxies the others.
        (&["203.0.113.7, 198.51.100.1"], 403),
        (&["203.0.113.7", "198.51.100.1, 10.0.0.5"], 403),
        (&["::ffff:198.51.100.1"], 403),
    ] {
        let answer = push(&app, key, forwarded).await;
        assert_eq!(answer.status, status, "{forwarded:?}: {}", answer.body);
    }
    // The proxy's own address is nobody's, though the list holds it.
    for forwarded in [&[][..], &["unknown"], &["203.0.113.7, unknown"], &["10.0.0.5"]] {
        let problem = push(&app, key, forwarded).await.expect_problem(403, "ADDRESS_NOT_ALLOWED");
        assert_eq!(problem["details"], json!({}), "{forwarded:?}");
    }
    app.stop().await;
    erp.stop().await;
}

async fn nobody_who_is_no_proxy_says_where_they_are(setup: Setup) {
    let proxies = vec![AddressBlock::parse("10.0.0.0/8").unwrap()];
    let setup = setup.config(|config| config.server.trusted_proxies = proxies);
    let (app, erp) = (setup.start().await, demo_erp().await);
    let body = registered_with(&erp, json!(["203.0.113.0/24"]));
    let system = app.admin().await.post("/api/v1/systems", &body).await.expect(201);
    let key = system["push_key"].as_str().unwrap();
    for forwarded in [&["203.0.113.7"][..], &["203.0.113.7, 10.0.0.5"]] {
        let problem = push(&app, key, forwarded).await.expect_problem(403, "ADDRESS_NOT_ALLOWED");
        assert_eq!(problem["details"]["address"], "127.0.0.1", "{forwarded:?}");
    }
    app.stop().await;
    erp.stop().await;
}

async fn lists_that_are_none_are_refused_and_change_nothing(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let body = registered_with(&erp, json!(["127.0.0.1"]));
    admin.post("/api/v1/systems", &body).await.expect(201);
    let before = admin.get(SYSTEM).await.expect(200);
    let long = format!("10.0.0.0/{}", "8".repeat(100_000));
    for wrong in [
        "",
        "/",
        "*",
        "localhost",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/08",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "010.0.0.1",
        "::1/129",
        "fe80::1%eth0",
        "10.0.0.1:80",
        "10.0.0.1, 10.0.0.2",
        "10.0.0.0/255.0.0.0",
        &long,
    ] {
        let list = json!(["203.0.113.7", wrong]);
        refused(&admin, &erp, &list, "push_allowed_addresses[1]").await;
    }
    for wrong in [json!([7]), json!([null]), json!([["10.0.0.1"]])] {
        refused(&admin, &erp, &wrong, "push_allowed_addresses[0]").await;
    }
    for wrong in [json!("10.0.0.1"), json!({ "0": "10.0.0.1" }), json!(7)] {
        refused(&admin, &erp, &wrong, "push_allowed_addresses").await;
    }
    let blocks = |count: u8| (0..count).map(|last| format!("203.0.113.{last}")).collect::<Value>();
    refused(&admin, &erp, &blocks(101), "push_allowed_addresses").await;
    assert_eq!(admin.get(SYSTEM).await.expect(200), before);
    admin.put(SYSTEM, &json!({ "push_allowed_addresses": blocks(100) })).await.expect(200);
    app.stop().await;
    erp.stop().await;
}

async fn refused(admin: &Client, erp: &DemoErp, list: &Value, field: &str) {
    let mut other = registered_with(erp, list.clone());
    other["system_id"] = json!("other");
    for answer in [
        admin.put(SYSTEM, &json!({ "push_allowed_addresses": list })).await,
        admin.post("/api/v1/systems", &other).await,
    ] {
        let problem = answer.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(problem["details"]["field"], field, "{problem}");
    }
    admin.get("/api/v1/systems/other").await.expect_problem(404, "SYSTEM_NOT_FOUND");
}

/// Two nodes over one database: the other one believes a system to be as it was for as long as its config says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_reaches_other_nodes_within_the_configured_time() {
    let clock = manual_clock();
    let setup = Setup::postgres().await.clock(Arc::clone(&clock) as _);
    let setup = setup.config(|config| config.security.session_cache_ms = 2_000);
    let (one, other, erp) = (setup.start().await, setup.start().await, demo_erp().await);
    let admin = one.admin().await;
    let system = register_demo_system(&admin, &erp, "demo").await;
    let key = system["push_key"].as_str().unwrap();
    push(&other, key, &[]).await.expect(200);
    admin.put(SYSTEM, &json!({ "push_allowed_addresses": ["203.0.113.0/24"] })).await.expect(200);
    push(&one, key, &[]).await.expect_problem(403, "ADDRESS_NOT_ALLOWED");
    clock.advance(Duration::from_secs(2));
    push(&other, key, &[]).await.expect_problem(403, "ADDRESS_NOT_ALLOWED");
    one.stop().await;
    other.stop().await;
    erp.stop().await;
}

/// The registration of a demo ERP whose key is bound to these addresses.
fn registered_with(erp: &DemoErp, allowed: Value) -> Value {
    let mut body = registration(erp, "demo");
    body["push_allowed_addresses"] = allowed;
    body
}

/// Pushes an event by way of proxies that have written these lines.
async fn push(app: &App, key: &str, forwarded: &[&str]) -> Answer {
    let pusher = app.anonymous().with_token(key);
    let mut request = pusher.request(Method::POST, "/api/v1/webhooks/receive").json(&event());
    for line in forwarded {
        request = request.header("x-forwarded-for", *line);
    }
    pusher.send(request).await
}

/// An event that goes into the log by itself, since it carries an id of its own.
fn event() -> Value {
    json!({
        "model": "res.partner", "record_id": 7, "event": "write", "timestamp": "2026-03-02T09:00:00Z",
        "_webhook_metadata": { "event_id": "from-elsewhere-1" },
    })
}
