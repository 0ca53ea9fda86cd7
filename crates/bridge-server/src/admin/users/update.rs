//! Changing a user.

use super::{RoleWord, UserView, find, is_acting_admin, not_found, require_other_admin, view};
use crate::admin::fields::{check_erp_user, given};
use crate::audit::{Change, audited};
use crate::auth::{Admin, check_language, check_username};
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::{RecordId, UserId};
use bridge_store::User;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use utoipa::ToSchema;

/// The body of the request: what is left out stays as it is.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct UpdateUser {
    /// The name to log in with.
    #[schema(min_length = 1, max_length = 128)]
    pub username: Option<String>,
    /// A new password; ends the user's sessions.
    #[schema(min_length = 8, max_length = 1000)]
    pub password: Option<String>,
    /// What the user may do.
    pub role: Option<RoleWord>,
    /// The user's id in the primary system of this moment; `null` unlinks.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    pub odoo_user_id: Option<Option<i64>>,
    /// The language of messages; `null` means as the client asks.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_@-]{2,32}$")]
    pub language: Option<Option<String>>,
    /// Whether the user may log in; `false` ends the user's sessions.
    pub is_active: Option<bool>,
}

impl fmt::Debug for UpdateUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateUser").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Changes a user of the admin's tenant. `Conflict` if the new name is taken, or if the tenant would be left without
/// an active admin.
pub async fn update(cx: &Context, admin: &Admin, id: UserId, request: UpdateUser) -> Result<UserView, Problem> {
    check(&request)?;
    let user = find(cx, admin.0.tenant, id).await?;
    let change = Change::new("user", "update")
        .of(RecordId::Number(id.0))
        .from(shown(&user))
        .set("username", request.username.as_ref())
        .set("role", request.role)
        .set("odoo_user_id", request.odoo_user_id)
        .set("language", request.language.as_ref())
        .set("is_active", request.is_active)
        .without("password", request.password.is_some());
    audited(cx, &admin.0, change, save(cx, admin, id, request)).await
}

/// What the audit keeps of a user.
pub(super) fn shown(user: &User) -> Value {
    json!({
        "username": user.username, "role": RoleWord::from(user.role), "odoo_user_id": user.odoo_user_id,
        "language": user.language, "is_active": user.active,
    })
}

async fn save(cx: &Context, admin: &Admin, id: UserId, request: UpdateUser) -> Result<UserView, Problem> {
    let password_hash = match request.password.clone() {
        Some(password) => Some(cx.auth.hash_password(password, &*cx.entropy).await?),
        None => None,
    };
    // From reading the user to saving it, so that of two changes neither undoes the other.
    let _admins = cx.auth.admins.lock().await;
    let before = find(cx, admin.0.tenant, id).await?;
    let mut user = before.clone();
    if let Some(username) = request.username {
        user.username = username;
    }
    if let Some(role) = request.role {
        user.role = role.into();
    }
    if let Some(odoo_user_id) = request.odoo_user_id {
        // The number means the user of the system that is primary now, whichever is later.
        let primary = cx.store.primary_system(user.tenant).await?.map(|system| system.key);
        user.odoo_system = odoo_user_id.and(primary);
        user.odoo_user_id = odoo_user_id;
    }
    if let Some(language) = request.language {
        user.language = language;
    }
    if let Some(is_active) = request.is_active {
        user.active = is_active;
    }
    let sessions_end = password_hash.is_some() || !user.active;
    if let Some(password_hash) = password_hash {
        user.password_hash = password_hash;
    }
    if is_acting_admin(&before) && !is_acting_admin(&user) {
        require_other_admin(cx, &before).await?;
    }
    if !cx.store.update_user(&user).await? {
        return Err(not_found());
    }
    if sessions_end {
        cx.store.revoke_user_sessions(user.tenant, user.id).await?;
    }
    cx.auth.forget_sessions();
    view(cx, find(cx, admin.0.tenant, id).await?).await
}

fn check(request: &UpdateUser) -> Result<(), Problem> {
    request.username.as_deref().map_or(Ok(()), check_username)?;
    request.odoo_user_id.flatten().map_or(Ok(()), check_erp_user)?;
    request.language.iter().flatten().try_for_each(|language| check_language(language))
}
