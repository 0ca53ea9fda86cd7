//! `bridgecore alerts test`: whether those who are to be told can be told.

use crate::alerts;
use crate::config::Config;
use anyhow::{Context as _, ensure};
use bridge_model::{Clock, Entropy};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// What to do with alerts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send a test to everybody in [alerts], and say how it went with each; the service need not run
    Test(Which),
}

/// Whose alerts.
#[derive(Debug, Args)]
pub struct Which {
    /// The service's config file; settings can also come from BRIDGECORE_<SECTION>__<NAME> variables
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Does what the command says; the error is for people. The code is a failure if somebody could not be told.
pub async fn run(command: Command, clock: &dyn Clock, entropy: &dyn Entropy) -> anyhow::Result<ExitCode> {
    let Command::Test(which) = command;
    let config = Config::load(which.config.as_deref()).context("read the config")?;
    let outcomes = alerts::test(&config.alerts, clock, entropy).await?;
    ensure!(!outcomes.is_empty(), "the config names nobody in alerts.webhooks or alerts.emails");
    let mut code = ExitCode::SUCCESS;
    for (name, outcome) in outcomes {
        match outcome {
            Ok(()) => println!("{name}\tsent"),
            Err(error) => {
                println!("{name}\tfailed: {error:#}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
