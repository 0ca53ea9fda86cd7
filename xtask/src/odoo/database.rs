//! The database clusters with ready-made Odoo databases that runs copy.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{
    ADDON,
    install::{self, Install},
};
use crate::{
    account::Account,
    cache::Cache,
    process::{Stop, capture, capture_with},
    services::{Durability, Postgres, RunDir, postgres_version},
    workspace,
};

/// The superuser of the clusters that Odoo uses.
pub(crate) const SUPERUSER: &str = "odoo";
/// The database with the modules below and no demo data.
pub(crate) const BASE: &str = "odoo_base";
/// The same, and goods that are bought go through the stock.
pub(crate) const BUSINESS: &str = "odoo_business";
/// `BASE` with the public `auditlog`.
pub(crate) const AUDITED: &str = "odoo_audited";
/// `BASE` with our add-on.
pub(crate) const WITH_ADDON: &str = "odoo_bridgecore";

const MODULES: &str = "contacts,sale_management,purchase,stock";

/// What `BUSINESS` has beyond that.
const BUSINESS_MODULES: &str = "purchase_stock";

/// Raised when the recipe below changes, so that what older recipes made is made again.
const RECIPE: u32 = 1;

/// Attachments go into the database itself, so that a copied database is complete.
const KEEP_FILES_IN_DATABASE: &str = "\
env['ir.config_parameter'].sudo().set_param('ir_attachment.location', 'db')
env['ir.attachment'].sudo().force_storage()
env.cr.commit()
";

/// Odoo's settings that every start shares, and where it keeps files.
pub(crate) struct Place<'a> {
    pub(crate) install: &'a Install,
    pub(crate) account: Account,
    pub(crate) port: u16,
    /// Folders with add-ons beside Odoo's own.
    pub(crate) addons: &'a [PathBuf],
    /// A folder that the account may write.
    pub(crate) data: &'a Path,
}

impl Place<'_> {
    /// The arguments after the interpreter, up to but without the database: script, command,
    /// connection and add-ons.
    pub(crate) fn args(&self, subcommand: &str) -> Vec<String> {
        let mut addons = self.install.addons.display().to_string();
        for more in self.addons {
            addons = format!("{addons},{}", more.display());
        }
        vec![
            self.install.odoo_bin.display().to_string(),
            subcommand.to_owned(),
            "--db_host=127.0.0.1".to_owned(),
            format!("--db_port={}", self.port),
            format!("--db_user={SUPERUSER}"),
            format!("--addons-path={addons}"),
            "--max-cron-threads=0".to_owned(),
        ]
    }

    /// Odoo on one database, as the unprivileged account.
    pub(crate) fn odoo(&self, subcommand: &str, database: &str) -> Command {
        let mut command = Command::new(&self.install.python);
        command.args(self.args(subcommand)).arg(format!("--database={database}"));
        command.arg(format!("--data-dir={}", self.data.display()));
        self.prepare(&mut command);
        command
    }

    /// Gives a command that runs Odoo its account and a home that is not the caller's.
    pub(crate) fn prepare(&self, command: &mut Command) {
        self.account.apply(command);
        command.current_dir("/").env("HOME", self.data).env_remove("ODOO_RC");
    }
}

/// A cluster that others are made from.
pub(crate) struct Cluster {
    /// PostgreSQL's data folder. Not to be started: runs copy it.
    pub(crate) data: PathBuf,
    key: String,
}

/// The cluster with the database `BASE`, made once.
pub(crate) fn base_cluster(cache: &Cache, install: &Install, account: Account, stop: &Stop) -> Result<Cluster> {
    let postgres = postgres_version()?;
    let key = format!("{RECIPE} {MODULES} {KEEP_FILES_IN_DATABASE} {postgres}\n{}", install.key);
    let dir = cache.ensure("odoo-cluster", &key, |dir| {
        let run = RunDir::create()?;
        let data = dir.join("data");
        fs::create_dir(&data)?;
        account.own(&data)?;
        Postgres::init(&data, SUPERUSER, account, stop)?;
        let postgres = Postgres::start(&data, &run.path("log"), Durability::Fast, account, stop)?;
        let files = run.folder("files", account)?;
        let place = Place { install, account, port: postgres.port, addons: &[], data: &files };
        let mut odoo = place.odoo("server", BASE);
        odoo.args(["-i", MODULES, "--skip-auto-install"]);
        odoo.args(["--stop-after-init", "--no-http", "--log-level=warn"]);
        let log = capture(odoo, stop)?;
        refuse_errors(&log)?;
        let mut shell = place.odoo("shell", BASE);
        shell.args(["--no-http", "--log-level=warn"]);
        capture_with(shell, stop, KEEP_FILES_IN_DATABASE)?;
        seal(&postgres, BASE, stop)
    })?;
    Ok(Cluster { data: dir.join("data"), key })
}

/// The same with `BUSINESS` and `AUDITED`.
pub(crate) fn business_cluster(
    cache: &Cache,
    install: &Install,
    base: &Cluster,
    account: Account,
    stop: &Stop,
) -> Result<Cluster> {
    let key = format!("{}\nbusiness {BUSINESS_MODULES}", base.key);
    let dir = cache.ensure("odoo-business-cluster", &key, |dir| {
        let more = More::start(dir, base, install, account, stop)?;
        more.install(BUSINESS, BUSINESS_MODULES, &[], stop)?;
        seal(&more.postgres, BUSINESS, stop)?;
        more.install(AUDITED, install::AUDITLOG, std::slice::from_ref(&install.auditlog), stop)?;
        seal(&more.postgres, AUDITED, stop)
    })?;
    Ok(Cluster { data: dir.join("data"), key })
}

/// The same with `WITH_ADDON`, made again when the add-on's files change.
pub(crate) fn addon_cluster(
    cache: &Cache,
    install: &Install,
    business: &Cluster,
    account: Account,
    stop: &Stop,
) -> Result<PathBuf> {
    let sources = addon_sources();
    if !sources.join(ADDON).is_dir() {
        bail!("odoo/addons/{ADDON} does not exist");
    }
    let key = format!("{}\nadd-on {:x}", business.key, hash_of(&sources)?);
    let dir = cache.ensure("odoo-whole-cluster", &key, |dir| {
        let more = More::start(dir, business, install, account, stop)?;
        let addons = more.run.path("addons");
        copy_addons(&addons, stop)?;
        more.install(WITH_ADDON, ADDON, &[addons], stop)?;
        seal(&more.postgres, WITH_ADDON, stop)
    })?;
    Ok(dir.join("data"))
}

/// A copy of a cluster that gets more databases.
struct More<'a> {
    run: RunDir,
    postgres: Postgres,
    install: &'a Install,
    account: Account,
    files: PathBuf,
}

impl<'a> More<'a> {
    fn start(dir: &Path, of: &Cluster, install: &'a Install, account: Account, stop: &Stop) -> Result<Self> {
        let data = dir.join("data");
        copy(&of.data, &data, stop)?;
        let run = RunDir::create()?;
        let postgres = Postgres::start(&data, &run.path("log"), Durability::Fast, account, stop)?;
        let files = run.folder("files", account)?;
        Ok(Self { run, postgres, install, account, files })
    }

    fn place<'b>(&'b self, addons: &'b [PathBuf]) -> Place<'b> {
        let Self { install, account, postgres, files, .. } = self;
        Place { install, account: *account, port: postgres.port, addons, data: files }
    }

    /// Makes a copy of `BASE` with these modules, and sees to it that the last of them is there.
    fn install(&self, database: &str, modules: &str, addons: &[PathBuf], stop: &Stop) -> Result<()> {
        self.postgres.sql(SUPERUSER, &format!("CREATE DATABASE {database} TEMPLATE {BASE}"), stop)?;
        let mut odoo = self.place(addons).odoo("server", database);
        odoo.args(["-i", modules, "--skip-auto-install"]);
        odoo.args(["--stop-after-init", "--no-http", "--log-level=warn"]);
        let log = capture(odoo, stop)?;
        refuse_errors(&log)?;
        let last = modules.rsplit(',').next().unwrap_or(modules);
        let state = format!("SELECT state FROM ir_module_module WHERE name = '{last}'");
        let state = self.postgres.sql_in(database, SUPERUSER, &state, stop)?;
        if state.trim() != "installed" {
            bail!("{last} is not installed ({}):\n{log}", state.trim());
        }
        Ok(())
    }
}

/// Copies a stopped cluster.
pub(crate) fn copy(from: &Path, to: &Path, stop: &Stop) -> Result<()> {
    let mut copy = Command::new("cp");
    copy.args(["-a", "--reflink=auto", "-T"]).arg(from).arg(to);
    capture(copy, stop).context("copy a database cluster")?;
    Ok(())
}

/// Copies our add-ons to a place that the unprivileged account can read.
pub(crate) fn copy_addons(to: &Path, stop: &Stop) -> Result<()> {
    let mut copy = Command::new("cp");
    copy.args(["-r", "-T"]).arg(addon_sources()).arg(to);
    capture(copy, stop).context("copy the add-ons")?;
    let mut open = Command::new("chmod");
    open.args(["-R", "a+rX"]).arg(to);
    capture(open, stop).context("open the copied add-ons")?;
    Ok(())
}

fn addon_sources() -> PathBuf {
    workspace::root().join("odoo/addons")
}

/// Keeps a finished database as it is: copies can be made of it, but nobody can enter it.
fn seal(postgres: &Postgres, database: &str, stop: &Stop) -> Result<()> {
    let statement = format!("ALTER DATABASE {database} IS_TEMPLATE true ALLOW_CONNECTIONS false");
    postgres.sql(SUPERUSER, &statement, stop)?;
    Ok(())
}

/// Odoo ends with success although a module failed to load; its log tells.
fn refuse_errors(log: &str) -> Result<()> {
    let is_error = |line: &&str| {
        let level = line.split(' ').nth(3);
        matches!(level, Some("ERROR" | "CRITICAL"))
    };
    if log.lines().any(|line| is_error(&line)) {
        bail!("Odoo logged an error:\n{log}");
    }
    Ok(())
}

fn hash_of(dir: &Path) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    hash_into(&mut hasher, dir)?;
    Ok(hasher.finish())
}

fn hash_into(hasher: &mut DefaultHasher, dir: &Path) -> Result<()> {
    let mut entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if name == "__pycache__" {
            continue;
        }
        name.hash(hasher);
        if entry.file_type()?.is_dir() {
            hash_into(hasher, &entry.path())?;
        } else {
            fs::read(entry.path())?.hash(hasher);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_odoos_log_is_refused_and_a_warning_is_not() {
        let line = |level: &str| format!("2026-01-02 03:04:05,678 77 {level} db odoo.x: text\n");
        assert!(refuse_errors(&line("WARNING")).is_ok());
        assert!(refuse_errors("a warning that talks of an ERROR").is_ok());
        assert!(refuse_errors(&line("ERROR")).is_err());
        assert!(refuse_errors(&(line("INFO") + &line("CRITICAL"))).is_err());
    }

    #[test]
    fn the_hash_of_a_folder_follows_names_and_contents_but_not_compiled_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("module/__pycache__")).unwrap();
        let file = dir.path().join("module/model.py");
        fs::write(&file, "a = 1").unwrap();
        let first = hash_of(dir.path()).unwrap();
        fs::write(dir.path().join("module/__pycache__/model.pyc"), "compiled").unwrap();
        assert_eq!(hash_of(dir.path()).unwrap(), first);
        fs::write(&file, "a = 2").unwrap();
        let second = hash_of(dir.path()).unwrap();
        assert_ne!(second, first);
        fs::rename(&file, dir.path().join("module/other.py")).unwrap();
        assert_ne!(hash_of(dir.path()).unwrap(), second);
    }
}
