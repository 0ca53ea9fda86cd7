//! A day in a real Odoo without any add-on: everything that it leaves in the database is told of, whichever way it is
//! seen.

mod day;
mod evidence;

use super::main_job::events_after;
use super::server::Odoo;
use super::watched::{register, watching};
use crate::support::{Client, Setup, eventually};
use bridge_model::Event;
use evidence::{Evidence, Registry, Touched};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(3);

/// Tables in which such a day leaves something.
const EXPECTED: &[&str] = &[
    "purchase_order",
    "purchase_order_line",
    "stock_picking",
    "stock_move",
    "stock_move_line",
    "stock_quant",
    "account_move",
    "account_move_line",
    "res_partner",
    "mail_message",
];

/// Tables whose models are not told of, and why. Those of wizards and of links between them are not either.
const NOT_TOLD: &[(&str, &str)] = &[
    ("bus_bus", "`ingest.untracked_models`: messages to browsers, which come and go"),
    ("ir_logging", "`ingest.untracked_models`: Odoo writes it for itself all the time"),
    ("ir_profile", "the same"),
    ("ir_cron_trigger", "the same"),
    ("ir_cron_progress", "the same"),
    ("res_users_log", "the same"),
    ("orm_signaling_*", "no model: by these Odoo's processes tell each other to forget what they remember"),
];

/// Tables in which Odoo changes rows by SQL and leaves their `write_date` as it was, so that polling can't see it.
const UNDATED: &[(&str, &str)] = &[("res_partner", "merging partners turns what points to one over to the other")];

/// A record and what happened to it.
type Fact = (String, i64, &'static str);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_business_day_is_told_of_by_capture_by_the_log_and_by_polling() {
    let odoo = Odoo::start_business("business").await;
    let before = day::prepare(&odoo).await;
    let capture = odoo.install("capture", &[]).await;
    let wal = odoo.install("wal", &[]).await;
    let app = watching(Setup::sqlite()).start().await;
    let admin = app.admin().await;
    register(&app, &odoo, ("captured", "capture"), Some(capture), &[]).await;
    register(&app, &odoo, ("read", "wal"), Some(wal), &[]).await;
    register(&app, &odoo, ("polled", "poll"), None, &[]).await;

    let client = odoo.client().await;
    let registry = Registry::read(&client).await;
    let morning = Evidence::take(&client).await;
    day::live_through(&odoo, &before).await;
    let evening = Evidence::take(&client).await;
    let touched = evening.touched_since(&morning);
    let addon = client.query("SELECT FROM ir_module_module WHERE name = 'bridgecore' AND state = 'installed'", &[]);
    assert!(addon.await.unwrap().is_empty(), "the add-on is installed");

    let all = told_of(&touched, &registry);
    let tables: BTreeSet<&str> = all.iter().map(|(touched, _)| touched.table.as_str()).collect();
    println!("{} rows of {} tables were touched: {tables:?}", all.len(), tables.len());
    for table in EXPECTED {
        assert!(tables.contains(table), "nothing happened in {table}");
    }
    let facts = |is_kept: &dyn Fn(&Touched) -> bool| -> BTreeSet<Fact> {
        all.iter().filter(|(touched, _)| is_kept(touched)).flat_map(|(_, facts)| facts.clone()).collect()
    };
    is_told(&admin, "captured", "capture", facts(&|_| true)).await;
    is_told(&admin, "read", "wal", facts(&|_| true)).await;
    is_told(&admin, "polled", "poll", facts(&|row| row.is_dated == Some(true))).await;
    for (row, _) in all.iter().filter(|(row, _)| row.is_dated == Some(false)) {
        assert!(UNDATED.iter().any(|(table, _)| *table == row.table), "polling can't see {row:?}");
    }
    app.stop().await;
}

/// What the log must hold, by the row that it is about.
fn told_of(touched: &[Touched], registry: &Registry) -> Vec<(Touched, Vec<Fact>)> {
    let is_left_out = |table: &str| {
        NOT_TOLD.iter().any(|(name, _)| name.strip_suffix('*').map_or(table == *name, |start| table.starts_with(start)))
    };
    let told = touched.iter().filter(|touched| !is_left_out(&touched.table));
    told.map(|touched| {
        let facts = registry.records_of(touched).unwrap_or_else(|| panic!("a table that nobody knows: {touched:?}"));
        (touched.clone(), facts)
    })
    .collect()
}

/// Waits until the log of a system has all of these changes, seen this way.
async fn is_told(admin: &Client, system: &str, origin: &str, expected: BTreeSet<Fact>) {
    let (mut missing, mut token) = (expected.clone(), "0".to_owned());
    let looking = eventually("the log has all of it", PATIENCE * 2, async || {
        let log = events_after(admin, &mut token).await;
        let of_system = log.iter().filter(|event| event["system_id"] == system && event["origin"] == origin);
        for told in of_system.filter_map(fact) {
            missing.remove(&told);
        }
        missing.is_empty().then_some(())
    });
    // What is missing says more than that it took too long.
    let _ = tokio::time::timeout(PATIENCE, looking).await;
    assert!(missing.is_empty(), "{system}: {} of {} are missing: {missing:?}", missing.len(), expected.len());
    println!("{system}: {} changes", expected.len());
}

fn fact(event: &Value) -> Option<Fact> {
    let kind = Event::from_word(event["event"].as_str()?)?;
    Some((event["model"].as_str()?.to_owned(), event["record_id"].as_i64()?, kind.as_str()))
}
