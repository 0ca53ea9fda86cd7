//! Rules on what may stand in a file.

use super::{SourceFile, Violation, numbered};

/// What Rust files may not hold, each with what to write instead. Put together from parts, so
/// that this file itself passes.
const FORBIDDEN_IN_RUST: [(&str, &str); 5] = [
    (concat!("#[", "allow("), "use `#[expect(lint, reason = \"…\")]`"),
    (concat!("#![", "allow("), "use `#![expect(lint, reason = \"…\")]`"),
    (concat!("#[", "ignore"), "mend the test or delete it; a test that is not run proves nothing"),
    (concat!("todo", "!("), "finish it, or leave it out"),
    (concat!("unimplemented", "!("), "finish it, or leave it out"),
];

/// The one place in tests that may sleep: between two looks at a condition, with a deadline.
const MAY_SLEEP: &str = "/support/wait.rs";

/// Parts of paths and addresses that are true on one machine only.
const OF_ONE_MACHINE: [&str; 9] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("deb.", "debian.org"),
    concat!("security.", "debian.org"),
    concat!("snapshot.", "debian.org"),
    concat!("pypi.org", "/simple"),
    concat!("index.", "crates.io"),
    concat!("registry.", "npmjs.org"),
    concat!("index", "-url"),
];

/// Attributes, macros and calls that hide unfinished or unsteady work.
pub(super) fn forbidden_in_rust(files: &[SourceFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is("rs")) {
        let is_test = file.path.contains("/tests/") && !file.path.ends_with(MAY_SLEEP);
        for (number, line) in numbered(&file.text) {
            for (text, advice) in FORBIDDEN_IN_RUST {
                if line.contains(text) {
                    found.push(Violation::new(&file.path, number, "forbidden-text", advice));
                }
            }
            if is_test && line.contains(concat!("sleep", "(")) {
                let advice = "wait for the condition with a deadline, by a function of support/wait.rs";
                found.push(Violation::new(&file.path, number, "sleep-in-test", advice));
            }
        }
    }
    found
}

/// The repository works the same on every machine, so it names none.
pub(super) fn machine_paths(files: &[SourceFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in numbered(&file.text) {
            for text in OF_ONE_MACHINE {
                if line.contains(text) {
                    let advice = format!("`{text}` is true on one machine only; take it from there");
                    found.push(Violation::new(&file.path, number, "machine-path", advice));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::tests::places, *};

    #[test]
    fn every_forbidden_text_is_reported_at_its_line() {
        for (text, _) in FORBIDDEN_IN_RUST {
            let source = format!("//! Fine.\n{text} dead_code");
            assert_eq!(places(forbidden_in_rust, &[("xtask/src/a.rs", &source)]), ["xtask/src/a.rs:2"]);
            assert_eq!(places(forbidden_in_rust, &[("docs/a.md", &source)]), [""; 0]);
        }
    }

    #[test]
    fn a_test_may_not_sleep_but_the_waiting_function_may() {
        let sleeps = concat!("tokio::time::sle", "ep(SECOND).await;");
        let found = places(
            forbidden_in_rust,
            &[
                ("crates/a/tests/it/sync.rs", sleeps),
                ("crates/a/tests/it/support/wait.rs", sleeps),
                ("crates/a/src/poll.rs", sleeps),
            ],
        );
        assert_eq!(found, ["crates/a/tests/it/sync.rs:1"]);
    }

    #[test]
    fn every_machine_path_is_reported_in_any_file() {
        for text in OF_ONE_MACHINE {
            let source = format!("first\nsee http://{text}x");
            assert_eq!(places(machine_paths, &[("docs/a.md", &source)]), ["docs/a.md:2"]);
        }
    }
}
