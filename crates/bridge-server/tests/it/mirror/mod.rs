//! What an ERP shows of its users' devices.

mod nodes;
mod shown;

use crate::support::{App, Setup, eventually};
use bridge_erp::fake::DemoErp;
use serde_json::{Value, json};
use std::time::Duration;

/// The demo ERP's salesperson.
const SALES: i64 = 6;

const PATIENCE: Duration = Duration::from_mins(2);

/// A setup in which rounds come soon, also after failures.
fn often(setup: &Setup) -> Setup {
    setup.clone().config(|config| {
        config.mirror.interval_ms = 50;
        config.mirror.backoff_max_ms = 200;
    })
}

/// What the ERP shows of a device's apps, in the order of its rows.
fn shown(erp: &DemoErp, device: &str) -> Vec<Value> {
    let fields = json!([
        "user_id",
        "device_id",
        "app_type",
        "last_event_id",
        "last_sync_time",
        "sync_count",
        "last_event_count",
        "total_events_synced",
        "is_active",
    ]);
    let args = vec![json!([["device_id", "=", device]]), fields];
    let rows = erp.db().begin(2).call("user.sync.state", "search_read", args).unwrap();
    let mut rows: Vec<Value> = rows.as_array().unwrap().clone();
    rows.sort_by_key(|row| row["id"].as_i64());
    rows
}

/// Waits until the ERP shows a device with one app so that `holds`.
async fn shows(erp: &DemoErp, device: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let what = format!("{device} is shown as it is");
    eventually(&what, PATIENCE, async || shown(erp, device).first().filter(|row| holds(row)).cloned()).await
}

/// The highest id of the events that the ERP has committed.
fn newest(erp: &DemoErp) -> i64 {
    erp.db().events_committed().iter().map(|event| event.id).max().unwrap_or(0)
}

/// Lets something happen, and waits until it is in the log.
async fn happen(app: &App, erp: &DemoErp, times: u32) {
    for _ in 0..times {
        erp.happen();
    }
    let admin = app.admin().await;
    eventually("the log is read", PATIENCE, async || {
        (crate::ingest::pusher::log_of(app, &admin).await.len() >= erp.db().events_count()).then_some(())
    })
    .await;
}
