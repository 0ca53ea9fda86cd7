//! Who is asking: log-in, tokens, sessions, and the keys that ERPs push with.
//!
//! A token is believed if its signature holds, it has not run out by our own clock, its session was not revoked and
//! its user is active. The last two come from the database by way of a short-lived cache.

mod first_admin;
mod login;
mod logout;
mod me;
mod password;
mod push_key;
mod refresh;
mod refused;
mod token;
mod username;

pub use first_admin::{FirstAdmin, first_admin};
pub use login::{LoginRequest, login};
pub use logout::logout;
pub use me::{Me, UpdateMe, check_language, me, update_me};
pub use push_key::{PushSource, new_push_key, push_key, push_key_hash};
pub use refresh::{RefreshRequest, refresh};
pub use token::Tokens;
pub use username::check_username;

use crate::audit::Origin;
use crate::config;
use crate::context::Context;
use crate::fresh::Fresh;
use crate::language::{Language, Message};
use crate::problem::{Problem, ProblemKind};
use anyhow::Context as _;
use bridge_model::{Entropy, SystemKey, TenantId, Timestamp, UserId};
use bridge_store::{Role, Session, StoreError, User};
use password::Passwords;
use refused::RefusedLogins;
use std::sync::Arc;
use token::{TokenKeys, TokenKind};
use tokio::sync::watch;

/// What log-ins and tokens need beside the database.
#[derive(Debug)]
pub struct Auth {
    tokens: TokenKeys,
    passwords: Passwords,
    refused: RefusedLogins,
    sessions: Fresh<String, Arc<KnownSession>>,
    push_keys: Fresh<String, PushSource>,
    /// Counts what makes sessions be looked up anew on this node.
    changed: watch::Sender<u64>,
    /// Held while it is made sure that a tenant keeps an active admin, so that two admins of this process cannot
    /// take each other's role at the same moment.
    pub(crate) admins: tokio::sync::Mutex<()>,
}

/// A session and its user, as they were in the database a moment ago.
#[derive(Debug)]
struct KnownSession {
    ends_at: Timestamp,
    /// The user, for a request that asks for nothing. Each request has a copy.
    caller: Caller,
}

impl KnownSession {
    fn of((session, user): (Session, User)) -> Self {
        let Session { id, expires_at, .. } = session;
        Self { ends_at: expires_at, caller: Caller::new(user, None, id, expires_at) }
    }
}

impl Auth {
    /// Builds the keys and the password checker. Takes some milliseconds for the hash that unknown names are checked
    /// against; the error is that hash's.
    pub fn new(settings: &config::Security, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let age_max = config::ms(settings.session_cache_ms);
        Ok(Self {
            tokens: TokenKeys::new(&settings.secret_key),
            passwords: Passwords::new(settings.password_checks_at_once_max, entropy)
                .context("prepare password checks")?,
            refused: RefusedLogins::default(),
            sessions: Fresh::new(age_max),
            push_keys: Fresh::new(age_max),
            changed: watch::channel(0).0,
            admins: tokio::sync::Mutex::default(),
        })
    }

    /// The hash of a new password. `Invalid` if it is too short or too long, `Busy` if too many are being worked on.
    pub async fn hash_password(&self, password: String, entropy: &dyn Entropy) -> Result<String, Problem> {
        self.passwords.hash(password, entropy).await
    }

    /// Makes every session be looked up anew; to be called after sessions were revoked or a user was changed.
    pub fn forget_sessions(&self) {
        self.sessions.forget_all();
        self.changed.send_modify(|count| *count += 1);
    }

    /// Changes whenever sessions have to be looked up anew, for connections that outlive a request.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Makes every push key be looked up anew; to be called after a system was changed.
    pub fn forget_push_keys(&self) {
        self.push_keys.forget_all();
    }
}

/// The user behind a verified access token.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The name the user logs in with.
    pub username: Arc<str>,
    /// What the user may do.
    pub role: Role,
    /// The user's id in the ERP, if linked.
    pub odoo_user_id: Option<i64>,
    /// The system in which `odoo_user_id` is the user; `None` while the link is not bound to one.
    pub odoo_system: Option<SystemKey>,
    /// The language of messages, if the user has chosen one.
    pub language: Option<String>,
    /// The language that the request asks for, if it is one of ours.
    pub asked_language: Option<Language>,
    /// The id of the log-in session.
    pub session: Arc<str>,
    /// When the access token runs out.
    pub expires_at: Timestamp,
    /// Where the request comes from.
    pub origin: Origin,
}

impl Caller {
    /// The user as the caller of work that goes on without them, who is spoken to in this language if they have not chosen
    /// another; `None` if there is no such user or they are not active.
    pub async fn of_user(
        cx: &Context,
        tenant: TenantId,
        user: UserId,
        asked_language: Option<Language>,
    ) -> Result<Option<Self>, StoreError> {
        let user = cx.store.user(tenant, user).await?.filter(|user| user.active);
        Ok(user.map(|user| Self::new(user, asked_language, String::new(), cx.clock.now())))
    }

    fn new(user: User, asked_language: Option<Language>, session: String, expires_at: Timestamp) -> Self {
        Self {
            tenant: user.tenant,
            user: user.id,
            username: user.username.into(),
            role: user.role,
            odoo_user_id: user.odoo_user_id,
            odoo_system: user.odoo_system,
            language: user.language,
            asked_language,
            session: session.into(),
            expires_at,
            origin: Origin::default(),
        }
    }

    /// A user who has no session yet, or none any more.
    fn opening(user: &User, origin: Origin, now: Timestamp) -> Self {
        Self { origin, ..Self::new(user.clone(), None, String::new(), now) }
    }

    /// The same as an admin; `Forbidden` if the user is none.
    pub fn into_admin(self) -> Result<Admin, Problem> {
        match self.role {
            Role::Admin => Ok(Admin(self)),
            Role::User => Err(Problem::new(ProblemKind::Forbidden, Message::admins_only())),
        }
    }

    /// The language in which this caller is answered: the user's own choice, else what the request asks for.
    pub fn speaks(&self) -> Language {
        let chosen = self.language.as_deref().and_then(Language::of_tag);
        chosen.or(self.asked_language).unwrap_or_default()
    }

    /// Whether the user is an admin.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

/// A caller who is an admin of their tenant.
#[derive(Debug, Clone)]
pub struct Admin(pub Caller);

/// The user behind an access token, whose request asks for this language; `Unauthenticated` if the token does not hold.
pub async fn caller(cx: &Context, access_token: &str, asked: Option<Language>) -> Result<Caller, Problem> {
    let claims = cx.auth.tokens.verify(access_token, TokenKind::Access, cx.clock.now())?;
    let caller = session_user(cx, &claims.sid, claims.expires_at(), asked).await?;
    if claims.sub != caller.user.to_string() || claims.tid != caller.tenant.0 {
        return Err(token::refused(Message::token_not_valid()));
    }
    Ok(caller)
}

/// The same caller with the facts of now, for connections that outlive a request; `Unauthenticated` once the token
/// has run out, the session was revoked or the user is no longer active.
pub async fn recheck(cx: &Context, caller: &Caller) -> Result<Caller, Problem> {
    if cx.clock.now() >= caller.expires_at {
        return Err(token::refused(Message::access_token_run_out()));
    }
    session_user(cx, &caller.session, caller.expires_at, caller.asked_language).await
}

async fn session_user(
    cx: &Context,
    session: &str,
    expires_at: Timestamp,
    asked_language: Option<Language>,
) -> Result<Caller, Problem> {
    let now = cx.clock.now();
    let load = async { Ok(load_session(cx, session).await?.map(KnownSession::of).map(Arc::new)) };
    let known = cx.auth.sessions.get(session, now, load).await?.ok_or_else(ended)?;
    if known.ends_at <= now {
        return Err(ended());
    }
    Ok(Caller { asked_language, expires_at, ..known.caller.clone() })
}

/// Reads a session that was not revoked, with its user if active.
async fn load_session(cx: &Context, id: &str) -> Result<Option<(Session, User)>, Problem> {
    let Some(session) = cx.store.session(id).await?.filter(|session| session.revoked_at.is_none()) else {
        return Ok(None);
    };
    let user = cx.store.user(session.tenant, session.user).await?.filter(|user| user.active);
    Ok(user.map(|user| (session, user)))
}

fn ended() -> Problem {
    token::refused(Message::session_ended())
}
