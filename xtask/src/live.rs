//! `cargo xtask odoo --live URL`: the live suite of the adapter against any Odoo.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{
    process::{self, Stop},
    workspace,
};

/// What the suite logs in to.
#[derive(Args)]
pub(crate) struct Target {
    /// The database.
    #[arg(long, requires = "live", default_value = "")]
    database: String,
    /// The log-in name.
    #[arg(long, requires = "live", default_value = "")]
    login: String,
    /// The password; better given as BRIDGECORE_LIVE_PASSWORD, which the list of processes does not show.
    #[arg(long, env = "BRIDGECORE_LIVE_PASSWORD", hide_env_values = true, default_value = "")]
    password: String,
    /// An API key; without one, the suite makes one for itself and removes it in the end.
    #[arg(long, env = "BRIDGECORE_LIVE_API_KEY", hide_env_values = true, default_value = "")]
    api_key: String,
}

/// Runs the suite; the exit code says whether all of it passed.
pub(crate) fn command(url: &str, target: &Target, stop: &Stop) -> Result<ExitCode> {
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--quiet", "--package", "bridge-erp", "--example", "live"]);
    for (name, value) in [
        ("URL", url),
        ("DATABASE", &target.database),
        ("LOGIN", &target.login),
        ("PASSWORD", &target.password),
        ("API_KEY", &target.api_key),
    ] {
        cargo.env(format!("BRIDGECORE_LIVE_{name}"), value);
    }
    let status = process::stream(cargo, stop, &mut |line| println!("{line}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
