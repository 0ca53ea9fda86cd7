//! Rule packs: what changed between the versions of Odoo, as data.

use super::convert::Conversion;
use super::file::{HopFile, ModelFile, RuleFile};
use super::table::Table;
use super::version::Version;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

/// The name of a rule pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackName {
    /// The rules that BridgeCore's own documentation shows. They are not what Odoo did.
    Documented,
    /// What Odoo really changed.
    Odoo,
}

impl PackName {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Odoo => "odoo",
        }
    }
}

impl fmt::Display for PackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rules of all hops, checked.
#[derive(Debug)]
pub struct RulePack {
    name: PackName,
    hops: Vec<Hop>,
}

/// All rule packs.
#[derive(Debug)]
pub struct RulePacks {
    documented: RulePack,
    odoo: RulePack,
}

/// A mistake in a pack's files.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file is not of the form that it must have.
    #[error("the {pack} pack's file number {file} can't be read")]
    File {
        /// The pack.
        pack: PackName,
        /// Which of its files, from 1.
        file: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The rules of a model contradict each other.
    #[error("the {pack} pack, {version}, {model}: {flaw}")]
    Rules {
        /// The pack.
        pack: PackName,
        /// The version that the hop leads up to.
        version: Version,
        /// The model.
        model: String,
        /// What is wrong.
        flaw: String,
    },
    /// The files do not lead from the oldest version to the newest, hop by hop.
    #[error("the {0} pack does not have one file for each hop in their order")]
    Path(PackName),
}

/// What is wrong with a rule.
#[derive(Debug)]
pub(super) struct Flaw(pub(super) String);

/// Which way a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the newer version.
    Up,
    /// To the older version.
    Down,
}

impl Direction {
    pub(super) fn back(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

/// What changed between two neighbouring versions.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) from: Version,
    pub(super) to: Version,
    pub(super) renamed_models: BTreeMap<String, String>,
    pub(super) removed_models: BTreeMap<String, String>,
    pub(super) added_models: HashSet<String>,
    /// By the older name.
    pub(super) models: HashMap<String, ModelRules>,
}

/// What changed in one model.
#[derive(Debug, Default)]
pub(super) struct ModelRules {
    pub(super) rules: Vec<Rule>,
    /// Which rule takes a field, going up and going down.
    up: HashMap<String, usize>,
    down: HashMap<String, usize>,
    pub(super) unstored: Vec<String>,
    pub(super) required: Vec<String>,
    /// Relations that point to a model whose records are not the ones of before.
    pub(super) relations: BTreeMap<String, [String; 2]>,
    pub(super) manual: BTreeMap<String, String>,
    pub(super) notes: BTreeMap<String, String>,
    pub(super) instead: BTreeMap<String, String>,
    /// Fields that were looked at and need nothing, for the count of what is covered.
    #[cfg(test)]
    pub(super) kept: Vec<String>,
}

/// One change.
#[derive(Debug)]
pub(super) enum Rule {
    /// A field under a new name, in a new form, or both.
    Move { old: String, new: String, by: Conversion },
    /// A field that the newer version does not have.
    Removed(String),
    /// A field that the older version does not have.
    Added(String),
    /// A field that both versions compute, each in its own form.
    Computed(String),
    /// Several fields become several fields.
    Table(Table),
    /// Two texts become one, which keeps the name of the first.
    Join { fields: [String; 2], separator: String },
}

impl Rule {
    /// The fields that it takes.
    pub(super) fn takes(&self, direction: Direction) -> &[String] {
        use std::slice::from_ref;
        match (self, direction) {
            (Self::Move { old, .. }, Direction::Up) => from_ref(old),
            (Self::Move { new, .. }, Direction::Down) => from_ref(new),
            (Self::Removed(_), Direction::Down) | (Self::Added(_), Direction::Up) => &[],
            (Self::Removed(field) | Self::Added(field) | Self::Computed(field), _) => from_ref(field),
            (Self::Table(table), direction) => table.takes(direction),
            (Self::Join { fields, .. }, Direction::Up) => fields,
            (Self::Join { fields, .. }, Direction::Down) => &fields[..1],
        }
    }

    /// The fields that it gives.
    pub(super) fn gives(&self, direction: Direction) -> &[String] {
        match self {
            Self::Removed(_) | Self::Added(_) | Self::Computed(_) => &[],
            _ => self.takes(direction.back()),
        }
    }

    /// All its fields, on either side.
    fn fields(&self) -> impl Iterator<Item = &String> {
        self.takes(Direction::Up).iter().chain(self.takes(Direction::Down))
    }
}

impl ModelRules {
    /// The rule that takes this field.
    pub(super) fn taking(&self, direction: Direction, field: &str) -> Option<usize> {
        match direction {
            Direction::Up => self.up.get(field).copied(),
            Direction::Down => self.down.get(field).copied(),
        }
    }
}

macro_rules! files {
    ($pack:literal) => {
        [
            include_str!(concat!("packs/", $pack, "/13.0-14.0.json")),
            include_str!(concat!("packs/", $pack, "/14.0-15.0.json")),
            include_str!(concat!("packs/", $pack, "/15.0-16.0.json")),
            include_str!(concat!("packs/", $pack, "/16.0-17.0.json")),
            include_str!(concat!("packs/", $pack, "/17.0-18.0.json")),
            include_str!(concat!("packs/", $pack, "/18.0-19.0.json")),
        ]
    };
}

impl RulePacks {
    /// Reads the packs, which are part of the program; the error is one of their files'.
    pub fn new() -> Result<Self, PackError> {
        Ok(Self {
            documented: RulePack::read(PackName::Documented, &files!("documented"))?,
            odoo: RulePack::read(PackName::Odoo, &files!("odoo"))?,
        })
    }

    /// The pack of this name.
    pub fn get(&self, name: PackName) -> &RulePack {
        match name {
            PackName::Documented => &self.documented,
            PackName::Odoo => &self.odoo,
        }
    }
}

impl RulePack {
    /// Its name.
    pub fn name(&self) -> PackName {
        self.name
    }

    pub(super) fn read(name: PackName, files: &[&str]) -> Result<Self, PackError> {
        let mut hops = Vec::with_capacity(files.len());
        for (index, text) in files.iter().enumerate() {
            let file =
                serde_json::from_str(text).map_err(|source| PackError::File { pack: name, file: index + 1, source })?;
            hops.push(Hop::new(name, file)?);
        }
        let expected = Version::ALL.windows(2);
        let is_path =
            hops.len() == expected.len() && hops.iter().zip(expected).all(|(hop, pair)| [hop.from, hop.to] == *pair);
        if is_path { Ok(Self { name, hops }) } else { Err(PackError::Path(name)) }
    }

    /// The hop between two neighbouring versions.
    pub(super) fn hop(&self, one: Version, other: Version) -> Option<&Hop> {
        let (from, to) = (one.min(other), one.max(other));
        self.hops.iter().find(|hop| hop.from == from && hop.to == to)
    }

    /// All hops, for tests.
    #[cfg(test)]
    pub(super) fn hops(&self) -> &[Hop] {
        &self.hops
    }
}

impl Hop {
    /// Whether a model has this name only from the hop on.
    pub(super) fn is_new_name(&self, model: &str) -> bool {
        self.renamed_models.values().any(|new| new == model)
    }

    /// Whether a model has this name only up to the hop.
    pub(super) fn is_old_name(&self, model: &str) -> bool {
        self.renamed_models.contains_key(model)
    }

    fn new(pack: PackName, file: HopFile) -> Result<Self, PackError> {
        let HopFile { from, to, renamed_models, removed_models, added_models, inherits, models } = file;
        let mut typed = HashMap::new();
        let names: BTreeSet<&String> = models.keys().chain(inherits.keys()).collect();
        for model in names {
            let no_rules = ModelFile::default();
            let own = models.get(model).unwrap_or(&no_rules);
            let parent = inherits.get(model).and_then(|parent| models.get(parent));
            let rules = ModelRules::new(own, parent, &renamed_models);
            let rules =
                rules.map_err(|Flaw(flaw)| PackError::Rules { pack, version: to, model: model.clone(), flaw })?;
            typed.insert(model.clone(), rules);
        }
        let added_models = added_models.into_iter().collect();
        Ok(Self { from, to, renamed_models, removed_models, added_models, models: typed })
    }
}

impl ModelRules {
    fn new(own: &ModelFile, parent: Option<&ModelFile>, renamed: &BTreeMap<String, String>) -> Result<Self, Flaw> {
        let mut typed = Self::default();
        let mut mine = rules(own)?;
        let own_fields: HashSet<String> = mine.iter().flat_map(Rule::fields).chain(&own.kept).cloned().collect();
        if let Some(parent) = parent {
            // What a model says of a field itself stands in the place of what the one behind it says.
            mine.extend(
                rules(parent)?.into_iter().filter(|rule| rule.fields().all(|field| !own_fields.contains(field))),
            );
        }
        typed.rules = mine;
        typed.up = index(&typed.rules, Direction::Up)?;
        typed.down = index(&typed.rules, Direction::Down)?;
        for file in parent.into_iter().chain([own]) {
            let is_other = |pair: &[String; 2]| renamed.get(&pair[0]) != Some(&pair[1]);
            let relations = file.relations.iter().filter(|(_, pair)| is_other(pair));
            typed.relations.extend(relations.map(|(field, pair)| (field.clone(), pair.clone())));
            typed.unstored.extend(file.unstored.iter().cloned());
            typed.required.extend(file.required.iter().cloned());
            typed.notes.extend(file.notes.clone());
            typed.instead.extend(file.instead.clone());
        }
        for names in [&mut typed.unstored, &mut typed.required] {
            names.sort();
            names.dedup();
        }
        // A remark on a whole model is about that model alone.
        let inherited = parent.into_iter().flat_map(|file| &file.manual).filter(|(field, _)| *field != "*");
        typed.manual.extend(inherited.chain(&own.manual).map(|(field, text)| (field.clone(), text.clone())));
        #[cfg(test)]
        typed.kept.extend(parent.into_iter().chain([own]).flat_map(|file| {
            let relations = file.relations.keys().chain(file.manual.keys());
            file.kept.iter().chain(relations).cloned()
        }));
        Ok(typed)
    }
}

fn rules(file: &ModelFile) -> Result<Vec<Rule>, Flaw> {
    let moved = |old: &String, new: &String, by| Rule::Move { old: old.clone(), new: new.clone(), by };
    let mut rules: Vec<Rule> = Vec::new();
    rules.extend(file.renamed.iter().map(|(old, new)| moved(old, new, Conversion::Same)));
    rules.extend(file.converted.iter().map(|(field, by)| moved(field, field, by.clone())));
    rules.extend(file.removed.iter().cloned().map(Rule::Removed));
    rules.extend(file.added.iter().cloned().map(Rule::Added));
    rules.extend(file.computed.iter().cloned().map(Rule::Computed));
    for rule in &file.rules {
        rules.push(match rule.clone() {
            RuleFile::Change { from, to, by } => Rule::Move { old: from, new: to, by },
            RuleFile::Join { first, second, separator } => Rule::Join { fields: [first, second], separator },
            RuleFile::Table { from, to, sees, up, down, lossy_up, lossy_down } => {
                Rule::Table(Table::new(from, to, sees, up, down, lossy_up, lossy_down)?)
            }
        });
    }
    Ok(rules)
}

/// Which rule takes which field. Two rules that take or give the same one would depend on their order.
fn index(rules: &[Rule], direction: Direction) -> Result<HashMap<String, usize>, Flaw> {
    let mut index = HashMap::new();
    let mut given = HashSet::new();
    for (number, rule) in rules.iter().enumerate() {
        for field in rule.takes(direction) {
            if index.insert(field.clone(), number).is_some() {
                return Err(Flaw(format!("two rules take {field}")));
            }
        }
        if let Some(field) = rule.gives(direction).iter().find(|field| !given.insert((*field).clone())) {
            return Err(Flaw(format!("two rules give {field}")));
        }
    }
    Ok(index)
}
