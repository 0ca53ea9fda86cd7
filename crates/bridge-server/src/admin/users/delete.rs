//! Deleting a user.

use super::{find, is_acting_admin, not_found, require_other_admin};
use crate::auth::Admin;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::UserId;

/// Deletes a user of the admin's tenant with their sessions and sync states. Nobody deletes themself: `Conflict`.
pub async fn delete(cx: &Context, admin: &Admin, id: UserId) -> Result<(), Problem> {
    if admin.0.user == id {
        return Err(Problem::new(ProblemKind::Conflict, Message::not_oneself()));
    }
    let _admins = cx.auth.admins.lock().await;
    let user = find(cx, admin.0.tenant, id).await?;
    if is_acting_admin(&user) {
        require_other_admin(cx, &user).await?;
    }
    if !cx.store.delete_user(user.tenant, user.id).await? {
        return Err(not_found());
    }
    cx.auth.forget_sessions();
    Ok(())
}
