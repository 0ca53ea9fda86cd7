//! An S3 server for one run: moto's, with signatures that are checked.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{
    account::Account,
    cache::Cache,
    process::{Service, Stop, tied},
    python,
    services::{RunDir, free_port},
};

const REQUIREMENTS: &str = include_str!("requirements.txt");

const SERVER: &str = include_str!("server.py");

/// A running server. Stops when dropped.
pub(crate) struct S3 {
    _service: Service,
    /// The file that says where it is, with its bucket and a key.
    pub(crate) description: PathBuf,
}

/// The Python that has what the server needs, installed on first use.
pub(crate) fn install(cache: &Cache, stop: &Stop) -> Result<PathBuf> {
    Ok(python::environment(cache, "s3-python", 1, REQUIREMENTS, stop)?.python)
}

impl S3 {
    /// Starts a server on a free port.
    pub(crate) fn start(python: &Path, run: &RunDir, account: Account, stop: &Stop) -> Result<Self> {
        let dir = run.folder("s3", account)?;
        let (script, description) = (run.path("s3_server.py"), dir.join("s3.json"));
        std::fs::write(&script, SERVER).context("write the S3 server's script")?;
        let mut command = tied(python, "TERM");
        command.arg(script).arg(free_port()?.to_string()).arg(&description).current_dir("/");
        account.apply(&mut command);
        let service = Service::start(command, &run.path("s3.log"), "TERM", stop, || description.exists())?;
        Ok(Self { _service: service, description })
    }
}
