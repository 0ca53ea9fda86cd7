//! The log, as a collector reads it.

use super::process::{Log, Process};
use crate::support::{ADMIN_PASSWORD, Client, SECRET_KEY, Setup, demo_erp, on_both_databases, registration};
use bridge_erp::fake::DemoErp;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

on_both_databases!(at_the_finest_level_every_line_is_json_and_none_holds_a_secret);

/// The id of the demo ERP's admin there.
const ERP_ADMIN: i64 = 2;

const ERP_PASSWORD: &str = "the-erp-admins-pass-3141";
const METRICS_TOKEN: &str = "the-scrapers-token-5926";
const WRONG_PASSWORD: &str = "a-guess-that-was-wrong-5358";
const WRONG_KEY: &str = "bcpk_a_key_that_never_was_9793";
/// A password that was sent as a number, so that reading it fails.
const NUMERIC_PASSWORD: u64 = 2_384_626_433;
const USER_PASSWORD: &str = "what-the-seller-types-8327";
/// The id of the request that fails for want of the ERP.
const FAILED_REQUEST: &str = "the-request-that-fails";

async fn at_the_finest_level_every_line_is_json_and_none_holds_a_secret(setup: Setup) {
    let erp = demo_erp().await;
    let mut transaction = erp.db().begin(ERP_ADMIN);
    transaction.write("res.users", &[ERP_ADMIN], json!({ "password": ERP_PASSWORD })).unwrap();
    transaction.commit();
    let variables = [("BRIDGECORE_LOG__LEVEL", "trace"), ("BRIDGECORE_SERVER__METRICS_TOKEN", METRICS_TOKEN)];
    let process = Process::start(&setup, &variables).await;
    let mut secrets: Vec<String> =
        [SECRET_KEY, ADMIN_PASSWORD, ERP_PASSWORD, METRICS_TOKEN, WRONG_PASSWORD, WRONG_KEY, USER_PASSWORD]
            .map(str::to_owned)
            .to_vec();
    // Nor what the database keeps of passwords, nor what a connection is encrypted as.
    secrets.extend([NUMERIC_PASSWORD.to_string(), "$argon2".to_owned(), "gAAAAA".to_owned()]);
    for (name, value) in setup.environment() {
        if name.ends_with("ENCRYPTION_KEYS") {
            secrets.extend(serde_json::from_str::<Vec<String>>(&value).unwrap());
        }
    }
    secrets.extend(use_everything(&process, &erp).await);
    let log = process.stop().await;

    let lines = log.lines();
    let ours = |line: &&Value| line["target"].as_str().unwrap().starts_with("bridge");
    let fine = |line: &&Value| line["level"] == "DEBUG" || line["level"] == "TRACE";
    assert!(lines.iter().filter(ours).any(|line| fine(&line)), "the finest level was not on");
    for secret in &secrets {
        assert!(secret.len() >= 6, "{secret}");
        if let Some(line) = log.0.lines().find(|line| line.contains(secret.as_str())) {
            panic!("{secret} is in the log: {line}");
        }
    }
    a_failure_is_logged_once(&log);
}

/// Uses every kind of secret in every way; answers those that were given out.
async fn use_everything(process: &Process, erp: &DemoErp) -> Vec<String> {
    let anonymous = Client::of(&process.address);
    let login = |password: Value| json!({ "username": "admin", "password": password });
    let path = "/api/v1/auth/login";
    anonymous.post(path, &login(json!(WRONG_PASSWORD))).await.expect(401);
    anonymous.post(path, &login(json!(NUMERIC_PASSWORD))).await.expect(400);
    let tokens = anonymous.post(path, &login(json!(ADMIN_PASSWORD))).await.expect(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut given = vec![text(&tokens["access_token"]), text(&tokens["refresh_token"])];
    let refresh = json!({ "refresh_token": tokens["refresh_token"], "rotate": true });
    let fresh = anonymous.post("/api/v1/auth/refresh", &refresh).await.expect(200);
    given.extend([text(&fresh["access_token"]), text(&fresh["refresh_token"])]);
    let admin = anonymous.with_token(&text(&fresh["access_token"]));

    let mut body = registration(erp, "demo");
    body["connection_config"]["password"] = json!(ERP_PASSWORD);
    let system = admin.post("/api/v1/systems", &body).await.expect(201);
    let push_key = text(&system["push_key"]);
    assert_eq!(admin.post("/api/v1/systems/demo/test", &json!({})).await.expect(200)["success"], true);
    body["system_id"] = json!("wrong");
    body["connection_config"]["timeout_ms"] = json!(ERP_PASSWORD);
    admin.post("/api/v1/systems", &body).await.expect(400);

    let event = json!({
        "model": "sale.order", "record_id": 7, "event": "write", "_webhook_metadata": { "event_id": 1_000_000 },
    });
    let receive = "/api/v1/webhooks/receive";
    let erps = anonymous.with_token(&push_key);
    erps.post(receive, &event).await.expect(200);
    erps.send_bytes(Method::POST, receive, push_key.clone().into_bytes()).await.expect(400);
    anonymous.with_token(WRONG_KEY).post(receive, &event).await.expect(401);
    let as_header = anonymous.request(Method::POST, receive).header("x-api-key", &push_key).json(&event);
    anonymous.send(as_header).await.expect(200);
    given.push(push_key);

    live_with_a_message(process, admin.token()).await;
    admin.get(&format!("/ws/webhooks?token={}", admin.token())).await;
    anonymous.with_token(METRICS_TOKEN).get("/metrics").await.expect(200);

    let user = json!({ "username": "seller", "password": USER_PASSWORD, "odoo_user_id": 3 });
    admin.post("/api/v1/users", &user).await.expect(201);
    let login = json!({ "username": "seller", "password": USER_PASSWORD });
    let tokens = anonymous.post(path, &login).await.expect(200);
    given.extend([text(&tokens["access_token"]), text(&tokens["refresh_token"])]);
    erp.stop().await;
    let seller = anonymous.with_token(&text(&tokens["access_token"]));
    let pull = json!({ "device_id": "phone-1", "app_type": "mobile_app" });
    let pull = seller.request(Method::POST, "/api/v2/sync/pull").header("x-request-id", FAILED_REQUEST).json(&pull);
    seller.send(pull).await.expect_problem(502, "CONNECTION_REFUSED");
    given
}

/// A connection that says who it is in its first message.
async fn live_with_a_message(process: &Process, token: &str) {
    let url = format!("ws://{}/ws/webhooks", process.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    socket.send(Message::text(json!({ "type": "auth", "token": token }).to_string())).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap();
    assert!(answer.to_text().unwrap().contains("authenticated"), "{answer:?}");
    socket.close(None).await.unwrap();
}

/// One line, in the request's span, with the code and the causes down to the first.
fn a_failure_is_logged_once(log: &Log) {
    let lines = log.lines();
    let of_request = |line: &&Value| line["span"]["request.id"] == FAILED_REQUEST || holds(&line["spans"]);
    let told: Vec<_> =
        lines.iter().filter(of_request).filter(|line| line["level"] == "WARN" || line["level"] == "ERROR").collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0]["code"], "CONNECTION_REFUSED", "{:#}", told[0]);
    assert!(told[0]["causes"].as_str().unwrap().contains("refused"), "{:#}", told[0]);
    let spans = lines.iter().flat_map(|line| line["spans"].as_array().cloned().unwrap_or_default());
    let names: std::collections::BTreeSet<String> =
        spans.map(|span| span["name"].as_str().unwrap().to_owned()).collect();
    for name in ["request", "erp.call"] {
        assert!(names.contains(name), "no line in a span {name}: {names:?}");
    }
}

fn holds(spans: &Value) -> bool {
    spans.as_array().is_some_and(|spans| spans.iter().any(|span| span["request.id"] == FAILED_REQUEST))
}
