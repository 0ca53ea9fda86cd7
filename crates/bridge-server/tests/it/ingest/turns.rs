//! The order of a record's events when some are pushed, and ids that nobody will ever fill.

use super::pusher::{Pusher, event, log_of};
use crate::support::{App, Client, Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use bridge_erp::fake::DemoErp;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(2);

on_both_databases!(
    a_push_does_not_overtake_an_earlier_event_that_is_missing_too,
    what_was_answered_with_a_2xx_is_in_the_log,
    a_hole_larger_than_all_room_holds_reading_back_only_for_a_while,
);

/// The reader looks once, and then only when it is woken.
fn woken_only(setup: Setup) -> Setup {
    setup.config(|config| {
        config.ingest.pull_interval_min_ms = 600_000;
        config.ingest.pull_interval_max_ms = 600_000;
    })
}

async fn a_push_does_not_overtake_an_earlier_event_that_is_missing_too(setup: Setup) {
    let (app, erp) = (woken_only(setup).start().await, demo_erp().await);
    let admin = app.admin().await;
    let system = register_demo_system(&admin, &erp, "main").await;
    let source = Pusher::with_key(&app, system["push_key"].as_str().unwrap());
    looked_once(&admin).await;
    let db = erp.db();
    let partners = db.ids("res.partner");
    let mut long = db.begin(2);
    long.write("res.partner", &[partners[0]], json!({ "city": "First" })).unwrap();
    long.write("res.partner", &[partners[0]], json!({ "city": "Second" })).unwrap();
    let mut short = db.begin(2);
    short.write("res.partner", &[partners[1]], json!({ "city": "Other" })).unwrap();
    short.commit();
    source.push(&json!({ "model": "res.partner", "record_id": partners[1], "event": "write" })).await.expect(200);
    eventually("the reader has passed the two missing ids", PATIENCE, async || {
        (reader(&admin).await["open_gaps"] == 2).then_some(())
    })
    .await;
    long.commit();
    let received = source.push(&event(2, "res.partner", partners[0], "write")).await.expect(200);
    assert_eq!(received["deferred"], 0, "{received}");
    assert_eq!(source_ids(&app, &admin).await, ["3", "1", "2"]);
    app.stop().await;
    erp.stop().await;
}

async fn what_was_answered_with_a_2xx_is_in_the_log(setup: Setup) {
    let (app, erp) = (woken_only(setup).start().await, demo_erp().await);
    let admin = app.admin().await;
    let system = register_demo_system(&admin, &erp, "main").await;
    let source = Pusher::with_key(&app, system["push_key"].as_str().unwrap());
    looked_once(&admin).await;
    edit(&erp);
    source.push(&json!({ "model": "res.partner", "record_id": 1, "event": "write" })).await.expect(200);
    eventually("the reader has read", PATIENCE, async || (reader(&admin).await["read_to"] == 1).then_some(())).await;
    // The ERP's table does not show this one: perhaps it is read from a copy that lags behind.
    let received = source.push(&event(5, "res.partner", 987_654, "write")).await.expect(200);
    assert_eq!(received["accepted"], 1, "{received}");
    assert_eq!(source_ids(&app, &admin).await, ["1", "5"]);
    // The number is the same event in quotes.
    let mut quoted = event(5, "res.partner", 987_654, "write");
    quoted["_webhook_metadata"]["event_id"] = json!("5");
    assert_eq!(source.push(&quoted).await.expect(200)["duplicates"], 1);
    app.stop().await;
    erp.stop().await;
}

async fn a_hole_larger_than_all_room_holds_reading_back_only_for_a_while(setup: Setup) {
    let (app, erp) = (setup.config(|config| config.ingest.gaps_max = 5).start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    edit(&erp);
    eventually("the first event is read", PATIENCE, async || (source_ids(&app, &admin).await.len() == 1).then_some(()))
        .await;
    let mut undone = erp.db().begin(2);
    for number in 0..20 {
        let partner = erp.db().ids("res.partner")[0];
        undone.write("res.partner", &[partner], json!({ "city": format!("Never {number}") })).unwrap();
    }
    edit(&erp);
    eventually("the status says that reading waits", PATIENCE, async || {
        let reader = reader(&admin).await;
        (reader["state"] == "held_back" && reader["last_error"].is_string()).then_some(())
    })
    .await;
    undone.rollback();
    eventually("the event behind the hole is read", PATIENCE, async || {
        (source_ids(&app, &admin).await == ["1", "22"]).then_some(())
    })
    .await;
    edit(&erp);
    eventually("reading goes on as ever", PATIENCE, async || {
        (source_ids(&app, &admin).await == ["1", "22", "23"] && reader(&admin).await["state"] == "running")
            .then_some(())
    })
    .await;
    app.stop().await;
    erp.stop().await;
}

async fn looked_once(admin: &Client) {
    eventually("the reader has looked once", PATIENCE, async || {
        (reader(admin).await["state"] == "running").then_some(())
    })
    .await;
}

fn edit(erp: &DemoErp) {
    let partner = erp.db().ids("res.partner")[0];
    let mut transaction = erp.db().begin(2);
    transaction.write("res.partner", &[partner], json!({ "city": "Fez" })).unwrap();
    transaction.commit();
}

async fn reader(admin: &Client) -> Value {
    admin.get("/api/v1/systems/main/status").await.expect(200)["reader"].clone()
}

/// The ERP's ids of the events in the log, in the log's order.
async fn source_ids(app: &App, admin: &Client) -> Vec<String> {
    let log = log_of(app, admin).await;
    log.iter().map(|change| change.body.source_id.as_ref().unwrap().to_string()).collect()
}
