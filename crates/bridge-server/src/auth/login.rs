//! From a name and a password to a session with its tokens.

use super::token::{Claims, Owner, TokenKind, Tokens, sha256_hex};
use super::{Caller, check_username, refused};
use crate::audit::{Change, Origin, audited};
use crate::config;
use crate::context::Context;
use crate::language::Message;
use crate::limits::{self, Class, Noted, Who};
use crate::problem::{Problem, ProblemKind};
use bridge_model::Timestamp;
use bridge_store::{Session, StoreError, User};
use serde::Deserialize;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use utoipa::ToSchema;

/// The body of a log-in.
#[derive(Clone, Deserialize, ToSchema)]
pub struct LoginRequest {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Checks name and password and opens a session. A wrong one of either, and a user who is not active, get the same
/// `InvalidCredentials` after the same time; after too many tries from this `peer` (`None` for this process itself) the
/// name gets `RateLimited` there. What becomes of it is in the audit of the user's tenant.
pub async fn login(
    cx: &Context,
    noted: &Noted,
    request: LoginRequest,
    peer: Option<IpAddr>,
    origin: Origin,
) -> Result<Tokens, Problem> {
    // Before the password is looked at, so that of many tries at once no more than the limit are.
    limits::count(cx, noted, Who::login(&request.username, peer), Class::Authentication).await?;
    let turn = cx.auth.passwords.turn().await?;
    let user = find(cx, &request.username).await?;
    let hash = user.as_ref().filter(|user| user.active).map(|user| user.password_hash.clone());
    let (matches, turn) = cx.auth.passwords.matches(turn, hash, request.password).await?;
    let caller = user.as_ref().map(|user| Caller::opening(user, origin, cx.clock.now()));
    let Some((user, caller)) = user.zip(caller.clone()).filter(|_| matches) else {
        cx.metrics.logins.with_label_values(&["refused"]).inc();
        if let Some(caller) = caller {
            refused::note(cx, caller);
        }
        return Err(wrong());
    };
    drop(turn);
    let tokens = audited(cx, &caller, Change::new("session", "login"), open_session(cx, &user)).await?;
    cx.metrics.logins.with_label_values(&["done"]).inc();
    Ok(tokens)
}

async fn find(cx: &Context, username: &str) -> Result<Option<User>, Problem> {
    // Such a name cannot have been given to anybody, and the database could not even take it as a text.
    if check_username(username).is_err() {
        return Ok(None);
    }
    Ok(cx.store.user_by_name(username).await?)
}

async fn open_session(cx: &Context, user: &User) -> Result<Tokens, Problem> {
    let now = cx.clock.now();
    let id = cx.entropy.hex(16);
    let owner = Owner { tenant: user.tenant, user: user.id, session: &id };
    let expires_at = now.plus(refresh_life(cx));
    let refresh_token = sign_refresh(cx, &owner, now, expires_at)?;
    let session = Session {
        id: id.clone(),
        tenant: user.tenant,
        user: user.id,
        created_at: now,
        expires_at,
        revoked_at: None,
        refresh_hash: sha256_hex(&refresh_token),
        previous_hash: None,
    };
    match cx.store.create_session(&session).await {
        Ok(()) => {}
        // The user was deleted while the password was checked.
        Err(StoreError::NotFound) => return Err(wrong()),
        Err(error) => return Err(error.into()),
    }
    // The password may have been changed while it was checked: then the change has revoked every session but this.
    let current = cx.store.user(user.tenant, user.id).await?;
    if current.is_none_or(|current| current.password_hash != user.password_hash) {
        cx.store.revoke_session(&id).await?;
        return Err(wrong());
    }
    answer(cx, &owner, now, expires_at, Some(refresh_token))
}

/// The answer with a new access token of a session that holds until `session_until`.
pub(super) fn answer(
    cx: &Context,
    owner: &Owner<'_>,
    now: Timestamp,
    session_until: Timestamp,
    refresh_token: Option<String>,
) -> Result<Tokens, Problem> {
    let until = now.plus(access_life(cx)).min(session_until);
    let claims = Claims::new(TokenKind::Access, owner, now, until, &*cx.entropy);
    let access_token = cx.auth.tokens.sign(&claims)?;
    Ok(Tokens { access_token, refresh_token, token_type: "bearer", expires_in: claims.life_s() })
}

/// A new refresh token of a session.
pub(super) fn sign_refresh(
    cx: &Context,
    owner: &Owner<'_>,
    now: Timestamp,
    until: Timestamp,
) -> Result<String, Problem> {
    cx.auth.tokens.sign(&Claims::new(TokenKind::Refresh, owner, now, until, &*cx.entropy))
}

/// Life of a refresh token.
pub(super) fn refresh_life(cx: &Context) -> Duration {
    config::days(cx.config.security.refresh_token_expire_days)
}

fn access_life(cx: &Context) -> Duration {
    Duration::from_secs(cx.config.security.access_token_expire_minutes.saturating_mul(60))
}

fn wrong() -> Problem {
    Problem::new(ProblemKind::InvalidCredentials, Message::wrong_credentials())
}
