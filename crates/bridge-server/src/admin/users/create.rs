//! A new user.

use super::{RoleWord, UserView, view};
use crate::admin::fields::check_erp_user;
use crate::audit::{Change, audited_making};
use crate::auth::{Admin, check_language, check_username};
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::RecordId;
use bridge_store::NewUser;
use serde::Deserialize;
use std::fmt;
use utoipa::ToSchema;

/// The body of the request.
#[derive(Clone, Deserialize, ToSchema)]
pub struct CreateUser {
    /// The name to log in with; unique over all tenants.
    #[schema(min_length = 1, max_length = 128)]
    pub username: String,
    /// The password, at least 8 characters.
    #[schema(min_length = 8, max_length = 1000)]
    pub password: String,
    /// What the user may do; `user` if left out.
    #[serde(default)]
    pub role: RoleWord,
    /// The user's id in the primary system of this moment.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub odoo_user_id: Option<i64>,
    /// The language of messages.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9_@-]{2,32}$")]
    pub language: Option<String>,
}

impl fmt::Debug for CreateUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateUser").field("username", &self.username).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Makes a user of the admin's tenant; `Conflict` if the name is taken.
pub async fn create(cx: &Context, admin: &Admin, request: CreateUser) -> Result<UserView, Problem> {
    check_username(&request.username)?;
    request.odoo_user_id.map_or(Ok(()), check_erp_user)?;
    request.language.as_deref().map_or(Ok(()), check_language)?;
    let change = Change::new("user", "create")
        .set("username", Some(&request.username))
        .set("role", Some(request.role))
        .set("odoo_user_id", request.odoo_user_id)
        .set("language", request.language.as_ref())
        .without("password", true);
    audited_making(cx, &admin.0, change, add(cx, admin, request), |user| RecordId::Number(user.id.0)).await
}

async fn add(cx: &Context, admin: &Admin, request: CreateUser) -> Result<UserView, Problem> {
    let password_hash = cx.auth.hash_password(request.password, &*cx.entropy).await?;
    let new = NewUser {
        username: request.username,
        password_hash,
        role: request.role.into(),
        odoo_user_id: request.odoo_user_id,
        language: request.language,
    };
    let user = cx.store.create_user(admin.0.tenant, new).await?;
    view(cx, user).await
}
