use super::device::{Device, EMPTY, positions, token_of};
use crate::ingest::pusher::Pusher;
use crate::support::{App, Setup, eventually, manual_clock, on_both_databases};
use bridge_server::config::days;
use serde_json::json;
use std::time::Duration;

on_both_databases!(reset_starts_over_from_a_snapshot, who_was_away_for_too_long_is_told_to_start_over);

async fn reset_starts_over_from_a_snapshot(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    let phone = Device::new(&admin, "phone-1");
    let unknown = admin.post("/api/v2/sync/reset?device_id=phone-1", &json!({})).await;
    unknown.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    // With an app type a device that never synced can begin with a snapshot.
    let path = "/api/v2/sync/reset?device_id=phone-1&app_type=mobile_app";
    let reset = admin.post(path, &json!({})).await.expect(200);
    assert_eq!(reset["status"], "success");
    assert_eq!((&reset["snapshot_position"], &reset["next_sync_token"]), (&json!(3), &json!("3")));
    source.writes("sale.order", 4..=4).await;
    assert_eq!(positions(&phone.pull_after("3").await), [4]);
    source.writes("sale.order", 5..=6).await;
    // Every cursor of the device is moved, those of other devices are not.
    let narrow = phone.with(&json!({ "models_filter": ["sale.order"] }));
    narrow.pull_after("0").await;
    let tablet = Device::new(&admin, "tablet-1");
    tablet.pull_after("0").await;
    let reset = admin.post("/api/v2/sync/reset?device_id=phone-1", &json!({})).await.expect(200);
    assert_eq!(reset["next_sync_token"], "6");
    source.writes("sale.order", 7..=7).await;
    assert_eq!(positions(&phone.pull(json!({})).await), [7]);
    assert_eq!(positions(&narrow.pull(json!({})).await), [7]);
    assert_eq!(positions(&tablet.pull(json!({})).await), [1, 2, 3, 4, 5, 6, 7]);
    app.stop().await;
}

async fn who_was_away_for_too_long_is_told_to_start_over(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(clock.clone()).config(|config| config.retention.log_days = 30).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=5).await;
    Device::new(&admin, "phone-1").pull_after("0").await;
    Device::new(&admin, "phone-1").ack("2").await.expect(200);
    Device::new(&admin, "phone-2").pull_after("0").await;
    Device::new(&admin, "phone-2").ack("5").await.expect(200);
    clock.advance(days(29));
    source.writes("sale.order", 6..=8).await;
    clock.advance(days(2));
    clean_up(&app).await;
    let admin = app.admin().await;
    assert_eq!(log_after(&app, 5).await, [6, 7, 8]);

    let phone = Device::new(&admin, "phone-1");
    for _ in 0..2 {
        let answer = phone.pull_after("2").await;
        assert_eq!((answer["status"].as_str(), &answer["resync_required"]), (Some("resync_required"), &json!(true)));
        assert_eq!((positions(&answer), &answer["snapshot_position"]), (vec![], &json!(8)));
        assert_eq!((token_of(&answer).as_str(), &answer["has_more"]), ("2", &json!(false)));
    }
    // The device reads the current records; meanwhile something happens; it goes on from the snapshot.
    source.writes("sale.order", 9..=9).await;
    assert_eq!(positions(&phone.pull_after("8").await), [9]);
    // Who has come as far as what is kept goes on as if nothing had been.
    assert_eq!(positions(&Device::new(&admin, "phone-2").pull_after("5").await), [6, 7, 8, 9]);
    // Without a token a device is told the same until it says that it has the snapshot.
    let new = Device::new(&admin, "phone-3");
    for _ in 0..2 {
        let answer = new.pull(json!({})).await;
        assert_eq!((&answer["resync_required"], &answer["snapshot_position"]), (&json!(true), &json!(9)));
        clock.advance(Duration::from_mins(1));
    }
    assert_eq!(positions(&new.pull_after("9").await), EMPTY);
    // What is trimmed is still known: a repetition does not come back.
    let again = source.push(&crate::ingest::pusher::event(3, "sale.order", 3, "write")).await.expect(200);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(1)));
    app.stop().await;
}

/// Does the work that is due by now, unless the service itself was faster.
async fn clean_up(app: &App) {
    bridge_server::jobs::run_due(app.context(), "test").await.unwrap();
    eventually("the log is trimmed", Duration::from_mins(1), async || {
        let device = Device::new(&app.admin().await, "looking-in");
        (device.pull(json!({})).await["resync_required"] == true).then_some(())
    })
    .await;
}

/// The records that the log holds above a position.
async fn log_after(app: &App, after: i64) -> Vec<i64> {
    let admin = app.admin().await;
    let tenant = crate::ingest::pusher::tenant_of(&admin).await;
    let query = bridge_store::LogQuery {
        after: bridge_model::Position::new(after),
        models: None,
        system: None,
        limit: 100,
        scan_max: 100,
        contents: true,
    };
    match app.context().store.read(tenant, &query).await.unwrap() {
        bridge_store::LogRead::Page(page) => page.changes.iter().map(|change| change.position.get()).collect(),
        other => panic!("{other:?}"),
    }
}
