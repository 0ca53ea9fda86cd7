//! `cargo xtask bench`: measures the release build beside its floors and writes the page about it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    process::{self, Stop, capture},
    provision,
    services::{Durability, Postgres, RunDir},
    workspace,
};

/// What the caller may choose.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// The long log has 10 million changes and not 2 million.
    #[arg(long)]
    full: bool,
    /// Only the cases whose name contains this: start, receive, pull, devices, long, records, bulkhead, fanout,
    /// postgres. The page is printed and not written.
    #[arg(long)]
    only: Option<String>,
    /// How often each case and its floors take turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long one turn takes, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    turn_ms: u64,
    /// Measure this `bridgecore` and not the one that is built.
    #[arg(long)]
    bridgecore: Option<PathBuf>,
}

/// Builds what is measured and what measures, starts PostgreSQL as in production, and runs every case.
pub(crate) fn run(args: &BenchArgs, stop: &Stop) -> Result<()> {
    let account = provision::system(stop)?;
    let built = build(stop)?;
    let bridgecore = match &args.bridgecore {
        Some(given) => std::path::absolute(given)?,
        None => built.join("bridgecore"),
    };
    let run = RunDir::create()?;
    let data = run.folder("postgres", account)?;
    Postgres::init(&data, "postgres", account, stop)?;
    let postgres = Postgres::start(&data, &run.path("postgres.log"), Durability::Synced, account, stop)?;
    let folder = run.path("bench");
    std::fs::create_dir(&folder)?;

    let mut bench = Command::new(built.join("bridge-bench"));
    bench.arg("run").arg("--bridgecore").arg(bridgecore).arg("--folder").arg(folder);
    bench.arg("--page").arg(workspace::root().join("docs/BENCHMARKS.md"));
    bench.args(["--postgres-url", &format!("postgres://postgres@127.0.0.1:{}/postgres", postgres.port)]);
    bench.args(["--rounds", &args.rounds.to_string(), "--turn-ms", &args.turn_ms.to_string()]);
    bench.args(["--commit", &commit(stop)?]);
    if args.full {
        bench.arg("--full");
    }
    if let Some(only) = &args.only {
        bench.args(["--only", only]);
    }
    let status = process::stream(bench, stop, &mut |line| println!("{line}"))?;
    if !status.success() {
        bail!("the benchmarks failed ({status})");
    }
    Ok(())
}

/// Builds both programs for release, and answers the folder they are in.
fn build(stop: &Stop) -> Result<PathBuf> {
    println!("xtask: building for release");
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--release", "--package", "bridge-server", "--package", "bridge-bench", "--bins"]);
    cargo.arg("--message-format=json-render-diagnostics");
    let mut folder = None;
    let status = process::stream(cargo, stop, &mut |line| match serde_json::from_str::<serde_json::Value>(line) {
        Ok(message) => {
            if let Some(program) = message["executable"].as_str() {
                folder = Path::new(program).parent().map(Path::to_path_buf);
            }
        }
        Err(_) => println!("{line}"),
    })?;
    match folder {
        Some(folder) if status.success() => Ok(folder),
        _ => bail!("the release build failed"),
    }
}

/// The commit, and whether what is built differs from it.
fn commit(stop: &Stop) -> Result<String> {
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(args).current_dir(workspace::root());
        capture(git, stop)
    };
    let name = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", "crates", "Cargo.toml", "Cargo.lock"])?;
    let note = if changed.trim().is_empty() { "" } else { " with changes that are not committed" };
    Ok(format!("{}{note}", name.trim()))
}
