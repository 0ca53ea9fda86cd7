//! `bridgecore doctor`: looks the service and its systems over, and says what is wrong and what to do about it.
//!
//! It only reads: the settings, BridgeCore's database beside the service that works on it, what the service tells of
//! itself, each system over its API and, where the connection names it, the system's database. Nothing that does not
//! answer keeps the rest from being looked at, and of what could not be looked at nothing good is said.

mod capture;
mod code;
mod database;
#[cfg(test)]
mod documented;
mod erp;
mod finding;
mod models;
mod print;
mod service;
mod skew;
mod told;
mod wal;

use super::words;
use crate::config::Config;
use crate::erps::parse_connection;
use crate::language::Texts;
use anyhow::Context as _;
use bridge_erp::Connection;
use bridge_erp::pool::ClientOptions;
use bridge_model::{Clock, Entropy};
use bridge_store::{LeftSlot, Store, System};
use clap::Args;
use code::{Check, Code};
use finding::{Finding, Findings, Report, Subject};
use futures_util::StreamExt as _;
use service::{ServiceState, TellTale};
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The config file of the service
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Look only at the system of this name, besides the service
    #[arg(long, value_name = "ID")]
    system: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How long each part of each system may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout_s: u64,
}

/// How many systems are looked at at once.
const SYSTEMS_AT_ONCE: usize = 8;

/// What the checks of systems work with.
struct Examination {
    config: Config,
    store: Store,
    clock: Arc<dyn Clock>,
    texts: Texts,
    options: ClientOptions,
    /// What the running service tells of itself; `None` if none answers.
    told: Option<TellTale>,
    /// The slots of registered systems, by which others are told apart.
    slots: BTreeSet<String>,
    /// The slots that deleted systems were read through.
    left: Vec<LeftSlot>,
    /// How long a part of a system may take.
    patience: Duration,
}

/// Looks and prints what was found. The exit code is 2 if there is an error among it, else 1 for a warning, else 3 if
/// something could not be looked at, else 0.
pub async fn run(arguments: Arguments, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<ExitCode> {
    let report = examine(&arguments, &clock, entropy).await?;
    if arguments.json {
        println!("{:#}", print::scripts(&report, clock.now()));
    } else {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        print!("{}", print::people(&report, std::io::stdout().is_terminal() && !set("NO_COLOR")));
    }
    Ok(report.exit_code())
}

async fn examine(arguments: &Arguments, clock: &Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let patience = Duration::from_secs(arguments.timeout_s);
    let ServiceState { mut findings, opened, told } =
        service::examine(arguments.config.as_deref(), clock, &entropy, patience).await;
    let Some((config, store)) = opened else {
        findings.complete(&[Check::Systems], "BridgeCore's database can't be read");
        report.service = findings.0;
        return Ok(report);
    };
    let systems = match store.all_systems().await {
        Ok(systems) => systems,
        Err(error) => {
            findings.unchecked(Check::Systems, &service::causes(&error));
            report.service = findings.0;
            return Ok(report);
        }
    };
    let options = ClientOptions {
        connect_timeout_ms: config.erp.connect_timeout_ms.min(CONNECT_MS_MAX),
        call_timeout_ms: config.erp.call_timeout_ms.min(CALL_MS_MAX),
        reply_bytes_max: config.erp.reply_bytes_max,
        retries_max: 1,
        outbound: config.outbound.gate(),
        entropy,
        ..ClientOptions::default()
    };
    let mut slots = BTreeSet::new();
    for system in &systems {
        // A slot that is not known here would be told of as left behind, which it is not.
        let place = store.wal_place(system.tenant, system.key).await.context("read how far logs were read")?;
        slots.extend(place.map(|place| place.slot).filter(|slot| !slot.is_empty()));
    }
    let left = store.left_slots().await.context("read the slots of deleted systems")?;
    let chosen = choose(arguments.system.as_deref(), systems, &mut findings);
    let texts = Texts::new().context("read the messages")?;
    let cx = Examination { config, store, clock: Arc::clone(clock), texts, options, told, slots, left, patience };
    let examined: Vec<_> = futures_util::stream::iter(&chosen)
        .map(|system| examine_system(&cx, system))
        .buffered(SYSTEMS_AT_ONCE)
        .collect()
        .await;
    let seen: BTreeSet<String> = examined.iter().flat_map(|(_, slots)| slots.iter().cloned()).collect();
    if arguments.system.is_none() {
        service::examine_left_slots(&cx.left, &seen, &mut findings);
    }
    report.service = findings.0;
    report.systems = chosen
        .into_iter()
        .zip(examined)
        .map(|(system, (findings, _))| (Subject { tenant: system.tenant, system_id: system.system_id }, findings.0))
        .collect();
    Ok(report)
}

/// The longest that a connection and a call may take here, whatever the service allows: a person is waiting.
const CONNECT_MS_MAX: u64 = 5_000;
const CALL_MS_MAX: u64 = 10_000;

/// The systems that are to be looked at.
fn choose(wanted: Option<&str>, systems: Vec<System>, findings: &mut Findings) -> Vec<System> {
    let Some(wanted) = wanted else {
        if systems.is_empty() {
            findings.add(Finding::new(Check::Systems, Code::NoSystems, "no system is registered"));
        }
        return systems;
    };
    let known = words::list(systems.iter().map(|system| &system.system_id));
    let chosen: Vec<_> = systems.into_iter().filter(|system| system.system_id.as_str() == wanted).collect();
    if chosen.is_empty() {
        let known = if known.is_empty() { "(none is registered)".to_owned() } else { known };
        let finding = Finding::new(Check::Systems, Code::SystemNotFound, format!("there is no system {wanted:?}"));
        findings.add(finding.with("known", known));
    }
    chosen
}

const OF_THE_ERP: &[Check] = &[Check::Reach, Check::ErpClock, Check::Credential, Check::Rights, Check::Addon];
const OF_THE_STORE: &[Check] = &[Check::Models, Check::Sources];

/// Looks at a system. Answers also which slots of ours its server has.
async fn examine_system(cx: &Examination, system: &System) -> (Findings, BTreeSet<String>) {
    let mut findings = Findings::default();
    let connection = match connection(cx, system) {
        Ok(connection) => connection,
        Err(reason) => {
            let finding = Finding::new(Check::Connection, Code::ConnectionUnreadable, reason);
            findings.add(finding.with("system", system.system_id.as_str()));
            findings.complete(OF_THE_ERP, "its connection can't be read");
            findings.complete(OF_THE_STORE, "its connection can't be read");
            return (findings, BTreeSet::new());
        }
    };
    if !system.is_active {
        findings.fine(Check::Connection, "inactive: it is not read and may not push");
        let (of_database, slots) = database::examine(cx, system, &connection).await;
        findings.0.extend(of_database.0);
        return (findings, slots);
    }
    let (of_erp, (of_database, slots), of_store) = tokio::join!(
        within(cx, OF_THE_ERP, async |findings| erp::examine(cx, system, &connection, findings).await),
        database::examine(cx, system, &connection),
        within(cx, OF_THE_STORE, async |findings| models::examine(cx, system, findings).await),
    );
    for part in [of_erp, of_database, of_store] {
        findings.0.extend(part.0);
    }
    (findings, slots)
}

fn connection(cx: &Examination, system: &System) -> Result<Connection, String> {
    if let Some(error) = &system.connection_error {
        return Err(service::causes(error));
    }
    let mut connection = parse_connection(&system.connection).map_err(|problem| cx.texts.english(&problem.message))?;
    connection.timeout_ms = connection.timeout_ms.map(|timeout_ms| timeout_ms.min(CALL_MS_MAX));
    Ok(connection)
}

/// Does a part of the examination within its time. What it has no finding about when it ends is not checked, for the
/// reason that it gave.
async fn within(
    cx: &Examination,
    checks: &[Check],
    part: impl AsyncFnOnce(&mut Findings) -> Result<(), String>,
) -> Findings {
    let mut findings = Findings::default();
    let obstacle = match tokio::time::timeout(cx.patience, part(&mut findings)).await {
        Ok(Ok(())) => "nothing was found out".to_owned(),
        Ok(Err(obstacle)) => obstacle,
        Err(_) => format!("it took longer than {}", words::duration(cx.patience)),
    };
    findings.complete(checks, &obstacle);
    findings
}
