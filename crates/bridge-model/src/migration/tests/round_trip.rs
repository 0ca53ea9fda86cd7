//! The way there and back, for all pairs of versions.

use super::*;
use crate::entropy::{Entropy as _, SeededEntropy};
use crate::migration::convert::Conversion;
use crate::migration::pack::{Direction, Rule};
use std::collections::{BTreeMap, BTreeSet};

/// Every field that a pack knows of a model, with values that its rules name.
type Known = BTreeMap<String, Vec<Value>>;

/// What a model has in this version.
fn known_fields(pack: &RulePack, model: &str, version: Version) -> Known {
    let mut known = Known::new();
    for hop in pack.hops() {
        let Some(rules) = hop.models.get(model) else { continue };
        // The side of the hop on which the version stands.
        let way = if version <= hop.from { Direction::Up } else { Direction::Down };
        for rule in &rules.rules {
            for field in rule.takes(way) {
                known.entry(field.clone()).or_default().extend(values_for(rule, way, field));
            }
        }
        for field in rules.unstored.iter().chain(&rules.required).chain(rules.manual.keys()) {
            known.entry(field.clone()).or_default();
        }
    }
    known.insert("x_untouched".to_owned(), vec![]);
    known
}

fn values_for(rule: &Rule, way: Direction, field: &str) -> Vec<Value> {
    let Rule::Move { by, .. } = rule else {
        return match rule {
            Rule::Table(table) => table.named_values(way, field),
            Rule::Join { .. } => vec![json!("+1 555 01"), json!("+1 555 02"), json!("a // b"), json!("")],
            _ => vec![],
        };
    };
    let is_up = way == Direction::Up;
    match by {
        Conversion::Map { up, down } => {
            let of_side = |(older, newer): &(Value, Value)| if is_up { older.clone() } else { newer.clone() };
            let of_other = |(newer, older): &(Value, Value)| if is_up { older.clone() } else { newer.clone() };
            up.iter().map(of_side).chain(down.iter().map(of_other)).collect()
        }
        Conversion::Html if is_up => vec![json!("plain"), json!("<b> & \n\n x"), json!("")],
        Conversion::Html => vec![json!("<p>one<br>two</p>"), json!("<ul><li>x</li></ul>"), json!("<p>&lt;b&gt;</p>")],
        Conversion::Many | Conversion::Analytic if is_up => vec![json!(7)],
        Conversion::Many => vec![json!([7]), json!([7, 8]), json!([])],
        Conversion::One if is_up => vec![json!([7]), json!([7, 8]), json!([])],
        Conversion::One => vec![json!(7)],
        Conversion::Analytic => vec![json!({"7": 100}), json!({"7": 50, "8": 50})],
        Conversion::Not => vec![json!(true), json!(false)],
        Conversion::Datetime if is_up => vec![json!("2024-02-29")],
        Conversion::Datetime => vec![json!("2024-02-29T00:00:00Z"), json!("2024-02-29T11:22:33Z")],
        Conversion::Whole | Conversion::Fraction => vec![json!(3), json!(3.5)],
        Conversion::Number if is_up => vec![json!("7.5"), json!("12")],
        Conversion::Number => vec![json!(7.5), json!(12.0)],
        Conversion::Same => vec![],
    }
}

/// Those of the fields that the version itself has: the nearest rule about each, towards the newest version and towards
/// the oldest, takes it from there.
fn fields_there(pack: &RulePack, model: &str, version: Version) -> Known {
    let mut known = known_fields(pack, model, version);
    for end in [Version::V19, Version::V13] {
        let way = pack.plan(model, version, end);
        known.retain(|field, _| {
            let nearest = way.steps.iter().find_map(|step| {
                let rules = step.rules?;
                let is_taken = rules.taking(step.direction, field).is_some();
                (is_taken || rules.taking(step.direction.back(), field).is_some()).then_some(is_taken)
            });
            nearest.unwrap_or(true)
        });
    }
    known
}

/// A record of some of these fields.
fn random_record(entropy: &SeededEntropy, known: &Known) -> Record {
    let mut record = Record::new();
    for (field, values) in known {
        if entropy.fraction() < 0.6 {
            continue;
        }
        let others = [json!("some text"), json!(42), json!(null)];
        let values: Vec<&Value> =
            if values.is_empty() { others.iter().collect() } else { values.iter().chain(&others[2..]).collect() };
        record.insert(field.clone(), values[pick(entropy, values.len())].clone());
    }
    record
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers"
)]
fn pick(entropy: &SeededEntropy, of: usize) -> usize {
    (entropy.fraction() * of as f64) as usize
}

/// Equal, but for what does not count: null and an empty text stand for a field that is not there, and 3.0 for 3.
fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    let filled = |value: Option<&Value>| value.filter(|value| **value != json!("")).cloned().unwrap_or_default();
    let (one, other) = (filled(one), filled(other));
    one == other || one.as_f64().is_some_and(|number| Some(number) == other.as_f64())
}

#[test]
fn what_is_not_declared_lossy_comes_back_unchanged_for_all_pairs() {
    let packs = packs();
    let entropy = SeededEntropy::new(20);
    let (mut compared, mut lossy) = (0, 0);
    for name in [PackName::Odoo, PackName::Documented] {
        let pack = packs.get(name);
        let models: BTreeSet<&String> = pack.hops().iter().flat_map(|hop| hop.models.keys()).collect();
        for model in models {
            for from in Version::ALL {
                let known = fields_there(pack, model, from);
                for to in Version::ALL.into_iter().filter(|to| *to != from) {
                    let there = pack.plan(model, from, to);
                    if there.missing_in.is_some() {
                        continue;
                    }
                    let back = pack.plan(&there.target_model, to, from);
                    assert_eq!((back.missing_in, back.target_model.as_str()), (None, model.as_str()));
                    for _ in 0..6 {
                        let before = random_record(&entropy, &known);
                        let mut tally = Tally::default();
                        let middle = there.apply(before.clone(), &mut tally).unwrap();
                        let after = back.apply(middle.clone(), &mut tally).unwrap();
                        // A null stands for a field that is not there.
                        for (field, value) in before.iter().filter(|(_, value)| !value.is_null()) {
                            let fate = there.fate(field);
                            if fate.is_lossy || fate.names.iter().any(|name| back.fate(name).is_lossy) {
                                lossy += 1;
                                continue;
                            }
                            compared += 1;
                            assert!(
                                is_same(Some(value), after.get(field)),
                                "{name} {model} {from} -> {to} {field}: {before:?} became {middle:?} became {after:?}"
                            );
                        }
                    }
                }
            }
        }
    }
    assert!(compared > 50_000 && lossy > 1_000, "{compared} fields were compared, {lossy} were lossy");
}

#[test]
fn a_value_that_does_not_come_back_was_told_of_when_it_went() {
    let packs = packs();
    let entropy = SeededEntropy::new(21);
    let pack = packs.get(PackName::Odoo);
    for model in ["res.partner", "product.template", "project.task", "stock.move.line", "account.move", "hr.expense"] {
        for pair in Version::ALL.windows(2) {
            let (there, back) = (pack.plan(model, pair[0], pair[1]), pack.plan(model, pair[1], pair[0]));
            let known = fields_there(pack, model, pair[0]);
            for _ in 0..40 {
                let before = random_record(&entropy, &known);
                let mut tally = Tally::default();
                let middle = there.apply(before.clone(), &mut tally).unwrap();
                let told = there.counted(&tally);
                let mut tally_back = Tally::default();
                let after = back.apply(middle.clone(), &mut tally_back).unwrap();
                let told_back = back.counted(&tally_back);
                for (field, value) in before.iter().filter(|(_, value)| !value.is_null()) {
                    if is_same(Some(value), after.get(field)) {
                        continue;
                    }
                    let is_told = told.iter().any(|warning| warning.field.as_deref() == Some(field));
                    let names = there.fate(field).names;
                    let is_told_back = told_back
                        .iter()
                        .any(|warning| warning.field.as_ref().is_some_and(|field| names.contains(field)));
                    assert!(is_told || is_told_back, "{model} {pair:?} {field}: {before:?} -> {middle:?} -> {after:?}");
                }
            }
        }
    }
}
