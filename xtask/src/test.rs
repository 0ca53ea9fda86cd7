//! `cargo xtask test`: everything that must hold before a change lands.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{
    account::Account,
    cache::Cache,
    checks, odoo,
    process::Stop,
    provision,
    report::{Count, Report},
    rust_tests,
    s3::{self, S3},
    services::{Durability, Postgres, Redis, Revived, RunDir},
};

/// A part of the run that can be asked for alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Formatting, lints, licences, our own rules.
    Checks,
    /// The Rust tests, with the services they need.
    Rust,
    /// The add-on's own tests in a real Odoo.
    Odoo,
}

/// What of the run was asked for.
pub(crate) struct Selection {
    /// One part alone.
    pub(crate) only: Option<Part>,
    /// Rust packages to test; empty means all.
    pub(crate) packages: Vec<String>,
    /// Arguments for the Rust test binaries.
    pub(crate) rest: Vec<String>,
}

impl Selection {
    fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

/// Runs what was asked for, prints the report, and answers whether all of it passed.
///
/// A step that fails does not keep the later ones from running. A service that can't be
/// started is a failure; no test is ever skipped for it.
pub(crate) fn run(selection: &Selection, stop: &Stop) -> Result<ExitCode> {
    let mut report = Report::default();
    if selection.wants(Part::Checks) {
        run_checks(&mut report, stop);
    }
    if selection.wants(Part::Rust) || selection.wants(Part::Odoo) {
        run_tests(selection, &mut report, stop)?;
    }
    print!("{}", report.text());
    Ok(if report.failed() || stop.asked() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn run_checks(report: &mut Report, stop: &Stop) {
    report.step("fmt", || checks::fmt(stop));
    report.step("tidy", || checks::tidy(stop));
    report.step("clippy", || checks::clippy(stop));
    report.step("deny", || {
        let cargo_deny = provision::cargo_deny(&Cache::open(stop)?, stop)?;
        checks::deny(&cargo_deny, stop)
    });
}

fn run_tests(selection: &Selection, report: &mut Report, stop: &Stop) -> Result<()> {
    let run = RunDir::create()?;
    let account = report.step_with("packages", || Ok((Count::NOTHING, provision::system(stop)?)));
    let services = report.step_with("services", || {
        let account = account.context("needs the packages")?;
        Ok((Count::NOTHING, Services::start(&run, account, stop)?))
    });
    let session = report.step_with("odoo", || {
        let account = account.context("needs the packages")?;
        let cache = Cache::open(stop)?;
        Ok((Count::NOTHING, odoo::Session::start(&cache, &run, account, stop)?))
    });
    if selection.wants(Part::Odoo) {
        report.step("add-on tests", || {
            let Some(session) = &session else { bail!("needs Odoo") };
            session.test_addon(stop, &mut |line| println!("{line}"))
        });
    }
    if selection.wants(Part::Rust) {
        report.step("rust tests", || {
            let mut environment = Vec::new();
            if let Some(services) = &services {
                environment.extend(services.environment());
            }
            if let Some(session) = &session {
                let description = run.path("odoo.json");
                session.describe(&description)?;
                environment.push(("BRIDGECORE_TEST_ODOO", description.display().to_string()));
            }
            rust_tests::run(selection, &environment, stop)
        });
    }
    Ok(())
}

/// The servers that Rust tests share; each test makes databases and key prefixes of its own.
struct Services {
    postgres: Postgres,
    /// Where ERPs' databases are that tests kill.
    erp: Revived,
    redis: Redis,
    s3: S3,
}

impl Services {
    fn start(run: &RunDir, account: Account, stop: &Stop) -> Result<Self> {
        let data = run.folder("postgres", account)?;
        Postgres::init(&data, "postgres", account, stop)?;
        let log = run.path("postgres.log");
        let postgres = Postgres::start(&data, &log, Durability::Synced, account, stop)?;
        let erp = Revived::create(run, account, stop)?;
        let dir = run.folder("redis", account)?;
        let redis = Redis::start(&dir, &run.path("redis.log"), account, stop)?;
        let python = s3::install(&Cache::open(stop)?, stop)?;
        let s3 = S3::start(&python, run, account, stop)?;
        Ok(Self { postgres, erp, redis, s3 })
    }

    fn environment(&self) -> [(&'static str, String); 4] {
        let (postgres, redis) = (self.postgres.port, self.redis.port);
        [
            ("BRIDGECORE_TEST_POSTGRES_URL", format!("postgres://postgres@127.0.0.1:{postgres}/postgres")),
            ("BRIDGECORE_TORTURE_ERP_URL", self.erp.url()),
            ("BRIDGECORE_TEST_REDIS_URL", format!("redis://127.0.0.1:{redis}")),
            ("BRIDGECORE_TEST_S3", self.s3.description.display().to_string()),
        ]
    }
}
