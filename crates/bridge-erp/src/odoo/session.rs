//! Logging in, once for all who wait, and remembering what came of it.
//!
//! A session with a cookie is about twice as fast as a password with every call, so it is tried first. An API key
//! is refused there and works only as the password of `/jsonrpc`, as do servers whose database filter hides the
//! database from the web: those use the second way. Odoo counts refused log-ins per address and locks the address
//! out, so a refusal is remembered for a while and not tried again; a new credential is a new adapter.

use super::client::Client;
use super::errors;
use crate::adapter::Connection;
use crate::pool::ClientOptions;
use crate::{ErpError, ErpErrorKind};
use bridge_model::{Clock, Timestamp};
use serde_json::{Value, json};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The log-in of one adapter.
pub(super) struct Login {
    database: String,
    username: String,
    secret: String,
    first_way: Way,
    refusal_kept_micros: i64,
    clock: Arc<dyn Clock>,
    /// Counts finished attempts, so that those who waited for one share its end instead of trying after it.
    attempts: AtomicU64,
    state: tokio::sync::Mutex<State>,
}

/// What a call needs to be let in.
#[derive(Debug)]
pub(super) struct Session {
    /// The ERP's user id.
    pub(super) uid: i64,
    /// The cookie's value; `None` where the password goes with every call.
    cookie: Option<Mutex<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Cookie,
    Password,
}

struct State {
    way: Way,
    session: Option<Arc<Session>>,
    /// The end of the last attempt, if it was bad.
    failure: Option<Failure>,
}

struct Failure {
    kind: ErpErrorKind,
    name: Option<String>,
    message: String,
    /// Until when it stands without being tried again.
    stands_until: Option<Timestamp>,
}

impl Session {
    /// The cookie's value now, where there is one.
    pub(super) fn session_id(&self) -> Option<String> {
        self.cookie.as_ref().map(|cookie| cookie.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Odoo renews the ids of long sessions: the next call takes the new one.
    pub(super) fn renewed(&self, session_id: String) {
        if let Some(cookie) = &self.cookie {
            *cookie.lock().unwrap_or_else(PoisonError::into_inner) = session_id;
        }
    }
}

impl Login {
    /// The log-in of this connection; nothing is sent yet.
    pub(super) fn new(connection: &Connection, options: &ClientOptions, clock: Arc<dyn Clock>) -> Self {
        let (secret, first_way) = match &connection.api_key {
            Some(key) if !key.is_empty() => (key.clone(), Way::Password),
            _ => (connection.password.clone(), Way::Cookie),
        };
        Self {
            database: connection.database.clone(),
            username: connection.username.clone(),
            secret,
            first_way,
            refusal_kept_micros: i64::try_from(options.refusal_kept_ms.saturating_mul(1_000)).unwrap_or(i64::MAX),
            clock,
            attempts: AtomicU64::new(0),
            state: tokio::sync::Mutex::new(State { way: first_way, session: None, failure: None }),
        }
    }

    /// The session in use, or a new one.
    pub(super) async fn current(&self, client: &Client) -> Result<Arc<Session>, ErpError> {
        let attempts_seen = self.attempts.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        match &state.session {
            Some(session) => Ok(Arc::clone(session)),
            None => self.log_in(&mut state, attempts_seen, client).await,
        }
    }

    /// A session in the place of `over`, which is not valid any more. Only the first of those who find this out logs in.
    pub(super) async fn renew(&self, over: &Arc<Session>, client: &Client) -> Result<Arc<Session>, ErpError> {
        let attempts_seen = self.attempts.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session
            && !Arc::ptr_eq(session, over)
        {
            return Ok(Arc::clone(session));
        }
        state.session = None;
        self.log_in(&mut state, attempts_seen, client).await
    }

    /// A new session whatever there is, to see whether the credential is still good.
    pub(super) async fn afresh(&self, client: &Client) -> Result<Arc<Session>, ErpError> {
        let attempts_seen = self.attempts.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session
            && self.attempts.load(Ordering::SeqCst) > attempts_seen
        {
            return Ok(Arc::clone(session));
        }
        state.session = None;
        self.log_in(&mut state, attempts_seen, client).await
    }

    /// The arguments with which `/jsonrpc` calls begin.
    pub(super) fn credential(&self, uid: i64) -> [Value; 3] {
        [self.database.as_str().into(), uid.into(), self.secret.as_str().into()]
    }

    async fn log_in(&self, state: &mut State, attempts_seen: u64, client: &Client) -> Result<Arc<Session>, ErpError> {
        if let Some(failure) = &state.failure {
            let shared = self.attempts.load(Ordering::SeqCst) > attempts_seen;
            let stands = failure.stands_until.is_some_and(|until| self.clock.now() < until);
            if shared || stands {
                return Err(failure.to_error());
            }
        }
        let outcome = self.attempt(&mut state.way, client).await;
        self.attempts.fetch_add(1, Ordering::SeqCst);
        match outcome {
            Ok(session) => {
                let session = Arc::new(session);
                state.session = Some(Arc::clone(&session));
                state.failure = None;
                Ok(session)
            }
            Err(error) => {
                state.failure = Some(self.failure_of(&error));
                Err(error)
            }
        }
    }

    fn failure_of(&self, error: &ErpError) -> Failure {
        let kept = error.kind == ErpErrorKind::Authentication;
        let until = self.clock.now().as_micros().saturating_add(self.refusal_kept_micros);
        Failure {
            kind: error.kind,
            name: error.name.clone(),
            message: error.message.clone(),
            stands_until: kept.then(|| Timestamp::from_micros(until)),
        }
    }

    async fn attempt(&self, way: &mut Way, client: &Client) -> Result<Session, ErpError> {
        if self.secret.is_empty() || self.username.is_empty() {
            return Err(ErpError::new(ErpErrorKind::Authentication, "the connection has no user name or no password"));
        }
        if *way == Way::Cookie {
            match self.with_cookie(client).await {
                Ok(Some(session)) => return Ok(session),
                Ok(None) => {}
                Err(error) if may_work_with_password(&error) => {}
                Err(error) => return Err(self.judged(error, client).await),
            }
        }
        match self.with_password(client).await {
            Ok(session) => {
                *way = Way::Password;
                Ok(session)
            }
            Err(error) => {
                *way = self.first_way;
                Err(self.judged(error, client).await)
            }
        }
    }

    /// `None` if the server wants more than a password (a second factor).
    async fn with_cookie(&self, client: &Client) -> Result<Option<Session>, ErpError> {
        let params = json!({"db": self.database, "login": self.username, "password": self.secret});
        let reply = client.send("/web/session/authenticate", params, None, None).await?;
        let uid = reply.result["uid"].as_i64();
        Ok(uid.zip(reply.session_id).map(|(uid, cookie)| Session { uid, cookie: Some(Mutex::new(cookie)) }))
    }

    async fn with_password(&self, client: &Client) -> Result<Session, ErpError> {
        let args = json!([self.database, self.username, self.secret, {}]);
        let params = json!({"service": "common", "method": "authenticate", "args": args});
        let reply = client.send("/jsonrpc", params, None, None).await?;
        match reply.result.as_i64() {
            Some(uid) if uid > 0 => Ok(Session { uid, cookie: None }),
            _ => Err(ErpError::new(ErpErrorKind::Authentication, "the user name or the password is refused")),
        }
    }

    /// PostgreSQL's driver has one name for 'no such database' and for 'the database server is away'. The list of
    /// databases tells them apart where the server gives it; where it is switched off, the name is believed.
    async fn judged(&self, error: ErpError, client: &Client) -> ErpError {
        if error.name.as_deref() != Some(errors::OPERATIONAL_ERROR) {
            return error;
        }
        let listed = client.send("/web/database/list", json!({}), None, None).await;
        let away = match listed {
            Ok(reply) => {
                reply.result.as_array().is_some_and(|names| names.iter().any(|name| *name == self.database.as_str()))
            }
            Err(refusal) => refusal.name.as_deref() != Some(errors::ACCESS_DENIED),
        };
        if away {
            return error;
        }
        let message = format!("the database {:?} does not exist or can't be opened", self.database);
        ErpError::new(ErpErrorKind::UnknownDatabase, message).named(errors::OPERATIONAL_ERROR).caused_by(error)
    }
}

/// Whether the second way may succeed where the first one failed with this: the credential is refused (it may be an
/// API key), the database filter hides the database, or the web part is not reachable at all.
fn may_work_with_password(error: &ErpError) -> bool {
    let not_there = [errors::NOT_FOUND, errors::HTTP_NOT_FOUND];
    matches!(error.kind, ErpErrorKind::Authentication | ErpErrorKind::AccessDenied)
        || error.name.as_deref().is_some_and(|name| not_there.contains(&name))
}

impl Failure {
    fn to_error(&self) -> ErpError {
        let error = ErpError::new(self.kind, self.message.clone());
        match &self.name {
            Some(name) => error.named(name.clone()),
            None => error,
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret stays out of logs by construction.
        f.debug_struct("Login").field("database", &self.database).finish_non_exhaustive()
    }
}
