//! What the tests need from outside the repository, installed on first use and kept.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{
    account::Account,
    apt,
    cache::Cache,
    process::{Stop, capture},
};

/// Debian packages with the servers and tools that tests start.
///
/// `strace` shows the order of system calls, `libmagic1` is loaded by Odoo's Python packages,
/// `tzdata` and `ca-certificates` are missing on bare machines only.
const PACKAGES: [&str; 7] =
    ["ca-certificates", "libmagic1", "postgresql", "python3-venv", "redis-server", "strace", "tzdata"];

const CARGO_DENY_VERSION: &str = "0.20.2";

/// Installs the Debian packages and finds or makes the account that servers run as.
pub(crate) fn system(stop: &Stop) -> Result<Account> {
    apt::install(&PACKAGES, stop)?;
    Account::ensure(stop)
}

/// The program `cargo-deny`, built on first use.
pub(crate) fn cargo_deny(cache: &Cache, stop: &Stop) -> Result<PathBuf> {
    let dir = cache.ensure("cargo-deny", CARGO_DENY_VERSION, |dir| {
        let build = tempfile::tempdir_in(dir).context("make a build folder")?;
        let mut install = Command::new("cargo");
        install
            .args(["install", "--locked", "--debug", "--no-default-features", "--quiet"])
            .args(["--version", CARGO_DENY_VERSION, "--root"])
            .arg(dir)
            .arg("cargo-deny")
            // Unoptimised builds in a fifth of the time, and the check takes three seconds.
            .env("CARGO_TARGET_DIR", build.path())
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .current_dir("/");
        capture(install, stop)?;
        Ok(())
    })?;
    Ok(dir.join("bin/cargo-deny"))
}
