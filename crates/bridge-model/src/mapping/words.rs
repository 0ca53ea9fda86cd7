//! The words of one system: all its entities in one version, with what a tenant has laid over them.

use super::entity::{EntityMap, MapFlaw, Maps, Override};
use super::nearest::nearest;
use crate::migration::Version;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The words of one system. Cheap to copy.
#[derive(Debug, Clone)]
pub struct Words {
    maps: Arc<Maps>,
    system_type: String,
    version: Version,
    changes: Arc<BTreeMap<String, Override>>,
}

/// What could not be put into the words of the other side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} of {entity}: {problem:?}")]
pub struct MappingError {
    /// The entity that the field is one of.
    pub entity: String,
    /// The field, as it was given.
    pub field: String,
    /// Where it stands, from the record on: `lines[0].data.quantity`. For what is asked for by its name, the name.
    pub place: String,
    /// What is wrong with it.
    pub problem: MappingProblem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingProblem {
    /// There is none of this name. With the nearest that there are, the nearest first.
    Unknown(Vec<String>),
    /// It can only be read.
    ReadOnly,
    /// It can't have this value. With those that it can have.
    Value(Vec<Value>),
    /// Nothing can be searched or sorted by it in this way: it is computed.
    NotSearched,
    /// It leads to no records of an entity.
    NotARelation,
    /// The tenant's changes to the map don't hold any more. With the reason.
    Unusable(&'static str),
}

impl Words {
    /// The words of a kind of system in a version, with these changes by entity.
    pub fn new(
        maps: Arc<Maps>,
        system_type: impl Into<String>,
        version: Version,
        changes: Arc<BTreeMap<String, Override>>,
    ) -> Self {
        Self { maps, system_type: system_type.into(), version, changes }
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The entities that there are, by name.
    pub fn entities(&self) -> impl Iterator<Item = &String> {
        self.maps.entities(&self.system_type)
    }

    /// What a tenant has laid over the map of an entity.
    pub fn changes(&self, entity: &str) -> Option<&Override> {
        self.changes.get(entity)
    }

    /// The map of an entity; `None` if there is no such entity. The error is one of the tenant's changes.
    pub fn entity(&self, entity: &str) -> Result<Option<EntityMap>, MapFlaw> {
        self.maps.effective(&self.system_type, entity, self.version, self.changes(entity))
    }

    /// The map of an entity that a field of another leads to.
    pub(super) fn related(&self, entity: &str) -> Result<EntityMap, MappingError> {
        let error = |field: &str, problem| MappingError {
            entity: entity.to_owned(),
            field: field.to_owned(),
            place: field.to_owned(),
            problem,
        };
        match self.entity(entity) {
            Ok(Some(map)) => Ok(map),
            Ok(None) => Err(error(entity, MappingProblem::NotARelation)),
            Err(flaw) => Err(error(&flaw.field, MappingProblem::Unusable(flaw.reason))),
        }
    }
}

impl EntityMap {
    /// That the entity has no such field.
    pub(super) fn unknown(&self, field: &str) -> MappingError {
        self.error(field, MappingProblem::Unknown(nearest(field, self.fields.keys())))
    }

    pub(super) fn error(&self, field: &str, problem: MappingProblem) -> MappingError {
        MappingError { entity: self.entity.clone(), field: field.to_owned(), place: field.to_owned(), problem }
    }
}

impl MappingError {
    /// The same, further in.
    pub(super) fn within(mut self, place: &str) -> Self {
        self.place = format!("{place}.{}", self.place);
        self
    }
}
