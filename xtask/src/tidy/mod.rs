//! Rules of this repository that neither the compiler nor clippy checks.
//!
//! Each rule is a function over the files' names and texts, and has a test with a file that
//! breaks it.

mod docs;
mod files;
mod imports;
mod text;

use std::{fmt, fs, path::Path, process::Command, process::ExitCode};

use anyhow::{Context, Result};

use crate::{
    process::{Stop, capture},
    workspace,
};

/// A file of the repository.
pub(crate) struct SourceFile {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    /// Empty for a file that is not text.
    pub(crate) text: String,
}

impl SourceFile {
    /// Whether the name ends with `.extension`.
    fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// A place where a rule is broken.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    /// 1 for the first line, also when the whole file is meant.
    line: usize,
    rule: &'static str,
    what_to_do: String,
}

impl Violation {
    fn new(path: &str, line: usize, rule: &'static str, what_to_do: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, what_to_do: what_to_do.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.what_to_do)
    }
}

type Rule = fn(&[SourceFile]) -> Vec<Violation>;

const RULES: [Rule; 9] = [
    imports::between_crates,
    imports::between_layers,
    imports::between_erps,
    files::sizes,
    files::names,
    files::changelog,
    text::forbidden_in_rust,
    text::machine_paths,
    docs::paths_exist,
];

/// `cargo xtask tidy`.
pub(crate) fn command(stop: &Stop) -> Result<ExitCode> {
    let violations = violations(&workspace::root(), stop)?;
    for violation in &violations {
        println!("{violation}");
    }
    println!("tidy: {} violations", violations.len());
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All places in the repository at `root` where a rule is broken, in the order of the files.
pub(crate) fn violations(root: &Path, stop: &Stop) -> Result<Vec<Violation>> {
    let files = load(root, stop)?;
    let mut found: Vec<Violation> = RULES.iter().flat_map(|rule| rule(&files)).collect();
    found.sort();
    Ok(found)
}

/// The files that git knows, and those it would know after `git add`.
fn load(root: &Path, stop: &Stop) -> Result<Vec<SourceFile>> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let paths = capture(list, stop).context("list the repository's files")?;
    let mut files = Vec::new();
    for path in paths.lines() {
        // A file that git lists may be deleted but not yet committed.
        let Ok(bytes) = fs::read(root.join(path)) else { continue };
        let text = String::from_utf8(bytes).unwrap_or_default();
        files.push(SourceFile { path: path.to_owned(), text });
    }
    Ok(files)
}

/// The lines of a text with their numbers.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository of files given as path and text.
    pub(super) fn files(given: &[(&str, &str)]) -> Vec<SourceFile> {
        given.iter().map(|(path, text)| SourceFile { path: (*path).into(), text: (*text).into() }).collect()
    }

    /// Where a rule finds itself broken: `path:line`.
    pub(super) fn places(rule: Rule, given: &[(&str, &str)]) -> Vec<String> {
        let found = rule(&files(given));
        found.iter().map(|violation| format!("{}:{}", violation.path, violation.line)).collect()
    }

    #[test]
    fn a_violation_says_where_which_rule_and_what_to_do() {
        let violation = Violation::new("docs/API.md", 7, "dead-path", "correct the path");
        assert_eq!(violation.to_string(), "docs/API.md:7: dead-path: correct the path");
    }

    #[test]
    fn files_that_git_does_not_know_yet_are_checked_and_ignored_ones_are_not() {
        let repo = tempfile::tempdir().unwrap();
        let mut init = Command::new("git");
        init.args(["init", "--quiet"]).current_dir(repo.path());
        capture(init, &Stop::never()).unwrap();
        fs::write(repo.path().join(".gitignore"), "*.log\n").unwrap();
        fs::write(repo.path().join("build.log"), "").unwrap();
        fs::write(repo.path().join("logo.png"), b"\x89PNG\xff").unwrap();
        let loaded = load(repo.path(), &Stop::never()).unwrap();
        let paths: Vec<&str> = loaded.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [".gitignore", "logo.png"]);
        assert_eq!(loaded[1].text, "");
        let broken = violations(repo.path(), &Stop::never()).unwrap();
        assert!(broken.iter().any(|violation| violation.path == "CHANGELOG.md"), "{broken:?}");
    }
}
