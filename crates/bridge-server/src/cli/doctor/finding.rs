//! What was found, and what that comes to.

use super::code::{Check, Code};
use bridge_model::{SystemId, TenantId};
use serde::Serialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// Nothing is wrong.
    Ok,
    /// It could not be looked at.
    Unknown,
    /// It works, and somebody should do something.
    Warning,
    /// It does not work.
    Error,
}

impl Severity {
    /// The word for people and scripts.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A system that findings are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) tenant: TenantId,
    pub(super) system_id: SystemId,
}

/// One thing that was found.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) check: Check,
    pub(super) code: Code,
    /// What was seen, with numbers and units.
    pub(super) seen: String,
    /// The same for scripts.
    pub(super) facts: Map<String, Value>,
}

impl Finding {
    /// Something that was found; `seen` says what was seen.
    pub(super) fn new(check: Check, code: Code, seen: impl Into<String>) -> Self {
        Self { check, code, seen: seen.into(), facts: Map::new() }
    }

    /// The same with a fact, which the advice may name.
    pub(super) fn with(mut self, name: &str, fact: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), fact.into());
        self
    }

    /// Whether its advice says more than to look again.
    pub(super) fn has_own_advice(&self) -> bool {
        self.code != Code::NotChecked
    }

    /// What to do; `None` if there is nothing to be done.
    pub(super) fn advice(&self) -> Option<String> {
        let mut advice = self.code.advice().to_owned();
        for (name, fact) in &self.facts {
            let text = fact.as_str().map_or_else(|| fact.to_string(), str::to_owned);
            advice = advice.replace(&format!("{{{name}}}"), &text);
        }
        (!advice.is_empty()).then_some(advice)
    }
}

/// What was found of one subject.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// Nothing is wrong with this; `seen` says what was seen.
    pub(super) fn fine(&mut self, check: Check, seen: impl Into<String>) {
        self.0.push(Finding::new(check, Code::Fine, seen));
    }

    /// Something was found.
    pub(super) fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// This could not be looked at.
    pub(super) fn unchecked(&mut self, check: Check, reason: &str) {
        self.0.push(Finding::new(check, Code::NotChecked, format!("not checked: {reason}")));
    }

    /// Says of each of these of which nothing was found, good or bad, that it was not looked at: silence is never good.
    pub(super) fn complete(&mut self, checks: &[Check], reason: &str) {
        for check in checks {
            if !self.0.iter().any(|finding| finding.check == *check) {
                self.unchecked(*check, reason);
            }
        }
    }
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// About the service.
    pub(super) service: Vec<Finding>,
    /// About each system.
    pub(super) systems: Vec<(Subject, Vec<Finding>)>,
}

impl Report {
    /// All findings, each with the system that it is about.
    pub(super) fn all(&self) -> impl Iterator<Item = (Option<&Subject>, &Finding)> {
        let of_systems =
            self.systems.iter().flat_map(|(subject, found)| found.iter().map(move |finding| (Some(subject), finding)));
        self.service.iter().map(|finding| (None, finding)).chain(of_systems)
    }

    /// How many findings there are of a severity.
    pub(super) fn count(&self, severity: Severity) -> usize {
        self.all().filter(|(_, finding)| finding.code.severity() == severity).count()
    }

    /// 2 if there is an error, else 1 if there is a warning, else 3 if something could not be looked at, else 0: what
    /// monitoring programs expect of a check.
    pub(super) fn exit_status(&self) -> u8 {
        [(Severity::Error, 2), (Severity::Warning, 1), (Severity::Unknown, 3)]
            .into_iter()
            .find(|(severity, _)| self.count(*severity) > 0)
            .map_or(0, |(_, status)| status)
    }

    /// The same as a process ends with it.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit_status())
    }
}
