//! Whether the `odoo` pack answers for everything that Odoo broke.

use super::*;
use crate::migration::pack::{Direction, Hop};
use std::collections::BTreeMap;

const BREAKING: &str = include_str!("breaking_changes.tsv");

/// How many changes the list holds, so that none gets lost from it unseen.
const CHANGES: usize = 1_059;

/// What the pack knows of a field at a hop.
fn is_covered(hop: &Hop, model: &str, field: &str) -> bool {
    if hop.removed_models.contains_key(model) {
        return true;
    }
    let old_name = hop.renamed_models.iter().find(|(_, new)| *new == model).map_or(model, |(old, _)| old);
    let Some(rules) = hop.models.get(old_name) else { return false };
    let has_rule = [Direction::Up, Direction::Down].into_iter().any(|way| rules.taking(way, field).is_some());
    let is_named = |names: &[String]| names.iter().any(|name| name == field);
    let is_of_model = field.starts_with('_') && rules.manual.contains_key("*");
    has_rule || is_of_model || is_named(&rules.kept) || is_named(&rules.unstored) || is_named(&rules.required)
}

#[test]
fn every_breaking_change_of_the_business_models_has_a_rule_or_a_warning() {
    let packs = packs();
    let pack = packs.get(PackName::Odoo);
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    let mut missing = Vec::new();
    for line in BREAKING.lines().filter(|line| !line.starts_with('#')) {
        let [hop, model, change, fields] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        let (from, to) = hop.split_once('-').unwrap();
        let hop = pack.hop(Version::parse(from).unwrap(), Version::parse(to).unwrap()).unwrap();
        for field in fields.split(' ') {
            *count.entry(change).or_default() += 1;
            if !is_covered(hop, model, field) {
                missing.push(format!("{from} {model} {field} {change}"));
            }
        }
    }
    assert!(missing.is_empty(), "{} of them: {missing:#?}", missing.len());
    assert_eq!(count.values().sum::<usize>(), CHANGES, "{count:?}");
}
