use crate::ingest::pusher::Pusher;
use crate::support::{Client, Setup, manual_clock, on_both_databases};
use crate::sync::device::Device;
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(a_device_learns_whether_a_pull_would_bring_anything, a_position_beyond_the_kept_log_is_told);

const CHECK: &str = "/api/v1/webhooks/check-updates";

async fn check(client: &Client, query: &str) -> Value {
    client.get(&format!("{CHECK}?{query}")).await.expect(200)
}

fn found(answer: &Value) -> (bool, i64, Option<i64>, i64) {
    let (count, since) = (answer["count"].as_i64().unwrap(), answer["since"].as_i64().unwrap());
    (answer["has_updates"].as_bool().unwrap(), count, answer["latest_event_id"].as_i64(), since)
}

async fn a_device_learns_whether_a_pull_would_bring_anything(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    assert_eq!(found(&check(&admin, "since=0").await), (false, 0, None, 0));
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    source.writes("stock.picking", 4..=4).await;
    assert_eq!(found(&check(&admin, "since=0").await), (true, 4, Some(4), 0));
    assert_eq!(found(&check(&admin, "since=3").await), (true, 1, Some(4), 3));
    assert_eq!(found(&check(&admin, "since=4").await), (false, 0, None, 4));
    assert_eq!(found(&check(&admin, "since=2001-01-01T00:00:00Z").await), (true, 4, Some(4), 0));
    assert_eq!(found(&check(&admin, "since=9998-01-01T00:00:00Z").await), (false, 0, None, 4));

    admin.get(&format!("{CHECK}?device_id=phone-1")).await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    let phone = Device::new(&admin, "phone-1").with(&json!({ "app_type": "sales_app" }));
    phone.pull_after("0").await;
    // What was handed out and not confirmed is still new; what the app does not ask for is not.
    assert_eq!(found(&check(&admin, "device_id=phone-1").await), (true, 3, Some(3), 0));
    phone.ack("2").await.expect(200);
    assert_eq!(found(&check(&admin, "device_id=phone-1").await), (true, 1, Some(3), 2));
    phone.ack("4").await.expect(200);
    source.writes("stock.picking", 5..=6).await;
    assert_eq!(found(&check(&admin, "device_id=phone-1").await), (false, 0, None, 4));
    assert_eq!(found(&check(&admin, "device_id=phone-1&since=1").await), (true, 2, Some(3), 1));
    assert_eq!(found(&check(&admin, "since=1").await), (true, 5, Some(6), 1));
    // It asks nothing of the cursor.
    let state = admin.get("/api/v2/sync/state?device_id=phone-1").await.expect(200);
    assert_eq!(state["last_event_id"], 4);
    // The device's other app is another cursor.
    Device::new(&admin, "phone-1").with(&json!({ "app_type": "delivery_app" })).pull_after("0").await;
    assert_eq!(found(&check(&admin, "device_id=phone-1&app_type=delivery_app").await), (true, 3, Some(6), 0));
    assert_eq!(found(&check(&admin, "device_id=phone-1&app_type=sales_app").await), (false, 0, None, 4));
    let unused = admin.get(&format!("{CHECK}?device_id=phone-1&app_type=manager_app")).await;
    unused.expect_problem(404, "SYNC_STATE_NOT_FOUND");

    // A device is its user's, and only admins ask for another.
    let bob = app.user("bob", Some(6)).await;
    bob.get(&format!("{CHECK}?device_id=phone-1")).await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    let admin_id = admin.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    bob.get(&format!("{CHECK}?since=0&user_id={admin_id}")).await.expect_problem(403, "FORBIDDEN");
    app.stop().await;
}

async fn a_position_beyond_the_kept_log_is_told(setup: Setup) {
    let clock = manual_clock();
    let small = |config: &mut bridge_server::config::Config| {
        (config.sync.limit_default, config.sync.limit_max, config.sync.scan_max) = (4, 4, 4);
    };
    let app = setup.clock(clock.clone()).config(small).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    clock.advance(Duration::from_hours(40 * 24));
    source.writes("res.partner", 4..=6).await;
    let admin = app.admin().await;
    // Of a long log the newest part is counted, and where nothing is in it only a pull can tell.
    let part = check(&admin, "since=0").await;
    assert_eq!((found(&part), &part["count_is_exact"]), ((true, 4, Some(6), 0), &json!(false)));
    let exact = check(&admin, "since=2").await;
    assert_eq!((found(&exact), &exact["count_is_exact"]), ((true, 4, Some(6), 2), &json!(true)));
    let phone = Device::new(&admin, "phone-1").with(&json!({ "models_filter": ["sale.order"] }));
    phone.pull_after("0").await;
    source.writes("res.partner", 7..=7).await;
    let hidden = check(&admin, "device_id=phone-1").await;
    assert_eq!((found(&hidden), &hidden["count_is_exact"]), ((true, 0, None, 0), &json!(false)));

    admin.get(&format!("{CHECK}?since=8")).await.expect_problem(400, "INVALID_SYNC_TOKEN");
    // A time of arrival: three of them came 40 days before the others.
    assert_eq!(found(&check(&admin, "since=2026-03-10T00:00:00Z").await), (true, 4, Some(7), 3));
    assert_eq!(check(&admin, "since=0").await["resync_required"], false);
    bridge_server::jobs::run_due(app.context(), "test").await.unwrap();
    crate::support::eventually("the log is trimmed", Duration::from_mins(1), async || {
        (check(&admin, "since=0").await["resync_required"] == true).then_some(())
    })
    .await;
    assert_eq!(check(&admin, "since=3").await["resync_required"], false);
    assert_eq!(super::ids(&admin.get(super::EVENTS).await.expect(200)), [7, 6, 5, 4]);
    app.stop().await;
}
