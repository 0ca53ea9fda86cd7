//! Pages that name a file of the repository name one that exists.

use std::collections::HashSet;

use super::{SourceFile, Violation, numbered};

/// What a path of this repository begins with.
const ROOTS: [&str; 6] = ["crates/", "xtask/", "odoo/", "ops/", "docs/", ".ci/"];

/// Every path in backticks, and every relative link, leads to a file or folder.
pub(super) fn paths_exist(files: &[SourceFile]) -> Vec<Violation> {
    let known = known_paths(files);
    let is_page = |file: &&SourceFile| file.is("md") && (file.path.starts_with("docs/") || !file.path.contains('/'));
    let mut found = Vec::new();
    for file in files.iter().filter(is_page) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut in_fence = false;
        for (number, line) in numbered(&file.text) {
            if line.trim_start().starts_with("```") {
                in_fence = !in_fence;
                continue;
            }
            if in_fence {
                continue;
            }
            let named = in_backticks(line).filter(|text| is_path(text)).map(str::to_owned);
            let linked = link_targets(line).filter_map(|target| resolve(folder, target));
            for path in named.chain(linked) {
                for path in expand_braces(&path) {
                    if !known.contains(path.trim_end_matches('/')) {
                        let advice = format!("`{path}` does not exist; name what does");
                        found.push(Violation::new(&file.path, number, "dead-path", advice));
                    }
                }
            }
        }
    }
    found
}

/// All files, and all folders that hold one.
fn known_paths(files: &[SourceFile]) -> HashSet<&str> {
    let mut known = HashSet::new();
    for file in files {
        let mut path = file.path.as_str();
        known.insert(path);
        while let Some((folder, _)) = path.rsplit_once('/') {
            known.insert(folder);
            path = folder;
        }
    }
    known
}

fn in_backticks(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// A text with a wildcard, a placeholder or a blank is no path but a pattern or a command.
fn is_path(text: &str) -> bool {
    ROOTS.iter().any(|root| text.starts_with(root))
        && !text.contains(|c: char| c.is_whitespace() || "*<>…:".contains(c))
}

fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The path from the root that a link in `folder` leads to; none for a web address or a place
/// on the same page.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let target = target.split(['#', ' ']).next()?;
    if target.is_empty() || target.contains(':') || target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    // A link to the root itself.
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// `a/{b,c}/d` is two paths.
fn expand_braces(path: &str) -> Vec<String> {
    let whole = || vec![path.to_owned()];
    let Some((head, rest)) = path.split_once('{') else { return whole() };
    let Some((choices, tail)) = rest.split_once('}') else { return whole() };
    choices.split(',').flat_map(|choice| expand_braces(&format!("{head}{choice}{tail}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::places, *};

    fn found_in(page: &str) -> Vec<String> {
        places(
            paths_exist,
            &[
                ("docs/ARCHITECTURE.md", page),
                ("crates/bridge-store/migrations/sqlite/1.sql", ""),
                ("crates/bridge-store/migrations/postgres/1.sql", ""),
                ("README.md", ""),
                (".ci/run", ""),
            ],
        )
    }

    #[test]
    fn a_path_that_does_not_exist_is_reported() {
        let dead = ["docs/ARCHITECTURE.md:2"];
        assert_eq!(found_in("Fine: `crates/bridge-store/`.\nSee `crates/bridge-stone/`."), dead);
        assert_eq!(found_in("Fine: [run](../.ci/run).\nSee [it](API.md#errors)."), dead);
        assert_eq!(found_in("\n`crates/bridge-store/migrations/{sqlite,mysql}/1.sql`"), dead);
    }

    #[test]
    fn what_exists_or_is_no_path_is_not_reported() {
        for line in [
            "`crates/bridge-store/migrations/{sqlite,postgres}/1.sql`",
            "[home](../README.md), [web](https://example.com/docs/x), [here](#part), [root](..)",
            "`crates/*/src`, `crates/<name>/src`, `odoo/bin --flag`, `sync/pull.rs`",
            "```\ncrates/none.rs `crates/none.rs`\n```",
        ] {
            assert_eq!(found_in(line), [""; 0], "{line}");
        }
    }
}
