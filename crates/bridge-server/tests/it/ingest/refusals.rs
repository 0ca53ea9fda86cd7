use super::pusher::{Pusher, RECEIVE, dead_letters, event, log_of};
use crate::support::Setup;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn too_much_at_once_is_refused_and_nothing_of_it_is_taken() {
    let app = Setup::sqlite().config(|config| config.ingest.push_events_max = 3).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let events: Vec<Value> = (1..=4).map(|id| event(id, "sale.order", id, "write")).collect();
    let refused = source.push(&json!(events)).await.expect_problem(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(refused["details"]["push_events_max"], 3);
    source.push(&json!(events[..3])).await.expect(200);

    for _ in 0..5 {
        let mut large = br#"{"model":"sale.order","record_id":1,"event":"write","payload":""#.to_vec();
        large.resize(10 * 1024 * 1024, b'x');
        let stranger = Pusher::with_key(&app, "bcpk_0123");
        stranger.push_bytes(large.clone()).await.expect_problem(401, "AUTHENTICATION_FAILED");
        source.push_bytes(large).await.expect_problem(413, "PAYLOAD_TOO_LARGE");
    }
    assert_eq!(log_of(&app, &admin).await.len(), 3);
    assert_eq!(dead_letters(&app, &admin).await, []);
    app.stop().await;
}

#[tokio::test]
async fn only_a_living_push_key_pushes() {
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let one = event(1, "sale.order", 1, "write");
    for token in [admin.token(), "bcpk_", "bcpk_0123", "", "x"] {
        let request = app.anonymous().request(Method::POST, RECEIVE).header("x-api-key", token).json(&one);
        app.anonymous().send(request).await.expect_problem(401, "AUTHENTICATION_FAILED");
        app.anonymous().with_token(token).post(RECEIVE, &one).await.expect_problem(401, "AUTHENTICATION_FAILED");
    }
    // A key says nothing about who may read.
    app.anonymous()
        .with_token(&source.key)
        .post("/api/v2/sync/pull", &json!({ "device_id": "phone-1", "app_type": "mobile_app" }))
        .await
        .expect_problem(401, "AUTHENTICATION_FAILED");
    app.anonymous().get(RECEIVE).await.expect_problem(405, "METHOD_NOT_ALLOWED");

    source.push(&one).await.expect(200);
    admin.delete("/api/v1/systems/shop").await;
    source.push(&event(2, "sale.order", 1, "write")).await.expect_problem(401, "AUTHENTICATION_FAILED");
    assert_eq!(log_of(&app, &admin).await.len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn an_event_without_an_id_is_appended_where_nothing_else_can_bring_it() {
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let bare = json!({ "model": "sale.order", "record_id": "SO/7", "event": "write" });
    for _ in 0..2 {
        let received = source.push(&bare).await.expect(200);
        assert_eq!((&received["accepted"], &received["deferred"]), (&json!(1), &json!(0)));
    }
    assert_eq!(log_of(&app, &admin).await.len(), 2, "without an id nobody can tell a repetition from a second write");
    app.stop().await;
}
