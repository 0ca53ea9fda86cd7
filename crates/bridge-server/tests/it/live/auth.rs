use super::PATH;
use crate::support::{App, Live, Setup, eventually, manual_clock};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_comes_in_by_header_by_subprotocol_or_by_the_first_message() {
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    let me = admin.get("/api/v1/auth/me").await.expect(200);
    let mut by_header = Live::connect(&app, PATH, Some(admin.token())).await;
    assert_authenticated(&by_header.next().await, &me);

    let mut by_message = Live::connect(&app, PATH, None).await;
    by_message.send(json!({ "type": "auth", "token": admin.token() })).await;
    assert_authenticated(&by_message.next().await, &me);

    let mut request = format!("ws://{}{PATH}", app.address()).into_client_request().unwrap();
    let protocols = format!("bearer, {}", admin.token());
    request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    let (mut by_protocol, response) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "bearer", "the token is not sent back");
    let first = futures_util::StreamExt::next(&mut by_protocol).await.unwrap().unwrap();
    assert_authenticated(&serde_json::from_str(first.to_text().unwrap()).unwrap(), &me);

    // A later message with a fresh token of the same user renews; one of another user does not.
    let renewed = app.admin().await;
    by_header.send(json!({ "type": "auth", "token": renewed.token() })).await;
    assert_authenticated(&by_header.next().await, &me);
    let other = app.user("ann", None).await;
    by_header.send(json!({ "type": "auth", "token": other.token() })).await;
    assert_eq!(by_header.next_of("error").await["code"], "FORBIDDEN");
    by_header.send(json!({ "type": "auth", "token": "nonsense" })).await;
    assert_eq!(by_header.next_of("error").await["code"], "AUTHENTICATION_FAILED");
    by_header.send(json!({ "type": "ping" })).await;
    assert_eq!(by_header.next().await, json!({ "type": "pong" }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_comes_in() {
    let app = Setup::sqlite().start().await;
    let other = Setup::sqlite().config(|config| config.security.secret_key = "another key ".repeat(4)).start().await;
    let admin = app.admin().await;
    let foreign = other.admin().await.token().to_owned();
    for token in [foreign.as_str(), "nonsense"] {
        assert_eq!(refused(&app, PATH, Some(token)).await, (401, "AUTHENTICATION_FAILED".to_owned()));
        let mut live = Live::connect(&app, PATH, None).await;
        live.send(json!({ "type": "auth", "token": token })).await;
        assert_eq!(live.closed().await.0, 4401);
    }
    // In the address it would be logged by proxies.
    let path = format!("{PATH}?token={}", admin.token());
    assert_eq!(refused(&app, &path, None).await, (400, "DATA_VALIDATION_FAILED".to_owned()));
    // Whoever says something else first, or nothing in time, is shown out.
    let mut live = Live::connect(&app, PATH, None).await;
    live.send(json!({ "type": "subscribe", "channel": "events" })).await;
    assert_eq!(live.closed().await, (4401, "the first message must be auth".to_owned()));
    let hasty = Setup::sqlite().config(|config| config.live.auth_timeout_ms = 300).start().await;
    let mut live = Live::connect(&hasty, PATH, None).await;
    assert_eq!(live.closed().await, (4401, "no token came in time".to_owned()));
    hasty.stop().await;
    // A plain request is no connection.
    admin.get(PATH).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    admin.post(PATH, &json!({})).await.expect_problem(405, "METHOD_NOT_ALLOWED");
    app.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_the_address_is_taken_where_the_config_allows_it() {
    let app = Setup::sqlite().config(|config| config.live.token_in_query = true).start().await;
    let admin = app.admin().await;
    let mut live = Live::connect(&app, &format!("{PATH}?token={}", admin.token()), None).await;
    assert_eq!(live.next().await["type"], "authenticated");
    assert_eq!(refused(&app, &format!("{PATH}?token=x"), None).await.0, 401);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_with_its_token_and_with_its_session() {
    let clock = manual_clock();
    let app = Setup::sqlite().clock(clock.clone()).config(|config| config.live.heartbeat_ms = 5_000).start().await;
    let admin = app.admin().await;
    let mut expiring = Live::connect(&app, PATH, Some(admin.token())).await;
    assert_eq!(expiring.next().await["type"], "authenticated");
    assert_eq!(expiring.next().await["type"], "ping");
    clock.advance(Duration::from_mins(30));
    assert_eq!(expiring.closed().await.0, 4401);

    let admin = app.admin().await;
    let mut renewed = Live::connect(&app, PATH, Some(admin.token())).await;
    let stays = app.admin().await;
    let mut other_session = Live::connect(&app, PATH, Some(stays.token())).await;
    assert_eq!(renewed.next().await["type"], "authenticated");
    admin.post("/api/v1/auth/logout", &json!({})).await;
    let (code, reason) = renewed.closed().await;
    assert_eq!((code, reason.contains("AUTHENTICATION_FAILED")), (4401, true), "{reason}");
    other_session.send(json!({ "type": "ping" })).await;
    other_session.next_of("pong").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_switched_off_or_made_another_is_shown_out() {
    let app = Setup::sqlite().config(|config| config.live.heartbeat_ms = 600_000).start().await;
    let admin = app.admin().await;
    let ann = app.user("ann", Some(6)).await;
    let id = ann.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let mut live = Live::connect(&app, PATH, Some(ann.token())).await;
    live.next_of("authenticated").await;
    admin.put(&format!("/api/v1/users/{id}"), &json!({ "odoo_user_id": 7 })).await.expect(200);
    let code = live.closed().await.0;
    assert!(code == 1001 || code == 4401, "{code}");
    let again = eventually("Ann can log in", Duration::from_mins(1), async || {
        Some(app.login("ann", "a user's password").await)
    })
    .await;
    let mut live = Live::connect(&app, PATH, Some(again.token())).await;
    live.next_of("authenticated").await;
    admin.put(&format!("/api/v1/users/{id}"), &json!({ "is_active": false })).await.expect(200);
    assert_eq!(live.closed().await.0, 4401);
    app.stop().await;
}

fn assert_authenticated(message: &Value, me: &Value) {
    assert_eq!((&message["type"], &message["user_id"]), (&json!("authenticated"), &me["id"]), "{message}");
    assert!(message["expires_at"].is_string());
}

/// What the server answers instead of opening the connection.
async fn refused(app: &App, path: &str, token: Option<&str>) -> (u16, String) {
    match Live::try_connect(app, path, token).await {
        Err(Error::Http(response)) => {
            let body: Value =
                serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap_or_default();
            (response.status().as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the connection was opened"),
    }
}
