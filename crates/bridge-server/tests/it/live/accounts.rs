//! What an open connection makes of changes to its user, and what its device may confirm.

use super::PATH;
use crate::ingest::pusher::Pusher;
use crate::support::{App, Client, Live, Setup, on_both_databases};
use crate::sync::device::{Device, positions, token_of};
use serde_json::{Value, json};

on_both_databases!(
    who_loses_their_role_or_session_loses_the_connection_at_once,
    what_was_sent_live_can_be_confirmed_by_a_pull,
    a_connection_confirms_nothing_that_it_did_not_send,
);

async fn subscribed(app: &App, client: &Client, wish: Value) -> Live {
    let mut live = Live::connect(app, PATH, Some(client.token())).await;
    live.next_of("authenticated").await;
    live.send(wish).await;
    live.next_of("live").await;
    live
}

fn everything() -> Value {
    json!({ "type": "subscribe", "channel": "events" })
}

/// The heartbeat is far off here: what ends a connection is the change itself.
async fn who_loses_their_role_or_session_loses_the_connection_at_once(setup: Setup) {
    let app = setup.config(|config| config.live.heartbeat_ms = 600_000).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let body = json!({ "username": "second", "password": "a long password", "role": "admin" });
    let second = admin.post("/api/v1/users", &body).await.expect(201);
    let path = format!("/api/v1/users/{}", second["id"]);

    let demoted = app.login("second", "a long password").await;
    let mut live = subscribed(&app, &demoted, everything()).await;
    admin.put(&path, &json!({ "role": "user" })).await.expect(200);
    source.writes("sale.order", 1..=1).await;
    // Not even a fresh look at the same token keeps it open.
    live.try_send(json!({ "type": "auth", "token": demoted.token() })).await;
    assert_eq!(live.closed().await.0, 1001);

    let mut live = subscribed(&app, &admin, everything()).await;
    admin.post("/api/v1/auth/logout", &json!({})).await.expect(200);
    assert_eq!(live.closed().await.0, 4401);
    app.stop().await;
}

async fn what_was_sent_live_can_be_confirmed_by_a_pull(setup: Setup) {
    let app = setup.config(|config| config.live.heartbeat_ms = 600_000).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=2).await;
    let phone = Device::new(&admin, "my-phone");
    let wish = json!({ "type": "subscribe", "channel": "events", "device_id": "my-phone" });
    let mut live = Live::connect(&app, PATH, Some(admin.token())).await;
    live.send(wish).await;
    let heard = live.next_of("notification").await["data"]["id"].clone();
    assert_eq!(heard, 1);
    // The network is gone the next moment; the device says what it has.
    assert_eq!(positions(&phone.pull_after("1").await), [2]);
    live.close().await;

    // A device that never sends tokens is confirmed by its pulls alone, whatever went over a connection.
    let clerk = Device::new(&admin, "old-phone");
    let wish = json!({ "type": "subscribe", "channel": "events", "device_id": "old-phone" });
    let _live = subscribed(&app, &admin, wish).await;
    assert_eq!(positions(&clerk.pull(json!({ "limit": 1 })).await), [1]);
    let state = admin.get("/api/v2/sync/state?device_id=old-phone").await.expect(200);
    assert_eq!(state["states"][0]["confirmed_by"], "next_pull", "{state}");
    app.stop().await;
}

async fn a_connection_confirms_nothing_that_it_did_not_send(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    let phone = Device::new(&admin, "my-phone");
    assert_eq!(token_of(&phone.pull(json!({ "limit": 1, "last_sync_token": "0" })).await), "1");
    source.writes("sale.order", 4..=6).await;
    let wish = json!({ "type": "subscribe", "channel": "events", "device_id": "my-phone", "since": "6" });
    let mut live = subscribed(&app, &admin, wish).await;
    live.send(json!({ "type": "ack", "position": "6" })).await;
    assert_eq!(live.next_of("error").await["code"], "INVALID_SYNC_TOKEN");
    assert_eq!(positions(&phone.pull_after("1").await), [2, 3, 4, 5, 6]);
    app.stop().await;
}
