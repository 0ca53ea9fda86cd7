use super::names;
use crate::ingest::pusher::Pusher;
use crate::support::{App, Setup, eventually, manual_clock, on_both_databases};
use crate::sync::device::Device;
use serde_json::json;
use std::time::Duration;

on_both_databases!(who_was_not_used_for_ninety_days_is_forgotten);

const DAY: Duration = Duration::from_hours(24);

/// Does the work that is due by now, unless the service itself was faster, and waits until it is done.
async fn clean_up(app: &App) {
    let store = &app.context().store;
    // A session that has run out is cleared away by the same job.
    let tenant = store.tenants().await.unwrap()[0].id;
    let user = store.users(tenant, None, 1).await.unwrap()[0].id;
    let now = app.context().clock.now();
    let marker = bridge_store::Session {
        id: format!("marker-{}", now.as_micros()),
        tenant,
        user,
        created_at: now,
        expires_at: now.minus(DAY),
        revoked_at: None,
        refresh_hash: String::new(),
        previous_hash: None,
    };
    store.create_session(&marker).await.unwrap();
    eventually("the clean-up has run", Duration::from_mins(1), async || {
        bridge_server::jobs::run_due(app.context(), "test").await.unwrap();
        let done = store.session(&marker.id).await.unwrap().is_none();
        let counts = store.job_counts().await.unwrap();
        (done && counts.queued == 0 && counts.running == 0).then_some(())
    })
    .await;
}

async fn who_was_not_used_for_ninety_days_is_forgotten(setup: Setup) {
    let clock = manual_clock();
    let long = |config: &mut bridge_server::config::Config| config.retention.log_days = 365;
    let app = setup.clock(clock.clone()).config(long).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    let old = Device::new(&admin, "old-phone");
    old.pull_after("0").await;
    old.with(&json!({ "app_type": "sales_app" })).pull_after("0").await;
    Device::new(&admin, "quiet-phone").pull_after("0").await;

    clock.advance(DAY * 60);
    let admin = app.admin().await;
    // A pull that finds nothing is use as well, and so is one of a single app.
    let quiet = Device::new(&admin, "quiet-phone");
    quiet.ack("3").await.expect(200);
    clock.advance(DAY * 20);
    let admin = app.admin().await;
    quiet.of(&admin).pull(json!({})).await;
    old.of(&admin).with(&json!({ "app_type": "sales_app" })).pull_after("3").await;
    clock.advance(DAY * 9);
    clean_up(&app).await;
    let admin = app.admin().await;
    assert_eq!(names(&admin, "").await, ["old-phone", "quiet-phone"], "after 89 days");

    clock.advance(DAY * 2);
    clean_up(&app).await;
    let admin = app.admin().await;
    let page = admin.get("/api/v1/devices").await.expect(200);
    let apps: Vec<_> = page["items"].as_array().unwrap().iter().map(|device| device["apps"].clone()).collect();
    assert_eq!(apps.len(), 2);
    let of_old = apps[0].as_array().unwrap();
    assert_eq!((of_old.len(), &of_old[0]["app_type"]), (1, &json!("sales_app")), "91 days after the other app");

    clock.advance(DAY * 80);
    clean_up(&app).await;
    let admin = app.admin().await;
    assert_eq!(names(&admin, "").await, [""; 0], "161 days after the first, 91 after the last");
    // Who comes back is a new device.
    let back = Device::new(&admin, "quiet-phone").pull(json!({})).await;
    assert_eq!((&back["new_events_count"], &back["last_sync_time"]), (&json!(3), &json!(null)));
    app.stop().await;
}
