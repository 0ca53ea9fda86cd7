//! Python environments for servers that tests start.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    cache::Cache,
    process::{Stop, capture},
};

/// Debian's Python, not another one that may come first on the PATH.
const PYTHON: &str = "/usr/bin/python3";

/// An environment in the cache.
pub(crate) struct Environment {
    /// Its Python.
    pub(crate) python: PathBuf,
    /// Changes when what is installed changes.
    pub(crate) key: String,
}

/// The environment `name` with exactly these packages, made on first use. `recipe` is raised when what is done to make it
/// changes.
pub(crate) fn environment(
    cache: &Cache,
    name: &str,
    recipe: u32,
    requirements: &str,
    stop: &Stop,
) -> Result<Environment> {
    let mut version = Command::new(PYTHON);
    version.arg("--version");
    let python_version = capture(version, stop)?.trim().to_owned();
    let key = format!("{recipe} {python_version}\n{requirements}");
    let dir = cache.ensure(name, &key, |dir| make(dir, requirements, stop))?;
    Ok(Environment { python: dir.join("bin/python"), key })
}

fn make(dir: &Path, requirements: &str, stop: &Stop) -> Result<()> {
    let mut venv = Command::new(PYTHON);
    venv.args(["-m", "venv"]).arg(dir);
    capture(venv, stop)?;
    let list = dir.join("requirements.txt");
    fs::write(&list, requirements).context("write the list of Python packages")?;
    let mut pip = Command::new(dir.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--requirement"]).arg(&list);
    capture(pip, stop)?;
    // Everything is pinned and installed without looking at dependencies, so look now.
    let mut check = Command::new(dir.join("bin/python"));
    check.args(["-m", "pip", "check"]);
    capture(check, stop)?;
    Ok(())
}
