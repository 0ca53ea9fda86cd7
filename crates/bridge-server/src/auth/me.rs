//! What a caller may know about themself.

use super::Caller;
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::{SystemId, TenantId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

/// The caller, as they see themself.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Me {
    /// BridgeCore's id of the user.
    pub id: UserId,
    /// The name the user logs in with.
    pub username: String,
    /// `admin` or `user`.
    pub role: &'static str,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The user's id in the ERP, if linked.
    pub odoo_user_id: Option<i64>,
    /// The system in which they have that id.
    pub odoo_system_id: Option<SystemId>,
    /// The language of messages, if chosen.
    pub language: Option<String>,
    /// When the access token runs out.
    pub expires_at: Timestamp,
}

/// The facts of a verified caller.
pub async fn me(cx: &Context, caller: Caller) -> Result<Me, Problem> {
    let odoo_system_id = match caller.odoo_system {
        Some(system) => cx.store.system_names(caller.tenant).await?.remove(&system),
        None => None,
    };
    Ok(Me {
        id: caller.user,
        username: caller.username,
        role: caller.role.as_str(),
        tenant_id: caller.tenant,
        odoo_user_id: caller.odoo_user_id,
        odoo_system_id,
        language: caller.language,
        expires_at: caller.expires_at,
    })
}
