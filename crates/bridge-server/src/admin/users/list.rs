//! Reading users.

use super::{UserView, find, view};
use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use bridge_model::UserId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Users in one page if the request does not say.
const LIMIT_DEFAULT: u32 = 100;

/// The most users in one page.
const LIMIT_MAX: u32 = 1_000;

/// The query of the request.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListUsers {
    /// The `next_cursor` of the page before.
    #[param(minimum = 0)]
    pub cursor: Option<i64>,
    /// The most users in the page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
}

/// A page of users.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UserPage {
    /// The users by id.
    pub items: Vec<UserView>,
    /// For the next page; `null` on the last.
    pub next_cursor: Option<String>,
}

/// The users of the admin's tenant, page by page.
pub async fn list(cx: &Context, admin: &Admin, request: ListUsers) -> Result<UserPage, Problem> {
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field("limit", Reason::between(1, LIMIT_MAX)));
    }
    if request.cursor.is_some_and(|cursor| cursor < 0) {
        return Err(Problem::field("cursor", Reason::cursor_of_another_page()));
    }
    // One more than asked for tells whether there is a next page.
    let mut users = cx.store.users(admin.0.tenant, request.cursor.map(UserId), limit + 1).await?;
    let more = users.len() > limit as usize;
    users.truncate(limit as usize);
    let next_cursor = users.last().filter(|_| more).map(|user| user.id.to_string());
    let systems = cx.store.system_names(admin.0.tenant).await?;
    Ok(UserPage { items: users.into_iter().map(|user| UserView::new(user, &systems)).collect(), next_cursor })
}

/// One user: everybody may see themself, an admin everybody of the tenant.
pub async fn get(cx: &Context, caller: &Caller, id: UserId) -> Result<UserView, Problem> {
    if caller.user != id && !caller.is_admin() {
        return Err(Problem::new(ProblemKind::Forbidden, Message::others_for_admins_only()));
    }
    view(cx, find(cx, caller.tenant, id).await?).await
}
