use crate::support::{ADMIN_PASSWORD, Answer, App, Setup, manual_clock, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

on_both_databases!(
    the_documented_refresh_has_no_body_and_keeps_the_refresh_token,
    the_refresh_token_may_come_in_the_body,
    a_rotated_token_that_comes_back_ends_the_session,
    a_lost_reply_does_not_log_a_phone_out,
    a_thief_within_the_grace_is_noticed_by_the_owners_next_refresh,
    config_can_rotate_for_everybody,
    crossing_refreshes_log_nobody_out,
);

const REFRESH: &str = "/api/v1/auth/refresh";

/// Longer than a replaced token is taken once more.
const AFTER_GRACE: Duration = Duration::from_secs(11);

async fn the_documented_refresh_has_no_body_and_keeps_the_refresh_token(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(Arc::clone(&clock) as _).start().await;
    let tokens = app.tokens("admin", ADMIN_PASSWORD).await;
    for _ in 0..3 {
        clock.advance(Duration::from_hours(24));
        let client = app.anonymous().with_token(text(&tokens["refresh_token"]));
        let answer = client.send(client.request(Method::POST, REFRESH)).await.expect(200);
        assert_eq!(answer.as_object().unwrap().len(), 3, "{answer}");
        assert_eq!(answer["token_type"], "bearer");
        assert_eq!(answer["expires_in"], 1800);
        app.anonymous().with_token(text(&answer["access_token"])).get("/api/v1/auth/me").await.expect(200);
    }
    app.stop().await;
}

async fn the_refresh_token_may_come_in_the_body(setup: Setup) {
    let app = setup.start().await;
    let tokens = app.tokens("admin", ADMIN_PASSWORD).await;
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    app.anonymous().post(REFRESH, &body).await.expect(200);
    // Apps that send their access token with every request send it here as well.
    app.anonymous().with_token(text(&tokens["access_token"])).post(REFRESH, &body).await.expect(200);
    app.anonymous().post(REFRESH, &json!({})).await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.stop().await;
}

async fn a_rotated_token_that_comes_back_ends_the_session(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(Arc::clone(&clock) as _).start().await;
    let first = app.tokens("admin", ADMIN_PASSWORD).await;
    let second = rotate(&app, &first["refresh_token"]).await.expect(200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    clock.advance(AFTER_GRACE);
    let third = rotate(&app, &second["refresh_token"]).await.expect(200);
    // Somebody uses a copy that is two rotations old: everything of this session is over, the access token included.
    app.anonymous().with_token(text(&third["access_token"])).get("/api/v1/auth/me").await.expect(200);
    rotate(&app, &first["refresh_token"]).await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.anonymous()
        .with_token(text(&third["access_token"]))
        .get("/api/v1/auth/me")
        .await
        .expect_problem(401, "AUTHENTICATION_FAILED");
    rotate(&app, &third["refresh_token"]).await.expect_problem(401, "AUTHENTICATION_FAILED");

    // One rotation old, after the grace: the same.
    let first = app.tokens("admin", ADMIN_PASSWORD).await;
    let second = rotate(&app, &first["refresh_token"]).await.expect(200);
    clock.advance(AFTER_GRACE);
    rotate(&app, &first["refresh_token"]).await.expect_problem(401, "AUTHENTICATION_FAILED");
    rotate(&app, &second["refresh_token"]).await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.stop().await;
}

async fn a_lost_reply_does_not_log_a_phone_out(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(Arc::clone(&clock) as _).start().await;
    let first = app.tokens("admin", ADMIN_PASSWORD).await;
    rotate(&app, &first["refresh_token"]).await.expect(200);
    clock.advance(Duration::from_secs(3));
    // The phone never saw that answer. What it gets now goes on working.
    let mut current = rotate(&app, &first["refresh_token"]).await.expect(200);
    for _ in 0..3 {
        clock.advance(AFTER_GRACE);
        current = rotate(&app, &current["refresh_token"]).await.expect(200);
    }
    app.stop().await;
}

async fn a_thief_within_the_grace_is_noticed_by_the_owners_next_refresh(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(Arc::clone(&clock) as _).start().await;
    let stolen = app.tokens("admin", ADMIN_PASSWORD).await;
    let owner = rotate(&app, &stolen["refresh_token"]).await.expect(200);
    let thief = rotate(&app, &stolen["refresh_token"]).await.expect(200);
    clock.advance(AFTER_GRACE);
    rotate(&app, &owner["refresh_token"]).await.expect_problem(401, "AUTHENTICATION_FAILED");
    rotate(&app, &thief["refresh_token"]).await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.anonymous()
        .with_token(text(&thief["access_token"]))
        .get("/api/v1/auth/me")
        .await
        .expect_problem(401, "AUTHENTICATION_FAILED");
    app.stop().await;
}

async fn config_can_rotate_for_everybody(setup: Setup) {
    let app = setup.config(|config| config.security.rotate_refresh_tokens = true).start().await;
    let tokens = app.tokens("admin", ADMIN_PASSWORD).await;
    let answer = app.anonymous().post(REFRESH, &json!({ "refresh_token": tokens["refresh_token"] })).await.expect(200);
    assert!(answer["refresh_token"].is_string());
    assert_ne!(answer["refresh_token"], tokens["refresh_token"]);
    app.stop().await;
}

async fn crossing_refreshes_log_nobody_out(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(Arc::clone(&clock) as _).start().await;
    let tokens = app.tokens("admin", ADMIN_PASSWORD).await;
    let crossing: Vec<_> = (0..2)
        .map(|_| {
            let (client, body) = (app.anonymous(), json!({ "refresh_token": tokens["refresh_token"], "rotate": true }));
            tokio::spawn(async move { client.post(REFRESH, &body).await.expect(200) })
        })
        .collect();
    let mut answers = Vec::new();
    for refresh in crossing {
        answers.push(refresh.await.unwrap());
    }
    assert_ne!(answers[0]["refresh_token"], answers[1]["refresh_token"]);
    // One of them is the current token, the other was replaced a moment ago: neither is taken for stolen.
    for answer in &answers {
        app.anonymous().post(REFRESH, &json!({ "refresh_token": answer["refresh_token"] })).await.expect(200);
    }
    app.stop().await;
}

async fn rotate(app: &App, token: &Value) -> Answer {
    app.anonymous().post(REFRESH, &json!({ "refresh_token": token, "rotate": true })).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
