//! The form of a rule pack's files: one file tells what changed between two neighbouring versions.

use super::convert::Conversion;
use super::version::Version;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What changed in one hop, always told from the older version to the newer one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HopFile {
    pub(super) from: Version,
    pub(super) to: Version,
    /// Models under a new name, with the ids they had.
    #[serde(default)]
    pub(super) renamed_models: BTreeMap<String, String>,
    /// Models that the newer version does not have, each with what became of it or an empty text.
    #[serde(default)]
    pub(super) removed_models: BTreeMap<String, String>,
    /// Models that the older version does not have.
    #[serde(default)]
    pub(super) added_models: Vec<String>,
    /// Models that show the fields of another as their own.
    #[serde(default)]
    pub(super) inherits: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) models: BTreeMap<String, ModelFile>,
}

/// What changed in one model, under its older name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ModelFile {
    /// Fields under a new name.
    pub(super) renamed: BTreeMap<String, String>,
    /// Fields that the newer version does not have.
    pub(super) removed: Vec<String>,
    /// Fields that the older version does not have.
    pub(super) added: Vec<String>,
    /// Fields of another form, which both versions compute: their values are not carried over.
    pub(super) computed: Vec<String>,
    /// Fields that are computed when they are read from here on.
    pub(super) unstored: Vec<String>,
    /// Fields that a record must have from here on, and that nothing fills in.
    pub(super) required: Vec<String>,
    /// Fields that were looked at and whose values need no change.
    pub(super) kept: Vec<String>,
    /// Fields of the same name whose values change.
    pub(super) converted: BTreeMap<String, Conversion>,
    /// Relations that point to another model: the older one and the newer one.
    pub(super) relations: BTreeMap<String, [String; 2]>,
    /// Changes that take more than one line.
    pub(super) rules: Vec<RuleFile>,
    /// What a person has to look at, by field; under `*` what concerns the whole model.
    pub(super) manual: BTreeMap<String, String>,
    /// Remarks on what the rules do, by field.
    pub(super) notes: BTreeMap<String, String>,
    /// What to use in the place of a field that is gone.
    pub(super) instead: BTreeMap<String, String>,
}

/// A change of more than one line.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum RuleFile {
    /// A new name and a new form at once.
    Change { from: String, to: String, by: Conversion },
    /// Several fields together decide over several fields.
    Table {
        from: Vec<String>,
        to: Vec<String>,
        /// Fields that are looked at and left as they are.
        #[serde(default)]
        sees: Vec<String>,
        #[serde(default)]
        up: Vec<RowFile>,
        #[serde(default)]
        down: Vec<RowFile>,
        #[serde(default)]
        lossy_up: Vec<String>,
        #[serde(default)]
        lossy_down: Vec<String>,
    },
    /// Two texts become one.
    Join { first: String, second: String, separator: String },
}

/// The first row whose `when` fits sets the fields of `set`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowFile {
    #[serde(default)]
    pub(super) when: Map<String, Value>,
    pub(super) set: Map<String, Value>,
}
