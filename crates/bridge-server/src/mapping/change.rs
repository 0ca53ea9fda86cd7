//! A tenant's own changes.

use super::view::{MappingQuery, MappingView, get};
use super::{find, no_such_entity, refused};
use crate::audit::{Change, audited};
use crate::auth::Admin;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_model::mapping::Override;
use bridge_model::{ModelName, RecordId};
use bridge_store::System;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What to lay over the map of an entity.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SetMapping {
    /// Another model.
    pub model: Option<ModelName>,
    /// Universal fields by name: the system's field, or an object with `field`, `values`, `entity`, `join`,
    /// `separator`, `first`, `cases`, `readonly`, `from` and `until`, or a list of such objects for different versions; `null` takes a field away.
    pub fields: BTreeMap<String, Value>,
}

/// The most fields that a tenant may lay over one map.
const FIELDS_MAX: usize = 500;

/// Takes changes in the place of those that there were. They must make sense in every version.
pub async fn set(
    cx: &Context,
    admin: &Admin,
    entity: &str,
    query: &MappingQuery,
    request: SetMapping,
) -> Result<MappingView, Problem> {
    let (system, words) = find(cx, admin.0.tenant, query.system_id.as_ref(), query.version.as_deref()).await?;
    let mut changes: Override = parse(&request.fields)?;
    changes.model = request.model.map(String::from);
    if !cx.mappings.maps.check(&system.system_type, entity, Some(&changes)).map_err(refused::unusable)? {
        return Err(no_such_entity(&words, entity));
    }
    let change = change_of(cx, "update", &system, entity).await?.to(json!(changes));
    audited(cx, &admin.0, change, async {
        Ok(cx.store.save_mapping(system.tenant, system.key, entity, &json!(changes)).await?)
    })
    .await?;
    changed(cx, admin, entity, query).await
}

/// Takes the tenant's changes away; that there were none is no error.
pub async fn reset(cx: &Context, admin: &Admin, entity: &str, query: &MappingQuery) -> Result<MappingView, Problem> {
    let (system, words) = find(cx, admin.0.tenant, query.system_id.as_ref(), query.version.as_deref()).await?;
    if !words.entities().any(|known| known == entity) {
        return Err(no_such_entity(&words, entity));
    }
    let change = change_of(cx, "delete", &system, entity).await?;
    audited(cx, &admin.0, change, async { Ok(cx.store.delete_mapping(system.tenant, system.key, entity).await?) })
        .await?;
    changed(cx, admin, entity, query).await
}

/// What the audit is told.
async fn change_of(cx: &Context, action: &'static str, system: &System, entity: &str) -> Result<Change, Problem> {
    let before = cx.store.mapping(system.tenant, system.key, entity).await?.unwrap_or_default();
    let change = Change::new("mapping", action).of(RecordId::Text(entity.to_owned())).in_system(&system.system_id);
    Ok(change.from(before))
}

/// Makes the change hold at once, and tells what holds now.
async fn changed(cx: &Context, admin: &Admin, entity: &str, query: &MappingQuery) -> Result<MappingView, Problem> {
    cx.mappings.changes.forget_all();
    get(cx, &admin.0, entity, query).await
}

/// Reads each field by itself, so that the one that is wrong can be named.
fn parse(fields: &BTreeMap<String, Value>) -> Result<Override, Problem> {
    if fields.len() > FIELDS_MAX {
        return Err(Problem::field("fields", Reason::items_between(0, FIELDS_MAX)));
    }
    for (name, field) in fields {
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let alone: Result<Override, _> = serde_json::from_value(json!({ "fields": { name.as_str(): field } }));
        if !is_name || alone.is_err() {
            return Err(Problem::field(&format!("fields.{name}"), Reason::mapping_form()));
        }
    }
    serde_json::from_value(json!({ "fields": fields }))
        .map_err(|error| Problem::field("fields", Reason::mapping_form()).caused_by(error))
}
