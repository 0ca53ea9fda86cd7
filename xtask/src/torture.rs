//! `cargo xtask torture`: the torture test at length, on servers of its own that it may also kill.

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    process::{self, Stop},
    provision,
    services::{Durability, Postgres, Revived, RunDir},
    workspace,
};

/// What the caller may choose.
#[derive(Args)]
pub(crate) struct TortureArgs {
    /// How many rounds each way in goes through.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// The seed of the first round; each further one has the next number. A failure names its own.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this way in.
    #[arg(long, value_parser = ["capture", "capture_rows", "wal", "pull", "poll"])]
    only: Option<String>,
    /// The longest that a transaction stays open, in milliseconds.
    #[arg(long, default_value_t = 120_000)]
    hold_ms_max: u64,
    /// How many rounds go on at once, each with a service and a database of its own. They spend most of their time with
    /// waiting for transactions that are open.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..))]
    at_once: u64,
}

/// Starts the servers and runs the rounds.
pub(crate) fn run(args: &TortureArgs, stop: &Stop) -> Result<()> {
    let account = provision::system(stop)?;
    let run = RunDir::create()?;
    let data = run.folder("postgres", account)?;
    Postgres::init(&data, "postgres", account, stop)?;
    // As in production: what was committed outlives a crash.
    let postgres = Postgres::start(&data, &run.path("postgres.log"), Durability::Synced, account, stop)?;
    let erp = Revived::create(&run, account, stop)?;
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--package", "bridge-server", "--test", "it", "--", "torture::", "--nocapture"]);
    cargo.args(["--test-threads", "1"]);
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", postgres.port);
    cargo.env("BRIDGECORE_TEST_POSTGRES_URL", url);
    cargo.env("BRIDGECORE_TORTURE_ERP_URL", erp.url());
    cargo.env("BRIDGECORE_TORTURE_ROUNDS", args.rounds.to_string());
    cargo.env("BRIDGECORE_TORTURE_SEED", args.seed.to_string());
    cargo.env("BRIDGECORE_TORTURE_HOLD_MS_MAX", args.hold_ms_max.to_string());
    cargo.env("BRIDGECORE_TORTURE_AT_ONCE", args.at_once.to_string());
    cargo.env("BRIDGECORE_TORTURE_MAY_CRASH", "1");
    if let Some(only) = &args.only {
        cargo.env("BRIDGECORE_TORTURE_ONLY", only);
    }
    let status = process::stream(cargo, stop, &mut |line| println!("{line}"))?;
    if !status.success() {
        bail!("the torture test failed ({status})");
    }
    Ok(())
}
