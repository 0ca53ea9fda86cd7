//! What a person should know before or after records are carried over.

use super::version::Version;
use serde::Serialize;

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// The version does not have this field: its values are lost.
    FieldMissing,
    /// The value takes another form, from which it can't always be told what it was.
    ValueNotKept,
    /// The version computes this field itself: its values are not carried over.
    Computed,
    /// The field is computed when it is read: it can't be searched or ordered by, and what is written to it may be
    /// ignored.
    NotStored,
    /// A record must have this field, and nothing fills it in.
    Required,
    /// The field points to records of another model, which have other ids.
    RelationChanged,
    /// The new name of this field was in use in the record already: the value stays under its old name.
    Conflict,
    /// A person has to look at this.
    Manual,
    /// The model has another name.
    ModelRenamed,
    /// The version does not have this model.
    ModelMissing,
    /// The pack says nothing about this model: its records pass as they are.
    NoRules,
}

impl WarningKind {
    /// Whether a value may be lost.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::FieldMissing | Self::ValueNotKept | Self::Computed | Self::ModelMissing)
    }
}

/// One thing that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it is about.
    pub kind: WarningKind,
    /// The model, by its name before the step.
    pub model: String,
    /// The field, by its name before the step; `None` if it is about the model.
    pub field: Option<String>,
    /// The version that the step leaves.
    pub from: Version,
    /// The version that the step leads to.
    pub version: Version,
    /// The pack's remark.
    pub note: Option<String>,
    /// What to use in its place.
    pub instead: Option<String>,
    /// How many records it concerns; 0 in a plan, which has seen none.
    pub records: u64,
}
