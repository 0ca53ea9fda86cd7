//! What is open of a system to those who act with its own credential.

use super::find;
use crate::audit::{Change, audited};
use crate::auth::Admin;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_model::{AllowList, ModelAccess, ModelName, SystemId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is open of a system.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Allowed {
    /// The system.
    pub system_id: SystemId,
    /// What is open of each model; what is not named is closed.
    pub models: BTreeMap<ModelName, ModelAccess>,
}

/// The body of a request: the whole list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetAllowed {
    /// What is open of each model; what is not named is closed.
    pub models: BTreeMap<ModelName, ModelAccess>,
}

/// The most models in the list.
const MODELS_MAX: usize = 2_000;

/// The most methods of a model.
const METHODS_MAX: usize = 200;

/// What is open of a system of the admin's tenant.
pub async fn allowed(cx: &Context, admin: &Admin, system_id: &SystemId) -> Result<Allowed, Problem> {
    let system = find(cx, admin.0.tenant, system_id).await?;
    let AllowList(models) = cx.store.allow_list(system.tenant, system.key).await?;
    Ok(Allowed { system_id: system.system_id, models })
}

/// Opens this and nothing else of a system of the admin's tenant.
pub async fn set_allowed(
    cx: &Context,
    admin: &Admin,
    system_id: &SystemId,
    request: SetAllowed,
) -> Result<Allowed, Problem> {
    let system = find(cx, admin.0.tenant, system_id).await?;
    let SetAllowed { models } = request;
    if models.len() > MODELS_MAX {
        return Err(Problem::field("models", Reason::models_at_most(MODELS_MAX)));
    }
    for (model, access) in &models {
        if access.methods.len() > METHODS_MAX {
            return Err(Problem::field(&format!("models.{model}.methods"), Reason::items(0, METHODS_MAX)));
        }
    }
    let list = AllowList(models);
    let before = cx.store.allow_list(system.tenant, system.key).await?;
    let change = Change::new("allowed", "update").in_system(system_id).from(json!(before.0)).to(json!(list.0));
    audited(cx, &admin.0, change, async {
        cx.store.save_allow_list(system.tenant, system.key, &list).await?;
        cx.records.rights_changed();
        Ok(())
    })
    .await?;
    Ok(Allowed { system_id: system.system_id, models: list.0 })
}
