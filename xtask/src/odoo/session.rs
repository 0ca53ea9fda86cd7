//! Odoo within one run: a copy of the prepared databases, and what starts a server on it.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::{
    ADDON,
    database::{self, AUDITED, BASE, BUSINESS, Place, SUPERUSER, WITH_ADDON},
    install::{self, Install},
};
use crate::{
    account::Account,
    cache::Cache,
    process::{self, Service, Stop},
    report::Count,
    services::{Durability, Postgres, RunDir, free_port},
};

/// What a fresh Odoo database lets in.
const LOGIN: &str = "admin";
const PASSWORD: &str = "admin";

/// A database server with Odoo's databases, for one run. Stops when dropped.
pub(crate) struct Session {
    install: Install,
    account: Account,
    postgres: Postgres,
    /// Folders with add-ons: ours, and the one that `AUDITED` has.
    addons: Vec<PathBuf>,
    files: PathBuf,
    log: PathBuf,
    /// Why the add-on could not be installed, if it could not: Odoo alone still serves tests.
    addon_error: Option<String>,
}

impl Session {
    /// Installs what is missing, and starts a copy of the databases.
    pub(crate) fn start(cache: &Cache, run: &RunDir, account: Account, stop: &Stop) -> Result<Self> {
        let install = install::install(cache, account, stop)?;
        let base = database::base_cluster(cache, &install, account, stop)?;
        let business = database::business_cluster(cache, &install, &base, account, stop)?;
        let (cluster, addon_error) = match database::addon_cluster(cache, &install, &business, account, stop) {
            Ok(cluster) => (cluster, None),
            Err(error) => (business.data, Some(format!("{error:#}"))),
        };
        let data = run.path("odoo-cluster");
        database::copy(&cluster, &data, stop)?;
        let log = run.path("odoo-postgres.log");
        let postgres = Postgres::start(&data, &log, Durability::Fast, account, stop)?;
        let addons = run.path("odoo-addons");
        database::copy_addons(&addons, stop)?;
        let addons = vec![addons, install.auditlog.clone()];
        let files = run.folder("odoo-files", account)?;
        let log = run.path("odoo-server.log");
        Ok(Self { install, account, postgres, addons, files, log, addon_error })
    }

    /// Writes a JSON file that tells tests how to start Odoo servers of their own:
    ///
    /// - `command`: program and arguments; append `--database`, `--http-port`, `--data-dir`, …
    /// - `postgres`: `host`, `port`, `user` (no password) of the cluster with the databases
    /// - `template_database`, `addon_template_database`: to copy with `CREATE DATABASE … TEMPLATE`;
    ///   the second is null when the add-on could not be installed
    /// - `business_template_database`, `audited_template_database`: the first with purchases into a valued stock, and
    ///   with the public `auditlog`
    /// - `run_as`: `uid` and `gid` to switch to, or null when the caller is unprivileged
    /// - `work_dir`: a folder that this account may write, also to be `HOME`
    /// - `login`, `password`: of the administrator in both databases
    pub(crate) fn describe(&self, path: &Path) -> Result<()> {
        let mut command = vec![self.install.python.display().to_string()];
        command.extend(self.place().args("server"));
        let run_as = match self.account {
            Account::Caller => json!(null),
            Account::Switch { uid, gid } => json!({ "uid": uid, "gid": gid }),
        };
        let addons_paths: Vec<_> = std::iter::once(&self.install.addons).chain(&self.addons).collect();
        let description = json!({
            "command": command,
            "python": self.install.python,
            "odoo_bin": self.install.odoo_bin,
            "addons_paths": addons_paths,
            "postgres": { "host": "127.0.0.1", "port": self.postgres.port, "user": SUPERUSER },
            "template_database": BASE,
            "business_template_database": BUSINESS,
            "audited_template_database": AUDITED,
            "addon_template_database": self.addon_error.is_none().then_some(WITH_ADDON),
            "run_as": run_as,
            "work_dir": self.files,
            "login": LOGIN,
            "password": PASSWORD,
        });
        fs::write(path, format!("{description:#}\n")).context("write the description of Odoo")
    }

    /// Runs the add-on's own tests in a fresh database; its output goes to `on_line`.
    pub(crate) fn test_addon(&self, stop: &Stop, on_line: &mut dyn FnMut(&str)) -> Result<Count> {
        self.require_addon()?;
        let database = "addon_tests";
        self.copy_database(BASE, database, stop)?;
        let mut odoo = self.place().odoo("server", database);
        odoo.args(["-i", ADDON, "--skip-auto-install", "--stop-after-init", "--test-enable"])
            .arg(format!("--test-tags=/{ADDON}"))
            .args(["--http-interface=127.0.0.1", "--http-port", &free_port()?.to_string()])
            .args(["--log-level=warn", "--log-handler=odoo.tests.result:INFO"])
            .arg(format!("--log-handler=odoo.addons.{ADDON}:INFO"));
        let mut result = None;
        let mut skipped = 0;
        let status = process::stream(odoo, stop, &mut |line| {
            on_line(line);
            result = count(line).or(result.take());
            skipped += u64::from(tells_of_a_skip(line));
        })?;
        let Some(mut result) = result else {
            bail!("Odoo told no test result ({status})");
        };
        // A test that is not run proves nothing, though Odoo counts it among the good ones.
        result.passed = result.passed.saturating_sub(skipped);
        result.failed += skipped;
        if result.passed + result.failed == 0 {
            bail!("the add-on has no tests");
        }
        if !status.success() && result.failed == 0 {
            bail!("Odoo failed ({status}) although its tests passed");
        }
        Ok(result)
    }

    /// Runs a server with the add-on until interrupted.
    pub(crate) fn serve(&self, stop: &Stop) -> Result<()> {
        self.require_addon()?;
        let database = "bridgecore";
        self.copy_database(WITH_ADDON, database, stop)?;
        let port = free_port()?;
        let mut command = process::tied(&self.install.python, "TERM");
        let place = self.place();
        command
            .args(place.args("server"))
            .arg(format!("--database={database}"))
            .arg(format!("--db-filter=^{database}$"))
            .arg(format!("--data-dir={}", self.files.display()))
            .args(["--http-interface=127.0.0.1", "--http-port", &port.to_string()]);
        place.prepare(&mut command);
        let _server = Service::start(command, &self.log, "TERM", stop, || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        })?;
        println!("Odoo 19 with the add-on: http://127.0.0.1:{port}");
        println!("database {database}, login {LOGIN}, password {PASSWORD}");
        println!("log: {}", self.log.display());
        println!("Ctrl-C stops it; nothing is kept.");
        stop.wait();
        Ok(())
    }

    fn require_addon(&self) -> Result<()> {
        match &self.addon_error {
            None => Ok(()),
            Some(error) => bail!("the add-on is not installed: {error}"),
        }
    }

    fn copy_database(&self, template: &str, name: &str, stop: &Stop) -> Result<()> {
        let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
        self.postgres.sql(SUPERUSER, &statement, stop)?;
        Ok(())
    }

    fn place(&self) -> Place<'_> {
        Place {
            install: &self.install,
            account: self.account,
            port: self.postgres.port,
            addons: &self.addons,
            data: &self.files,
        }
    }
}

/// Whether a line of the log says that one of our tests was skipped.
fn tells_of_a_skip(line: &str) -> bool {
    line.split_once(" odoo.addons.").is_some_and(|(_, rest)| rest.contains(": skipped "))
}

/// Reads `1 failed, 2 error(s) of 30 tests when loading database 'x'`.
fn count(line: &str) -> Option<Count> {
    let (head, _) = line.split_once(" tests when loading database")?;
    let (head, total) = head.rsplit_once(" error(s) of ")?;
    let (head, errors) = head.rsplit_once(" failed, ")?;
    let failures = head.rsplit(' ').next()?;
    let failed = failures.parse::<u64>().ok()? + errors.parse::<u64>().ok()?;
    // One test can fail more than once, in sub-tests.
    Some(Count { passed: total.parse::<u64>().ok()?.saturating_sub(failed), failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_test_is_seen() {
        let line = |text: &str| format!("2026-01-02 03:04:05,678 77 INFO db odoo.addons.x.tests.test_y: {text}");
        assert!(tells_of_a_skip(&line("skipped TestY.test_z : no browser")));
        assert!(!tells_of_a_skip(&line("Starting TestY.test_skipped ...")));
    }

    #[test]
    fn the_result_line_is_counted() {
        let line = |text: &str| format!("2026-01-02 03:04:05,678 77 ERROR db odoo.tests.result: {text}");
        assert_eq!(
            count(&line("1 failed, 2 error(s) of 30 tests when loading database 'db'")),
            Some(Count { passed: 27, failed: 3 })
        );
        assert_eq!(
            count(&line("0 failed, 0 error(s) of 12 tests when loading database 'db'")),
            Some(Count { passed: 12, failed: 0 })
        );
        assert_eq!(count(&line("Starting TestPush.test_one ...")), None);
    }
}
