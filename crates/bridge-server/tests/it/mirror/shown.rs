//! One node.

use super::{SALES, happen, newest, often, shown, shows};
use crate::support::{Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use crate::sync::device::Device;
use bridge_erp::fake::{Addon, DemoErp, Fault, Options};
use serde_json::{Value, json};

on_both_databases!(
    a_device_is_shown_from_its_first_pull_to_its_end,
    many_confirmations_become_one_call_when_the_erp_is_back,
    each_system_shows_the_devices_of_its_own_users,
    the_existing_add_on_shows_them_too,
    one_that_is_refused_hinders_no_other,
);

async fn a_device_is_shown_from_its_first_pull_to_its_end(setup: Setup) {
    let (app, erp) = (often(&setup).start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let seller = app.user("seller", Some(SALES)).await;
    happen(&app, &erp, 10).await;
    let phone = Device::new(&seller, "my-phone");
    let first = phone.pull(json!({ "last_sync_token": "0", "limit": 3 })).await;
    let row = shows(&erp, "my-phone", |row| row["sync_count"] == 1).await;
    assert_eq!((&row["user_id"][0], &row["app_type"]), (&json!(SALES), &json!("mobile_app")));
    assert_eq!((&row["is_active"], &row["last_event_id"]), (&json!(true), &json!(0)), "nothing is confirmed yet");
    assert_eq!((&row["last_event_count"], &row["total_events_synced"]), (&json!(3), &json!(3)));

    // Confirmed, part by part: the highest id of all changes up to there.
    let confirmed = first["events"][2]["id"].as_i64().unwrap();
    phone.ack(&confirmed.to_string()).await.expect(200);
    let log = crate::ingest::pusher::log_of(&app, &admin).await;
    let ids = log.iter().filter(|change| change.position.get() <= confirmed);
    let highest = ids.filter_map(|change| change.body.source_id.as_ref()?.as_number()).max().unwrap();
    shows(&erp, "my-phone", |row| row["last_event_id"] == highest).await;
    let head = phone.pull_after(&confirmed.to_string()).await["next_sync_token"].as_str().unwrap().to_owned();
    let mut token = head;
    loop {
        let answer = phone.pull_after(&token).await;
        answer["next_sync_token"].as_str().unwrap().clone_into(&mut token);
        if answer["has_more"] == false && answer["events"] == json!([]) {
            break;
        }
    }
    let row = shows(&erp, "my-phone", |row| row["last_event_id"] == newest(&erp)).await;
    assert!(row["last_sync_time"].is_string(), "{row}");

    // The device sets itself back: so does what is shown.
    phone.ack(&confirmed.to_string()).await.expect(200);
    shows(&erp, "my-phone", |row| row["last_event_id"] == highest).await;

    seller.post("/api/v2/sync/reset?device_id=my-phone", &json!({})).await.expect(200);
    shows(&erp, "my-phone", |row| row["last_event_id"] == 0 && row["last_sync_time"] == false).await;
    seller.delete("/api/v1/devices/my-phone").await.expect(200);
    let row = shows(&erp, "my-phone", |row| row["is_active"] == false).await;
    assert!(row["sync_count"].as_i64().unwrap() > 1, "what it was is still there: {row}");
    assert_eq!(shown(&erp, "my-phone").len(), 1);

    // It comes back.
    phone.pull_after("0").await;
    shows(&erp, "my-phone", |row| row["is_active"] == true).await;
    let status = eventually("the status says it", super::PATIENCE, async || {
        let status = admin.get("/api/v1/systems/main/status").await.expect(200);
        (status["mirror"]["untold_since"] == Value::Null).then_some(status)
    })
    .await;
    assert!(status["mirror"]["last_success_at"].is_string(), "{status}");
    app.stop().await;
    erp.stop().await;
}

async fn many_confirmations_become_one_call_when_the_erp_is_back(setup: Setup) {
    let (app, erp) = (often(&setup).start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    happen(&app, &erp, 10).await;
    erp.faults().fail_model("user.sync.state", u32::MAX, Fault::Status(503));
    let names = ["first-phone", "second-phone", "third-phone"];
    for (index, name) in names.iter().enumerate() {
        let user = app.user(name, Some(SALES)).await;
        let phone = Device::new(&user, name);
        phone.pull_after("0").await;
        for confirmed in 1..=5 {
            // The ERP is down, and nobody notices.
            phone.ack(&confirmed.to_string()).await.expect(200);
            phone.ack(&(index + 1).to_string()).await.expect(200);
        }
    }
    eventually("the service has tried in vain", super::PATIENCE, async || {
        (erp.faults().calls("user.sync.state", "mirror_states") > 1).then_some(())
    })
    .await;
    let status = admin.get("/api/v1/systems/main/status").await.expect(200);
    assert!(status["mirror"]["untold_since"].is_string(), "{status}");
    assert!(status["mirror"]["last_error"].is_string(), "{status}");
    assert!(app.context().metrics.mirror_failures.get() > 0);
    assert_eq!(shown(&erp, names[0]), [] as [Value; 0]);

    // A client of ours may be on its way still; it meets the last of the faults.
    erp.faults().clear();
    for (index, name) in names.iter().enumerate() {
        let log = crate::ingest::pusher::log_of(&app, &admin).await;
        let confirmed = log.iter().take(index + 1);
        let highest = confirmed.filter_map(|change| change.body.source_id.as_ref()?.as_number()).max().unwrap();
        shows(&erp, name, |row| row["last_event_id"] == highest).await;
    }
    let metrics = &app.context().metrics;
    eventually("it is counted", super::PATIENCE, async || {
        (metrics.mirror_states.with_label_values(&["shown"]).get() == 3).then_some(())
    })
    .await;
    let failed = metrics.mirror_failures.get();
    let calls = erp.faults().calls("user.sync.state", "mirror_states");
    assert_eq!(calls, failed + 1, "33 confirmations of three devices are one call");
    app.stop().await;
    erp.stop().await;
}

async fn each_system_shows_the_devices_of_its_own_users(setup: Setup) {
    let app = often(&setup).start().await;
    let (north, south) = (demo_erp().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &north, "north").await;
    register_demo_system(&admin, &south, "south").await;
    let northerner = app.user("northerner", Some(SALES)).await;
    admin.put("/api/v1/systems/south", &json!({ "is_primary": true })).await.expect(200);
    let southerner = app.user("southerner", Some(SALES)).await;
    for _ in 0..5 {
        north.happen();
        south.happen();
    }
    let committed = north.db().events_count() + south.db().events_count();
    eventually("the log is read", super::PATIENCE, async || {
        (crate::ingest::pusher::log_of(&app, &admin).await.len() >= committed).then_some(())
    })
    .await;
    // The admin is linked to nobody.
    for (client, name) in [(&northerner, "north-phone"), (&southerner, "south-phone"), (&admin, "admin-phone")] {
        let phone = Device::new(client, name);
        phone.pull_all_after("0").await;
        let head = phone.pull(json!({ "last_sync_token": committed.to_string() })).await;
        assert_eq!(head["events"], json!([]), "{head}");
    }
    shows(&north, "north-phone", |row| row["last_event_id"] == newest(&north)).await;
    shows(&south, "south-phone", |row| row["last_event_id"] == newest(&south)).await;
    for (erp, own) in [(&north, "north-phone"), (&south, "south-phone")] {
        assert_eq!(erp.db().count("user.sync.state"), 1, "only {own}");
    }
    app.stop().await;
    north.stop().await;
    south.stop().await;
}

async fn the_existing_add_on_shows_them_too(setup: Setup) {
    let app = often(&setup).config(|config| config.mirror.calls_max = 4).start().await;
    let erp = DemoErp::start(Options { addon: Addon::AutoWebhook, ..Options::default() }).await.unwrap();
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let seller = app.user("seller", Some(SALES)).await;
    happen(&app, &erp, 5).await;
    let names = ["one-phone", "two-phone", "three-phone", "four-phone", "five-phone"];
    for name in names {
        let phone = Device::new(&seller, name);
        phone.pull_all_after("0").await;
        phone.ack("2").await.expect(200);
        phone.with(&json!({ "app_type": "sales_app" })).pull_after("0").await;
    }
    for name in names {
        shows(&erp, name, |row| row["last_event_id"].as_i64().unwrap() > 0).await;
        eventually("both apps are shown", super::PATIENCE, async || (shown(&erp, name).len() == 2).then_some(())).await;
    }
    seller.delete("/api/v1/devices/two-phone").await.expect(200);
    shows(&erp, "two-phone", |row| row["is_active"] == false).await;
    app.stop().await;
    erp.stop().await;
}

async fn one_that_is_refused_hinders_no_other(setup: Setup) {
    let setup = often(&setup).config(|config| {
        config.sync.app_types.insert("field_app".to_owned(), vec!["sale.order".to_owned()]);
    });
    let (app, erp) = (setup.start().await, demo_erp().await);
    register_demo_system(&app.admin().await, &erp, "main").await;
    let seller = app.user("seller", Some(SALES)).await;
    happen(&app, &erp, 3).await;
    // An app that is only ours.
    Device::new(&seller, "field-phone").with(&json!({ "app_type": "field_app" })).pull_after("0").await;
    let phone = Device::new(&seller, "my-phone");
    phone.pull_after("0").await;
    shows(&erp, "my-phone", |row| row["sync_count"] == 1).await;
    let refused = app.context().metrics.mirror_states.with_label_values(&["refused"]);
    eventually("it is counted", super::PATIENCE, async || (refused.get() > 0).then_some(())).await;
    phone.pull_after("0").await;
    shows(&erp, "my-phone", |row| row["sync_count"] == 2).await;
    assert_eq!(refused.get(), 1, "it is not told again until it has news");
    assert_eq!(shown(&erp, "field-phone"), [] as [Value; 0]);
    app.stop().await;
    erp.stop().await;
}
