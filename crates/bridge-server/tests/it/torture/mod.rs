//! The torture test: writers that do everything a database allows, faults in between, and in the end the log must
//! hold what the way in promises: exactly what was committed, once, and for each record in the order of its commits; or
//! where records are only compared, the last state of every record.
//!
//! A way in is one entry of [`PATHS`]. What is done in a round, and what goes wrong in it, is decided by a seed, which
//! is named when it fails; how it interleaves is up to the machine. CI runs some rounds; `cargo xtask torture` runs
//! many, on a server of its own that it may also kill.

mod control;
mod faults;
mod gate;
mod judge;
mod link;
mod odoo;
mod paths;
pub(crate) mod proxy;
mod restore;
mod script;
mod stand;
mod writers;

use crate::support::OdooDatabase;
use bridge_model::Strategy;
use faults::Fault;
use futures_util::future::BoxFuture;
use judge::{Lives, Round};
use paths::PATHS;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use script::Script;
use stand::Stand;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A way by which changes of records get into the log.
struct Path {
    name: &'static str,
    strategy: Strategy,
    promise: Promise,
    reaches: Reaches,
    /// Whether it tells that a whole table was emptied.
    tells_truncate: bool,
    /// Whether it notices that the ERP was put back to a dump.
    sees_restores: bool,
    /// Whether it reads through a slot in the ERP's database, which can be lost.
    can_lose_slot: bool,
    /// The longest that a transaction stays open at least, in milliseconds.
    hold_ms_min: u64,
    /// Prepares the database for it.
    prepare: fn(&OdooDatabase) -> BoxFuture<'_, ()>,
    /// The database's address for the service.
    reader_url: fn(&OdooDatabase) -> String,
    /// The service's settings.
    variables: fn(&Asked) -> Vec<(&'static str, String)>,
    /// Asks the service's store whether from now on every change must be told.
    is_ready: &'static str,
    /// Asks the ERP's database whether nothing waits there any more.
    is_drained: Option<&'static str>,
    /// What is done in the ERP's database after it was put back to a dump.
    on_restore: &'static str,
    /// Asks the ERP's database what waits there: table or model, record, event, version.
    left: Option<&'static str>,
}

/// What a way in promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// Each committed change, once, and those of a record in the order of their commits.
    EachChange(Versions),
    /// The last state of each record.
    LastState,
}

/// Whether the log holds a row's `version`, so that the order of writes can be judged exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    Untold,
    /// Not that of a row that was deleted.
    OfRowsThatAre,
    OfAllRows,
}

/// How the service reaches the ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reaches {
    Database,
    Api {
        /// Whether there is an add-on that keeps an event table.
        has_feed: bool,
    },
}

/// What `cargo xtask torture` asks for, and CI's own defaults.
struct Asked {
    rounds: u64,
    seed: u64,
    hold_ms_max: u64,
    /// Whether the server of the service's store is ours to be killed.
    may_crash: bool,
    /// The server of the ERP's databases, which is ours to be killed as a whole: it is started again by itself.
    erp_server: Option<String>,
    /// How many rounds go on at once, each on a stand of its own.
    at_once: u64,
}

impl Asked {
    fn of_environment() -> Self {
        let number = |name: &str, otherwise| {
            std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
        };
        let asked = Self {
            rounds: number("BRIDGECORE_TORTURE_ROUNDS", 30),
            seed: number("BRIDGECORE_TORTURE_SEED", 1),
            hold_ms_max: number("BRIDGECORE_TORTURE_HOLD_MS_MAX", 150),
            may_crash: number("BRIDGECORE_TORTURE_MAY_CRASH", 0) == 1,
            erp_server: std::env::var("BRIDGECORE_TORTURE_ERP_URL").ok(),
            at_once: number("BRIDGECORE_TORTURE_AT_ONCE", 5),
        };
        assert!(asked.rounds > 0 && asked.at_once > 0, "nothing is asked for");
        asked
    }

    /// The longest that a transaction of a path stays open in one statement, in milliseconds.
    fn hold_ms_max(&self, path: &Path) -> u64 {
        self.hold_ms_max.max(path.hold_ms_min)
    }
}

/// The longest that a transaction lasts: it may stay open, or wait for a lock, in each of its statements.
fn transaction_age_max(hold_ms_max: u64) -> Duration {
    Duration::from_millis((hold_ms_max + 3_000) * 15)
}

async fn torture(name: &str) {
    if let Ok(only) = std::env::var("BRIDGECORE_TORTURE_ONLY") {
        assert!(PATHS.iter().any(|path| path.name == only), "there is no way in that is called {only}");
        if only != name {
            return;
        }
    }
    let path = PATHS.iter().find(|path| path.name == name).unwrap();
    let asked = Asked::of_environment();
    let next = AtomicU64::new(asked.seed);
    // All of them before the first round, in which something goes wrong for all.
    let stands = (0..asked.at_once.min(asked.rounds)).map(|_| Stand::start(path, &asked));
    let stands = futures_util::future::join_all(stands).await;
    let rounds = stands.into_iter().map(|stand| on_one_stand(stand, &asked, &next));
    let mut done = BTreeMap::<String, usize>::new();
    for fault in futures_util::future::join_all(rounds).await.into_iter().flatten() {
        *done.entry(format!("{fault:?}")).or_default() += 1;
    }
    println!("{name}: {} rounds were right: {done:?}", asked.rounds);
}

/// Does round after round as long as there are any; answers what went wrong in each.
async fn on_one_stand(stand: Stand, asked: &Asked, next: &AtomicU64) -> Vec<Fault> {
    let path = stand.path;
    let (mut from, mut lives, mut faults) = (stand.head().await, Lives::default(), Vec::new());
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= asked.seed + asked.rounds {
            break;
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let script = Script::of(&mut random, asked.hold_ms_max(path));
        let fault = Fault::of(&mut random, path, asked);
        let name = path.name;
        println!("{name}: seed {seed}, {} transactions, {fault:?}", script.transactions());
        let began = Instant::now();
        let again =
            format!("cargo xtask torture --only {name} --seed {seed} --rounds 1 --hold-ms-max {}", asked.hold_ms_max);
        let round = play(&stand, from, &script, fault, asked.hold_ms_max(path), &mut random).await;
        from = match stand.judge(from, round, &mut lives).await {
            Ok(judged_to) => judged_to,
            Err(wrong) => panic!("{name}, seed {seed}, {fault:?}: {wrong}\nThe same schedule again: {again}"),
        };
        println!("{name}: seed {seed} was right after {:.1} s", began.elapsed().as_secs_f64());
        faults.push(fault);
    }
    stand.stop().await;
    faults
}

async fn play(
    stand: &Stand,
    from: i64,
    script: &Script,
    fault: Fault,
    hold_ms_max: u64,
    random: &mut ChaCha8Rng,
) -> Round {
    let more = Script::of(random, hold_ms_max);
    let writers = stand.writers();
    let (committed, dump) = tokio::join!(writers::run(&writers, script), stand.suffer(fault, random));
    match (fault, dump) {
        (Fault::Restore { caught_up, kills }, Some(dump)) => {
            if caught_up {
                stand.caught_up(from, &committed).await;
            }
            stand.restore(&dump, kills).await;
            let left = stand.left().await;
            let (after, ()) = tokio::join!(writers::run(&writers, &more), stand.reconnect());
            Round::Restored { before: committed, caught_up, left, after }
        }
        (Fault::LoseSlot, _) => Round::SlotLost(committed),
        _ => Round::Plain(committed),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capture_holds_exactly_what_was_committed() {
    torture("capture").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capture_with_row_images_holds_it_in_each_records_order() {
    torture("capture_rows").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_databases_log_is_read_exactly() {
    torture("wal").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_add_ons_events_are_read_exactly() {
    torture("pull").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_tells_the_last_state_of_every_record() {
    torture("poll").await;
}
