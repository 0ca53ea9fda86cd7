//! Which way imports point.

use super::{SourceFile, Violation, numbered};

/// Which of our crates each of our crates may depend on.
const CRATES: [(&str, &[&str]); 6] = [
    ("bridge-model", &[]),
    ("bridge-store", &["bridge-model"]),
    ("bridge-erp", &["bridge-model"]),
    ("bridge-server", &["bridge-model", "bridge-store", "bridge-erp"]),
    ("bridge-bench", &["bridge-model", "bridge-store", "bridge-erp", "bridge-server"]),
    ("xtask", &[]),
];

/// The modules of bridge-server from top to bottom. A module imports from its own layer and
/// from those below it, never from one above; two modules of a layer never import each other
/// both ways. What composes the program stands on top and may use everything.
///
/// `admin` stands above `auth`, since it makes the passwords and keys that `auth` checks.
const LAYERS: [&[&str]; 8] = [
    &["app", "cli", "demo", "lib", "main", "serve"],
    &["api", "console"],
    &["admin"],
    &["auth", "limits"],
    &[
        "audit",
        "records",
        "barcode",
        "batch",
        "tasks",
        "sync",
        "orders",
        "files",
        "ingest",
        "mirror",
        "jobs",
        "webhooks",
        "devices",
        "migration",
        "mapping",
    ],
    &["alerts", "detection"],
    &["context", "erps", "hub"],
    &["backoff", "caller", "config", "fresh", "language", "metrics", "problem", "redis", "supervise", "telemetry"],
];

/// Imports that point up all the same: who, and what. `*` stands for every module.
///
/// The context carries every part of the running service from its one place of making to
/// whoever serves a request, and looks into none of them. `Caller` and `Admin` are the proof of
/// who is calling, which the functions below ask for instead of finding out themselves.
const EXCEPTIONS: [(&str, &str); 12] = [
    ("context", "alerts"),
    ("context", "auth"),
    ("context", "limits"),
    ("context", "ingest"),
    ("context", "detection"),
    ("context", "files"),
    ("context", "mapping"),
    ("context", "mirror"),
    ("context", "records"),
    ("context", "sync"),
    ("*", "auth::Caller"),
    ("*", "auth::Admin"),
];

const SERVER_SOURCES: &str = "crates/bridge-server/src/";
const ERP_SOURCES: &str = "crates/bridge-erp/src/";

/// The kinds of ERP, whose folders know nothing of each other; only tests use the fake one.
const ERPS: [&str; 4] = ["odoo", "sap", "salesforce", "fake"];

/// Crates depend on each other only as the table says.
pub(super) fn between_crates(files: &[SourceFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        let Some(name) = crate_of_manifest(&file.path) else { continue };
        let Some((_, may_use)) = CRATES.iter().find(|(known, _)| *known == name) else {
            let advice = format!("say in xtask/src/tidy/imports.rs what `{name}` may depend on");
            found.push(Violation::new(&file.path, 1, "crate-import", advice));
            continue;
        };
        let mut in_dependencies = false;
        for (number, line) in numbered(&file.text) {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies");
                continue;
            }
            let key = line.split(['.', '=', ' ']).next().unwrap_or_default().trim();
            let is_ours = CRATES.iter().any(|(ours, _)| *ours == key);
            if in_dependencies && is_ours && key != name && !may_use.contains(&key) {
                let advice = format!("`{name}` must not depend on `{key}`; move what it needs down");
                found.push(Violation::new(&file.path, number, "crate-import", advice));
            }
        }
    }
    found
}

/// Inside the server, imports point down, as `LAYERS` says.
pub(super) fn between_layers(files: &[SourceFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut edges: Vec<(&str, &str)> = Vec::new();
    for file in files {
        let Some(inside) = file.path.strip_prefix(SERVER_SOURCES) else { continue };
        let Some(here) = module_of(inside) else { continue };
        let Some(my_layer) = layer_of(here) else {
            let advice = format!("give `{here}` a layer in xtask/src/tidy/imports.rs");
            found.push(Violation::new(&file.path, 1, "layer-import", advice));
            continue;
        };
        for (number, path) in crate_paths(&file.text) {
            let there = path[0];
            if there == here || is_exception(here, &path) {
                continue;
            }
            let Some(their_layer) = layer_of(there) else { continue };
            let advice = if their_layer < my_layer {
                format!("`{here}` must not import `{there}`, which lies above it")
            } else if their_layer == my_layer && edges.contains(&(there, here)) {
                format!("`{here}` and `{there}` import each other; move what both need down")
            } else {
                edges.push((here, there));
                continue;
            };
            found.push(Violation::new(&file.path, number, "layer-import", advice));
        }
    }
    found.dedup();
    found
}

/// No kind of ERP imports another.
pub(super) fn between_erps(files: &[SourceFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        let Some(inside) = file.path.strip_prefix(ERP_SOURCES) else { continue };
        let Some(here) = module_of(inside).filter(|here| ERPS.contains(here)) else { continue };
        // A client's own tests talk to the fake server.
        let may_use_fake = inside.ends_with("tests.rs") || inside.contains("/tests/");
        for (number, path) in crate_paths(&file.text) {
            let there = path[0];
            if there == here || !ERPS.contains(&there) || (there == "fake" && may_use_fake) {
                continue;
            }
            let advice = format!("`{here}` must not import `{there}`; share through adapter.rs");
            found.push(Violation::new(&file.path, number, "erp-import", advice));
        }
    }
    found.dedup();
    found
}

fn crate_of_manifest(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("/Cargo.toml")?;
    Some(folder.strip_prefix("crates/").unwrap_or(folder)).filter(|name| !name.contains('/'))
}

/// The top module that a file belongs to: `sync` for `sync/pull.rs`, `hub` for `hub.rs`.
fn module_of(inside: &str) -> Option<&str> {
    match inside.split_once('/') {
        Some((folder, _)) => Some(folder),
        None => inside.strip_suffix(".rs"),
    }
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn is_exception(here: &str, path: &[&str]) -> bool {
    EXCEPTIONS.iter().any(|(who, what)| {
        let named = what.split("::").zip(path).all(|(part, found)| part == *found);
        (*who == "*" || *who == here) && named && what.split("::").count() <= path.len()
    })
}

/// Every path that starts at the crate's root, without that start, with its line:
/// `crate::{hub::Hub, sync}` is `[hub, Hub]` and `[sync]`. None is empty.
fn crate_paths(text: &str) -> Vec<(usize, Vec<&str>)> {
    const START: &str = "crate::";
    let mut paths = Vec::new();
    for (at, _) in text.match_indices(START) {
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let before = &text[line_start..at];
        // A comment imports nothing, and `$crate::` or `other_crate::` is another root.
        let goes_on = before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        if !before.contains("//") && !goes_on {
            collect_paths(text, at + START.len(), &[], &mut paths);
        }
    }
    paths
}

/// Reads one path or a group of them at `at`, and answers where it ends.
fn collect_paths<'a>(text: &'a str, at: usize, parent: &[&'a str], paths: &mut Vec<(usize, Vec<&'a str>)>) -> usize {
    let at = at + (text[at..].len() - text[at..].trim_start().len());
    if text[at..].starts_with('{') {
        let mut next = at + 1;
        while next < text.len() && !text[next..].starts_with('}') {
            next = collect_paths(text, next, parent, paths);
            // What may follow the name: ` as other`, a comma, white space.
            let skipped = text[next..].find([',', '}']).unwrap_or(text.len() - next);
            next += skipped;
            if text[next..].starts_with(',') {
                next += 1;
            }
            next += text[next..].len() - text[next..].trim_start().len();
        }
        return (next + 1).min(text.len());
    }
    let length = text[at..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len() - at);
    let name = &text[at..at + length];
    let path = [parent, &[name]].concat();
    let end = at + length;
    if text[end..].starts_with("::") {
        return collect_paths(text, end + 2, &path, paths);
    }
    // What stands for the name is a `*` or a turbofish; the path before it is what counts.
    let path = if name.is_empty() { parent.to_vec() } else { path };
    if !path.is_empty() {
        paths.push((text[..at].matches('\n').count() + 1, path));
    }
    end
}

#[cfg(test)]
mod tests {
    use super::{super::tests::places, *};

    fn in_server(path: &str, text: &str) -> Vec<String> {
        places(between_layers, &[(&format!("{SERVER_SOURCES}{path}"), text)])
    }

    #[test]
    fn a_crate_that_depends_upwards_is_reported() {
        let upwards = "[package]\nname = \"x\"\n[dev-dependencies]\nbridge-server.workspace = true\n";
        assert_eq!(
            places(between_crates, &[("crates/bridge-store/Cargo.toml", upwards)]),
            ["crates/bridge-store/Cargo.toml:4"]
        );
        let sideways = "[dependencies]\nbridge-erp = { path = \"../bridge-erp\" }\n";
        assert_eq!(
            places(between_crates, &[("crates/bridge-store/Cargo.toml", sideways)]),
            ["crates/bridge-store/Cargo.toml:2"]
        );
        let down = "[dependencies]\nbridge-model.workspace = true\nserde.workspace = true\n";
        assert_eq!(places(between_crates, &[("crates/bridge-store/Cargo.toml", down)]), [""; 0]);
        assert_eq!(
            places(between_crates, &[("crates/bridge-new/Cargo.toml", down)]),
            ["crates/bridge-new/Cargo.toml:1"]
        );
    }

    #[test]
    fn an_import_that_points_up_is_reported_at_its_line() {
        let place = |path: &str, line: usize| [format!("{SERVER_SOURCES}{path}:{line}")];
        assert_eq!(in_server("sync/pull.rs", "//! Pull.\nuse crate::api::Json;\n"), place("sync/pull.rs", 2));
        assert_eq!(
            in_server("hub.rs", "use crate::{\n    config::Config,\n    sync::{self, Pull},\n};\n"),
            place("hub.rs", 3)
        );
        assert_eq!(in_server("ingest/push.rs", "fn f() { crate::auth::check() }"), place("ingest/push.rs", 1));
        assert_eq!(
            in_server("sync/pull.rs", "use crate::auth::{\n    Caller,\n    login as enter,\n};"),
            place("sync/pull.rs", 3)
        );
        assert_eq!(in_server("novelty.rs", ""), place("novelty.rs", 1));
    }

    #[test]
    fn an_import_that_points_down_is_fine() {
        for (path, text) in [
            ("api/rest/sync.rs", "use crate::{auth::Caller, sync, api::error::ApiError};"),
            ("app.rs", "use crate::api;"),
            ("context.rs", "use crate::auth::Auth;"),
            ("sync/pull.rs", "use crate::{auth::Caller, hub::*};"),
            ("sync/pull.rs", "// Not from crate::api.\nuse crate::hub::Hub;"),
            ("sync/pull.rs", "use other_crate::api::Thing;"),
            ("sync/pull.rs", "use crate::{hub::{api, auth}, config};"),
        ] {
            assert_eq!(in_server(path, text), [""; 0], "{path}: {text}");
        }
    }

    #[test]
    fn paths_are_read_out_of_groups_and_expressions() {
        let text =
            "use crate::{\n  a::{self, B as C, d::*},\n  e,\n};\nfn f() { crate::g::h::<T>() }\npub(in crate::i) x";
        let paths = crate_paths(text);
        let shown: Vec<String> = paths.iter().map(|(line, path)| format!("{line} {}", path.join("::"))).collect();
        assert_eq!(shown, ["2 a::self", "2 a::B", "2 a::d", "3 e", "5 g::h", "6 i"]);
    }

    #[test]
    fn siblings_that_import_each_other_are_reported() {
        let found = places(
            between_layers,
            &[
                ("crates/bridge-server/src/ingest/push.rs", "use crate::jobs::enqueue;"),
                ("crates/bridge-server/src/jobs/run.rs", "\nuse crate::ingest::pull;"),
            ],
        );
        assert_eq!(found, ["crates/bridge-server/src/jobs/run.rs:2"]);
    }

    #[test]
    fn an_erp_that_imports_another_is_reported() {
        let place = |path: &str, text: &str| places(between_erps, &[(&format!("{ERP_SOURCES}{path}"), text)]);
        let text = "use crate::{adapter::Adapter, sap::Client};";
        assert_eq!(place("odoo/client.rs", text), ["crates/bridge-erp/src/odoo/client.rs:1"]);
        let text = "use crate::fake::Server;";
        assert_eq!(place("odoo/client.rs", text), ["crates/bridge-erp/src/odoo/client.rs:1"]);
        assert_eq!(place("odoo/tests/calls.rs", text), [""; 0]);
        assert_eq!(place("odoo/tests.rs", text), [""; 0]);
        assert_eq!(place("pool.rs", text), [""; 0]);
    }
}
