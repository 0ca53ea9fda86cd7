//! The torture test: writers that do everything a database allows, faults in between, and in the end the log must
//! hold exactly what was committed, once, and for each record in the order of its commits.
//!
//! A way in is one line in [`PATHS`]. Every round is told by a seed, which is printed when it fails. CI runs some
//! rounds; `cargo xtask torture` runs many, on a server of its own that it may also kill.

mod control;
mod faults;
mod judge;
mod script;
mod stand;
mod writers;

use crate::support::OdooDatabase;
use bridge_erp::odoo::database::capture::CaptureOptions;
use bridge_model::Strategy;
use faults::Fault;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use script::Script;
use stand::Stand;

/// A way by which committed changes of rows get into the log.
struct Path {
    name: &'static str,
    strategy: Strategy,
    /// Whether what it tells of a row holds the row's `version`, so that the order of writes can be judged exactly.
    tells_versions: bool,
    /// Prepares the database for it.
    prepare: fn(&OdooDatabase) -> BoxFuture<'_, ()>,
}

/// Every way in that promises each committed change.
const PATHS: &[Path] = &[
    Path {
        name: "capture",
        strategy: Strategy::Capture,
        tells_versions: false,
        prepare: |database| async { database.install(&database.options()).await }.boxed(),
    },
    Path {
        name: "capture_rows",
        strategy: Strategy::Capture,
        tells_versions: true,
        prepare: |database| {
            async {
                let rows = CaptureOptions { row_image_bytes_max: 2_000, notify: true, ..database.options() };
                database.install(&rows).await;
            }
            .boxed()
        },
    },
];

/// What `cargo xtask torture` asks for, and CI's own defaults.
struct Asked {
    rounds: u64,
    seed: u64,
    /// The longest that a transaction stays open, in milliseconds.
    hold_ms_max: u64,
    /// Whether the server is ours to be killed.
    may_crash: bool,
}

impl Asked {
    fn of_environment() -> Self {
        let number = |name: &str, otherwise| {
            std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
        };
        Self {
            rounds: number("BRIDGECORE_TORTURE_ROUNDS", 15),
            seed: number("BRIDGECORE_TORTURE_SEED", 1),
            hold_ms_max: number("BRIDGECORE_TORTURE_HOLD_MS_MAX", 150),
            may_crash: number("BRIDGECORE_TORTURE_MAY_CRASH", 0) == 1,
        }
    }
}

async fn torture(name: &str) {
    if std::env::var("BRIDGECORE_TORTURE_ONLY").is_ok_and(|only| !name.starts_with(&only)) {
        return;
    }
    let path = PATHS.iter().find(|path| path.name == name).unwrap();
    let asked = Asked::of_environment();
    let stand = Stand::start(path).await;
    for seed in asked.seed..asked.seed + asked.rounds {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let script = Script::of(&mut random, asked.hold_ms_max);
        let fault = Fault::of(&mut random, asked.may_crash);
        println!("{name}: seed {seed}, {} transactions, {fault:?}", script.transactions());
        let from = stand.head().await;
        let committed = {
            let writers = writers::run(&stand.database, &script);
            let pause_ms = random.random_range(0..200);
            tokio::join!(writers, stand.suffer(fault, pause_ms)).0
        };
        stand.judge(from, &committed, path.tells_versions, &format!("{name}, seed {seed}, {fault:?}")).await;
    }
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capture_holds_exactly_what_was_committed() {
    torture("capture").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capture_with_row_images_holds_it_in_each_records_order() {
    torture("capture_rows").await;
}
