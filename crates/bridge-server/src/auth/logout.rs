//! The end of a session.

use super::Caller;
use crate::audit::{Change, audited};
use crate::context::Context;
use crate::problem::Problem;

/// Revokes the caller's session: its access and refresh tokens no longer hold, on this node at once and on others
/// within `security.session_cache_ms`.
pub async fn logout(cx: &Context, caller: &Caller) -> Result<(), Problem> {
    audited(cx, caller, Change::new("session", "logout"), async {
        cx.store.revoke_session(&caller.session).await?;
        cx.auth.forget_sessions();
        Ok(())
    })
    .await
}
