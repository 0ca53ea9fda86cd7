//! From a refresh token to a new access token.

use super::token::{Owner, TokenKind, Tokens, refused, sha256_hex};
use super::{Caller, ended, load_session, login};
use crate::audit::{Change, Origin, audited};
use crate::context::Context;
use crate::language::Message;
use crate::limits::{self, Class, Noted, Who};
use crate::problem::{Problem, ProblemKind};
use bridge_model::Timestamp;
use bridge_store::Session;
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::time::Duration;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

/// The body of a refresh, all of it optional.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct RefreshRequest {
    /// The refresh token, where it is not sent as bearer.
    pub refresh_token: Option<String>,
    /// Whether a new refresh token shall replace the one that is used.
    pub rotate: bool,
}

impl fmt::Debug for RefreshRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshRequest").field("rotate", &self.rotate).finish_non_exhaustive()
    }
}

/// For how long after a rotation the replaced token is taken once more. A phone that lost the answer repeats the
/// request within seconds and would otherwise be logged out. A thief gains little by it: the token they get replaces
/// the owner's, so that the owner's next refresh after these seconds is the use of an old token and ends the session
/// for both.
const LOST_REPLY: Duration = Duration::from_secs(10);

/// How often a rotation is tried when requests with the same token cross.
const TRIES_MAX: u32 = 3;

/// A new access token, and with rotation a new refresh token. `Unauthenticated` if the refresh token does not hold.
/// An old token that comes back was copied: the whole session is revoked, since nobody can tell who the owner is.
/// `RateLimited` if the user has asked for too many.
pub async fn refresh(
    cx: &Context,
    noted: &Noted,
    bearer: Option<&str>,
    request: RefreshRequest,
    origin: Origin,
) -> Result<Tokens, Problem> {
    let token = request.refresh_token.as_deref().or(bearer).ok_or_else(|| refused(Message::refresh_token_needed()))?;
    let rotate = request.rotate || cx.config.security.rotate_refresh_tokens;
    let now = cx.clock.now();
    let claims = cx.auth.tokens.verify(token, TokenKind::Refresh, now)?;
    let hash = sha256_hex(token);
    for tried in 0..TRIES_MAX {
        // From the database, not from the cache, which need not know of a rotation on another node.
        let (session, user) = load_session(cx, &claims.sid).await?.ok_or_else(ended)?;
        if session.expires_at <= now {
            return Err(ended());
        }
        if !is_current(&session, &hash) && !is_lost_reply(cx, &session, &hash, now) {
            let caller = Caller::opening(&user, origin, now);
            let change =
                Change::new("session", "revoke").to(json!({ "reason": "an old refresh token was used again" }));
            audited(cx, &caller, change, async {
                cx.store.revoke_session(&session.id).await?;
                cx.auth.forget_sessions();
                Ok(())
            })
            .await?;
            tracing::warn!(tenant.id = user.tenant.0, user.id = user.id.0, "an old refresh token was used again");
            return Err(ended());
        }
        // Not before it is known to hold: whoever has an old token uses up nobody's allowance.
        if tried == 0 {
            limits::count(cx, noted, Who::User(user.tenant, user.id), Class::Authentication).await?;
        }
        let owner = Owner { tenant: user.tenant, user: user.id, session: &session.id };
        // After a lost reply the client has no valid token, so that it needs a new one in any case.
        if !rotate && is_current(&session, &hash) {
            return login::answer(cx, &owner, now, session.expires_at, None);
        }
        let expires_at = now.plus(login::refresh_life(cx));
        let new = login::sign_refresh(cx, &owner, now, expires_at)?;
        if cx.store.rotate_session(&session.id, &session.refresh_hash, &sha256_hex(&new), expires_at).await? {
            return login::answer(cx, &owner, now, expires_at, Some(new));
        }
    }
    Err(Problem::new(ProblemKind::Conflict, Message::token_in_use()))
}

fn is_current(session: &Session, hash: &str) -> bool {
    same(&session.refresh_hash, hash)
}

/// Whether this is the token before the current one, and it was replaced a moment ago. A rotation sets the session's
/// end to one life of a refresh token later, which tells when it was.
fn is_lost_reply(cx: &Context, session: &Session, hash: &str, now: Timestamp) -> bool {
    let rotated_at = session.expires_at.minus(login::refresh_life(cx));
    session.previous_hash.as_deref().is_some_and(|previous| same(previous, hash)) && now.since(rotated_at) < LOST_REPLY
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}
