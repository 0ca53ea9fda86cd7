use super::device::{Device, PULL, positions};
use crate::ingest::pusher::{Pusher, log_of};
use crate::support::{Answer, Client, Setup};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_request_gets_the_documented_shape_and_changes_nothing() {
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    let phone = Device::new(&admin, "phone-1");
    phone.pull_after("0").await;
    phone.ack("1").await.expect(200);

    for path in [PULL, "/api/v2/sync/ack"] {
        for broken in ["", "{", "[1", "{\"device_id\": \"phone-1\",", "\u{0}", "nonsense"] {
            bytes(&admin, path, broken).await.expect_problem(400, "MALFORMED_JSON");
        }
        bytes(&admin, path, b"\xff\xfe\xfd").await.expect_problem(400, "MALFORMED_JSON");
        for wrong in ["null", "1", "\"text\"", "[]", "[{}]", "{}"] {
            bytes(&admin, path, wrong).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        }
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let answer = bytes(&admin, path, deep).await;
        assert!(matches!(answer.status, 400), "{answer:?}");
        for _ in 0..3 {
            bytes(&admin, path, vec![b'x'; 10 * 1024 * 1024]).await.expect_problem(413, "PAYLOAD_TOO_LARGE");
        }
        let text = admin.request(Method::POST, path).header("content-type", "text/plain").body("{}");
        admin.send(text).await.expect_problem(415, "UNSUPPORTED_MEDIA_TYPE");
        admin.send(admin.request(Method::POST, path).body("{}")).await.expect_problem(415, "UNSUPPORTED_MEDIA_TYPE");
        admin.get(path).await.expect_problem(405, "METHOD_NOT_ALLOWED");
    }

    for (field, values) in [
        ("device_id", json!([null, 7, "", "ab", "a b c", "x".repeat(129), "phone\u{0}1", [], {}])),
        ("app_type", json!([null, 7, "", "no_such_app", "Sales App", "x".repeat(65), {}])),
        ("user_id", json!(["1", 1.5, [], {}, 9_300_000_000_000_000_000_u64])),
        ("limit", json!([0, -1, 1_001, 1.5, "10", {}, 4_294_967_296_u64])),
        ("models_filter", json!(["sale.order", [7], [""], ["sale order"], [null], {}, ["x".repeat(129)]])),
        ("system_id", json!([7, "", "-x", "a/b", "x".repeat(65), []])),
        ("last_sync_token", json!([1.5, [], {}, true])),
    ] {
        for value in values.as_array().unwrap() {
            let answer = phone.try_pull(json!({ field: value })).await;
            assert_eq!(answer.status, 400, "{field} {value}: {}", answer.body);
            answer.expect_problem(400, "DATA_VALIDATION_FAILED");
        }
    }
    let many: Vec<String> = (0..201).map(|number| format!("model.{number}")).collect();
    phone.try_pull(json!({ "models_filter": many })).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    phone.try_pull(json!({ "system_id": "elsewhere" })).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    for token in ["", " ", "-1", "+1", "1.0", "0x1", "٣", "1e3", "99999999999999999999", "abc", "1 "] {
        phone.try_pull(json!({ "last_sync_token": token })).await.expect_problem(400, "INVALID_SYNC_TOKEN");
        phone.ack(token).await.expect_problem(400, "INVALID_SYNC_TOKEN");
    }
    phone.try_pull(json!({ "last_sync_token": -1 })).await.expect_problem(400, "INVALID_SYNC_TOKEN");
    // Positions are numbers elsewhere, so that a token may be one too.
    Device::new(&admin, "phone-7").pull(json!({ "last_sync_token": 0 })).await;
    // Fields that nobody knows are left alone: a newer app may talk to an older service.
    phone.pull(json!({ "from_the_future": { "a": 1 } })).await;

    for query in ["", "?device_id=", "?device_id=ab", "?device_id=phone-1&user_id=x", "?user_id=1", "?device_id=%ff%fe"]
    {
        let path = format!("/api/v2/sync/state{query}");
        admin.get(&path).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        let path = format!("/api/v2/sync/reset{query}");
        admin.post(&path, &json!({})).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    admin.get("/api/v2/sync/state?device_id=nobody-has-it").await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    for app_type in ["Sales", "no_such_app", ""] {
        let path = format!("/api/v2/sync/reset?device_id=phone-9&app_type={app_type}");
        admin.post(&path, &json!({})).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    }

    assert_eq!(positions(&phone.pull(json!({})).await), [2, 3], "the cursor stands where it stood");
    assert_eq!(log_of(&app, &admin).await.len(), 3);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_comes_in_without_a_token_of_this_service() {
    let app = Setup::sqlite().start().await;
    let other = Setup::sqlite().config(|config| config.security.secret_key = "another key ".repeat(4)).start().await;
    let admin = app.admin().await;
    let foreign = other.admin().await.token().to_owned();
    let tokens = app.tokens("admin", crate::support::ADMIN_PASSWORD).await;
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    let body = json!({ "device_id": "phone-1", "app_type": "mobile_app" });
    for token in [foreign.as_str(), &refresh, "", "x", "a.b.c", &"x".repeat(5_000), &format!("{}x", admin.token())] {
        let client = app.anonymous().with_token(token);
        for answer in every_route(&client, &body).await {
            answer.expect_problem(401, "AUTHENTICATION_FAILED");
        }
    }
    for answer in every_route(&app.anonymous(), &body).await {
        answer.expect_problem(401, "AUTHENTICATION_FAILED");
    }
    admin.post("/api/v1/auth/logout", &json!({})).await;
    for answer in every_route(&admin, &body).await {
        answer.expect_problem(401, "AUTHENTICATION_FAILED");
    }
    app.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn health_needs_no_token_and_no_erp() {
    let app = Setup::sqlite().start().await;
    let anonymous = app.anonymous();
    let sync = anonymous.get("/api/v2/sync/health").await;
    assert_eq!(sync.headers["x-api-version"], "2");
    assert_eq!(sync.expect(200)["status"], "healthy");
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(anonymous.get(path).await.expect(200)["status"], "healthy");
    }
    let request = anonymous.request(Method::GET, "/health").header("x-request-id", "from-outside-1");
    assert_eq!(anonymous.send(request).await.headers["x-request-id"], "from-outside-1");
    anonymous.get("/api/v2/sync/nothing").await.expect_problem(404, "NOT_FOUND");
    app.stop().await;
}

async fn bytes(client: &Client, path: &str, body: impl AsRef<[u8]>) -> Answer {
    client.send_bytes(Method::POST, path, body.as_ref().to_vec()).await
}

async fn every_route(client: &Client, body: &Value) -> [Answer; 4] {
    let mut ack = body.clone();
    ack["last_sync_token"] = json!("0");
    [
        client.post(PULL, body).await,
        client.post("/api/v2/sync/ack", &ack).await,
        client.get("/api/v2/sync/state?device_id=phone-1").await,
        client.post("/api/v2/sync/reset?device_id=phone-1", &json!({})).await,
    ]
}
