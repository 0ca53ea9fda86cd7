//! What the engine and its packs promise.

mod coverage;
mod round_trip;
mod rules;

use super::*;
use serde_json::{Value, json};

fn packs() -> RulePacks {
    RulePacks::new().unwrap()
}

/// The record after the way, with the warnings that it raised.
fn carried(pack: PackName, model: &str, from: Version, to: Version, record: Value) -> (Value, Vec<Warning>) {
    let packs = packs();
    let plan = packs.get(pack).plan(model, from, to);
    let Value::Object(record) = record else { panic!("a record is an object") };
    let mut tally = Tally::default();
    let after = plan.apply(record, &mut tally).unwrap();
    (Value::Object(after), plan.counted(&tally))
}

/// The kind and the field of each warning.
fn kinds(warnings: &[Warning]) -> Vec<(WarningKind, &str)> {
    warnings.iter().map(|warning| (warning.kind, warning.field.as_deref().unwrap_or("*"))).collect()
}

#[test]
fn the_documented_example_gives_the_documented_result() {
    let record = json!({ "name": "Ahmed Al-Saudi", "customer": true, "phone": "+966501234567", "user_id": 5 });
    let (after, _) = carried(PackName::Documented, "res.partner", Version::V13, Version::V19, record);
    let documented = json!({
        "name": "Ahmed Al-Saudi", "type": "contact", "phone_primary": "+966501234567", "sales_person_id": 5
    });
    assert_eq!(after, documented);
}

#[test]
fn the_documented_plan_has_the_documented_first_step() {
    let packs = packs();
    let plan = packs.get(PackName::Documented).plan("res.partner", Version::V13, Version::V19);
    assert_eq!(plan.path, Version::ALL);
    let first = &plan.changes()[0];
    assert_eq!(first.removed_fields, ["customer", "supplier"]);
    assert!(first.renamed_fields.is_empty());
    assert_eq!(first.remarks, ["customer field removed, use type field"]);
    let lost: Vec<_> = plan.warnings.iter().filter(|warning| warning.kind.is_loss()).collect();
    let named: Vec<_> = lost.iter().map(|warning| (warning.field.as_deref().unwrap(), warning.version)).collect();
    assert!(named.contains(&("customer", Version::V14)) && named.contains(&("supplier", Version::V14)), "{named:?}");
}

#[test]
fn every_pair_of_versions_has_a_plan_of_as_many_steps_as_hops() {
    let packs = packs();
    for pack in [PackName::Documented, PackName::Odoo] {
        let mut pairs = 0;
        for from in Version::ALL {
            for to in Version::ALL.into_iter().filter(|to| *to != from) {
                let plan = packs.get(pack).plan("res.partner", from, to);
                assert_eq!(plan.changes().len(), plan.path.len() - 1);
                assert_eq!((plan.path[0], plan.path[plan.path.len() - 1]), (from, to));
                pairs += 1;
            }
        }
        assert_eq!(pairs, 42);
    }
}
