//! What was run, how long it took, and what came of it.

use std::{fmt::Write as _, time::Duration};

use anyhow::Result;

use crate::process::now;

/// What one step counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Tests or checks that passed.
    pub(crate) passed: u64,
    /// Tests or checks that failed.
    pub(crate) failed: u64,
}

impl Count {
    /// A step that is one check, and passed.
    pub(crate) const ONE: Self = Self { passed: 1, failed: 0 };
    /// A step that makes ready and checks nothing.
    pub(crate) const NOTHING: Self = Self { passed: 0, failed: 0 };
}

struct Step {
    name: &'static str,
    count: Count,
    took: Duration,
    error: Option<String>,
}

/// All steps of a run, in their order.
#[derive(Default)]
pub(crate) struct Report {
    steps: Vec<Step>,
}

impl Report {
    /// Runs a step and keeps what came of it. A step that fails with an error counts as one
    /// failure, whatever it counted before; the steps after it run all the same.
    pub(crate) fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<Count>) {
        self.step_with(name, || run().map(|count| (count, ())));
    }

    /// As `step`, for a step that hands something on to later ones.
    pub(crate) fn step_with<T>(&mut self, name: &'static str, run: impl FnOnce() -> Result<(Count, T)>) -> Option<T> {
        println!("\n=== {name}");
        let started = now();
        let outcome = run();
        let took = started.elapsed();
        let (count, error, value) = match outcome {
            Ok((count, value)) => (count, None, Some(value)),
            Err(error) => {
                println!("{name}: {error:#}");
                let message = format!("{error:#}");
                (Count { passed: 0, failed: 1 }, Some(message), None)
            }
        };
        self.steps.push(Step { name, count, took, error });
        value
    }

    /// Whether anything failed.
    pub(crate) fn failed(&self) -> bool {
        self.total().failed > 0
    }

    /// A table of the steps, then the sum of all alone on the last line.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |args: std::fmt::Arguments<'_>| {
            // Writing to a string can't fail.
            let _ = text.write_fmt(args);
        };
        line(format_args!("\n{:<12} {:>9} {:>8} {:>8}\n", "step", "seconds", "passed", "failed"));
        for step in &self.steps {
            let Count { passed, failed } = step.count;
            let seconds = step.took.as_secs_f64();
            line(format_args!("{:<12} {seconds:>9.1} {passed:>8} {failed:>8}", step.name));
            if let Some(error) = &step.error {
                line(format_args!("  {}", error.lines().next().unwrap_or_default()));
            }
            line(format_args!("\n"));
        }
        let Count { passed, failed } = self.total();
        line(format_args!("\n{passed} passed, {failed} failed\n"));
        text
    }

    fn total(&self) -> Count {
        self.steps.iter().fold(Count::NOTHING, |sum, step| Count {
            passed: sum.passed + step.count.passed,
            failed: sum.failed + step.count.failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn the_last_line_is_the_sum_and_an_error_is_one_failure() {
        let mut report = Report::default();
        report.step("fmt", || Ok(Count::ONE));
        report.step("rust", || Ok(Count { passed: 40, failed: 2 }));
        assert_eq!(report.step_with("services", || Ok((Count::NOTHING, 7))), Some(7));
        assert!(report.failed());
        let lost: Option<()> = report.step_with("odoo", || Err(anyhow!("no server\nwith a long log")));
        assert_eq!(lost, None);
        let text = report.text();
        assert_eq!(text.lines().last(), Some("41 passed, 3 failed"));
        let row = text.lines().find(|line| line.starts_with("odoo")).unwrap();
        assert!(row.ends_with("1  no server"), "{row}");
    }

    #[test]
    fn a_run_without_failures_has_not_failed() {
        let mut report = Report::default();
        report.step("fmt", || Ok(Count::ONE));
        assert!(!report.failed());
        assert_eq!(report.text().lines().last(), Some("1 passed, 0 failed"));
    }
}
