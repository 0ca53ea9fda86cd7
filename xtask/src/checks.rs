//! Checks of the source text: formatting, lints, licences, and our own rules.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use crate::{
    process::{self, Stop},
    report::Count,
    tidy, workspace,
};

/// Every Rust file is formatted by rustfmt.
pub(crate) fn fmt(stop: &Stop) -> Result<Count> {
    let mut cargo = workspace::cargo();
    cargo.args(["fmt", "--all", "--", "--check", "-l"]);
    must_pass(cargo, "the files above are not formatted; run `cargo fmt --all`", stop)
}

/// Clippy has nothing to say.
pub(crate) fn clippy(stop: &Stop) -> Result<Count> {
    let mut cargo = workspace::cargo();
    cargo.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
    must_pass(cargo, "clippy has complaints", stop)
}

/// Dependencies have licences we accept and come from the registry.
pub(crate) fn deny(cargo_deny: &Path, stop: &Stop) -> Result<Count> {
    let mut command = Command::new(cargo_deny);
    command.args(["--locked", "check", "bans", "licenses", "sources"]);
    command.current_dir(workspace::root());
    must_pass(command, "a dependency breaks a rule of deny.toml", stop)
}

/// Our own rules hold.
pub(crate) fn tidy(stop: &Stop) -> Result<Count> {
    let violations = tidy::violations(&workspace::root(), stop)?;
    for violation in &violations {
        println!("{violation}");
    }
    if !violations.is_empty() {
        bail!("{} violations of the repository's own rules", violations.len());
    }
    Ok(Count::ONE)
}

fn must_pass(command: Command, otherwise: &str, stop: &Stop) -> Result<Count> {
    let status = process::stream(command, stop, &mut |line| println!("{line}"))?;
    if !status.success() {
        bail!("{otherwise}");
    }
    Ok(Count::ONE)
}
