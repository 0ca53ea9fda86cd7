//! Who came in and who did not.

use super::{LOGIN, PATIENCE, contains, entries, told};
use crate::seen::scrape::Scrape;
use crate::support::{ADMIN_PASSWORD, Answer, App, Client, Setup, eventually, manual_clock, on_both_databases};
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(
    who_comes_in_and_who_does_not_is_told,
    who_tries_passwords_does_not_fill_the_audit,
    a_session_that_a_copied_token_ends_is_told,
    a_device_that_starts_over_is_told,
);

const WRONG: &str = "hush-hush-4711";

async fn log_in(app: &App, username: &str, password: &str) -> Answer {
    app.anonymous().post("/api/v1/auth/login", &json!({ "username": username, "password": password })).await
}

async fn of_sessions(admin: &Client) -> Vec<Value> {
    entries(admin, "model=bridgecore.session").await
}

async fn who_comes_in_and_who_does_not_is_told(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let me = admin.get("/api/v1/auth/me").await.expect(200);
    let first = of_sessions(&admin).await;
    assert_eq!(told(&first), [LOGIN]);
    let expected = json!({
        "id": first[0]["id"], "at": first[0]["at"], "user_id": me["id"], "username": "admin", "acting_as": null,
        "system_id": null, "model": "bridgecore.session", "record_ids": [], "action": "login", "outcome": "done",
        "code": null, "values": {}, "request_id": first[0]["request_id"], "idempotency_key": null, "address": "127.0.0.1",
    });
    assert_eq!(first[0], expected);
    assert!(first[0]["request_id"].is_string());
    log_in(&app, "admin", WRONG).await.expect_problem(401, "INVALID_CREDENTIALS");
    log_in(&app, "nobody", WRONG).await.expect_problem(401, "INVALID_CREDENTIALS");
    // Nobody waits for the note of a refusal.
    let refused = eventually("the refusal is told", PATIENCE, async || {
        let entries = of_sessions(&admin).await;
        (entries.len() == 2).then(|| entries[0].clone())
    })
    .await;
    assert_eq!((&refused["outcome"], &refused["code"]), (&json!("refused"), &json!("INVALID_CREDENTIALS")));
    assert_eq!((&refused["username"], &refused["address"]), (&json!("admin"), &json!("127.0.0.1")));
    // Also of somebody who may not come in any more.
    let user =
        admin.post("/api/v1/users", &json!({ "username": "omar", "password": ADMIN_PASSWORD })).await.expect(201);
    let path = format!("/api/v1/users/{}", user["id"]);
    admin.put(&path, &json!({ "is_active": false })).await.expect(200);
    log_in(&app, "omar", ADMIN_PASSWORD).await.expect_problem(401, "INVALID_CREDENTIALS");
    eventually("it is told", PATIENCE, async || (of_sessions(&admin).await[0]["username"] == "omar").then_some(()))
        .await;
    let second = log_in(&app, "admin", ADMIN_PASSWORD).await.expect(200);
    let second = app.anonymous().with_token(second["access_token"].as_str().unwrap());
    second.post("/api/v1/auth/logout", &json!({})).await.expect(200);
    let last = of_sessions(&admin).await;
    assert_eq!(told(&last[..2]), [LOGIN, ["logout", "bridgecore.session", "done"]]);
    let seen = Scrape::of(&app).await;
    assert_eq!(seen.count(r#"logins_total{outcome="refused"}"#), 3);
    assert_eq!(seen.count(r#"logins_total{outcome="done"}"#), 2);
    let all = json!(entries(&admin, "").await).to_string();
    assert!(!contains(all.as_bytes(), WRONG) && !contains(all.as_bytes(), ADMIN_PASSWORD));
    app.stop().await;
}

async fn who_tries_passwords_does_not_fill_the_audit(setup: Setup) {
    let clock = manual_clock();
    let setup = setup.clock(clock.clone()).config(|config| config.audit.refused_logins_per_minute_max = 2);
    let app = setup.start().await;
    for _ in 0..5 {
        log_in(&app, "admin", WRONG).await.expect_problem(401, "INVALID_CREDENTIALS");
    }
    clock.advance(Duration::from_mins(1));
    log_in(&app, "admin", WRONG).await.expect_problem(401, "INVALID_CREDENTIALS");
    assert_eq!(Scrape::of(&app).await.count(r#"logins_total{outcome="refused"}"#), 6);
    // A service that stops waits for what is to be noted.
    let app = app.stop().await.start().await;
    assert_eq!(entries(&app.admin().await, "outcome=refused").await.len(), 3, "two, and one of the next minute");
    app.stop().await;
}

async fn a_session_that_a_copied_token_ends_is_told(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(clock.clone()).start().await;
    let admin = app.admin().await;
    let tokens = log_in(&app, "admin", ADMIN_PASSWORD).await.expect(200);
    let refresh = async || {
        let body = json!({ "refresh_token": tokens["refresh_token"], "rotate": true });
        app.anonymous().post("/api/v1/auth/refresh", &body).await
    };
    refresh().await.expect(200);
    clock.advance(Duration::from_secs(11));
    for _ in 0..2 {
        assert_eq!(refresh().await.status, 401);
    }
    let revoked = entries(&admin, "action=revoke").await;
    assert_eq!(told(&revoked), [["revoke", "bridgecore.session", "done"]], "once");
    assert_eq!(revoked[0]["address"], "127.0.0.1");
    app.stop().await;
}

async fn a_device_that_starts_over_is_told(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let reset = "/api/v2/sync/reset?device_id=phone-1";
    admin.post(&format!("{reset}&app_type=mobile_app"), &json!({})).await.expect(200);
    admin.post("/api/v2/sync/reset?device_id=phone-2", &json!({})).await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    let resets = entries(&admin, "action=reset").await;
    assert_eq!(told(&resets), [["reset", "bridgecore.device", "done"], ["reset", "bridgecore.device", "refused"]]);
    assert_eq!(resets[1]["record_ids"], json!(["phone-1"]));
    assert_eq!(resets[1]["values"]["after"]["app_type"], "mobile_app");
    assert_eq!(resets[0]["code"], "SYNC_STATE_NOT_FOUND");
    app.stop().await;
}
