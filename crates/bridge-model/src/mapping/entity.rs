//! The maps, and what holds for one entity in one version.

use super::file::{CaseFile, EntityFile, FieldFile, MapsFile, VariantFile};
use crate::migration::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The maps of every kind of system that has some.
#[derive(Debug)]
pub struct Maps {
    by_type: BTreeMap<String, BTreeMap<String, EntityFile>>,
}

/// A mistake in a map.
#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    /// A file is not of the form that it must have.
    #[error("the field maps can't be read")]
    File(#[source] serde_json::Error),
    /// A field is mapped in a way that can't work.
    #[error(transparent)]
    Field(#[from] MapFlaw),
}

/// A field that is mapped in a way that can't work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entity}.{field}: {reason}")]
pub struct MapFlaw {
    /// The entity.
    pub entity: String,
    /// The universal field.
    pub field: String,
    /// Why it can't work.
    pub reason: &'static str,
}

/// What a tenant lays over a map.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Override {
    /// Another model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Universal fields that are something else here, or that only this tenant has; `null` takes one away.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<String, Option<FieldFile>>,
}

/// What holds for one entity in one version of one kind of system.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityMap {
    /// The entity.
    pub entity: String,
    /// The model that it is.
    pub model: String,
    /// The version.
    pub version: Version,
    pub(super) fields: BTreeMap<String, Source>,
}

/// A universal value, and what the system's fields are then.
pub(super) type Case = (Value, Map<String, Value>);

/// What a universal field is in the system.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Field { name: String, values: Vec<(Value, Value)>, entity: Option<String>, readonly: bool },
    Join { fields: Vec<String>, separator: String },
    First(Vec<String>),
    Cases(Vec<Case>),
}

/// How a universal field can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read and written.
    ReadWrite,
    /// Only read: it is computed, or the system alone writes it.
    Read,
}

/// A universal field, for people and programs to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// How it can be used.
    pub access: Access,
    /// The system's fields that it is made of.
    pub system_fields: Vec<String>,
    /// The entity of the records that it leads to.
    pub entity: Option<String>,
    /// Pairs of a universal value and the system's.
    pub values: Vec<(Value, Value)>,
    /// The values that it can have, where each stands for what several fields are.
    pub cases: Vec<(Value, Map<String, Value>)>,
}

impl Maps {
    /// Reads the maps, which are part of the program; the error is one of their files'.
    pub fn new() -> Result<Self, MapsError> {
        let read = |text| serde_json::from_str::<MapsFile>(text).map_err(MapsError::File);
        let files = [include_str!("maps/odoo.json")].map(read);
        let by_type = files.into_iter().map(|file| file.map(|file| (file.system_type, file.entities)));
        let maps = Self { by_type: by_type.collect::<Result<_, _>>()? };
        for (system_type, entities) in &maps.by_type {
            for entity in entities.keys() {
                maps.check(system_type, entity, None)?;
            }
        }
        Ok(maps)
    }

    /// The entities that this kind of system has.
    pub fn entities(&self, system_type: &str) -> impl Iterator<Item = &String> {
        self.by_type.get(system_type).into_iter().flat_map(BTreeMap::keys)
    }

    /// The error names what is wrong with a tenant's changes to an entity in some version; `false` if there is no such
    /// entity.
    pub fn check(&self, system_type: &str, entity: &str, changes: Option<&Override>) -> Result<bool, MapFlaw> {
        for version in Version::ALL {
            let Some(map) = self.effective(system_type, entity, version, changes)? else { return Ok(false) };
            let is_known = |entity: &String| self.entities(system_type).any(|known| known == entity);
            let stray = map.fields.iter().find(|(_, source)| source.entity().is_some_and(|entity| !is_known(entity)));
            if let Some((field, _)) = stray {
                return Err(map.flaw(field, "there is no entity of the name that it leads to"));
            }
        }
        Ok(true)
    }

    /// What holds for an entity with a tenant's own changes; `None` if there is no such entity. The error names what
    /// is wrong with those changes.
    pub(super) fn effective(
        &self,
        system_type: &str,
        entity: &str,
        version: Version,
        changes: Option<&Override>,
    ) -> Result<Option<EntityMap>, MapFlaw> {
        let Some(file) = self.by_type.get(system_type).and_then(|entities| entities.get(entity)) else {
            return Ok(None);
        };
        let none = Override::default();
        let changes = changes.unwrap_or(&none);
        let mut fields = BTreeMap::new();
        let own = changes.fields.iter().filter_map(|(name, field)| Some((name, field.as_ref()?)));
        let kept = file.fields.iter().filter(|(name, _)| !changes.fields.contains_key(*name));
        for (name, field) in kept.chain(own) {
            let flawed = |reason| MapFlaw { entity: entity.to_owned(), field: name.clone(), reason };
            if let Some(source) = source(field, version).map_err(flawed)? {
                fields.insert(name.clone(), source);
            }
        }
        let map = EntityMap {
            entity: entity.to_owned(),
            model: changes.model.clone().unwrap_or_else(|| file.model.clone()),
            version,
            fields,
        };
        map.check_written_once().map(|()| Some(map))
    }
}

impl EntityMap {
    /// Every field, by name.
    pub fn describe(&self) -> Vec<Described> {
        self.fields.iter().map(|(name, source)| source.describe(name)).collect()
    }

    /// The system's fields that have to be read for whole universal records.
    pub fn system_fields(&self) -> BTreeSet<&str> {
        self.fields.values().flat_map(Source::names).collect()
    }

    /// The universal field that a field of the system is written by, or else is a part of.
    pub fn named_after(&self, system_field: &str) -> Option<&str> {
        let made_of_it = self.fields.iter().filter(|(_, source)| source.names().any(|name| name == system_field));
        made_of_it.min_by_key(|(_, source)| source.access() == Access::Read).map(|(field, _)| field.as_str())
    }

    /// Two universal fields that write the same field of the system would contradict each other.
    fn check_written_once(&self) -> Result<(), MapFlaw> {
        let mut written = BTreeSet::new();
        for (field, source) in self.fields.iter().filter(|(_, source)| source.access() == Access::ReadWrite) {
            if source.names().any(|name| !written.insert(name)) {
                return Err(self.flaw(field, "another field is written to the same place"));
            }
        }
        Ok(())
    }

    fn flaw(&self, field: &str, reason: &'static str) -> MapFlaw {
        MapFlaw { entity: self.entity.clone(), field: field.to_owned(), reason }
    }
}

impl Source {
    pub(super) fn access(&self) -> Access {
        match self {
            Self::Field { readonly: true, .. } | Self::Join { .. } | Self::First(_) => Access::Read,
            Self::Field { .. } | Self::Cases(_) => Access::ReadWrite,
        }
    }

    /// The values that it can have, where only some have a word.
    pub(super) fn values(&self) -> Vec<Value> {
        match self {
            Self::Field { values, .. } => values.iter().map(|(universal, _)| universal.clone()).collect(),
            Self::Cases(cases) => cases.iter().map(|(universal, _)| universal.clone()).collect(),
            Self::Join { .. } | Self::First(_) => Vec::new(),
        }
    }

    /// The system's fields that it is made of.
    pub(super) fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Field { name, .. } => Box::new(std::iter::once(name.as_str())),
            Self::Join { fields, .. } | Self::First(fields) => Box::new(fields.iter().map(String::as_str)),
            // All cases name the same fields.
            Self::Cases(cases) => Box::new(cases.iter().take(1).flat_map(|(_, when)| when.keys().map(String::as_str))),
        }
    }

    fn entity(&self) -> Option<&String> {
        if let Self::Field { entity, .. } = self { entity.as_ref() } else { None }
    }

    fn describe(&self, name: &str) -> Described {
        let (values, cases) = match self {
            Self::Field { values, .. } => (values.clone(), Vec::new()),
            Self::Cases(cases) => (Vec::new(), cases.clone()),
            Self::Join { .. } | Self::First(_) => (Vec::new(), Vec::new()),
        };
        let (system_fields, entity) = (self.names().map(str::to_owned).collect(), self.entity().cloned());
        Described { name: name.to_owned(), access: self.access(), system_fields, entity, values, cases }
    }
}

/// What a field is in this version; `None` if the version does not have it.
fn source(field: &FieldFile, version: Version) -> Result<Option<Source>, &'static str> {
    let variants = match field {
        FieldFile::Name(name) => {
            is_name(name)?;
            return Ok(Some(Source::Field { name: name.clone(), values: Vec::new(), entity: None, readonly: false }));
        }
        FieldFile::Always(variant) => std::slice::from_ref(variant),
        FieldFile::Versions(variants) => variants,
    };
    let holds = |variant: &&VariantFile| {
        variant.from.is_none_or(|from| from <= version) && variant.until.is_none_or(|until| version <= until)
    };
    let mut found = variants.iter().filter(holds);
    let Some(variant) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err("two of its forms hold for the same version");
    }
    variant.source().map(Some)
}

impl VariantFile {
    fn source(&self) -> Result<Source, &'static str> {
        let Self { field, values, entity, join, separator, first, cases, readonly, .. } = self.clone();
        let is_plain = values.is_empty() && entity.is_none() && !readonly;
        let source = match (field, join.is_empty(), first.is_empty(), cases.is_empty()) {
            (Some(name), true, true, true) => Source::Field { name, values: distinct(values)?, entity, readonly },
            (None, false, true, true) if is_plain => {
                Source::Join { fields: join, separator: separator.unwrap_or_else(|| " ".to_owned()) }
            }
            (None, true, false, true) if is_plain => Source::First(first),
            (None, true, true, false) if is_plain => Source::Cases(unmistakable(cases)?),
            _ => {
                return Err(
                    "it must have exactly one of field, join, first and cases; values, entity and readonly go with field",
                );
            }
        };
        source.names().try_for_each(is_name)?;
        Ok(source)
    }
}

fn is_name(name: &str) -> Result<(), &'static str> {
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    Err("the name of a system's field has letters, digits and underscores")
}

/// Pairs of which none can be taken for another, on either side.
fn distinct(values: Vec<(Value, Value)>) -> Result<Vec<(Value, Value)>, &'static str> {
    let repeats = |side: fn(&(Value, Value)) -> &Value| {
        values.iter().enumerate().any(|(at, pair)| values[..at].iter().any(|other| side(other) == side(pair)))
    };
    if repeats(|pair| &pair.0) || repeats(|pair| &pair.1) {
        return Err("a value stands in two of its pairs");
    }
    Ok(values)
}

/// Cases of which none can be taken for another: each tells of the same fields, and something else. What is written for
/// one is then all that is read for it.
fn unmistakable(cases: Vec<CaseFile>) -> Result<Vec<Case>, &'static str> {
    for (at, case) in cases.iter().enumerate() {
        if cases[..at].iter().any(|other| other.value == case.value || other.when == case.when) {
            return Err("two of its cases have the same value or the same fields");
        }
        if case.when.is_empty() || !case.when.keys().eq(cases[0].when.keys()) {
            return Err("all of its cases must name the same fields");
        }
    }
    Ok(cases.into_iter().map(|case| (case.value, case.when)).collect())
}
