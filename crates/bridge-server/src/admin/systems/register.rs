//! A new system.

use super::check::{check_addresses, check_connection, check_system_type, push_addresses};
use super::{ConnectionView, SystemView, announce_change};
use crate::admin::fields::{check_description, check_name, check_version};
use crate::audit::{Change, audited};
use crate::auth::{Admin, new_push_key, push_key_hash};
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::{AddressBlock, SystemId};
use bridge_store::NewSystem;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;
use utoipa::ToSchema;

/// The body of the request.
#[derive(Clone, Deserialize, ToSchema)]
pub struct RegisterSystem {
    /// Its public name within the tenant, for example `odoo_main`.
    pub system_id: SystemId,
    /// The kind of system, `odoo`.
    #[schema(pattern = "^odoo$")]
    pub system_type: String,
    /// The version.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 32)]
    pub system_version: Option<String>,
    /// Its name, for people to read; the `system_id` if left out.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// What it is, for people to read.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// How to connect to it.
    #[schema(value_type = bridge_erp::Connection)]
    pub connection_config: Value,
    /// From where its push key may be used: addresses and blocks of addresses, at most 100. Empty: from anywhere.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub push_allowed_addresses: Vec<AddressBlock>,
}

impl fmt::Debug for RegisterSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterSystem").field("system_id", &self.system_id).finish_non_exhaustive()
    }
}

/// Registers a system of the admin's tenant. The answer shows the push key, once. Nothing is sent to the system: it may be
/// down, and `test` tells. `Invalid` if its address is known to be one that may not be connected to, `Conflict` if the name
/// is taken.
pub async fn register(cx: &Context, admin: &Admin, request: RegisterSystem) -> Result<SystemView, Problem> {
    check_system_type(&request.system_type)?;
    request.system_version.as_deref().map_or(Ok(()), check_version)?;
    request.name.as_deref().map_or(Ok(()), check_name)?;
    request.description.as_deref().map_or(Ok(()), check_description)?;
    check_connection(&request.connection_config)?;
    check_addresses(cx, &request.connection_config).await?;
    let change = Change::new("system", "create")
        .in_system(&request.system_id)
        .set("system_type", Some(&request.system_type))
        .set("system_version", request.system_version.as_ref())
        .set("name", request.name.as_ref())
        .set("description", request.description.as_ref())
        .set("push_allowed_addresses", Some(&request.push_allowed_addresses))
        .set("connection", Some(ConnectionView::of(&request.connection_config)))
        .without("connection_config", true);
    audited(cx, &admin.0, change, add(cx, admin, request)).await
}

async fn add(cx: &Context, admin: &Admin, request: RegisterSystem) -> Result<SystemView, Problem> {
    let push_key = new_push_key(&*cx.entropy);
    let new = NewSystem {
        name: request.name.unwrap_or_else(|| request.system_id.to_string()),
        system_id: request.system_id,
        system_type: request.system_type,
        system_version: request.system_version,
        description: request.description,
        connection: request.connection_config,
        push_key_hash: push_key_hash(&push_key),
        push_addresses: push_addresses(request.push_allowed_addresses)?,
    };
    let system = cx.store.create_system(admin.0.tenant, new).await?;
    announce_change(cx, system.key);
    Ok(SystemView { push_key: Some(push_key), ..SystemView::for_admin(system) })
}
