//! The form of the maps' files, and of what a tenant lays over them.

use crate::migration::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The maps of a kind of system.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MapsFile {
    pub(super) system_type: String,
    pub(super) entities: BTreeMap<String, EntityFile>,
}

/// The map of an entity.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntityFile {
    pub(super) model: String,
    pub(super) fields: BTreeMap<String, FieldFile>,
}

/// A field: what it is, or what it is in which versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum FieldFile {
    /// The same name in every version.
    Name(String),
    /// The same in every version.
    Always(VariantFile),
    /// What it is in each range of versions.
    Versions(Vec<VariantFile>),
}

/// What a field is in some versions: exactly one of `field`, `join`, `first` and `cases`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct VariantFile {
    /// The first version; the oldest if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Version>,
    /// The last version; the newest if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Version>,
    /// The system's field that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
    /// Pairs of a universal value and the system's; those not named are the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) values: Vec<(Value, Value)>,
    /// The entity of the records that the system's field leads to, so that lines are written, and conditions on related
    /// records asked, in universal words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entity: Option<String>,
    /// The system's fields whose texts it puts together; it can only be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) join: Vec<String>,
    /// What stands between them; a space if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) separator: Option<String>,
    /// The system's fields of which it is the first that is not empty; it can only be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) first: Vec<String>,
    /// What it is, by what the system's fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) cases: Vec<CaseFile>,
    /// Whether the system alone writes it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) readonly: bool,
}

/// A value, and what the system's fields are then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseFile {
    pub(super) value: Value,
    pub(super) when: Map<String, Value>,
}
