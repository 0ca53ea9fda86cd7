//! Events that the ERP cleaned away before they were read.

use super::pusher::log_of;
use crate::support::{App, Client, Setup, eventually, on_both_databases, register_demo_system};
use bridge_erp::fake::{DemoErp, Options};
use bridge_model::{Change, Event};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(2);

/// How many events the ERP keeps.
const KEPT: usize = 50;

on_both_databases!(a_reset_stands_for_what_was_cleaned_away_unread);

async fn a_reset_stands_for_what_was_cleaned_away_unread(setup: Setup) {
    let erp = DemoErp::start(Options { events_max: KEPT, ..Options::default() }).await.unwrap();
    edit_often(&erp, KEPT + 20);
    let app = setup.start().await;
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let before = caught_up(&app, &admin, &erp).await;
    assert_eq!(before.len(), KEPT, "what was gone before the first look is nobody's loss");
    assert!(resets(&before).is_empty());

    let setup = app.stop().await;
    edit_often(&erp, KEPT + 20);
    let app = setup.start().await;
    let after = caught_up(&app, &app.admin().await, &erp).await;
    let told = resets(&after);
    assert!(told.contains("res.partner") && told.contains("sale.order"), "{told:?}");
    let count = after.iter().filter(|change| change.body.event == Event::Reset).count();
    assert_eq!(count, told.len(), "each model is told once");
    assert_eq!(after.len(), 2 * KEPT + count);

    edit_often(&erp, 5);
    let at_last = caught_up(&app, &app.admin().await, &erp).await;
    assert_eq!(at_last.len(), after.len() + 5, "a loss is told once, and reading goes on");
    app.stop().await;
    erp.stop().await;
}

fn edit_often(erp: &DemoErp, times: usize) {
    let db = erp.db();
    let partner = db.ids("res.partner")[0];
    for number in 0..times {
        let mut transaction = db.begin(2);
        transaction.write("res.partner", &[partner], json!({ "city": format!("City {number}") })).unwrap();
        transaction.commit();
    }
}

/// Waits until the newest event of the ERP is in the log, and answers the log.
async fn caught_up(app: &App, admin: &Client, erp: &DemoErp) -> Vec<Change> {
    let newest = erp.db().last_event_id();
    eventually("the newest event is in the log", PATIENCE, async || {
        let log = log_of(app, admin).await;
        let found = log
            .iter()
            .any(|change| change.body.source_id.as_ref().and_then(bridge_model::SourceId::as_number) == Some(newest));
        found.then_some(log)
    })
    .await
}

fn resets(log: &[Change]) -> BTreeSet<&str> {
    log.iter().filter(|change| change.body.event == Event::Reset).map(|change| change.body.model.as_str()).collect()
}
