//! The first user of a new installation.

use super::check_username;
use crate::context::Context;
use crate::problem::Problem;
use anyhow::{Context as _, anyhow};
use bridge_store::{NewUser, Role};
use std::fmt;

/// The first admin, when one was made.
pub struct FirstAdmin {
    /// The name to log in with.
    pub username: String,
    /// The password, only if it was made here and not configured: it is kept nowhere else.
    pub password: Option<String>,
}

impl fmt::Debug for FirstAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstAdmin").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The first tenant's name; with one tenant nobody needs to see it.
const TENANT_NAME: &str = "default";

/// Makes the first tenant and its admin if there is no user at all; `None` if there is one, also when another node
/// was faster. The error says which setting is wrong or what the database said.
pub async fn first_admin(cx: &Context) -> anyhow::Result<Option<FirstAdmin>> {
    if cx.store.any_user().await.context("look for users")? {
        return Ok(None);
    }
    let settings = &cx.config.security;
    let username = settings.first_admin_username.clone();
    check_username(&username).map_err(|problem| unusable(cx, "security.first_admin_username", &problem))?;
    let made = settings.first_admin_password.is_empty().then(|| cx.entropy.hex(12));
    let password = made.clone().unwrap_or_else(|| settings.first_admin_password.clone());
    let hash = cx.auth.hash_password(password, &*cx.entropy).await;
    let password_hash = hash.map_err(|problem| unusable(cx, "security.first_admin_password", &problem))?;
    let new =
        NewUser { username: username.clone(), password_hash, role: Role::Admin, odoo_user_id: None, language: None };
    let user = cx
        .store
        .create_first_admin(TENANT_NAME, &cx.config.limits.plan_default, new)
        .await
        .context("make the first admin")?;
    Ok(user.map(|_| FirstAdmin { username, password: made }))
}

/// What is wrong with a setting, for whoever starts the service.
fn unusable(cx: &Context, setting: &str, problem: &Problem) -> anyhow::Error {
    anyhow!("{setting}: {}", cx.texts.english(&problem.message))
}
