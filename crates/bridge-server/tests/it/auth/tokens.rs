use crate::support::{ADMIN_PASSWORD, App, Client, SECRET_KEY, Setup, manual_clock, on_both_databases};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

on_both_databases!(
    an_access_token_holds_until_its_last_second,
    a_session_ends_after_its_days,
    a_logout_ends_the_session_and_no_other,
    forged_tokens_do_not_hold,
    each_kind_of_token_is_taken_only_in_its_place,
    tokens_die_with_their_user,
    a_change_of_role_counts_for_tokens_that_are_out,
);

const ME: &str = "/api/v1/auth/me";

async fn an_access_token_holds_until_its_last_second(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(Arc::clone(&clock) as _).start().await;
    let admin = app.admin().await;
    let me = admin.get(ME).await.expect(200);
    assert_eq!(me["expires_at"], "2026-03-02T09:30:00Z");
    clock.advance(Duration::from_secs(1799));
    admin.get(ME).await.expect(200);
    clock.advance(Duration::from_secs(1));
    refused(&admin).await;
    app.stop().await;
}

async fn a_session_ends_after_its_days(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(Arc::clone(&clock) as _).start().await;
    let tokens = app.tokens("admin", ADMIN_PASSWORD).await;
    clock.advance(Duration::from_hours(7 * 24) - Duration::from_mins(10));
    // The last access token of the session ends with it.
    let last = refresh(&app, &tokens["refresh_token"]).await.expect(200);
    assert_eq!(last["expires_in"], 600);
    let client = with(&app, &last["access_token"]);
    client.get(ME).await.expect(200);
    clock.advance(Duration::from_mins(10));
    refused(&client).await;
    refresh(&app, &tokens["refresh_token"]).await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.stop().await;
}

async fn a_logout_ends_the_session_and_no_other(setup: Setup) {
    let app = setup.start().await;
    let tokens = app.tokens("admin", ADMIN_PASSWORD).await;
    let (phone, tablet) = (with(&app, &tokens["access_token"]), app.admin().await);
    // Both are in the cache of sessions now.
    phone.get(ME).await.expect(200);
    tablet.get(ME).await.expect(200);
    phone.post("/api/v1/auth/logout", &json!({})).await.expect(200);
    refused(&phone).await;
    phone.post("/api/v1/auth/logout", &json!({})).await.expect_problem(401, "AUTHENTICATION_FAILED");
    refresh(&app, &tokens["refresh_token"]).await.expect_problem(401, "AUTHENTICATION_FAILED");
    tablet.get(ME).await.expect(200);

    let app = app.stop().await.start().await;
    refused(&app.anonymous().with_token(phone.token())).await;
    app.anonymous().with_token(tablet.token()).get(ME).await.expect(200);
    app.stop().await;
}

async fn forged_tokens_do_not_hold(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let claims = claims(admin.token());
    let sign = |algorithm, claims: &Value, key: &str| {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key.as_bytes())).unwrap()
    };
    let changed = |field: &str, value: Value| {
        let mut claims = claims.clone();
        claims[field] = value;
        claims
    };
    // The forger's tools make a token that holds when given the right key, so that the rest of this test can fail.
    admin.with_token(&sign(Algorithm::HS256, &claims, SECRET_KEY)).get(ME).await.expect(200);

    let [header, body, signature] = parts(admin.token());
    let other_body = encode(&changed("sub", json!("2")));
    let unsigned = encode(&json!({ "alg": "none", "typ": "JWT" }));
    for forged in [
        sign(Algorithm::HS256, &claims, "another key of more than 32 characters"),
        sign(Algorithm::HS512, &claims, SECRET_KEY),
        format!("{header}.{other_body}.{signature}"),
        format!("{unsigned}.{body}."),
        format!("{unsigned}.{body}.{signature}"),
        format!("{header}.{body}."),
        format!("{header}.{body}"),
        // Signed with our key, as only a bug of ours could, and still nobody's session.
        sign(Algorithm::HS256, &changed("sid", json!("0123456789abcdef")), SECRET_KEY),
        sign(Algorithm::HS256, &changed("sid", Value::Null), SECRET_KEY),
        sign(Algorithm::HS256, &changed("exp", json!("tomorrow")), SECRET_KEY),
        sign(Algorithm::HS256, &changed("exp", json!(i64::MIN)), SECRET_KEY),
        sign(Algorithm::HS256, &changed("type", json!("admin")), SECRET_KEY),
        sign(Algorithm::HS256, &changed("sub", json!("999999")), SECRET_KEY),
        sign(Algorithm::HS256, &changed("tid", json!(999_999)), SECRET_KEY),
        "no token at all".to_owned(),
        "..".to_owned(),
        "x".repeat(5_000),
    ] {
        let answer = admin.with_token(&forged).get(ME).await;
        assert_eq!(answer.status, 401, "{forged}");
        answer.expect_problem(401, "AUTHENTICATION_FAILED");
    }
    let other_scheme = admin.anonymous().request(reqwest::Method::GET, ME).basic_auth("admin", Some(ADMIN_PASSWORD));
    admin.send(other_scheme).await.expect_problem(401, "AUTHENTICATION_FAILED");
    admin.anonymous().get(ME).await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.stop().await;
}

async fn each_kind_of_token_is_taken_only_in_its_place(setup: Setup) {
    let app = setup.start().await;
    let tokens = app.tokens("admin", ADMIN_PASSWORD).await;
    refused(&with(&app, &tokens["refresh_token"])).await;
    refresh(&app, &tokens["access_token"]).await.expect_problem(401, "AUTHENTICATION_FAILED");
    // Neither mistake cost the session.
    with(&app, &tokens["access_token"]).get(ME).await.expect(200);
    refresh(&app, &tokens["refresh_token"]).await.expect(200);
    app.stop().await;
}

async fn tokens_die_with_their_user(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    for (name, change) in [
        ("deactivated", Some(json!({ "is_active": false }))),
        ("changed", Some(json!({ "password": "another password" }))),
        ("deleted", None),
    ] {
        app.user(name, None).await;
        let tokens = app.tokens(name, "a user's password").await;
        let user = with(&app, &tokens["access_token"]);
        let path = format!("/api/v1/users/{}", user.get(ME).await.expect(200)["id"]);
        match change {
            Some(change) => admin.put(&path, &change).await.expect(200),
            None => admin.delete(&path).await.expect(200),
        };
        refused(&user).await;
        refresh(&app, &tokens["refresh_token"]).await.expect_problem(401, "AUTHENTICATION_FAILED");
    }
    app.tokens("changed", "another password").await;
    // Who is made active again has to log in again.
    let users = admin.get("/api/v1/users").await.expect(200);
    let id =
        users["items"].as_array().unwrap().iter().find(|user| user["username"] == "deactivated").unwrap()["id"].clone();
    admin.put(&format!("/api/v1/users/{id}"), &json!({ "is_active": true })).await.expect(200);
    app.tokens("deactivated", "a user's password").await;
    app.stop().await;
}

async fn a_change_of_role_counts_for_tokens_that_are_out(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let user = app.user("sara", None).await;
    let path = format!("/api/v1/users/{}", user.get(ME).await.expect(200)["id"]);
    user.get("/api/v1/users").await.expect_problem(403, "FORBIDDEN");
    admin.put(&path, &json!({ "role": "admin", "odoo_user_id": 5 })).await.expect(200);
    user.get("/api/v1/users").await.expect(200);
    assert_eq!(user.get(ME).await.expect(200)["odoo_user_id"], 5);
    admin.put(&path, &json!({ "role": "user", "odoo_user_id": null })).await.expect(200);
    user.get("/api/v1/users").await.expect_problem(403, "FORBIDDEN");
    assert_eq!(user.get(ME).await.expect(200)["odoo_user_id"], Value::Null);
    app.stop().await;
}

/// Two nodes over one database: the other one believes a session for as long as its config says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_reaches_other_nodes_within_the_configured_time() {
    let clock = manual_clock();
    let setup = Setup::postgres().await.clock(Arc::clone(&clock) as _);
    let setup = setup.config(|config| config.security.session_cache_ms = 2_000);
    let (one, other) = (setup.start().await, setup.start().await);
    let here = one.admin().await;
    let there = other.anonymous().with_token(here.token());
    there.get(ME).await.expect(200);
    here.post("/api/v1/auth/logout", &json!({})).await.expect(200);
    refused(&here).await;
    clock.advance(Duration::from_secs(2));
    refused(&there).await;
    one.stop().await;
    other.stop().await;
}

async fn refused(client: &Client) {
    client.get(ME).await.expect_problem(401, "AUTHENTICATION_FAILED");
}

async fn refresh(app: &App, token: &Value) -> crate::support::Answer {
    with(app, token).post("/api/v1/auth/refresh", &json!({})).await
}

fn with(app: &App, token: &Value) -> Client {
    app.anonymous().with_token(token.as_str().unwrap())
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

/// What a token says, read without any key.
fn claims(token: &str) -> Value {
    let key = jsonwebtoken::DecodingKey::from_secret(SECRET_KEY.as_bytes());
    let mut validation = jsonwebtoken::Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    jsonwebtoken::decode(token, &key, &validation).unwrap().claims
}

/// A token's part, for parts that a library would refuse to make.
fn encode(part: &Value) -> String {
    jsonwebtoken::encode(&Header::default(), part, &EncodingKey::from_secret(b"any"))
        .unwrap()
        .split('.')
        .nth(1)
        .unwrap()
        .to_owned()
}
