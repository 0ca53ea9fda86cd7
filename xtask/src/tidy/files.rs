//! Rules on files as wholes: how long, how named, and which must exist.

use super::{SourceFile, Violation};

const LINES_MAX: usize = 700;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 4] = ["manager", "helper", "util", "common"];

/// Files that one person can still hold in mind.
pub(super) fn sizes(files: &[SourceFile]) -> Vec<Violation> {
    let is_code = |file: &&SourceFile| file.is("rs") || (file.is("py") && file.path.starts_with("odoo/"));
    files
        .iter()
        .filter(is_code)
        .filter_map(|file| {
            let lines = file.text.lines().count();
            let advice = format!("{lines} lines; split it into files of at most {LINES_MAX}");
            (lines > LINES_MAX).then(|| Violation::new(&file.path, LINES_MAX + 1, "file-size", advice))
        })
        .collect()
}

/// No code file, and no folder of code, is named after nothing in particular.
pub(super) fn names(files: &[SourceFile]) -> Vec<Violation> {
    let says_nothing = |path: &str| {
        path.split(['/', '.', '_', '-'])
            .map(|word| word.strip_suffix('s').unwrap_or(word))
            .find(|word| EMPTY_NAMES.contains(word))
            .map(str::to_owned)
    };
    files
        .iter()
        .filter(|file| file.is("rs") || file.is("py"))
        .filter_map(|file| {
            let word = says_nothing(&file.path)?;
            let advice = format!("`{word}` does not say what is inside; name it after that");
            Some(Violation::new(&file.path, 1, "file-name", advice))
        })
        .collect()
}

/// Users can read what will change for them.
pub(super) fn changelog(files: &[SourceFile]) -> Vec<Violation> {
    let path = "CHANGELOG.md";
    let heading =
        |line: &str| line.strip_prefix("## ").is_some_and(|title| title.trim_matches(['[', ']']) == "Unreleased");
    match files.iter().find(|file| file.path == path) {
        None => vec![Violation::new(path, 1, "changelog", "create it, with `## Unreleased`")],
        Some(file) if !file.text.lines().any(heading) => {
            vec![Violation::new(path, 1, "changelog", "add the section `## Unreleased`")]
        }
        Some(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::places, *};

    #[test]
    fn a_long_file_is_reported() {
        let longest = "// line\n".repeat(LINES_MAX);
        let too_long = "# line\n".repeat(LINES_MAX + 1);
        let found = places(
            sizes,
            &[
                ("crates/a/src/lib.rs", &longest),
                ("crates/a/src/long.rs", &too_long),
                ("odoo/addons/a/models/long.py", &too_long),
                ("docs/API.md", &too_long),
            ],
        );
        assert_eq!(found, ["crates/a/src/long.rs:701", "odoo/addons/a/models/long.py:701"]);
    }

    #[test]
    fn an_empty_name_is_reported() {
        let found = places(
            names,
            &[
                ("crates/a/src/utils/mod.rs", ""),
                ("crates/a/src/pool_manager.rs", ""),
                ("crates/a/src/common.rs", ""),
                ("crates/a/tests/it/test-helper.rs", ""),
                ("crates/a/src/utility_bill.rs", ""),
                ("crates/a/fixtures/common_login.json", ""),
            ],
        );
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn a_missing_changelog_or_section_is_reported() {
        assert_eq!(places(changelog, &[]), ["CHANGELOG.md:1"]);
        assert_eq!(places(changelog, &[("CHANGELOG.md", "# Changes\n## 0.1\n")]), ["CHANGELOG.md:1"]);
        for heading in ["## Unreleased", "## [Unreleased]"] {
            assert_eq!(places(changelog, &[("CHANGELOG.md", heading)]), [""; 0]);
        }
    }
}
