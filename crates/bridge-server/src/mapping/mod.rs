//! Records in words that are the same for every system, and each tenant's own changes to those words.
//!
//! The maps and the turning around are [`bridge_model::mapping`]; here is which system and version is meant, and what
//! the tenant has laid over the maps.

mod apply;
mod change;
mod refused;
mod view;

pub use apply::{ApplyMapping, Direction, MappedRecords, apply};
pub use change::{SetMapping, reset, set};
pub use refused::refused;
pub use view::{
    MappedCase, MappedField, MappedValue, MappingPage, MappingQuery, MappingSummary, MappingView, get, list,
};

use crate::config::{Config, ms};
use crate::context::Context;
use crate::fresh::Fresh;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::mapping::{EntityMap, Maps, MapsError, Override, Words};
use bridge_model::migration::Version;
use bridge_model::{SystemId, SystemKey, TenantId, Timestamp};
use bridge_store::System;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What tenants have laid over the maps of a system, by entity.
type Changes = Arc<BTreeMap<String, Override>>;

/// The maps, and what is remembered between requests.
#[derive(Debug)]
pub struct Mappings {
    maps: Arc<Maps>,
    changes: Fresh<(TenantId, SystemKey), Changes>,
    /// The versions that systems told of themselves, by when their settings were saved.
    versions: Fresh<(SystemKey, Timestamp), Version>,
}

impl Mappings {
    /// Reads the maps, which are part of the program; the error is one of their files'.
    pub fn new(config: &Config) -> Result<Self, MapsError> {
        Ok(Self {
            maps: Arc::new(Maps::new()?),
            changes: Fresh::new(ms(config.security.session_cache_ms)),
            versions: Fresh::new(ms(config.records.fields_fresh_ms)),
        })
    }
}

/// The words of a system in this version, or the one that it is said to have, or the one that it tells itself.
pub async fn words(cx: &Context, system: &System, version: Option<&str>) -> Result<Words, Problem> {
    let version = match version.or(system.system_version.as_deref()) {
        Some(text) => known(text)?,
        None => told(cx, system).await?,
    };
    let key = (system.tenant, system.key);
    let load = async { Ok(Some(Arc::new(kept(cx, system).await?))) };
    let changes = cx.mappings.changes.get(&key, cx.clock.now(), load).await?.unwrap_or_default();
    Ok(Words::new(Arc::clone(&cx.mappings.maps), system.system_type.as_str(), version, changes))
}

/// The map of an entity; `NotFound` if there is no such entity.
pub fn entity_map(words: &Words, entity: &str) -> Result<EntityMap, Problem> {
    words.entity(entity).map_err(refused::unusable)?.ok_or_else(|| no_such_entity(words, entity))
}

fn no_such_entity(words: &Words, entity: &str) -> Problem {
    Problem::new(ProblemKind::NotFound, Message::no_such_entity(entity))
        .with("entity", entity)
        .with("known", words.entities().cloned().collect::<Vec<_>>())
}

/// The tenant's system of this name, or its primary one, and its words.
async fn find(
    cx: &Context,
    tenant: TenantId,
    system_id: Option<&SystemId>,
    version: Option<&str>,
) -> Result<(Arc<System>, Words), Problem> {
    let system = cx.erps.system_of(&cx.store, tenant, system_id).await?;
    let words = words(cx, &system, version).await?;
    Ok((system, words))
}

fn known(text: &str) -> Result<Version, Problem> {
    Version::parse(text).map_err(|error| Problem::version("version", error))
}

async fn told(cx: &Context, system: &System) -> Result<Version, Problem> {
    let ask = async { known(&cx.erps.adapter(system)?.server_info().await?.version).map(Some) };
    let version = cx.mappings.versions.get(&(system.key, system.updated_at), cx.clock.now(), ask).await?;
    // Asking answers a version or fails.
    version.ok_or_else(|| Problem::new(ProblemKind::Internal, Message::internal()))
}

/// What the tenant's admins have laid over the maps of a system. It was checked when it came in: that it can't be read is
/// a failure of ours.
async fn kept(cx: &Context, system: &System) -> Result<BTreeMap<String, Override>, Problem> {
    let kept = cx.store.mappings(system.tenant, system.key).await?;
    let read = kept.into_iter().map(|(entity, changes)| Ok((entity, serde_json::from_value(changes)?)));
    read.collect::<Result<_, serde_json::Error>>()
        .map_err(|error| Problem::new(ProblemKind::Internal, Message::internal()).caused_by(error))
}
