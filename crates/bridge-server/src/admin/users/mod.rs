//! The users of a tenant.

mod create;
mod delete;
mod links;
mod list;
mod update;

pub use create::{CreateUser, create};
pub use delete::delete;
pub use links::{LinkPage, LinkUser, LinkView, link, links, unlink};
pub use list::{ListUsers, UserPage, get, list};
pub use update::{UpdateUser, update};

use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{SystemId, SystemKey, TenantId, Timestamp, UserId};
use bridge_store::{Role, User};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::ToSchema;

/// A user, as admins and the user see it. The password's hash has no place here.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// BridgeCore's id of the user.
    pub id: UserId,
    /// The name to log in with.
    pub username: String,
    /// What the user may do.
    pub role: RoleWord,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The user's id in the ERP, if linked.
    pub odoo_user_id: Option<i64>,
    /// The system in which they have that id: the one that was primary when it was set.
    pub odoo_system_id: Option<SystemId>,
    /// The language of messages, if chosen.
    pub language: Option<String>,
    /// Whether the user may log in.
    pub is_active: bool,
    /// When the user was made.
    pub created_at: Timestamp,
}

impl UserView {
    /// The view of a user; `systems` are the names of the tenant's systems.
    fn new(user: User, systems: &HashMap<SystemKey, SystemId>) -> Self {
        Self {
            id: user.id,
            username: user.username,
            role: user.role.into(),
            tenant_id: user.tenant,
            odoo_user_id: user.odoo_user_id,
            odoo_system_id: user.odoo_system.and_then(|system| systems.get(&system).cloned()),
            language: user.language,
            is_active: user.active,
            created_at: user.created_at,
        }
    }
}

/// The view of one user.
async fn view(cx: &Context, user: User) -> Result<UserView, Problem> {
    let systems = cx.store.system_names(user.tenant).await?;
    Ok(UserView::new(user, &systems))
}

/// The words for a role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
pub enum RoleWord {
    /// Manages the tenant.
    Admin,
    /// Uses the apps.
    #[default]
    User,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Admin => Self::Admin,
            RoleWord::User => Self::User,
        }
    }
}

impl From<Role> for RoleWord {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::User => Self::User,
        }
    }
}

/// A user of the tenant; `NotFound` for any other, also one of another tenant.
async fn find(cx: &Context, tenant: TenantId, id: UserId) -> Result<User, Problem> {
    cx.store.user(tenant, id).await?.ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, Message::no_such_user())
}

/// Users read at once while looking for another admin.
const PAGE_ROWS: u32 = 500;

/// `Conflict` if the tenant has no active admin besides `leaving`. The caller holds `cx.auth.admins` from before this
/// look until after its own change.
async fn require_other_admin(cx: &Context, leaving: &User) -> Result<(), Problem> {
    let mut after = None;
    loop {
        let page = cx.store.users(leaving.tenant, after, PAGE_ROWS).await?;
        if page.iter().any(|user| user.id != leaving.id && is_acting_admin(user)) {
            return Ok(());
        }
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return Err(Problem::new(ProblemKind::Conflict, Message::last_admin_stays())),
        }
    }
}

fn is_acting_admin(user: &User) -> bool {
    user.active && user.role == Role::Admin
}
