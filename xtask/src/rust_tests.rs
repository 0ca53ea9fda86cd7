//! `cargo test`, with its results counted.

use anyhow::{Result, bail};

use crate::{
    process::{self, Stop},
    report::Count,
    test::Selection,
    workspace,
};

/// Runs the Rust tests with `environment` set, and counts them.
pub(crate) fn run(selection: &Selection, environment: &[(&str, String)], stop: &Stop) -> Result<Count> {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--no-fail-fast"]);
    if selection.packages.is_empty() {
        cargo.arg("--workspace");
    }
    for package in &selection.packages {
        cargo.args(["--package", package]);
    }
    cargo.arg("--").args(&selection.rest);
    for (name, value) in environment {
        cargo.env(name, value);
    }
    let mut tally = Tally::default();
    let status = process::stream(cargo, stop, &mut |line| {
        println!("{line}");
        tally.read(line);
    })?;
    tally.finish(status.success())
}

#[derive(Default)]
struct Tally {
    count: Count,
    ignored: u64,
    results: u64,
}

impl Tally {
    /// Reads `test result: ok. 5 passed; 0 failed; 0 ignored; …`.
    fn read(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else { return };
        self.results += 1;
        let figures = result.split_once(". ").map_or(result, |(_, figures)| figures);
        for figure in figures.split(';') {
            let mut words = figure.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.count.passed += number,
                "failed" => self.count.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    fn finish(mut self, success: bool) -> Result<Count> {
        if self.results == 0 {
            bail!("no test ran: the tests did not compile");
        }
        if !success && self.count.failed == 0 {
            // A test binary that crashed or did not compile prints no result of its own.
            self.count.failed = 1;
        }
        // A test that is never run proves nothing.
        self.count.failed += self.ignored;
        Ok(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str], success: bool) -> Result<Count> {
        let mut tally = Tally::default();
        for line in lines {
            tally.read(line);
        }
        tally.finish(success)
    }

    const GOOD: &str = "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.01s";
    const BAD: &str = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s";

    #[test]
    fn the_results_of_all_binaries_are_added_up() {
        let lines = ["running 5 tests", "test a ... ok", GOOD, BAD];
        assert_eq!(tally(&lines, false).unwrap(), Count { passed: 8, failed: 2 });
    }

    #[test]
    fn a_crash_without_a_result_is_a_failure() {
        assert_eq!(tally(&[GOOD], false).unwrap(), Count { passed: 5, failed: 1 });
    }

    #[test]
    fn an_ignored_test_is_a_failure() {
        let line = "test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(tally(&[line], true).unwrap(), Count { passed: 1, failed: 1 });
    }

    #[test]
    fn nothing_run_is_an_error() {
        assert!(tally(&["error: could not compile"], false).is_err());
    }
}
