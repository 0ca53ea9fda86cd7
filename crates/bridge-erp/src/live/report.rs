//! What the live suite has seen.

use std::fmt;

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Otherwise, and how.
    Failed(String),
    /// It was not tried, and why.
    NotRun(String),
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The protocol, or the step around them.
    pub protocol: String,
    /// What was checked.
    pub check: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// All checks of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which system it was.
    pub system: String,
    /// The checks in their order.
    pub lines: Vec<Line>,
}

impl Report {
    pub(super) fn new(system: String) -> Self {
        Self { system, lines: Vec::new() }
    }

    pub(super) fn note(&mut self, protocol: &str, check: &str, outcome: Result<(), impl fmt::Display>) {
        let outcome = match outcome {
            Ok(()) => Outcome::Passed,
            Err(why) => Outcome::Failed(why.to_string()),
        };
        self.lines.push(Line { protocol: protocol.to_owned(), check: check.to_owned(), outcome });
    }

    pub(super) fn skip(&mut self, protocol: &str, check: &str, why: &str) {
        let outcome = Outcome::NotRun(why.to_owned());
        self.lines.push(Line { protocol: protocol.to_owned(), check: check.to_owned(), outcome });
    }

    /// Whether nothing failed.
    pub fn is_good(&self) -> bool {
        self.lines.iter().all(|line| !matches!(line.outcome, Outcome::Failed(_)))
    }

    /// How many checks passed, failed and were not run.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |is: fn(&Outcome) -> bool| self.lines.iter().filter(|line| is(&line.outcome)).count();
        (
            count(|outcome| matches!(outcome, Outcome::Passed)),
            count(|outcome| matches!(outcome, Outcome::Failed(_))),
            count(|outcome| matches!(outcome, Outcome::NotRun(_))),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.system)?;
        for Line { protocol, check, outcome } in &self.lines {
            match outcome {
                Outcome::Passed => writeln!(f, "  ok       {protocol}: {check}")?,
                Outcome::Failed(why) => writeln!(f, "  FAILED   {protocol}: {check}: {why}")?,
                Outcome::NotRun(why) => writeln!(f, "  not run  {protocol}: {check}: {why}")?,
            }
        }
        let (passed, failed, not_run) = self.counts();
        write!(f, "{passed} passed, {failed} failed, {not_run} not run")
    }
}
