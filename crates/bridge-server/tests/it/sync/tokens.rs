use super::device::{Device, EMPTY, positions, records, token_of};
use crate::ingest::pusher::Pusher;
use crate::support::{Setup, manual_clock, on_both_databases};
use serde_json::json;
use std::time::Duration;

on_both_databases!(
    a_token_confirms_and_a_lost_reply_is_given_again,
    without_tokens_the_next_pull_confirms_after_the_retry_window,
    who_sent_a_token_once_is_never_confirmed_by_pulling,
    ack_confirms_without_pulling,
);

async fn a_token_confirms_and_a_lost_reply_is_given_again(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    let phone = Device::new(&admin, "phone-1");
    let first = phone.pull_after("0").await;
    assert_eq!((first["status"].as_str(), &first["last_sync_time"]), (Some("success"), &json!(null)));
    assert_eq!((positions(&first), records(&first)), (vec![1, 2, 3], vec![1, 2, 3]));
    assert_eq!((&first["has_updates"], &first["new_events_count"]), (&json!(true), &json!(3)));
    assert_eq!((&first["has_more"], &first["resync_required"]), (&json!(false), &json!(false)));
    assert_eq!(token_of(&first), "3");
    // The reply was lost: the device still says what it has.
    for _ in 0..3 {
        assert_eq!(positions(&phone.pull_after("0").await), [1, 2, 3]);
    }
    source.writes("sale.order", 4..=4).await;
    assert_eq!(positions(&phone.pull_after("0").await), [1, 2, 3, 4]);
    // It got as far as the second and no further.
    assert_eq!(positions(&phone.pull_after("2").await), [3, 4]);
    let rest = phone.pull_after("4").await;
    assert_eq!((positions(&rest), token_of(&rest)), (vec![], "4".to_owned()));
    assert_eq!((&rest["has_updates"], &rest["has_more"]), (&json!(false), &json!(false)));
    // What was never handed out cannot be had; and a refused token moves nothing.
    for never in ["5", "99"] {
        let refused = phone.try_pull(json!({ "last_sync_token": never })).await;
        assert_eq!(refused.expect_problem(400, "INVALID_SYNC_TOKEN")["error"], "InvalidSyncTokenException");
    }
    assert_eq!(positions(&phone.pull(json!({})).await), EMPTY);
    source.writes("sale.order", 5..=5).await;
    phone.try_pull(json!({ "last_sync_token": "5" })).await.expect_problem(400, "INVALID_SYNC_TOKEN");
    assert_eq!(positions(&phone.pull_after("4").await), [5]);
    // The cursor outlives a restart.
    let app = app.stop().await.start().await;
    let phone = Device::new(&app.admin().await, "phone-1");
    assert_eq!(positions(&phone.pull(json!({})).await), [5]);
    assert_eq!(positions(&phone.pull_after("5").await), EMPTY);
    app.stop().await;
}

async fn without_tokens_the_next_pull_confirms_after_the_retry_window(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(clock.clone()).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    let old = Device::new(&admin, "old-app").with(&json!({ "limit": 2 }));
    let first = old.pull(json!({})).await;
    assert_eq!((positions(&first), &first["has_more"]), (vec![1, 2], &json!(true)));
    source.writes("sale.order", 4..=4).await;
    // A retry gets the same, however often and however late within the window, and also with another limit.
    for advance in [0, 4_000, 5_999] {
        clock.advance(Duration::from_millis(advance));
        assert_eq!(positions(&old.pull(json!({})).await), [1, 2]);
        assert_eq!(positions(&old.pull(json!({ "limit": 1 })).await), [1, 2]);
    }
    clock.advance(Duration::from_millis(1));
    assert_eq!(positions(&old.pull(json!({})).await), [3, 4]);
    assert_eq!(positions(&old.pull(json!({})).await), [3, 4]);
    clock.advance(Duration::from_secs(10));
    assert_eq!(positions(&old.pull(json!({})).await), EMPTY);
    // An empty answer is no batch that could be lost: what comes then is answered at once.
    source.writes("sale.order", 5..=5).await;
    assert_eq!(positions(&old.pull(json!({})).await), [5]);
    app.stop().await;
}

async fn who_sent_a_token_once_is_never_confirmed_by_pulling(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(clock.clone()).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=4).await;
    let phone = Device::new(&admin, "phone-1");
    assert_eq!(positions(&phone.pull(json!({ "limit": 2 })).await), [1, 2]);
    assert_eq!(positions(&phone.pull(json!({ "limit": 1, "last_sync_token": "2" })).await), [3]);
    for _ in 0..3 {
        clock.advance(Duration::from_mins(1));
        assert_eq!(positions(&phone.pull(json!({})).await), [3, 4]);
    }
    assert_eq!(phone.client.get("/api/v2/sync/state?device_id=phone-1").await.expect(200)["last_event_id"], 2);
    // An ack counts as a token as well.
    let tablet = Device::new(&admin, "tablet-1");
    assert_eq!(positions(&tablet.pull(json!({})).await), [1, 2, 3, 4]);
    tablet.ack("1").await.expect(200);
    clock.advance(Duration::from_mins(1));
    for _ in 0..2 {
        assert_eq!(positions(&tablet.pull(json!({})).await), [2, 3, 4]);
        clock.advance(Duration::from_mins(1));
    }
    app.stop().await;
}

async fn ack_confirms_without_pulling(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    let phone = Device::new(&admin, "phone-1");
    let problem = phone.ack("1").await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    assert_eq!(problem["error"], "SyncStateNotFoundException");
    phone.pull_after("0").await;
    let acked = phone.ack("2").await.expect(200);
    assert_eq!((&acked["status"], &acked["confirmed_token"]), (&json!("success"), &json!("2")));
    assert!(acked["last_sync_time"].is_string());
    phone.ack("4").await.expect_problem(400, "INVALID_SYNC_TOKEN");
    assert_eq!(positions(&phone.pull(json!({})).await), [3]);
    // It confirms the pull that it names, and no other.
    phone.with(&json!({ "app_type": "sales_app" })).ack("3").await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    let narrow = phone.with(&json!({ "models_filter": ["sale.order"] }));
    narrow.ack("3").await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    narrow.pull_after("0").await;
    narrow.ack("3").await.expect(200);
    assert_eq!(positions(&phone.pull(json!({})).await), [3]);
    app.stop().await;
}
