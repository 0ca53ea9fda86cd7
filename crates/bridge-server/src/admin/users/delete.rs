//! Deleting a user.

use super::update::shown;
use super::{find, is_acting_admin, not_found, require_other_admin};
use crate::audit::{Change, audited};
use crate::auth::Admin;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{RecordId, UserId};

/// Deletes a user of the admin's tenant with their sessions and sync states. Nobody deletes themself: `Conflict`.
pub async fn delete(cx: &Context, admin: &Admin, id: UserId) -> Result<(), Problem> {
    let before = cx.store.user(admin.0.tenant, id).await?;
    let before = before.as_ref().map(shown).unwrap_or_default();
    let change = Change::new("user", "delete").of(RecordId::Number(id.0)).from(before);
    audited(cx, &admin.0, change, remove(cx, admin, id)).await
}

async fn remove(cx: &Context, admin: &Admin, id: UserId) -> Result<(), Problem> {
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
