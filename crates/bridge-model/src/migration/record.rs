//! Carrying records over.

use super::pack::{Direction, ModelRules, Rule};
use super::plan::{Plan, Step};
use super::version::Version;
use super::warning::{Warning, WarningKind};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A record: its fields' values by name.
pub type Record = Map<String, Value>;

/// How many records each of a plan's warnings turned out to concern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    records: u64,
    counts: Vec<u64>,
    /// By the number of the step and the field.
    conflicts: BTreeMap<(usize, String), u64>,
}

/// A model that a version on the way does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Odoo {version} has no model {model}")]
pub struct ModelMissing {
    /// The model.
    pub model: String,
    /// The version.
    pub version: Version,
}

impl Tally {
    /// How many records were carried over.
    pub fn records(&self) -> u64 {
        self.records
    }

    fn count(&mut self, warning: usize) {
        if self.counts.len() <= warning {
            self.counts.resize(warning + 1, 0);
        }
        self.counts[warning] += 1;
    }
}

impl Plan<'_> {
    /// The record as the last version of the way has it; what it lost or a person must look at is counted in `tally`.
    pub fn apply(&self, mut record: Record, tally: &mut Tally) -> Result<Record, ModelMissing> {
        if let Some(version) = self.missing_in {
            return Err(ModelMissing { model: self.target_model.clone(), version });
        }
        tally.records += 1;
        // Few fields of a record change between any two versions: only those go through the steps.
        let touched: Vec<&str> = record.keys().filter_map(|field| self.touched.get(field.as_str()).copied()).collect();
        let mut moving: Record = touched.into_iter().filter_map(|field| record.remove_entry(field)).collect();
        for (number, step) in self.steps.iter().enumerate() {
            moving = step.apply(number, moving, tally);
        }
        if record.is_empty() {
            return Ok(moving);
        }
        record.extend(moving);
        Ok(record)
    }

    /// The warnings that concern at least one of the records, with their number.
    pub fn counted(&self, tally: &Tally) -> Vec<Warning> {
        let mut found: Vec<Warning> = Vec::new();
        for (warning, count) in self.warnings.iter().zip(&tally.counts) {
            if *count > 0 {
                found.push(Warning { records: *count, ..warning.clone() });
            }
        }
        for ((number, field), count) in &tally.conflicts {
            let step = &self.steps[*number];
            found.push(Warning {
                kind: WarningKind::Conflict,
                model: step.model.clone(),
                field: Some(field.clone()),
                from: step.from,
                version: step.to,
                note: None,
                instead: None,
                records: *count,
            });
        }
        found
    }
}

impl Step<'_> {
    /// One hop of one record. All rules see the record as it was before, so that names can be swapped.
    fn apply(&self, number: usize, before: Record, tally: &mut Tally) -> Record {
        for warning in &self.of_all {
            tally.count(*warning);
        }
        let Some(rules) = self.rules else { return before };
        let taken: Vec<Option<usize>> = before.keys().map(|field| rules.taking(self.direction, field)).collect();
        let is_changed = taken.iter().any(Option::is_some);
        let after =
            if is_changed { self.change(number, rules, before, taken, tally) } else { self.remark(before, tally) };
        for (field, warning) in &self.required {
            if after.get(*field).is_none_or(Value::is_null) {
                tally.count(*warning);
            }
        }
        after
    }

    /// The same where some rule takes a field; `taken` has the rule of each field, in their order.
    fn change(
        &self,
        number: usize,
        rules: &ModelRules,
        before: Record,
        taken: Vec<Option<usize>>,
        tally: &mut Tally,
    ) -> Record {
        let mut given: Vec<(usize, String, Value)> = Vec::new();
        let mut groups: Vec<usize> = Vec::new();
        for rule in taken.iter().flatten() {
            if matches!(rules.rules[*rule], Rule::Table(_) | Rule::Join { .. }) && !groups.contains(rule) {
                groups.push(*rule);
            }
        }
        for rule in groups {
            // Where there is but one text to join, it stays what it is.
            let is_kept = matches!(&rules.rules[rule], Rule::Join { fields, separator } if is_one_text(fields, separator, &before));
            for (field, warning) in self.losses[rule].iter().filter(|_| !is_kept) {
                if before.get(*field).is_some_and(|value| !value.is_null()) {
                    tally.count(*warning);
                }
            }
            let values = match &rules.rules[rule] {
                Rule::Table(table) => table.apply(self.direction, &before),
                Rule::Join { fields, separator } => join(self.direction, fields, separator, &before),
                _ => Vec::new(),
            };
            given.extend(values.into_iter().map(|(field, value)| (rule, field, value)));
        }
        let before = self.remark(before, tally);
        let mut after = Record::new();
        let mut moved: Vec<(String, &str, Value)> = Vec::new();
        for ((field, value), rule) in before.into_iter().zip(taken) {
            let Some(rule) = rule else {
                after.insert(field, value);
                continue;
            };
            match &rules.rules[rule] {
                Rule::Move { old, new, by } => {
                    let (value, is_lost) = by.apply(self.direction, value);
                    if is_lost && let Some((_, warning)) = self.losses[rule].first() {
                        tally.count(*warning);
                    }
                    moved.push((field, if self.direction == Direction::Up { new } else { old }, value));
                }
                Rule::Removed(_) | Rule::Added(_) | Rule::Computed(_) if !value.is_null() => {
                    if let Some((_, warning)) = self.losses[rule].first() {
                        tally.count(*warning);
                    }
                }
                _ => {}
            }
        }
        for (_, field, value) in given {
            after.insert(field, value);
        }
        for (old, new, value) in moved {
            if after.contains_key(new) {
                *tally.conflicts.entry((number, old.clone())).or_default() += 1;
                after.entry(old).or_insert(value);
            } else {
                after.insert(if old == new { old } else { new.to_owned() }, value);
            }
        }
        after
    }

    fn remark(&self, record: Record, tally: &mut Tally) -> Record {
        if !self.remarks.is_empty() {
            for (field, _) in record.iter().filter(|(_, value)| !value.is_null()) {
                for warning in self.remarks.get(field.as_str()).into_iter().flatten() {
                    tally.count(*warning);
                }
            }
        }
        record
    }
}

fn is_one_text(fields: &[String; 2], separator: &str, record: &Record) -> bool {
    let [first, second] = fields.each_ref().map(|field| record.get(field).and_then(Value::as_str).unwrap_or_default());
    second.is_empty() && !first.contains(separator)
}

fn join(direction: Direction, fields: &[String; 2], separator: &str, record: &Record) -> Vec<(String, Value)> {
    let [first, second] = fields;
    let text = |field: &String| record.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (direction, text(first), text(second)) {
        (Direction::Down, Some(joined), _) => match joined.split_once(separator) {
            Some((one, other)) => vec![(first.clone(), one.into()), (second.clone(), other.into())],
            None => vec![(first.clone(), joined.into())],
        },
        (Direction::Up, Some(one), Some(other)) if one != other => {
            vec![(first.clone(), format!("{one}{separator}{other}").into())]
        }
        (Direction::Up, None, Some(other)) => vec![(first.clone(), other.into())],
        _ => record.get(first).map(|value| (first.clone(), value.clone())).into_iter().collect(),
    }
}
