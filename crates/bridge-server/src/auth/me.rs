//! What a caller may know about themself.

use super::Caller;
use bridge_model::{TenantId, Timestamp, UserId};
use serde::Serialize;

/// The caller, as they see themself.
#[derive(Debug, Clone, Serialize)]
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
    /// The language of messages, if chosen.
    pub language: Option<String>,
    /// When the access token runs out.
    pub expires_at: Timestamp,
}

/// The facts of a verified caller; all of them are there already.
pub fn me(caller: Caller) -> Me {
    Me {
        id: caller.user,
        username: caller.username,
        role: caller.role.as_str(),
        tenant_id: caller.tenant,
        odoo_user_id: caller.odoo_user_id,
        language: caller.language,
        expires_at: caller.expires_at,
    }
}
