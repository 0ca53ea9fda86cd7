//! The unprivileged account that the servers run as: PostgreSQL and Odoo refuse root.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};

use crate::process::{Stop, capture};

const NAME: &str = "bridgecore-test";

/// Whom servers run as. Without root's rights they run as whoever calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// The caller is unprivileged and is used as it is.
    Caller,
    /// The caller is root; servers switch to this user.
    Switch {
        /// The user's number.
        uid: u32,
        /// The number of the user's own group.
        gid: u32,
    },
}

impl Account {
    /// Finds the account, and creates it on a machine that has none yet.
    pub(crate) fn ensure(stop: &Stop) -> Result<Self> {
        if !is_root()? {
            return Ok(Self::Caller);
        }
        if capture(id("-u"), stop).is_err() {
            let mut useradd = Command::new("useradd");
            useradd.args(["--system", "--user-group", "--no-create-home"]).args([
                "--home-dir",
                "/nonexistent",
                "--shell",
                "/usr/sbin/nologin",
                NAME,
            ]);
            capture(useradd, stop).context("create the account for test servers")?;
        }
        Ok(Self::Switch { uid: number(id("-u"), stop)?, gid: number(id("-g"), stop)? })
    }

    /// Makes `command` run as this account.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Self::Switch { uid, gid } = self {
            // The standard library also drops root's other groups here.
            command.uid(uid).gid(gid);
        }
    }

    /// Gives a folder and all that is in it to this account.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        let Self::Switch { uid, gid } = self else { return Ok(()) };
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))
            .with_context(|| format!("hand over {}", path.display()))?;
        if fs::symlink_metadata(path)?.is_dir() {
            for entry in fs::read_dir(path)? {
                self.own(&entry?.path())?;
            }
        }
        Ok(())
    }
}

/// Whether this process has root's rights.
pub(crate) fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self").context("look at /proc/self")?.uid() == 0)
}

fn id(flag: &str) -> Command {
    let mut command = Command::new("id");
    command.args([flag, NAME]);
    command
}

fn number(command: Command, stop: &Stop) -> Result<u32> {
    capture(command, stop)?.trim().parse().context("read the account's number")
}
