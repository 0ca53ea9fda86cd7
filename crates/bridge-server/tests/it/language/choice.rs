use super::{asking, expect_said, get_in};
use crate::support::{Client, Setup, eventually, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(
    a_users_own_choice_counts_more_than_what_the_client_asks_for,
    a_choice_that_is_not_there_is_refused,
    admins_choose_for_others,
);

const ME: &str = "/api/v1/auth/me";

/// What a user hears who may not do something, asking for French.
async fn hears(client: &Client, language: &str, message: &str) {
    expect_said(get_in(client, "/api/v1/users", "fr").await, 403, "FORBIDDEN", language, message);
}

const ENGLISH: &str = "Only an admin may do this";
const ARABIC: &str = "هذا الإجراء متاح للمسؤول فقط";
const FRENCH: &str = "Seul un administrateur peut faire cela";

async fn a_users_own_choice_counts_more_than_what_the_client_asks_for(setup: Setup) {
    let app = setup.start().await;
    let ann = app.user("ann", None).await;
    hears(&ann, "fr", FRENCH).await;
    let changed = ann.put(ME, &json!({ "language": "ar" })).await.expect(200);
    assert_eq!(changed["language"], "ar");
    assert_eq!(ann.get(ME).await.expect(200), changed, "at once");
    hears(&ann, "ar", ARABIC).await;
    // Also where nobody asks for a language, and in what is refused before the body is read.
    expect_said(ann.get("/api/v1/users").await, 403, "FORBIDDEN", "ar", ARABIC);
    expect_said(
        ann.send(ann.request(Method::POST, "/api/v2/sync/pull").body("x")).await,
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        "ar",
        "يجب إرسال نص الطلب بنوع application/json",
    );
    // As ERPs name it.
    ann.put(ME, &json!({ "language": "en_US" })).await.expect(200);
    hears(&ann, "en", ENGLISH).await;
    let cleared = ann.put(ME, &json!({ "language": null })).await.expect(200);
    assert_eq!(cleared["language"], Value::Null);
    hears(&ann, "fr", FRENCH).await;
    // Who is not known has no choice.
    ann.put(ME, &json!({ "language": "ar" })).await.expect(200);
    let stranger = app.anonymous().with_token("not a token");
    expect_said(get_in(&stranger, ME, "fr").await, 401, "AUTHENTICATION_FAILED", "fr", "Le jeton n’est pas valide");
    let app = app.stop().await.start().await;
    let again = app.login("ann", "a user's password").await;
    hears(&again, "ar", ARABIC).await;
    app.stop().await;
}

async fn a_choice_that_is_not_there_is_refused(setup: Setup) {
    let app = setup.start().await;
    let ann = app.user("ann", None).await;
    for bad in [json!("de"), json!(""), json!("ar 001"), json!("arabic"), json!("fr-".repeat(40)), json!(7)] {
        let refused = ann.put(ME, &json!({ "language": bad })).await;
        let refused = refused.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(refused["details"]["field"], "language", "{refused}");
    }
    let refused = ann.put(ME, &json!({})).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(refused["message"], "language is missing");
    let put = asking(&ann, Method::PUT, ME, "fr").json(&json!({ "language": "de" }));
    let message = "Le champ «\u{a0}language\u{a0}» doit être en, ar ou fr, éventuellement avec une région comme ar_SA";
    expect_said(ann.send(put).await, 400, "DATA_VALIDATION_FAILED", "fr", message);
    assert_eq!(ann.get(ME).await.expect(200)["language"], Value::Null);
    app.anonymous().put(ME, &json!({ "language": "ar" })).await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.stop().await;
}

async fn admins_choose_for_others(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let body = json!({ "username": "ben", "password": "12345678", "language": "ar_001" });
    let ben = admin.post("/api/v1/users", &body).await.expect(201);
    assert_eq!(ben["language"], "ar_001");
    let client = app.login("ben", "12345678").await;
    hears(&client, "ar", ARABIC).await;
    let path = format!("/api/v1/users/{}", ben["id"]);
    admin.put(&path, &json!({ "language": "de" })).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    admin.put(&path, &json!({ "language": "fr" })).await.expect(200);
    eventually("the session knows of it", Duration::from_mins(1), async || {
        (client.get(ME).await.expect(200)["language"] == "fr").then_some(())
    })
    .await;
    expect_said(client.get("/api/v1/users").await, 403, "FORBIDDEN", "fr", FRENCH);
    app.stop().await;
}
