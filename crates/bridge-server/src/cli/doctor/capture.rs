//! The capture in a system's database: installed, live, current, and read.

use super::code::{Check, Code};
use super::database::Patient;
use super::finding::Findings;
use super::service;
use crate::cli::words;
use crate::ingest::answered_capture_errors;
use bridge_erp::odoo::database::DatabaseErrorKind;
use bridge_erp::odoo::database::capture::{CaptureStatus, TableState, status};
use bridge_model::{ModelClass, Strategy, is_among};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Rows that may wait, and for how long, without anything being wrong.
const ROWS_MAX: i64 = 10_000;
const AGE_MAX: Duration = Duration::from_mins(1);

/// Looks at the capture. The error is what kept it from being looked at.
pub(super) async fn examine(patient: &Patient<'_>, findings: &mut Findings) -> Result<(), String> {
    let captured = patient.models_of(Strategy::Capture).len();
    let status = match status(patient.database).await {
        Ok(status) => status,
        Err(error) if error.kind == DatabaseErrorKind::Denied && captured == 0 => {
            // The role is one for something else.
            findings.fine(Check::Capture, "not used; the role may not look whether it is installed");
            return Ok(());
        }
        Err(error) if error.kind == DatabaseErrorKind::Denied => {
            let seen = format!("{} models are to be seen by it: {}", captured, words::trouble(&error));
            let finding = patient.finding(Check::Capture, Code::CaptureDenied, seen);
            findings.add(finding.with("reader", "that `bridgecore capture install` has made"));
            return Ok(());
        }
        Err(error) => return Err(words::trouble(&error)),
    };
    if !status.installed {
        if captured == 0 {
            findings.fine(Check::Capture, "not installed");
        } else {
            let seen =
                format!("not installed, and {} to be seen by it", words::count(captured, "model is", "models are"));
            findings.add(patient.finding(Check::Capture, Code::CaptureMissing, seen));
        }
        return Ok(());
    }
    if !status.may_read {
        let reader = status.role.clone().unwrap_or_default();
        let seen = format!("{} may not read and empty the outbox", patient.standing.role);
        findings.add(patient.finding(Check::Capture, Code::CaptureDenied, seen).with("reader", reader));
    }
    examine_triggers(patient, &status, findings);
    examine_errors(patient, &status, findings).await?;
    examine_outbox(patient, &status, findings);
    if findings.0.iter().all(|finding| finding.check != Check::Capture) {
        let waiting = status.backlog_rows.saturating_sub(1).max(0);
        findings.fine(
            Check::Capture,
            format!("{} live, {waiting} rows wait", words::count(status.tables.len(), "table is", "tables are")),
        );
    }
    Ok(())
}

fn examine_triggers(patient: &Patient<'_>, status: &CaptureStatus, findings: &mut Findings) {
    let dead: Vec<_> = status.tables.iter().filter(|table| table.state != TableState::Live).collect();
    if !dead.is_empty() {
        let one = |state| {
            let tables: Vec<_> = dead.iter().filter(|table| table.state == state).map(|table| &table.table).collect();
            (!tables.is_empty()).then(|| words::list(tables))
        };
        let missing = one(TableState::Missing).map(|tables| format!("missing on {tables}"));
        let disabled = one(TableState::Disabled).map(|tables| format!("switched off on {tables}"));
        let seen = format!("triggers are {}", [missing, disabled].into_iter().flatten().collect::<Vec<_>>().join(", "));
        let tables: Vec<&str> = dead.iter().map(|table| table.table.as_str()).collect();
        findings.add(patient.finding(Check::Capture, Code::CaptureTriggers, seen).with("tables", tables));
    }
    if !status.functions_are_current {
        let seen = "the trigger functions in the database are not this program's".to_owned();
        findings.add(patient.finding(Check::Capture, Code::CaptureOld, seen));
    }
    let left = if status.of_all_tables { left_out(patient, status) } else { Vec::new() };
    if !left.is_empty() {
        let count = words::count(left.len(), "table is", "tables are");
        let seen = format!("{count} not captured that models were found for since: {}", words::list(&left));
        findings.add(patient.finding(Check::Capture, Code::CaptureIncomplete, seen).with("tables", left));
    }
}

/// Tables of models that are tracked and not captured, although all were to be.
fn left_out(patient: &Patient<'_>, status: &CaptureStatus) -> Vec<String> {
    let config = &patient.cx.config;
    let tracked: BTreeSet<&str> = patient
        .models
        .iter()
        .filter(|model| {
            model.found.class != ModelClass::Transient
                && !is_among(&config.ingest.untracked_models, model.found.model.as_str())
        })
        .filter_map(|model| model.found.table_name.as_deref())
        .collect();
    status.tables_not_captured.iter().filter(|table| tracked.contains(table.as_str())).cloned().collect()
}

/// Errors that the triggers caught and the reader has not answered.
async fn examine_errors(patient: &Patient<'_>, status: &CaptureStatus, findings: &mut Findings) -> Result<(), String> {
    let answered = answered_capture_errors(&patient.cx.store, patient.system).await;
    let answered: BTreeMap<String, i64> = answered.map_err(|error| service::causes(&error))?;
    let open: Vec<_> = status
        .tables
        .iter()
        .map(|table| (&table.table, table.errors - answered.get(&table.table).copied().unwrap_or(0)))
        .filter(|(_, errors)| *errors > 0)
        .collect();
    if !open.is_empty() {
        let tables = words::list(open.iter().map(|(table, errors)| format!("{table} ({errors})")));
        let seen = format!("errors that were not answered: {tables}");
        findings.add(patient.finding(Check::Capture, Code::CaptureErrors, seen));
    }
    Ok(())
}

fn examine_outbox(patient: &Patient<'_>, status: &CaptureStatus, findings: &mut Findings) {
    let age = status.oldest_waiting_age_ms.and_then(|age| u64::try_from(age).ok()).map(Duration::from_millis);
    // The row that was read last always stays.
    let waiting = status.backlog_rows.saturating_sub(1).max(0);
    if waiting <= ROWS_MAX && age.is_none_or(|age| age <= AGE_MAX) {
        return;
    }
    let age = age.map_or(String::new(), |age| format!(", the oldest for {}", words::duration(age)));
    let finding = patient.finding(Check::Capture, Code::CaptureBacklog, format!("{waiting} rows wait{age}"));
    findings.add(finding.with("rows", waiting).with("oldest_ms", status.oldest_waiting_age_ms));
}
