//! The cases, in the order of the page.

mod bulkhead;
mod devices;
mod fanout;
mod migration;
mod pull;
mod receive;
mod records;
mod start;

use crate::machine::Machine;
use crate::report::Report;
use crate::service::{Database, Program, Service};
use crate::{RunArgs, kept, seed};
use anyhow::Context as _;
use std::time::Duration;

/// The length of the short log.
const SHORT_LOG: i64 = 10_000;

/// What every case needs.
pub(crate) struct Bench<'a> {
    pub(crate) args: &'a RunArgs,
    pub(crate) floor: Program,
    pub(crate) erp: Program,
    pub(crate) report: Report,
}

impl Bench<'_> {
    pub(crate) fn turn_time(&self) -> Duration {
        Duration::from_millis(self.args.turn_ms)
    }

    fn wants(&self, case: &str) -> bool {
        self.args.only.as_deref().is_none_or(|only| case.contains(only))
    }

    async fn service(&self, database: Database, changes: i64) -> anyhow::Result<Service> {
        let service = Service::create(&self.args.bridgecore, database, self.erp.address, &[]).await?;
        if changes == 0 {
            return Ok(service);
        }
        service
            .restarted_after(async |database| {
                let rate = seed::fill(database, changes).await?;
                eprintln!("  filled a {} log of {changes} changes, {rate:.0}/s", database.name);
                Ok(())
            })
            .await
    }
}

/// Runs what was asked for, prints it, and writes the page unless only some cases were asked for.
pub(crate) async fn run_all(args: &RunArgs) -> anyhow::Result<()> {
    let machine = Machine::look(&args.folder)?;
    let mut bench = Bench {
        args,
        floor: Program::start_own("floor-server").await.context("start the floor's server")?,
        erp: Program::start_own("demo-erp").await.context("start the demo ERP")?,
        report: Report::default(),
    };
    if bench.wants("migration") {
        migration::measure(&mut bench).context("migration")?;
    }
    on_sqlite(&mut bench).await.context("on SQLite")?;
    if let Some(url) = &args.postgres_url
        && bench.wants("postgres")
    {
        on_postgres(&mut bench, url).await.context("on PostgreSQL")?;
    }
    let measured = bench.report.text(&machine, args);
    if args.only.is_some() {
        println!("{measured}");
        return Ok(());
    }
    let old = std::fs::read_to_string(&args.page).unwrap_or_default();
    std::fs::write(&args.page, kept::page(&old, &measured))
        .with_context(|| format!("write {}", args.page.display()))?;
    println!("{measured}\nwritten to {}", args.page.display());
    Ok(())
}

async fn on_sqlite(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let folder = &bench.args.folder;
    if bench.wants("start") {
        let service = bench.service(Database::sqlite(folder, "start")?, SHORT_LOG).await?;
        start::measure(bench, service).await.context("start")?;
    }
    if bench.wants("receive") {
        let service = bench.service(Database::sqlite(folder, "receive")?, SHORT_LOG).await?;
        receive::measure(bench, &service).await.context("receive")?;
        service.program.stop().await?;
    }
    if bench.wants("pull") {
        let service = bench.service(Database::sqlite(folder, "pull")?, SHORT_LOG).await?;
        pull::nothing_new(bench, &service).await.context("pull with nothing new")?;
        pull::hundred(bench, &service).await.context("pull of 100 changes")?;
        service.program.stop().await?;
    }
    if bench.wants("devices") {
        let service = bench.service(Database::sqlite(folder, "devices")?, SHORT_LOG).await?;
        devices::measure(bench, &service).await.context("10,000 devices")?;
        service.program.stop().await?;
    }
    if bench.wants("long") {
        let long_log = if bench.args.full { 10_000_000 } else { 2_000_000 };
        let long = bench.service(Database::sqlite(folder, "long")?, long_log).await?;
        let short = bench.service(Database::sqlite(folder, "short")?, SHORT_LOG).await?;
        pull::long_log(bench, &short, &long, long_log, pull::From::Tail).await.context("the long log")?;
        let (short, long) = (short.without_tail().await?, long.without_tail().await?);
        pull::long_log(bench, &short, &long, long_log, pull::From::Database).await.context("the long log, read")?;
        short.program.stop().await?;
        long.program.stop().await?;
    }
    if bench.wants("records") {
        let (program, settings) = (&bench.args.bridgecore, &records::SETTINGS);
        let service =
            Service::create(program, Database::sqlite(folder, "records")?, bench.erp.address, settings).await?;
        service.open_reading("res.partner").await?;
        records::cached(bench, &service).await.context("cached read")?;
        records::added(bench, &service).await.context("read passed on")?;
        service.program.stop().await?;
        let slow = Program::start_own("slow-demo-erp").await.context("start the slow demo ERP")?;
        let database = Database::sqlite(folder, "records-slow")?;
        let service = Service::create(program, database, slow.address, settings).await?;
        service.open_reading("res.partner").await?;
        records::behind_slow_erp(bench, &service, &slow).await.context("read passed on to a slow ERP")?;
        service.program.stop().await?;
    }
    if bench.wants("bulkhead") {
        let (program, database) = (&bench.args.bridgecore, Database::sqlite(folder, "bulkhead")?);
        let service = Service::create(program, database, bench.erp.address, &bulkhead::SETTINGS).await?;
        service.open_reading("res.partner").await?;
        let service = bulkhead::measure(bench, service).await.context("bulkhead")?;
        service.program.stop().await?;
    }
    if bench.wants("fanout") {
        let service = bench.service(Database::sqlite(folder, "fanout")?, 0).await?;
        fanout::measure(bench, &service).await.context("fan-out")?;
        service.program.stop().await?;
    }
    Ok(())
}

async fn on_postgres(bench: &mut Bench<'_>, url: &str) -> anyhow::Result<()> {
    let folder = bench.args.folder.join("postgres");
    std::fs::create_dir_all(&folder).context("create a folder")?;
    let database = Database { name: "PostgreSQL", url: url.to_owned(), folder };
    let service = bench.service(database, SHORT_LOG).await?;
    pull::nothing_new(bench, &service).await.context("pull with nothing new")?;
    pull::hundred(bench, &service).await.context("pull of 100 changes")?;
    receive::measure(bench, &service).await.context("receive")?;
    service.program.stop().await
}
