//! Polling, under transactions that commit when they like: the last state of every record is told of.

use super::company::{Company, quick};
use crate::support::Setup;
use bridge_erp::fake::Addon;
use bridge_model::Strategy;
use futures_util::StreamExt as _;
use rand::Rng as _;
use serde_json::json;

/// Schedules on each database.
const ON_SQLITE: u64 = 30;
const ON_POSTGRES: u64 = 6;

/// How many run at once.
const AT_ONCE: usize = 10;

/// Things that people do in one.
const STEPS: usize = 70;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_tells_the_last_state_of_every_record_on_sqlite() {
    all(0..ON_SQLITE, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_tells_the_last_state_of_every_record_on_postgres() {
    all(1_000..1_000 + ON_POSTGRES, true).await;
}

async fn all(seeds: std::ops::Range<u64>, on_postgres: bool) {
    let schedules = seeds.map(|seed| async move {
        let setup = if on_postgres { Setup::postgres().await } else { Setup::sqlite() };
        one(setup, seed).await
    });
    let lost: Vec<usize> = futures_util::stream::iter(schedules).buffer_unordered(AT_ONCE).collect().await;
    println!("what a reader of write_date > last has wrong at the end, for each schedule: {lost:?}");
    let failed = lost.iter().filter(|lost| **lost > 0).count();
    assert!(failed * 2 > lost.len(), "the control reader got {} of {} right", lost.len() - failed, lost.len());
}

async fn one(setup: Setup, seed: u64) -> usize {
    // With more partners than are cheap to read at each look, some looks are only quick.
    let partners = if seed % 5 == 4 { 260 } else { 12 };
    let mut company = Company::found(quick(setup), Addon::None, seed, partners).await;
    company.owned_by(Strategy::Poll).await;
    company.set(&json!({ "default": "none", "models": { "res.partner": "poll" } })).await;
    company.adopted().await;
    assert_eq!(company.log_length().await, 0, "what was there before is nobody's news");
    for _ in 0..STEPS {
        company.work();
        match company.dice.random_range(0..60) {
            0 => company.restart().await,
            1..3 => {
                // No transaction lasts longer than the config says.
                company.end_all();
                company.let_time_pass();
            }
            3..9 => {
                company.looked().await;
                company.device_follows().await;
                company.control_looks().await;
            }
            _ => {}
        }
    }
    company.end_all();
    company.let_time_pass();
    let lost = company.device_is_right(&format!("seed {seed}")).await;
    company.close().await;
    lost
}
