//! Looking at maps.

use super::{entity_map, find};
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::SystemId;
use bridge_model::mapping::{Access, Described, EntityMap};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

/// Which system is meant.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct MappingQuery {
    /// The system; the tenant's primary one if left out.
    pub system_id: Option<SystemId>,
    /// The version, `13.0` to `19.0`; the system's own if left out.
    pub version: Option<String>,
}

/// The entities that a system's records can be seen as.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MappingPage {
    /// By name.
    pub items: Vec<MappingSummary>,
    /// Always `null`: one page holds them.
    pub next_cursor: Option<String>,
}

/// An entity.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MappingSummary {
    /// Its name.
    pub entity: String,
    /// The model that it is.
    pub model: String,
    /// Whether the tenant has laid changes over its map.
    pub is_changed: bool,
}

/// The map of an entity, as it holds.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MappingView {
    /// The entity.
    pub entity: String,
    /// The system.
    pub system_id: SystemId,
    /// The version that it holds for.
    pub version: &'static str,
    /// The model that it is.
    pub model: String,
    /// Its fields, by name.
    pub fields: Vec<MappedField>,
    /// What the tenant has laid over the map; `null` if nothing.
    #[schema(value_type = Option<Object>, additional_properties)]
    pub changes: Option<Value>,
}

/// A universal field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MappedField {
    /// Its name.
    pub name: String,
    /// Whether it can only be read: it is computed, or the system alone writes it.
    pub readonly: bool,
    /// The system's fields that it is made of.
    pub system_fields: Vec<String>,
    /// The entity of the records that it leads to, whose words hold for its lines; `null` if it leads to none.
    pub entity: Option<String>,
    /// Values that have another word in the system; all others are the same.
    pub values: Vec<MappedValue>,
    /// The values that it can have, where each stands for what several fields are.
    pub cases: Vec<MappedCase>,
}

/// A value that has another word in the system.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MappedValue {
    /// The universal value.
    pub value: Value,
    /// The system's.
    pub system_value: Value,
}

/// A value that stands for what several fields are.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MappedCase {
    /// The universal value.
    pub value: Value,
    /// What the system's fields are.
    #[schema(value_type = Object, additional_properties)]
    pub when: Map<String, Value>,
}

/// The entities that a system's records can be seen as.
pub async fn list(cx: &Context, caller: &Caller, query: &MappingQuery) -> Result<MappingPage, Problem> {
    let (_, words) = find(cx, caller.tenant, query.system_id.as_ref(), query.version.as_deref()).await?;
    let summary = |entity: &String| {
        let EntityMap { entity, model, .. } = entity_map(&words, entity)?;
        Ok(MappingSummary { is_changed: words.changes(&entity).is_some(), entity, model })
    };
    let items = words.entities().map(summary).collect::<Result<_, Problem>>()?;
    Ok(MappingPage { items, next_cursor: None })
}

/// The map of an entity, as it holds with the tenant's changes.
pub async fn get(cx: &Context, caller: &Caller, entity: &str, query: &MappingQuery) -> Result<MappingView, Problem> {
    let (system, words) = find(cx, caller.tenant, query.system_id.as_ref(), query.version.as_deref()).await?;
    let map = entity_map(&words, entity)?;
    let field = |field: Described| MappedField {
        name: field.name,
        readonly: field.access == Access::Read,
        system_fields: field.system_fields,
        entity: field.entity,
        values: field.values.into_iter().map(|(value, system_value)| MappedValue { value, system_value }).collect(),
        cases: field.cases.into_iter().map(|(value, when)| MappedCase { value, when }).collect(),
    };
    Ok(MappingView {
        fields: map.describe().into_iter().map(field).collect(),
        entity: map.entity,
        system_id: system.system_id.clone(),
        version: map.version.as_str(),
        model: map.model,
        changes: words.changes(entity).map(|changes| json!(changes)),
    })
}
