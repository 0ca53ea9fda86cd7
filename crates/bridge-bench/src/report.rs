//! The page as text.

use crate::RunArgs;
use crate::machine::Machine;
use crate::round::Turns;
use std::fmt::Write as _;

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    goals: Vec<Goal>,
}

/// A case's numbers: the medians of its turns.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    connections: usize,
    per_second: f64,
    range: (f64, f64),
    latency_ms: (f64, f64),
    server_cpu_us: f64,
    driver_cpu_us: f64,
    per_flush: Option<f64>,
    floors: Vec<Floor>,
}

/// What can't be beaten, measured in turns with the case.
#[derive(Debug)]
pub(crate) struct Floor {
    what: String,
    per_second: f64,
    latency_ms: Option<(f64, f64)>,
}

/// A number that was set as a goal, and what was measured.
#[derive(Debug)]
pub(crate) struct Goal {
    what: String,
    wanted: f64,
    measured: f64,
    at_most: bool,
}

impl Row {
    pub(crate) fn of(what: impl Into<String>, connections: usize, turns: &Turns) -> Self {
        Self {
            what: what.into(),
            connections,
            per_second: turns.per_second(),
            range: turns.range(),
            latency_ms: (turns.median(|turn| turn.p50_ms), turns.median(|turn| turn.p99_ms)),
            server_cpu_us: turns.median(|turn| turn.server_cpu_us),
            driver_cpu_us: turns.median(|turn| turn.driver_cpu_us),
            per_flush: turns.per_flush(),
            floors: Vec::new(),
        }
    }

    pub(crate) fn with_floors(mut self, floors: impl IntoIterator<Item = Floor>) -> Self {
        self.floors.extend(floors);
        self
    }

    fn write(&self, text: &mut String) {
        let per_flush = self.per_flush.map_or_else(String::new, |answers| format!("{answers:.1}"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| **{}** | {} | **{}** ({} to {}) | {} | {} | {} | {} | {per_flush} | |",
            self.what,
            self.connections,
            whole(self.per_second),
            whole(self.range.0),
            whole(self.range.1),
            short(self.latency_ms.0),
            short(self.latency_ms.1),
            short(self.server_cpu_us),
            short(self.driver_cpu_us),
        );
        for floor in &self.floors {
            let (p50, p99) = floor.latency_ms.map_or_else(Default::default, |(p50, p99)| (short(p50), short(p99)));
            let ratio = self.per_second / floor.per_second * 100.0;
            let _ = writeln!(
                text,
                "| floor: {} | | {} | {p50} | {p99} | | | | {ratio:.1} % |",
                floor.what,
                whole(floor.per_second)
            );
        }
    }
}

impl Floor {
    pub(crate) fn rate(what: impl Into<String>, per_second: f64) -> Self {
        Self { what: what.into(), per_second, latency_ms: None }
    }

    pub(crate) fn with_latency(mut self, p50_ms: f64, p99_ms: f64) -> Self {
        self.latency_ms = Some((p50_ms, p99_ms));
        self
    }
}

impl Goal {
    pub(crate) fn at_least(what: impl Into<String>, wanted: f64, measured: f64) -> Self {
        Self { what: what.into(), wanted, measured, at_most: false }
    }

    pub(crate) fn at_most(what: impl Into<String>, wanted: f64, measured: f64) -> Self {
        Self { what: what.into(), wanted, measured, at_most: true }
    }

    fn write(&self, text: &mut String) {
        let met = if self.at_most { self.measured <= self.wanted } else { self.measured >= self.wanted };
        let outcome = match (met, self.measured / self.wanted) {
            (true, _) => "met".to_owned(),
            (false, times) if self.at_most => format!("missed: {times:.2} times the goal"),
            (false, times) => format!("missed: {:.0} % of the goal", times * 100.0),
        };
        let word = if self.at_most { "at most" } else { "at least" };
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "| {} | {word} {} | {} | {outcome} |", self.what, short(self.wanted), short(self.measured));
    }
}

impl Report {
    pub(crate) fn row(&mut self, row: Row) {
        eprintln!("{}: {}/s, p99 {} ms", row.what, whole(row.per_second), short(row.latency_ms.1));
        self.rows.push(row);
    }

    pub(crate) fn goal(&mut self, goal: Goal) {
        eprintln!("  {}: {}", goal.what, short(goal.measured));
        self.goals.push(goal);
    }

    /// The measured part of the page.
    pub(crate) fn text(&self, machine: &Machine, args: &RunArgs) -> String {
        let mut text = String::from(INTRODUCTION);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n## The machine\n\n| | |\n|---|---|");
        for (what, value) in [
            ("measured at", machine.date.clone()),
            ("commit", args.commit.clone()),
            ("cores", format!("{} × {}", machine.cores, machine.processor)),
            ("memory", format!("{:.0} GB", machine.memory_gb)),
            ("system", format!("{}, Linux {}", machine.system, machine.kernel)),
            (
                "append 4 KiB + fdatasync",
                format!("p50 {} ms, p99 {} ms", short(machine.sync_ms.0), short(machine.sync_ms.1)),
            ),
            ("load in the minute before the run", machine.load_text()),
            ("turns", format!("{} of {} ms each", args.rounds, args.turn_ms)),
        ] {
            let _ = writeln!(text, "| {what} | {value} |");
        }
        text.push_str("\n## Goals\n\n| what | goal | measured | |\n|---|---|---|---|\n");
        self.goals.iter().for_each(|goal| goal.write(&mut text));
        text.push_str(NUMBERS);
        self.rows.iter().for_each(|row| row.write(&mut text));
        text
    }
}

const INTRODUCTION: &str = "# Benchmarks

Written by `cargo xtask bench` (release build; `--full` makes the long log 10 million changes). It drives the real
`bridgecore` over sockets from the same machine, so that the driver's own work takes part of the same cores. Each case and
its floors take turns; a number is the median of its turns. A floor is what can't be beaten: the same bytes appended to a
file and synced in groups of the same size, or a handler in the same framework that parses the same body, does nothing
and answers as many bytes.
";

const NUMBERS: &str = "
## Numbers

`a second` has the lowest and the highest turn in brackets. Processor time is per answer (per delivery for WebSockets),
in microseconds: the server's, and the driver's, which shares the cores with it; PostgreSQL's own is not in it. `per
flush` is how many answers there were for one flush of the disk, as the kernel counts them for all programs together:
where others sync as well, groups look smaller than they are, and so does the floor that is measured with groups of that
size. The percentage is the case's part of its floor.

| case | connections | a second | p50 ms | p99 ms | server µs | driver µs | per flush | of the floor |
|---|---|---|---|---|---|---|---|---|
";

/// A number in groups of three digits.
pub(crate) fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number with as many digits as say something.
fn short(number: f64) -> String {
    match number {
        number if number >= 100.0 => whole(number),
        number if number >= 10.0 => format!("{number:.1}"),
        number => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_says_by_how_much() {
        let line = |goal: Goal| {
            let mut text = String::new();
            goal.write(&mut text);
            text
        };
        assert_eq!(
            line(Goal::at_least("a", 25_000.0, 20_000.0)),
            "| a | at least 25,000 | 20,000 | missed: 80 % of the goal |\n"
        );
        assert_eq!(line(Goal::at_most("b", 20.0, 30.0)), "| b | at most 20.0 | 30.0 | missed: 1.50 times the goal |\n");
        assert_eq!(line(Goal::at_most("c", 1.3, 1.05)), "| c | at most 1.30 | 1.05 | met |\n");
    }
}
