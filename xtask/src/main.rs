//! Development commands: `cargo xtask test | ci | odoo | bench | torture | tidy`.
//!
//! `test` installs what the tests need, runs every check and every test, and ends with one
//! line that counts them. It is what CI runs.

mod account;
mod apt;
mod bench;
mod cache;
mod checks;
mod live;
mod odoo;
mod process;
mod provision;
mod python;
mod report;
mod rust_tests;
mod s3;
mod services;
mod test;
mod tidy;
mod torture;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use process::Stop;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development commands of BridgeCore")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs what is missing, runs all checks and tests, prints a table and the count.
    Test(TestArgs),
    /// The same as `test`; the name that CI calls.
    Ci(TestArgs),
    /// Installs a real Odoo 19 for the tests; with --serve, starts it with the add-on.
    Odoo {
        /// Start a server on a free port and print its address until Ctrl-C.
        #[arg(long, conflicts_with = "live")]
        serve: bool,
        /// Run the live suite against this running Odoo, over every protocol; it leaves nothing behind.
        #[arg(long, value_name = "URL", requires = "login")]
        live: Option<String>,
        /// With --live: what to log in to and as whom.
        #[command(flatten)]
        target: live::Target,
    },
    /// Measures the release build beside its floors and writes docs/BENCHMARKS.md.
    Bench(bench::BenchArgs),
    /// Writes to a database in every way it allows, with kills and crashes in between, and checks that the log has it all.
    Torture(torture::TortureArgs),
    /// Checks the rules that the compiler can't: import direction, file sizes, paths in docs.
    Tidy,
}

#[derive(Args)]
struct TestArgs {
    /// Run one part alone.
    #[arg(long, value_enum)]
    only: Option<test::Part>,
    /// Test this package alone (may be repeated).
    #[arg(long, short)]
    package: Vec<String>,
    /// Passed on to the Rust test binaries: a filter and their options.
    #[arg(last = true)]
    rest: Vec<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let stop = Stop::listen()?;
    match command {
        Command::Test(args) | Command::Ci(args) => {
            test::run(&test::Selection { only: args.only, packages: args.package, rest: args.rest }, &stop)
        }
        Command::Odoo { live: Some(url), target, .. } => live::command(&url, &target, &stop),
        Command::Odoo { serve, .. } => {
            odoo::command(serve, &stop)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench(args) => {
            bench::run(&args, &stop)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Torture(args) => {
            torture::run(&args, &stop)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Tidy => tidy::command(&stop),
    }
}
