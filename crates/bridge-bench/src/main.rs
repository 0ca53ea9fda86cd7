//! Measures the service beside its floors and writes the page about it. `cargo xtask bench` calls it.
//!
//! One process drives, others are driven: the real `bridgecore`, a server whose handlers do nothing (the floor of HTTP)
//! and a demo ERP that says what users may read. All run on the same machine, so that what the driver costs is measured
//! as well.

mod cases;
mod floor_server;
mod http;
mod kept;
mod load;
mod machine;
mod report;
mod round;
mod seed;
mod service;
mod stats;
mod sync_floor;
mod time;
mod usage;
mod websocket;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "bridge-bench", about = "Measures BridgeCore beside its floors")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure, and write the page.
    Run(RunArgs),
    /// Serve handlers that do nothing, and print the address: the floor of HTTP and of WebSockets.
    FloorServer,
    /// Serve a demo ERP without an event table, and print its address.
    DemoErp,
    /// The same, each answer of which takes 10 ms.
    SlowDemoErp,
}

/// What is measured and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// The `bridgecore` program.
    #[arg(long)]
    bridgecore: PathBuf,
    /// An empty PostgreSQL database; without it only SQLite is measured.
    #[arg(long)]
    postgres_url: Option<String>,
    /// The page to write; what is kept by hand in it stays.
    #[arg(long)]
    page: PathBuf,
    /// The commit that is measured, for the page.
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Where the databases are made; should be on the disk that is meant to be measured.
    #[arg(long)]
    folder: PathBuf,
    /// The long log has 10 million changes and not 2 million.
    #[arg(long)]
    full: bool,
    /// Only the cases whose name contains this text; the page is printed and not written.
    #[arg(long)]
    only: Option<String>,
    /// How often each case and its floors take turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long one turn takes, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    turn_ms: u64,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bridge-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        // One thread drives: it leaves the other cores to what is measured.
        Command::Run(args) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("start the runtime")?
            .block_on(cases::run_all(&args)),
        Command::FloorServer => many_threads()?.block_on(floor_server::serve()),
        Command::DemoErp => many_threads()?.block_on(service::serve_demo_erp(0)),
        Command::SlowDemoErp => many_threads()?.block_on(service::serve_demo_erp(10)),
    }
}

fn many_threads() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")
}
