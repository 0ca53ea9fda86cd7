use super::PATH;
use crate::ingest::pusher::{Pusher, event};
use crate::support::{App, Client, Live, Setup, demo_erp, manual_clock, on_both_databases, register_demo_system};
use crate::sync::device::{Device, positions};
use bridge_erp::fake::{Addon, DemoErp, Options};
use bridge_server::config::days;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

on_both_databases!(
    past_and_present_meet_without_a_gap,
    where_it_starts_is_for_the_client_to_say,
    an_ack_moves_the_cursor_that_a_pull_goes_on_from,
    each_change_comes_once_while_others_arrive,
);

async fn past_and_present_meet_without_a_gap(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    let mut live = open(&app, &admin).await;
    live.send(json!({ "type": "subscribe", "channel": "events", "since": "1" })).await;
    assert_eq!(live.next().await, json!({ "type": "subscribed", "channel": "events", "position": "1" }));
    let first = live.next().await;
    assert_eq!((&first["type"], &first["channel"]), (&json!("notification"), &json!("events")));
    let data = &first["data"];
    assert_eq!((&data["id"], &data["model"], &data["record_id"]), (&json!(2), &json!("sale.order"), &json!(2)));
    assert_eq!(
        (&data["event"], &data["system_id"], &data["origin"]),
        (&json!("write"), &json!("shop"), &json!("push"))
    );
    assert_eq!(live.next().await["data"]["id"], 3);
    assert_eq!(live.next().await, json!({ "type": "live", "channel": "events", "position": "3" }));
    source.writes("sale.order", 4..=5).await;
    assert_eq!(live.next().await["data"]["id"], 4);
    assert_eq!(live.next().await["data"]["id"], 5);

    live.send(json!({ "type": "unsubscribe", "channel": "events" })).await;
    assert_eq!(live.next().await, json!({ "type": "unsubscribed", "channel": "events" }));
    source.writes("sale.order", 6..=6).await;
    // Nothing more comes; what was missed comes with the next subscription.
    live.send(json!({ "type": "ping" })).await;
    assert_eq!(live.next().await["type"], "pong");
    live.send(json!({ "type": "subscribe", "channel": "events", "since": 5 })).await;
    assert_eq!(live.next().await["type"], "subscribed");
    assert_eq!(live.next().await["data"]["id"], 6);
    // Another subscription takes the place of the first, with its own wishes.
    let wish = json!({ "type": "subscribe", "channel": "events", "since": "0", "models": ["res.partner"] });
    live.next_of("live").await;
    live.send(wish).await;
    assert_eq!(live.next().await["type"], "subscribed");
    source.push(&json!([event(7, "sale.order", 7, "write"), event(8, "res.partner", 8, "write")])).await.expect(200);
    assert_eq!(live.next_of("notification").await["data"]["id"], 8);
    app.stop().await;
}

async fn where_it_starts_is_for_the_client_to_say(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(clock.clone()).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=2).await;
    clock.advance(Duration::from_mins(1));
    source.writes("sale.order", 3..=4).await;
    clock.advance(Duration::from_mins(1));
    let phone = Device::new(&admin, "phone-1");
    phone.pull_after("0").await;
    phone.ack("3").await.expect(200);
    for (since, expected) in [
        (json!({ "since": "0" }), "0"),
        (json!({ "since": 3 }), "3"),
        (json!({ "since": "2026-03-02T09:01:00Z" }), "2"),
        (json!({ "since": "2026-03-02T09:00:30+00:00" }), "2"),
        (json!({ "since": "2000-01-01T00:00:00Z" }), "0"),
        (json!({ "since": "2030-01-01T00:00:00Z" }), "4"),
        (json!({}), "4"),
        (json!({ "device_id": "phone-1" }), "3"),
        (json!({ "device_id": "phone-1", "since": "1" }), "1"),
        // It has its own cursors for other app types and models, as in a pull.
        (json!({ "device_id": "phone-1", "app_type": "sales_app" }), "0"),
        (json!({ "device_id": "phone-1", "models": ["sale.order"] }), "0"),
        (json!({ "device_id": "new-phone" }), "0"),
    ] {
        let mut live = open(&app, &admin).await;
        let mut wish = json!({ "type": "subscribe", "channel": "events" });
        wish.as_object_mut().unwrap().extend(since.as_object().unwrap().clone());
        live.send(wish).await;
        assert_eq!(live.next().await["position"], expected, "{since}");
        let first: i64 = expected.parse().unwrap();
        for id in first + 1..=4 {
            assert_eq!(live.next().await["data"]["id"], id, "{since}");
        }
        assert_eq!(live.next().await["type"], "live");
    }
    let mut live = open(&app, &admin).await;
    for (wish, code) in [
        (json!({ "since": "5" }), "INVALID_SYNC_TOKEN"),
        (json!({ "since": -1 }), "DATA_VALIDATION_FAILED"),
        (json!({ "since": "yesterday" }), "DATA_VALIDATION_FAILED"),
        (json!({ "channel": "gossip" }), "DATA_VALIDATION_FAILED"),
        (json!({ "system_id": "elsewhere" }), "SYSTEM_NOT_FOUND"),
        (json!({ "app_type": "no_such_app" }), "DATA_VALIDATION_FAILED"),
        (json!({ "device_id": "x" }), "DATA_VALIDATION_FAILED"),
    ] {
        let mut message = json!({ "type": "subscribe", "channel": "events" });
        message.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
        live.send(message).await;
        let said = live.next().await;
        assert_eq!((&said["type"], &said["code"]), (&json!("error"), &json!(code)), "{wish}: {said}");
        assert!(said["error"].as_str().unwrap().ends_with("Exception") && said["details"].is_object());
    }
    app.stop().await;
}

async fn an_ack_moves_the_cursor_that_a_pull_goes_on_from(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=4).await;
    let mut live = open(&app, &admin).await;
    live.send(json!({ "type": "ack", "position": "1" })).await;
    assert_eq!(live.next().await["code"], "DATA_VALIDATION_FAILED", "nothing is subscribed to");
    live.send(json!({ "type": "subscribe", "channel": "events", "device_id": "phone-1", "since": "0" })).await;
    live.next_of("live").await;
    live.send(json!({ "type": "ack", "position": "2" })).await;
    assert_eq!(live.next().await, json!({ "type": "acked", "position": "2" }));
    for (bad, code) in [
        (json!("5"), "INVALID_SYNC_TOKEN"),
        (json!("-1"), "DATA_VALIDATION_FAILED"),
        (json!(null), "DATA_VALIDATION_FAILED"),
        (json!({}), "DATA_VALIDATION_FAILED"),
    ] {
        live.send(json!({ "type": "ack", "position": bad })).await;
        assert_eq!(live.next().await["code"], code, "{bad}");
    }
    let phone = Device::new(&admin, "phone-1");
    assert_eq!(positions(&phone.pull(json!({})).await), [3, 4]);
    source.writes("sale.order", 5..=5).await;
    assert_eq!(live.next().await["data"]["id"], 5);
    live.send(json!({ "type": "ack", "position": 5 })).await;
    assert_eq!(live.next().await["position"], "5");
    assert_eq!(positions(&phone.pull(json!({})).await), crate::sync::device::EMPTY);
    // Without an ack nothing is confirmed: what went over the wire may never have arrived.
    source.writes("sale.order", 6..=6).await;
    assert_eq!(live.next().await["data"]["id"], 6);
    live.close().await;
    assert_eq!(positions(&phone.pull(json!({})).await), [6]);
    // It starts from the cursor when it comes back, and never sees others' cursors move.
    let mut live = open(&app, &admin).await;
    live.send(json!({ "type": "subscribe", "channel": "events", "device_id": "phone-1" })).await;
    assert_eq!(live.next().await["position"], "5");
    assert_eq!(live.next().await["data"]["id"], 6);
    assert_eq!(positions(&Device::new(&admin, "phone-2").pull(json!({})).await), [1, 2, 3, 4, 5, 6]);
    app.stop().await;
}

async fn each_change_comes_once_while_others_arrive(setup: Setup) {
    const CHANGES: i64 = 400;
    let app = Arc::new(setup.config(|config| config.live.batch_rows_max = 7).start().await);
    let admin = app.admin().await;
    let source = Arc::new(Pusher::register(&app, &admin, "shop").await);
    source.writes("sale.order", 1..=20).await;
    let pushing = tokio::spawn({
        let source = Arc::clone(&source);
        async move {
            for id in 21..=CHANGES {
                source.writes("sale.order", [id]).await;
            }
        }
    });
    // Each subscribes at another moment of the stream, and from another place.
    let mut listening = tokio::task::JoinSet::new();
    for number in 0..12 {
        let (app, admin) = (Arc::clone(&app), admin.clone());
        listening.spawn(async move {
            let since = number;
            let mut live = open(&app, &admin).await;
            for _ in 0..number * 3 {
                live.send(json!({ "type": "ping" })).await;
                live.next_of("pong").await;
            }
            live.send(json!({ "type": "subscribe", "channel": "events", "since": since })).await;
            let mut got = Vec::new();
            let mut went_live = 0;
            while got.last() != Some(&CHANGES) {
                let said = live.next().await;
                match said["type"].as_str().unwrap() {
                    "notification" => got.push(said["data"]["id"].as_i64().unwrap()),
                    "live" => went_live += 1,
                    other => assert_eq!(other, "subscribed", "{said}"),
                }
            }
            assert!(went_live <= 1);
            (since, got)
        });
    }
    while let Some(listened) = listening.join_next().await {
        let (since, got) = listened.unwrap();
        assert_eq!(got, (since + 1..=CHANGES).collect::<Vec<_>>());
    }
    pushing.await.unwrap();
    let Ok(app) = Arc::try_unwrap(app) else { panic!("somebody still holds the app") };
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_comes_while_the_one_before_is_read_is_not_slept_through() {
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let mut listening = Vec::new();
    for _ in 0..8 {
        listening.push(subscribed(&app, &admin, json!({})).await);
    }
    for round in 0..60 {
        let first = round * 3 + 1;
        tokio::join!(
            source.writes("sale.order", [first]),
            source.writes("sale.order", [first + 1]),
            source.writes("sale.order", [first + 2]),
        );
        // Nothing follows that could wake a listener which has missed a wake-up.
        for live in &mut listening {
            for id in first..first + 3 {
                assert_eq!(live.next_of("notification").await["data"]["id"], id);
            }
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_hears_of_what_they_may_read_and_of_nothing_else() {
    let app = Setup::sqlite().start().await;
    let erp = DemoErp::start(Options { addon: Addon::None, ..Options::default() }).await.unwrap();
    let (admin, rival) = (app.admin().await, app.other_tenant("rival").await);
    let system = register_demo_system(&admin, &erp, "main").await;
    let source = Pusher::with_key(&app, system["push_key"].as_str().unwrap());
    let ann = app.user("ann", Some(6)).await;
    let mut hers = subscribed(&app, &ann, json!({ "app_type": "mobile_app" })).await;
    let mut theirs = subscribed(&app, &rival, json!({})).await;
    let mut all = subscribed(&app, &admin, json!({})).await;
    let mut one = event(1, "account.move", 1, "write");
    one["payload"] = json!({ "secret": true });
    let mut two = event(2, "sale.order", 2, "write");
    two["payload"] = json!({ "secret": true });
    source.push(&json!([one, two, event(3, "account.move", 3, "unlink"), event(4, "res.partner", 4, "write")])).await;
    let mut heard = Vec::new();
    for _ in 0..2 {
        let said = hers.next().await;
        assert!(said["data"].get("payload").is_none());
        heard.push(said["data"]["id"].as_i64().unwrap());
    }
    assert_eq!(heard, [2, 4]);
    assert_eq!(all.next().await["data"]["payload"], json!({ "secret": true }));
    theirs.send(json!({ "type": "ping" })).await;
    assert_eq!(theirs.next().await["type"], "pong");
    let mut nobody = open(&app, &app.user("nobody", None).await).await;
    nobody.send(json!({ "type": "subscribe", "channel": "events" })).await;
    assert_eq!(nobody.next().await["code"], "ERP_USER_NOT_LINKED");
    app.stop().await;
    erp.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_starts_before_what_is_kept_is_told_to_start_over() {
    let clock = manual_clock();
    let app = Setup::sqlite().clock(clock.clone()).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    clock.advance(days(31));
    let admin = app.admin().await;
    crate::support::eventually("the log is trimmed", Duration::from_mins(1), async || {
        bridge_server::jobs::run_due(app.context(), "test").await.unwrap();
        (Device::new(&admin, "looking-in").pull(json!({})).await["resync_required"] == true).then_some(())
    })
    .await;
    let mut live = open(&app, &admin).await;
    live.send(json!({ "type": "subscribe", "channel": "events", "since": "1" })).await;
    live.next_of("subscribed").await;
    let told = live.next().await;
    assert_eq!(told, json!({ "type": "resync_required", "channel": "events", "snapshot_position": "3" }));
    live.send(json!({ "type": "subscribe", "channel": "events", "since": "3" })).await;
    live.next_of("live").await;
    source.writes("sale.order", 4..=4).await;
    assert_eq!(live.next().await["data"]["id"], 4);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_in_the_erp_is_heard_at_once_by_push_and_once_only() {
    let (app, erp) = (Setup::sqlite().start().await, demo_erp().await);
    let admin = app.admin().await;
    let system = register_demo_system(&admin, &erp, "main").await;
    erp.push_to(&format!("http://{}", app.address()), system["push_key"].as_str().unwrap());
    let mut live = subscribed(&app, &admin, json!({})).await;
    let order = erp.db().ids("sale.order")[0];
    for note in ["a", "b", "c"] {
        let mut tx = erp.db().begin(2);
        tx.write("sale.order", &[order], json!({ "client_order_ref": note })).unwrap();
        tx.commit();
    }
    let mut heard = Vec::new();
    for _ in 0..3 {
        let said = live.next_of("notification").await;
        heard.push((said["data"]["id"].as_i64().unwrap(), said["data"]["record_id"].as_i64().unwrap()));
    }
    assert_eq!(heard, [(1, order), (2, order), (3, order)]);
    app.stop().await;
    erp.stop().await;
}

async fn open(app: &App, client: &Client) -> Live {
    let mut live = Live::connect(app, PATH, Some(client.token())).await;
    assert_eq!(live.next().await["type"], "authenticated");
    live
}

/// A connection that is live.
async fn subscribed(app: &App, client: &Client, wishes: Value) -> Live {
    let mut live = open(app, client).await;
    let mut wish = json!({ "type": "subscribe", "channel": "events" });
    wish.as_object_mut().unwrap().extend(wishes.as_object().unwrap().clone());
    live.send(wish).await;
    live.next_of("live").await;
    live
}
