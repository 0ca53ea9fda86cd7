//! The list of findings in `docs/OPERATIONS.md` is made from the table of codes.

use super::code::Code;
use super::finding::Severity;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Set to write the list instead of comparing it.
const WRITE_VARIABLE: &str = "BRIDGECORE_WRITE_DOCS";

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/OPERATIONS.md");
const BEGIN: &str =
    "<!-- the findings of bridgecore doctor, generated from crates/bridge-server/src/cli/doctor/code.rs -->\n";
const END: &str = "<!-- the end of the findings -->\n";

fn list() -> String {
    let mut list = "\n| code | severity | it means | do |\n|---|---|---|---|\n".to_owned();
    for code in Code::ALL {
        // What stands for a fact is written as commands have it, and a bar would end the cell.
        let advice = code.advice().replace('|', "\\|").replace(['{', '}'], "`");
        let (text, severity) = (code.as_str(), code.severity().as_str());
        writeln!(list, "| `{text}` | {severity} | {} | {advice} |", code.meaning().replace('|', "\\|")).unwrap();
    }
    list.push('\n');
    list
}

#[test]
fn the_list_of_findings_is_up_to_date() {
    let page = std::fs::read_to_string(PATH).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("docs/OPERATIONS.md has no place for the findings");
    let (kept, after) = rest.split_once(END).expect("the place for the findings has no end");
    if std::env::var_os(WRITE_VARIABLE).is_some() {
        std::fs::write(PATH, format!("{before}{BEGIN}{}{END}{after}", list())).unwrap();
        return;
    }
    assert!(kept == list(), "docs/OPERATIONS.md is stale: {WRITE_VARIABLE}=1 cargo test -p bridge-server --lib doctor");
}

#[test]
fn every_code_is_one_of_a_kind_and_says_what_to_do() {
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes.len(), Code::ALL.len(), "a code is used twice");
    for code in Code::ALL {
        let text = code.as_str();
        assert!(text.chars().all(|sign| sign.is_ascii_uppercase() || sign == '_'), "{text}");
        assert!(!code.meaning().is_empty() && !code.meaning().ends_with('.'), "{text}");
        assert_eq!(code.advice().is_empty(), code.severity() == Severity::Ok, "{text}");
    }
}
