use crate::ingest::pusher::{Pusher, log_of};
use crate::support::{Answer, App, Client, Setup, on_both_databases};
use reqwest::Method;
use serde_json::json;

on_both_databases!(every_bad_request_gets_the_documented_shape_and_changes_nothing);

const GETS: [&str; 4] = ["events", "check-updates", "dead-letters", "statistics"];
const POSTS: [&str; 2] = ["retry", "retry/bulk"];

fn path(of: &str) -> String {
    format!("/api/v1/webhooks/{of}")
}

async fn every_bad_request_gets_the_documented_shape_and_changes_nothing(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    source.push_bytes("nonsense").await.expect_problem(400, "MALFORMED_JSON");

    bad_queries(&admin).await;
    bad_bodies(&admin).await;
    nobody_without_rights(&app, &source).await;
    assert_eq!(log_of(&app, &admin).await.len(), 3);
    let letters = admin.get(&path("dead-letters")).await.expect(200);
    assert_eq!((letters["items"].as_array().unwrap().len(), &letters["items"][0]["attempts"]), (1, &json!(0)));
    app.stop().await;
}

const BAD_QUERIES: &[&str] = &[
    "events?model=",
    "events?model=sale%20order",
    "events?model=%00",
    "events?model=%ff",
    "events?record_id=",
    "events?record_id=a%00b",
    "events?event=",
    "events?event=explode",
    "events?event=WRITE",
    "events?since=",
    "events?since=yesterday",
    "events?since=-1",
    "events?since=99999999999999999999",
    "events?since=2026-13-01T00:00:00Z",
    "events?limit=0",
    "events?limit=1001",
    "events?limit=-1",
    "events?limit=x",
    "events?limit=",
    "events?limit=4294967296",
    "events?offset=-1",
    "events?offset=10001",
    "events?offset=1.5",
    "events?cursor=",
    "events?cursor=x",
    "events?cursor=1:2",
    "events?cursor=1:2:3:4",
    "events?cursor=-1",
    "events?cursor=%00",
    "events?cursor=1:x:1",
    "events?cursor=99999999999999999999",
    "events?cursor=3&offset=1",
    "events?system_id=",
    "events?system_id=a/b",
    "check-updates",
    "check-updates?since=",
    "check-updates?since=x",
    "check-updates?device_id=",
    "check-updates?device_id=ab",
    "check-updates?since=0&user_id=x",
    "check-updates?since=0&app_type=Sales",
    "check-updates?since=0&device_id=a%20b%20c",
    "dead-letters?cursor=-1",
    "dead-letters?cursor=x",
    "dead-letters?cursor=",
    "dead-letters?limit=0",
    "dead-letters?limit=201",
    "dead-letters?system_id=",
    "dead-letters?reason_contains=",
    "dead-letters?reason_contains=%00",
    "dead-letters?cursor=9223372036854775808",
    "statistics?since=",
    "statistics?since=x",
    "statistics?since=-5",
    "events?limit=1&limit=2",
];

async fn bad_queries(admin: &Client) {
    for query in BAD_QUERIES {
        let answer = admin.get(&path(query)).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        answer.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    let long = format!("dead-letters?reason_contains={}", "x".repeat(201));
    admin.get(&path(&long)).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    admin.get(&path("events?system_id=elsewhere")).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    admin.get(&path("dead-letters?system_id=elsewhere")).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    admin.get(&path("check-updates?since=4")).await.expect_problem(400, "INVALID_SYNC_TOKEN");
    admin.get(&path("check-updates?since=9223372036854775807")).await.expect_problem(400, "INVALID_SYNC_TOKEN");
    // What only looks odd is answered.
    for query in [
        "events?since=9223372036854775807",
        "events?cursor=9223372036854775807",
        "events?cursor=0",
        "events?record_id=-5",
        "events?cursor=9223372036854775807:9223372036854775807:9223372036854775807",
        "events?from_the_future=1",
        "events?cursor=3:-9223372036854775808:0",
        "events?since=-009999-01-02T01:59:59Z",
        "events?offset=10000&limit=1000",
        "dead-letters?cursor=9223372036854775807",
        "statistics?since=9223372036854775807",
        "events?record_id=%27%3B--",
        "statistics?since=-009999-01-02T01:59:59Z",
        "dead-letters?reason_contains=%27%25_%5C",
    ] {
        admin.get(&path(query)).await.expect(200);
    }
}

async fn bad_bodies(admin: &Client) {
    for route in POSTS.map(path) {
        for broken in ["", "{", "[1", "nonsense", "\u{0}"] {
            bytes(admin, &route, broken).await.expect_problem(400, "MALFORMED_JSON");
        }
        for wrong in ["null", "1", "\"text\"", "{}"] {
            bytes(admin, &route, wrong).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        }
        bytes(admin, &route, vec![b'x'; 3 * 1024 * 1024]).await.expect_problem(413, "PAYLOAD_TOO_LARGE");
        let text = admin.request(Method::POST, &route).header("content-type", "text/plain").body("{}");
        admin.send(text).await.expect_problem(415, "UNSUPPORTED_MEDIA_TYPE");
        admin.get(&route).await.expect_problem(405, "METHOD_NOT_ALLOWED");
    }
    for id in [json!(null), json!("1"), json!(1.5), json!([]), json!(9_300_000_000_000_000_000_u64)] {
        let answer = admin.post(&path("retry"), &json!({ "dead_letter_id": id })).await;
        answer.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    for id in [0, -1, i64::MAX, i64::MIN] {
        let answer = admin.post(&path("retry"), &json!({ "dead_letter_id": id })).await;
        answer.expect_problem(404, "NOT_FOUND");
    }
    let many: Vec<i64> = (1..=101).collect();
    for wrong in [
        json!({ "ids": [] }),
        json!({ "ids": many }),
        json!({ "ids": ["1"] }),
        json!({ "ids": 1 }),
        json!({ "ids": null }),
        json!({ "ids": [1], "system_id": "shop" }),
        json!({ "ids": [1], "reason_contains": "x" }),
        json!({ "ids": [1], "cursor": 1 }),
        json!({ "system_id": "" }),
        json!({ "reason_contains": "" }),
        json!({ "reason_contains": "a\u{0}b" }),
        json!({ "reason_contains": "x".repeat(201) }),
        json!({ "cursor": 1 }),
        json!({ "system_id": "shop", "cursor": -1 }),
        json!({ "system_id": "shop", "cursor": "x" }),
    ] {
        let answer = admin.post(&path("retry/bulk"), &wrong).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
        answer.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    let elsewhere = admin.post(&path("retry/bulk"), &json!({ "system_id": "elsewhere" })).await;
    elsewhere.expect_problem(404, "SYSTEM_NOT_FOUND");
    for get in GETS {
        admin.post(&path(get), &json!({})).await.expect_problem(405, "METHOD_NOT_ALLOWED");
    }
}

async fn nobody_without_rights(app: &App, source: &Pusher) {
    let body = json!({ "dead_letter_id": 1, "ids": [1] });
    for client in [app.anonymous(), app.anonymous().with_token("x"), app.anonymous().with_token(&source.key)] {
        for get in GETS {
            client.get(&path(get)).await.expect_problem(401, "AUTHENTICATION_FAILED");
        }
        for post in POSTS {
            client.post(&path(post), &body).await.expect_problem(401, "AUTHENTICATION_FAILED");
        }
    }
    let ann = app.user("ann", Some(6)).await;
    ann.get(&path("dead-letters")).await.expect_problem(403, "FORBIDDEN");
    for post in POSTS {
        ann.post(&path(post), &body).await.expect_problem(403, "FORBIDDEN");
    }
}

async fn bytes(client: &Client, path: &str, body: impl AsRef<[u8]>) -> Answer {
    client.send_bytes(Method::POST, path, body.as_ref().to_vec()).await
}

#[tokio::test]
async fn lists_are_objects_and_not_bare_arrays() {
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    for get in ["events", "dead-letters"] {
        let page = admin.get(&path(get)).await.expect(200);
        assert!(page["items"].is_array() && page.get("next_cursor").is_some(), "{page}");
    }
    app.stop().await;
}
