//! What the commands share that put something into Odoo's database.

use super::{plain, words};
use crate::config::Config;
use anyhow::{Context as _, bail};
use bridge_erp::odoo::database::{Database, DatabaseOptions, LockPatience, Step};
use std::path::Path;

/// Opens Odoo's database; `command` is what the connection calls itself there.
pub(super) async fn connect(url: &str, command: &str) -> anyhow::Result<Database> {
    if url.is_empty() {
        bail!("--database-url is empty");
    }
    let options = DatabaseOptions { application_name: command.to_owned(), ..DatabaseOptions::default() };
    Database::connect(url, &options).await.map_err(plain).context("open Odoo's database")
}

/// The models that are never tracked, by this config or by default.
pub(super) fn untracked_models(config: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let config =
        config.map_or_else(|| Ok(Config::default()), |path| Config::load(Some(path)).context("read the config"));
    Ok(config?.ingest.untracked_models)
}

/// Prints the SQL of steps exactly as it would be run, and what stays.
pub(super) fn print_steps(steps: &[Step], patience: LockPatience, notes: &[String]) {
    if steps.is_empty() {
        println!("-- Nothing to do.");
    }
    for step in steps {
        println!("-- {}\n{}\n", step.purpose, step.sql(patience));
    }
    for note in notes {
        println!("-- {note}");
    }
}

/// Prints how to reach a role that was made, with its password, once.
pub(super) fn print_role(owner_url: &str, role: &str, password: &str, reads: &str) {
    println!(
        "The role {role} reads {reads}, with the password {password} (shown only now).\n\
         Put {} into the system's connection_config as postgres_url.",
        words::address_of_role(owner_url, role, password)
    );
}
