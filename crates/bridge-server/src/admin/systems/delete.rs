//! Deleting a system.

use super::update::shown;
use super::{find, stays_primary};
use crate::audit::{Change, audited};
use crate::auth::Admin;
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::SystemId;

/// Deletes a system of the admin's tenant: its secrets and its push key are gone, it is no longer read. Its changes
/// stay in the log for as long as others do. `Conflict` if it is the primary one of several.
pub async fn delete(cx: &Context, admin: &Admin, system_id: &SystemId) -> Result<(), Problem> {
    let before = cx.store.system(admin.0.tenant, system_id).await?;
    let before = before.as_ref().map(shown).unwrap_or_default();
    let change = Change::new("system", "delete").in_system(system_id).from(before);
    audited(cx, &admin.0, change, remove(cx, admin, system_id)).await
}

async fn remove(cx: &Context, admin: &Admin, system_id: &SystemId) -> Result<(), Problem> {
    let system = find(cx, admin.0.tenant, system_id).await?;
    if system.is_primary && cx.store.systems(admin.0.tenant).await?.len() > 1 {
        return Err(stays_primary(&system));
    }
    if !cx.store.delete_system(admin.0.tenant, system_id).await? {
        return Err(Problem::no_such_system(system_id));
    }
    cx.auth.forget_push_keys();
    cx.erps.forget(system.key);
    // Its background reader ends by this, and whoever ends it drops what the hub keeps for it.
    cx.hub.systems_changed();
    Ok(())
}
