//! The report, for people and for scripts.

use super::code::Check;
use super::finding::{Finding, Report, Severity, Subject};
use crate::cli::words;
use bridge_model::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Where the text of a finding begins: two spaces, the severity, the check.
const TEXT_COLUMN: usize = 2 + 9 + 16;

/// The report for people. `in_colour` marks the severities for terminals.
pub(super) fn people(report: &Report, in_colour: bool) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "Service");
    section(&mut text, &report.service, in_colour);
    for (subject, findings) in &report.systems {
        let several = report.systems.iter().filter(|(other, _)| other.system_id == subject.system_id).count() > 1;
        let tenant = if several { format!(" of tenant {}", subject.tenant.0) } else { String::new() };
        let _ = writeln!(text, "\nSystem {}{tenant}", subject.system_id);
        section(&mut text, findings, in_colour);
    }
    let _ = writeln!(text, "\n{}", summary(report));
    text
}

fn section(text: &mut String, findings: &[Finding], in_colour: bool) {
    for finding in findings {
        let severity = finding.code.severity();
        let word = format!("{:<9}", severity.as_str());
        let word = if in_colour { format!("\x1b[{}m{word}\x1b[0m", colour(severity)) } else { word };
        let code = if severity == Severity::Ok { String::new() } else { format!(" [{}]", finding.code.as_str()) };
        let _ = writeln!(text, "  {word}{:<16}{}{code}", finding.check.as_str(), finding.seen);
        if let Some(advice) = finding.advice().filter(|_| severity != Severity::Unknown || finding.has_own_advice()) {
            let _ = writeln!(text, "{:TEXT_COLUMN$}-> {advice}", "");
        }
    }
}

fn colour(severity: Severity) -> u8 {
    match severity {
        Severity::Ok => 32,
        Severity::Unknown => 36,
        Severity::Warning => 33,
        Severity::Error => 31,
    }
}

fn summary(report: &Report) -> String {
    let [errors, warnings, unknown, fine] =
        [Severity::Error, Severity::Warning, Severity::Unknown, Severity::Ok].map(|severity| report.count(severity));
    if errors + warnings + unknown == 0 {
        return format!("All is well: {}.", words::count(fine, "check", "checks"));
    }
    format!(
        "{}, {}, {unknown} not checked, {fine} ok.",
        words::count(errors, "error", "errors"),
        words::count(warnings, "warning", "warnings")
    )
}

/// The report for scripts.
pub(super) fn scripts(report: &Report, now: Timestamp) -> Value {
    let count = |severity| report.count(severity);
    let findings: Vec<Value> = report.all().map(|(subject, finding)| line(subject, finding)).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "checked_at": now,
        "exit_code": report.exit_status(),
        "summary": {
            "ok": count(Severity::Ok),
            "warning": count(Severity::Warning),
            "error": count(Severity::Error),
            "unknown": count(Severity::Unknown),
        },
        "findings": findings,
    })
}

fn line(subject: Option<&Subject>, finding: &Finding) -> Value {
    json!({
        "system_id": subject.map(|subject| subject.system_id.as_str()),
        "tenant_id": subject.map(|subject| subject.tenant.0),
        "check": name(finding.check),
        "code": finding.code.as_str(),
        "severity": finding.code.severity(),
        "seen": finding.seen,
        "advice": finding.advice(),
        "facts": finding.facts,
    })
}

/// A check's name without spaces.
fn name(check: Check) -> String {
    check.as_str().replace([' ', '-'], "_")
}
