//! A system's own PostgreSQL, where its connection names it.

use super::code::{Check, Code};
use super::finding::{Finding, Findings};
use super::{Examination, capture, skew, wal, within};
use crate::cli::words;
use bridge_erp::Connection;
use bridge_erp::odoo::database::{Database, DatabaseError, DatabaseErrorKind, DatabaseOptions, Standing, standing};
use bridge_model::{ModelName, Strategy};
use bridge_store::{Choice, System, TrackedModel};
use std::collections::BTreeSet;

const CHECKS: &[Check] = &[Check::Database, Check::DatabaseClock, Check::Capture, Check::Wal];

/// The oldest PostgreSQL that capture and WAL work with.
const VERSION_MIN: i32 = 120_000;

/// What every check of a database works with.
pub(super) struct Patient<'a> {
    pub(super) cx: &'a Examination,
    pub(super) system: &'a System,
    pub(super) database: &'a Database,
    pub(super) name: String,
    pub(super) standing: Standing,
    pub(super) models: Vec<TrackedModel>,
}

impl Patient<'_> {
    /// A finding; the advice may name the database and the role.
    pub(super) fn finding(&self, check: Check, code: Code, seen: String) -> Finding {
        Finding::new(check, code, seen)
            .with("system", self.system.system_id.as_str())
            .with("database", self.name.as_str())
            .with("role", self.standing.role.as_str())
    }

    /// The models that a strategy owns, is taking over, or was chosen for.
    pub(super) fn models_of(&self, strategy: Strategy) -> Vec<&TrackedModel> {
        let is_its = |model: &&TrackedModel| {
            self.system.is_active
                && (model.owner == Some(strategy)
                    || model.successor == Some(strategy)
                    || model.choice == Choice::Strategy(strategy))
        };
        self.models.iter().filter(is_its).collect()
    }
}

/// Looks at the database, if the connection names one. Answers also the slots of ours that its server has.
pub(super) async fn examine(
    cx: &Examination,
    system: &System,
    connection: &Connection,
) -> (Findings, BTreeSet<String>) {
    let mut slots = BTreeSet::new();
    let Some(url) = &connection.postgres_url else { return (Findings::default(), slots) };
    let findings = within(cx, CHECKS, async |findings| look(cx, system, url, findings, &mut slots).await).await;
    (findings, slots)
}

async fn look(
    cx: &Examination,
    system: &System,
    url: &str,
    findings: &mut Findings,
    slots: &mut BTreeSet<String>,
) -> Result<(), String> {
    let options = DatabaseOptions {
        application_name: "bridgecore doctor".to_owned(),
        connect_timeout_ms: cx.options.connect_timeout_ms,
        statement_timeout_ms: cx.options.call_timeout_ms,
        outbound: cx.options.outbound.clone(),
    };
    let database = match Database::connect(url, &options).await {
        Ok(database) => database,
        Err(error) => {
            findings.add(Finding::new(Check::Database, code_of(&error), words::trouble(&error)));
            return Err("the database can't be reached".to_owned());
        }
    };
    let failed = |error: DatabaseError| words::trouble(&error);
    let before = cx.clock.now();
    let standing = standing::standing(&database).await.map_err(failed)?;
    let asked = (before, cx.clock.now());
    let skewed = skew::judge(Check::DatabaseClock, "the database's server", standing.clock, asked);
    let name = database.query_opt("SELECT current_database()::text", &[]).await.map_err(failed)?;
    let name = name.map_or(Ok(String::new()), |row| row.try_get(0).map_err(|error| failed(error.into())))?;
    let models = cx.store.tracked_models(system.tenant, system.key).await;
    let models = models.map_err(|error| super::service::causes(&error))?;
    let patient = Patient { cx, system, database: &database, name, standing, models };
    let place = examine_place(&patient, findings).await;
    match skewed {
        Some(finding) => findings.add(finding),
        None => findings.fine(Check::DatabaseClock, "as this machine's, to a few seconds"),
    }
    // Also where nothing else can be looked at: these cost the server's disk.
    wal::examine_slots(&patient, findings, slots).await?;
    place?;
    if !system.is_active {
        let reason = "the system is inactive";
        findings.complete(&[Check::Capture, Check::Wal], reason);
        return Ok(());
    }
    if let Err(obstacle) = capture::examine(&patient, findings).await {
        findings.complete(&[Check::Capture], &obstacle);
    }
    wal::examine(&patient, findings).await
}

/// Whether it is the right database, and the right role.
async fn examine_place(patient: &Patient<'_>, findings: &mut Findings) -> Result<(), String> {
    let Standing { version, role, is_superuser, .. } = &patient.standing;
    let seen = format!("PostgreSQL {}.{}, {} as {role}", version / 10_000, version % 10_000, patient.name);
    if *version < VERSION_MIN {
        findings.add(patient.finding(Check::Database, Code::DatabaseOld, seen));
        return Err("the database's server is too old".to_owned());
    }
    let models = match standing::models(patient.database).await {
        Ok(models) => models,
        Err(error) if error.kind == DatabaseErrorKind::Missing => {
            let seen = format!("{seen}: there is no table ir_model");
            findings.add(patient.finding(Check::Database, Code::DatabaseNotOdoo, seen));
            return Err("there is no Odoo in the database".to_owned());
        }
        Err(error) => {
            let seen = format!("{seen}: {}", words::trouble(&error));
            findings.add(patient.finding(Check::Database, code_of(&error), seen));
            return Err("the database can't be asked".to_owned());
        }
    };
    let known: BTreeSet<&ModelName> = patient.models.iter().map(|model| &model.found.model).collect();
    let missing = known.iter().filter(|model| !models.contains(**model)).count();
    // A few are usual, while modules are installed.
    if missing > known.len() / 4 {
        let seen = format!("{seen}: it lacks {missing} of the {} models that were found over the API", known.len());
        findings.add(patient.finding(Check::Database, Code::DatabaseOther, seen));
    } else if *is_superuser {
        findings.add(patient.finding(Check::Database, Code::DatabaseSuperuser, seen));
    } else {
        findings.fine(Check::Database, seen);
    }
    Ok(())
}

/// The code of an error that says nothing of what was asked for.
pub(super) fn code_of(error: &DatabaseError) -> Code {
    match error.kind {
        DatabaseErrorKind::Unreachable | DatabaseErrorKind::Unavailable | DatabaseErrorKind::Timeout => {
            Code::DatabaseUnreachable
        }
        DatabaseErrorKind::AddressRefused => Code::AddressRefused,
        DatabaseErrorKind::Refused | DatabaseErrorKind::InvalidUrl => Code::DatabaseRefused,
        DatabaseErrorKind::Denied | DatabaseErrorKind::Missing | DatabaseErrorKind::Failed => Code::DatabaseFailed,
    }
}
