//! The way of a model's records from one version to another.

use super::pack::{Direction, Hop, ModelRules, PackName, Rule, RulePack};
use super::version::Version;
use super::warning::{Warning, WarningKind};
use std::collections::{BTreeSet, HashMap, HashSet};

/// How the records of one model are carried from one version to another.
#[derive(Debug)]
pub struct Plan<'p> {
    /// The pack whose rules it follows.
    pub pack: PackName,
    /// Where it begins.
    pub from: Version,
    /// Where it ends.
    pub to: Version,
    /// Every version on the way, the first and the last included.
    pub path: Vec<Version>,
    /// The model's name where it begins.
    pub model: String,
    /// The model's name where it ends.
    pub target_model: String,
    /// The version on the way that does not have the model; nothing can be carried further then.
    pub missing_in: Option<Version>,
    /// Everything that may have to be known, in the order of the steps.
    pub warnings: Vec<Warning>,
    pub(super) steps: Vec<Step<'p>>,
    /// Every field that some step looks at. All others pass.
    pub(super) touched: HashSet<&'p str>,
}

/// One hop of the way.
#[derive(Debug)]
pub(super) struct Step<'p> {
    pub(super) from: Version,
    pub(super) to: Version,
    pub(super) model: String,
    pub(super) direction: Direction,
    pub(super) rules: Option<&'p ModelRules>,
    /// By rule: the fields that it may lose, each with its warning.
    pub(super) losses: Vec<Vec<(&'p str, usize)>>,
    /// Warnings of fields that are there.
    pub(super) remarks: HashMap<&'p str, Vec<usize>>,
    /// Warnings of fields that are not there.
    pub(super) required: Vec<(&'p str, usize)>,
    /// Warnings that every record has.
    pub(super) of_all: Vec<usize>,
}

/// What a step does to the fields of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The version that the step leaves.
    pub from: Version,
    /// The version that it leads to.
    pub to: Version,
    /// The model's name before it.
    pub model: String,
    /// Fields that there are no more.
    pub removed_fields: Vec<String>,
    /// Fields under a new name, the old one first.
    pub renamed_fields: Vec<(String, String)>,
    /// Fields that there are from here on.
    pub added_fields: Vec<String>,
    /// Fields whose values take another form.
    pub converted_fields: Vec<String>,
    /// The pack's remarks on the step.
    pub remarks: Vec<String>,
}

/// What becomes of a field on the whole way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// Its names at the end; none if it is lost, several if it was split.
    pub names: BTreeSet<String>,
    /// Whether a value of it may be lost on the way.
    pub is_lossy: bool,
}

impl RulePack {
    /// The way of this model's records. Both versions may be the same; then nothing changes.
    pub fn plan(&self, model: &str, from: Version, to: Version) -> Plan<'_> {
        let path = from.path(to);
        let mut plan = Plan {
            pack: self.name(),
            from,
            to,
            model: model.to_owned(),
            target_model: model.to_owned(),
            missing_in: None,
            warnings: Vec::new(),
            steps: Vec::new(),
            touched: HashSet::new(),
            path,
        };
        let mut has_rules = from == to;
        for pair in plan.path.clone().windows(2) {
            let Some(hop) = self.hop(pair[0], pair[1]) else { continue };
            has_rules |= plan.add_step(hop, pair[0]);
            if plan.missing_in.is_some() {
                return plan;
            }
        }
        if !has_rules {
            plan.warn_of_all(WarningKind::NoRules, None);
        }
        plan
    }
}

impl<'p> Plan<'p> {
    /// What each step does to the fields.
    pub fn changes(&self) -> Vec<Changes> {
        self.steps.iter().map(Step::changes).collect()
    }

    /// What becomes of a field.
    pub fn fate(&self, field: &str) -> Fate {
        let mut names = BTreeSet::from([field.to_owned()]);
        let mut is_lossy = self.missing_in.is_some();
        for step in &self.steps {
            let Some(rules) = step.rules else { continue };
            let mut next = BTreeSet::new();
            for name in names {
                match rules.taking(step.direction, &name) {
                    Some(number) => {
                        is_lossy |= step.losses[number].iter().any(|(lost, _)| **lost == name);
                        next.extend(rules.rules[number].gives(step.direction).iter().cloned());
                    }
                    None => {
                        next.insert(name);
                    }
                }
            }
            names = next;
        }
        Fate { names, is_lossy }
    }

    /// Adds a hop; answers whether the pack says anything about the model there.
    fn add_step(&mut self, hop: &'p Hop, from: Version) -> bool {
        let (direction, to) = if hop.from == from { (Direction::Up, hop.to) } else { (Direction::Down, hop.from) };
        let model = self.target_model.clone();
        let (old_name, next_name) = names(hop, direction, &model);
        let missing_in = match direction {
            Direction::Up if hop.removed_models.contains_key(&model) => Some(to),
            Direction::Down if hop.added_models.contains(&model) => Some(to),
            // A name that the version which the step leaves does not know.
            Direction::Up if hop.added_models.contains(&model) || hop.is_new_name(&model) => Some(from),
            Direction::Down if hop.removed_models.contains_key(&model) || hop.is_old_name(&model) => Some(from),
            _ => None,
        };
        let rules = hop.models.get(&old_name);
        let losses = rules.map_or(0, |rules| rules.rules.len());
        let mut step = Step {
            from,
            to,
            model,
            direction,
            rules,
            losses: vec![Vec::new(); losses],
            remarks: HashMap::new(),
            required: Vec::new(),
            of_all: Vec::new(),
        };
        if let Some(rules) = rules {
            self.note_losses(&mut step, rules);
            self.note_remarks(&mut step, rules);
        }
        let is_renamed = next_name != step.model;
        let has_rules = rules.is_some() || is_renamed || missing_in.is_some();
        if missing_in.is_none() {
            self.target_model = next_name;
        }
        self.steps.push(step);
        if missing_in.is_some() {
            self.missing_in = missing_in;
            let note = hop.removed_models.get(&old_name).filter(|note| !note.is_empty()).cloned();
            let warning = self.warn_of_all(WarningKind::ModelMissing, note);
            self.warnings[warning].version = missing_in.unwrap_or(to);
        } else if is_renamed {
            let target = self.target_model.clone();
            let warning = self.warn_of_all(WarningKind::ModelRenamed, None);
            self.warnings[warning].instead = Some(target);
        }
        has_rules
    }

    fn note_losses(&mut self, step: &mut Step<'p>, rules: &'p ModelRules) {
        for (number, rule) in rules.rules.iter().enumerate() {
            self.touched.extend(rule.takes(step.direction).iter().map(String::as_str));
            self.touched.extend(rule.gives(step.direction).iter().map(String::as_str));
            let (kind, lost): (WarningKind, &[String]) = match (rule, step.direction) {
                (Rule::Removed(_) | Rule::Added(_), _) => (WarningKind::FieldMissing, rule.takes(step.direction)),
                (Rule::Computed(_), _) => (WarningKind::Computed, rule.takes(step.direction)),
                (Rule::Move { by, .. }, direction) if by.is_lossy(direction) => {
                    (WarningKind::ValueNotKept, rule.takes(direction))
                }
                (Rule::Table(table), direction) => {
                    self.touched.extend(table.sees.iter().map(String::as_str));
                    (WarningKind::ValueNotKept, table.lossy(direction))
                }
                (Rule::Join { fields, .. }, Direction::Up) => (WarningKind::ValueNotKept, fields),
                (Rule::Move { .. } | Rule::Join { .. }, _) => (WarningKind::ValueNotKept, &[]),
            };
            for field in lost {
                let note = rules.notes.get(field).filter(|_| step.direction == Direction::Up).cloned();
                let warning = self.warn(step, kind, Some(field), note);
                if step.direction == Direction::Up {
                    self.warnings[warning].instead = rules.instead.get(field).cloned();
                }
                step.losses[number].push((field, warning));
            }
        }
    }

    fn note_remarks(&mut self, step: &mut Step<'p>, rules: &'p ModelRules) {
        let remark = |plan: &mut Self, step: &mut Step<'p>, kind, field: &'p String, note| {
            let warning = plan.warn(step, kind, Some(field), note);
            plan.touched.insert(field);
            step.remarks.entry(field).or_default().push(warning);
        };
        if step.direction == Direction::Up {
            for field in &rules.unstored {
                remark(self, step, WarningKind::NotStored, field, None);
            }
            for field in &rules.required {
                let warning = self.warn(step, WarningKind::Required, Some(field), None);
                self.touched.insert(field);
                step.required.push((field, warning));
            }
        }
        for (field, [one, other]) in &rules.relations {
            remark(self, step, WarningKind::RelationChanged, field, Some(format!("{one} -> {other}")));
        }
        for (field, text) in &rules.manual {
            if field == "*" {
                let warning = self.warn(step, WarningKind::Manual, None, Some(text.clone()));
                step.of_all.push(warning);
            } else {
                remark(self, step, WarningKind::Manual, field, Some(text.clone()));
            }
        }
    }

    fn warn(&mut self, step: &Step<'_>, kind: WarningKind, field: Option<&str>, note: Option<String>) -> usize {
        self.warnings.push(Warning {
            kind,
            model: step.model.clone(),
            field: field.map(str::to_owned),
            from: step.from,
            version: step.to,
            note,
            instead: None,
            records: 0,
        });
        self.warnings.len() - 1
    }

    /// A warning that every record has, at the last step or, if there is none, on the whole way.
    fn warn_of_all(&mut self, kind: WarningKind, note: Option<String>) -> usize {
        let model = self.steps.last().map_or(&self.model, |step| &step.model).clone();
        let (from, version) = self.steps.last().map_or((self.from, self.to), |step| (step.from, step.to));
        self.warnings.push(Warning { kind, model, field: None, from, version, note, instead: None, records: 0 });
        let number = self.warnings.len() - 1;
        if let Some(step) = self.steps.last_mut() {
            step.of_all.push(number);
        }
        number
    }
}

impl Step<'_> {
    fn changes(&self) -> Changes {
        let mut changes = Changes {
            from: self.from,
            to: self.to,
            model: self.model.clone(),
            removed_fields: Vec::new(),
            renamed_fields: Vec::new(),
            added_fields: Vec::new(),
            converted_fields: Vec::new(),
            remarks: Vec::new(),
        };
        let Some(rules) = self.rules else { return changes };
        for rule in &rules.rules {
            let (takes, gives) = (rule.takes(self.direction), rule.gives(self.direction));
            match rule {
                Rule::Move { by, .. } => {
                    if takes != gives {
                        changes.renamed_fields.push((takes[0].clone(), gives[0].clone()));
                    }
                    if !by.is_same() {
                        changes.converted_fields.push(takes[0].clone());
                    }
                }
                Rule::Computed(field) => changes.converted_fields.push(field.clone()),
                // The field is there on the side that does not take it.
                Rule::Removed(field) | Rule::Added(field) if takes.is_empty() => {
                    changes.added_fields.push(field.clone());
                }
                _ => {
                    let missing = |field: &&String, side: &[String]| !side.contains(field);
                    changes.removed_fields.extend(takes.iter().filter(|field| missing(field, gives)).cloned());
                    changes.added_fields.extend(gives.iter().filter(|field| missing(field, takes)).cloned());
                    changes.converted_fields.extend(takes.iter().filter(|field| !missing(field, gives)).cloned());
                }
            }
        }
        for fields in [&mut changes.removed_fields, &mut changes.added_fields, &mut changes.converted_fields] {
            fields.sort();
        }
        changes.renamed_fields.sort();
        if self.direction == Direction::Up {
            changes.remarks.extend(rules.notes.values().cloned());
        }
        changes.remarks.extend(rules.manual.values().cloned());
        changes
    }
}

/// The model's name in the older version, by which the pack knows it, and its name after the hop.
fn names(hop: &Hop, direction: Direction, model: &str) -> (String, String) {
    match direction {
        Direction::Up => {
            let next = hop.renamed_models.get(model).map_or(model, String::as_str);
            (model.to_owned(), next.to_owned())
        }
        Direction::Down => {
            let old = hop.renamed_models.iter().find(|(_, new)| *new == model).map_or(model, |(old, _)| old.as_str());
            (old.to_owned(), old.to_owned())
        }
    }
}
