//! Changing a system.

use super::check::{check_addresses, check_connection, push_addresses};
use super::{ConnectionView, SystemView, announce_change, find, stays_primary};
use crate::admin::fields::{check_description, check_name, check_version, given};
use crate::audit::{Change, audited};
use crate::auth::{Admin, new_push_key, push_key_hash};
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::{AddressBlock, SystemId};
use bridge_store::System;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use utoipa::ToSchema;

/// The body of the request: what is left out stays as it is.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct UpdateSystem {
    /// The version; `null` removes it.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 32)]
    pub system_version: Option<Option<String>>,
    /// Its name, for people to read.
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// What it is, for people to read; `null` removes it.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 2000)]
    pub description: Option<Option<String>>,
    /// Whether it is read and may push.
    pub is_active: Option<bool>,
    /// Whether a request that names no system means this one; `true` takes that from the one that was.
    pub is_primary: Option<bool>,
    /// How to connect to it, as a whole: a new address never gets the old password, nor the credentials that users have
    /// given for the old one, which are forgotten.
    #[schema(value_type = Option<bridge_erp::Connection>)]
    pub connection_config: Option<Value>,
    /// Whether to make a new push key, which the answer shows; the old one no longer works.
    pub rotate_push_key: bool,
    /// From where its push key may be used, as a whole: addresses and blocks of addresses, at most 100. Empty: from
    /// anywhere.
    #[schema(max_items = 100)]
    pub push_allowed_addresses: Option<Vec<AddressBlock>>,
}

impl fmt::Debug for UpdateSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateSystem").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Changes a system of the admin's tenant. `Conflict` if the primary one shall no longer be it: another is made
/// primary in its place.
pub async fn update(
    cx: &Context,
    admin: &Admin,
    system_id: &SystemId,
    request: UpdateSystem,
) -> Result<SystemView, Problem> {
    check(&request)?;
    if let Some(connection) = &request.connection_config {
        check_addresses(cx, connection).await?;
    }
    let system = find(cx, admin.0.tenant, system_id).await?;
    let change = Change::new("system", "update")
        .in_system(system_id)
        .from(shown(&system))
        .set("system_version", request.system_version.as_ref())
        .set("name", request.name.as_ref())
        .set("description", request.description.as_ref())
        .set("is_active", request.is_active)
        .set("is_primary", request.is_primary)
        .set("push_allowed_addresses", request.push_allowed_addresses.as_ref())
        .set("connection", request.connection_config.as_ref().map(ConnectionView::of))
        .without("connection_config", request.connection_config.is_some())
        .without("push_key", request.rotate_push_key);
    audited(cx, &admin.0, change, save(cx, admin, system, request)).await
}

/// What the audit keeps of a system.
pub(super) fn shown(system: &System) -> Value {
    json!({
        "system_version": system.system_version, "name": system.name, "description": system.description,
        "is_active": system.is_active, "is_primary": system.is_primary,
        "push_allowed_addresses": system.push_addresses, "connection": ConnectionView::of(&system.connection),
    })
}

async fn save(cx: &Context, admin: &Admin, mut system: System, request: UpdateSystem) -> Result<SystemView, Problem> {
    if let Some(system_version) = request.system_version {
        system.system_version = system_version;
    }
    if let Some(name) = request.name {
        system.name = name;
    }
    if let Some(description) = request.description {
        system.description = description;
    }
    if let Some(is_active) = request.is_active {
        system.is_active = is_active;
    }
    if let Some(is_primary) = request.is_primary {
        if system.is_primary && !is_primary {
            return Err(stays_primary(&system));
        }
        system.is_primary = is_primary;
    }
    let mut is_moved = false;
    if let Some(connection) = request.connection_config {
        // An address that can't be read any more counts as another one.
        let before = cx.erps.address(&system).ok();
        system.connection = connection;
        system.connection_error = None;
        is_moved = before != Some(cx.erps.address(&system)?);
    }
    if let Some(blocks) = request.push_allowed_addresses {
        system.push_addresses = push_addresses(blocks)?;
    }
    let push_key = request.rotate_push_key.then(|| new_push_key(&*cx.entropy));
    if let Some(push_key) = &push_key {
        system.push_key_hash = push_key_hash(push_key);
    }
    let is_saved =
        if is_moved { cx.store.move_system(&system).await? } else { cx.store.update_system(&system).await? };
    if !is_saved {
        return Err(Problem::no_such_system(&system.system_id));
    }
    announce_change(cx, system.key);
    // Read again for the time of the change, which the store gives.
    let system = find(cx, admin.0.tenant, &system.system_id).await?;
    Ok(SystemView { push_key, ..SystemView::for_admin(system) })
}

fn check(request: &UpdateSystem) -> Result<(), Problem> {
    request.system_version.iter().flatten().try_for_each(|version| check_version(version))?;
    request.name.as_deref().map_or(Ok(()), check_name)?;
    request.description.iter().flatten().try_for_each(|description| check_description(description))?;
    request.connection_config.as_ref().map_or(Ok(()), check_connection)
}
