use crate::support::{ADMIN_PASSWORD, Setup, manual_clock, on_both_databases};
use bridge_model::Clock;
use bridge_model::clock::SystemClock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

on_both_databases!(
    a_login_answers_the_documented_tokens,
    every_wrong_login_gets_the_same_answer,
    a_name_that_is_tried_too_often_has_to_wait,
    many_logins_at_once_are_all_answered,
    names_that_nobody_can_have_are_wrong_logins,
    the_time_of_an_answer_does_not_tell_whether_a_name_exists,
);

async fn a_login_answers_the_documented_tokens(setup: Setup) {
    let app = setup.start().await;
    let tokens = app.tokens("admin", ADMIN_PASSWORD).await;
    let mut keys: Vec<_> = tokens.as_object().unwrap().keys().cloned().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["access_token", "expires_in", "refresh_token", "token_type"]);
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["expires_in"], 1800);

    let user = app.user("sara", Some(7)).await;
    let me = user.get("/api/v1/auth/me").await.expect(200);
    assert_eq!(me["username"], "sara");
    assert_eq!(me["role"], "user");
    assert_eq!(me["odoo_user_id"], 7);
    assert_eq!(me["language"], Value::Null);
    assert!(me["id"].is_i64() && me["tenant_id"].is_i64());
    assert!(me.get("password_hash").is_none());
    app.stop().await;
}

async fn every_wrong_login_gets_the_same_answer(setup: Setup) {
    let app = setup.start().await;
    let sara = app.user("sara", None).await;
    let id = sara.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let admin = app.admin().await;
    admin.put(&format!("/api/v1/users/{id}"), &json!({ "is_active": false })).await.expect(200);

    let mut answers = Vec::new();
    for (username, password) in [("admin", "wrong"), ("nobody", "wrong"), ("sara", "a user's password"), ("", "")] {
        let body = json!({ "username": username, "password": password });
        let answer = app.anonymous().post("/api/v1/auth/login", &body).await;
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        answers.push(answer.expect_problem(401, "INVALID_CREDENTIALS"));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    app.stop().await;
}

async fn a_name_that_is_tried_too_often_has_to_wait(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(Arc::clone(&clock) as _).limits(|limits| limits.per_minute.authentication = 3).start().await;
    let wrong = json!({ "username": "admin", "password": "wrong" });
    let right = json!({ "username": "admin", "password": ADMIN_PASSWORD });
    // A right one counts as well.
    for (left, (body, status)) in [(2, (&right, 200)), (1, (&wrong, 401)), (0, (&wrong, 401))] {
        let answer = app.anonymous().post("/api/v1/auth/login", body).await;
        assert_eq!((answer.status, &answer.headers["ratelimit-remaining"]), (status, &left.into()));
    }
    clock.advance(Duration::from_secs(15));
    // Not even the right password is looked at now.
    let refused = app.anonymous().post("/api/v1/auth/login", &right).await;
    assert_eq!(refused.headers["retry-after"], "5");
    let refused = refused.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused["details"], json!({ "limit": 3, "window_s": 60, "class": "authentication" }));
    // A name that does not exist is counted as well, and on its own.
    for _ in 0..3 {
        let nobody = json!({ "username": "nobody", "password": "wrong" });
        app.anonymous().post("/api/v1/auth/login", &nobody).await.expect_problem(401, "INVALID_CREDENTIALS");
    }
    clock.advance(Duration::from_secs(5));
    app.tokens("admin", ADMIN_PASSWORD).await;
    app.anonymous().post("/api/v1/auth/login", &right).await.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    app.stop().await;
}

async fn many_logins_at_once_are_all_answered(setup: Setup) {
    let app = setup.config(|config| config.security.password_checks_at_once_max = 1).start().await;
    let logins: Vec<_> = (0..20)
        .map(|n| {
            let client = app.anonymous();
            let password = if n % 2 == 0 { ADMIN_PASSWORD } else { "wrong" };
            tokio::spawn(async move {
                let body = json!({ "username": "admin", "password": password });
                client.post("/api/v1/auth/login", &body).await.status
            })
        })
        .collect();
    for (n, login) in logins.into_iter().enumerate() {
        assert_eq!(login.await.unwrap(), if n % 2 == 0 { 200 } else { 401 });
    }
    app.stop().await;
}

async fn names_that_nobody_can_have_are_wrong_logins(setup: Setup) {
    let app = setup.start().await;
    for username in ["ad\u{0}min", "admin\n", &"x".repeat(100_000), "' OR 1=1 --", "\u{202e}admin", "ADMIN"] {
        let body = json!({ "username": username, "password": ADMIN_PASSWORD });
        app.anonymous().post("/api/v1/auth/login", &body).await.expect_problem(401, "INVALID_CREDENTIALS");
    }
    app.stop().await;
}

async fn the_time_of_an_answer_does_not_tell_whether_a_name_exists(setup: Setup) {
    let app = setup.start().await;
    let clock = SystemClock;
    let mut spent = [Duration::ZERO; 2];
    // In turns, so that whatever else this machine does slows both down.
    for _ in 0..8 {
        for (name, spent) in ["admin", "nobody"].into_iter().zip(&mut spent) {
            let started = clock.now();
            let body = json!({ "username": name, "password": "wrong" });
            app.anonymous().post("/api/v1/auth/login", &body).await.expect_problem(401, "INVALID_CREDENTIALS");
            *spent += clock.now().since(started);
        }
    }
    // Without a password check an answer takes about a fiftieth.
    assert!(spent[1] > spent[0] / 4, "{spent:?}");
    app.stop().await;
}
