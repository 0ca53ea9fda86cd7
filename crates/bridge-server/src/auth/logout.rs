//! The end of a session.

use super::Caller;
use crate::context::Context;
use crate::problem::Problem;

/// Revokes the caller's session: its access and refresh tokens no longer hold, on this node at once and on others
/// within `security.session_cache_ms`.
pub async fn logout(cx: &Context, caller: &Caller) -> Result<(), Problem> {
    cx.store.revoke_session(&caller.session).await?;
    cx.auth.forget_sessions();
    Ok(())
}
