//! Logging in, once for all who wait, and remembering what came of it.
//!
//! There are four ways, and the first that the server offers and the credential allows is taken. An API key is tried
//! on JSON-2; older servers take it as the password of `/jsonrpc`. A password is tried on the web, since a session
//! with a cookie is about twice as fast as a password with every call; servers whose database filter hides the
//! database from the web, and those that want a second factor there, get it with every call over `/jsonrpc`. XML-RPC
//! comes last, where nothing else is let through. Odoo counts refused log-ins per address and locks the address
//! out, so a refusal is remembered for a while and not tried again; a new credential is a new adapter.

use super::calls::Call;
use super::client::Client;
use super::{errors, json2, jsonrpc, xml};
use crate::adapter::{Connection, Protocol};
use crate::pool::ClientOptions;
use crate::{ErpError, ErpErrorClass, ErpErrorKind};
use bridge_model::{Clock, Timestamp};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The log-in of one adapter.
pub(super) struct Login {
    database: String,
    username: String,
    secret: String,
    /// The ways to try, best first.
    ways: &'static [Way],
    /// The way of the last log-in that succeeded, for those who only want to know.
    in_use: Mutex<Option<Way>>,
    is_key: bool,
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
    /// How calls are sent.
    pub(super) way: Way,
}

/// A way to log in and to send calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// JSON-2 with an API key.
    Json2,
    /// JSON-RPC under `/web` with a session's cookie.
    Cookie,
    /// JSON-RPC under `/jsonrpc` with a password.
    Password,
    /// XML-RPC with a password.
    Xml,
}

impl Way {
    /// The name of its protocol, as users know it.
    pub(super) fn protocol(self) -> &'static str {
        match self {
            Self::Json2 => "json2",
            Self::Cookie | Self::Password => "jsonrpc",
            Self::Xml => "xmlrpc",
        }
    }
}

struct State {
    /// The place in the list of ways at which the next attempt begins.
    from: usize,
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
    /// The log-in of this connection; nothing is sent yet. A protocol that the credential does not fit is an
    /// `InvalidRequest`.
    pub(super) fn new(
        connection: &Connection,
        options: &ClientOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ErpError> {
        let key = connection.api_key.as_ref().filter(|key| !key.is_empty());
        let ways: &'static [Way] = match (connection.protocol.unwrap_or_default(), key.is_some()) {
            (Protocol::Auto, true) => &[Way::Json2, Way::Password, Way::Xml],
            (Protocol::Auto, false) => &[Way::Cookie, Way::Password, Way::Xml],
            (Protocol::Json2, true) => &[Way::Json2],
            (Protocol::Json2, false) => {
                return Err(ErpError::new(ErpErrorKind::InvalidRequest, "the protocol json2 needs an api_key"));
            }
            (Protocol::Jsonrpc, true) => &[Way::Password],
            (Protocol::Jsonrpc, false) => &[Way::Cookie, Way::Password],
            (Protocol::Xmlrpc, _) => &[Way::Xml],
        };
        Ok(Self {
            database: connection.database.clone(),
            username: connection.username.clone(),
            secret: key.unwrap_or(&connection.password).clone(),
            ways,
            in_use: Mutex::new(None),
            is_key: key.is_some(),
            refusal_kept_micros: i64::try_from(options.refusal_kept_ms.saturating_mul(1_000)).unwrap_or(i64::MAX),
            clock,
            attempts: AtomicU64::new(0),
            state: tokio::sync::Mutex::new(State { from: 0, session: None, failure: None }),
        })
    }

    /// The protocol of the last log-in that succeeded; before the first one, the one that would be tried first on a
    /// server of this version.
    pub(super) fn protocol(&self, major: u32) -> &'static str {
        let in_use = *self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let offered = |way: &&Way| **way != Way::Json2 || major >= 19 || self.ways.len() == 1;
        in_use.or_else(|| self.ways.iter().find(offered).copied()).map_or("none", Way::protocol)
    }

    /// Whether a call may go over `/jsonrpc` where JSON-2 can't carry it.
    pub(super) fn may_use_jsonrpc(&self) -> bool {
        self.ways.contains(&Way::Password)
    }

    /// Whether the credential is an API key.
    pub(super) fn is_key(&self) -> bool {
        self.is_key
    }

    /// The database and the secret, for JSON-2.
    pub(super) fn key(&self) -> (&str, &str) {
        (&self.database, &self.secret)
    }

    /// The session in use, or a new one.
    pub(super) async fn current(&self, client: &Client) -> Result<Arc<Session>, ErpError> {
        let attempts_seen = self.attempts.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        match &state.session {
            Some(session) => Ok(Arc::clone(session)),
            None => Box::pin(self.log_in(&mut state, attempts_seen, client)).await,
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
        Box::pin(self.log_in(&mut state, attempts_seen, client)).await
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
        Box::pin(self.log_in(&mut state, attempts_seen, client)).await
    }

    /// The arguments with which `/jsonrpc` calls begin.
    pub(super) fn credential(&self, uid: i64) -> [Value; 3] {
        [self.database.as_str().into(), uid.into(), self.secret.as_str().into()]
    }

    /// Seldom needed and large, so that whoever awaits it gives it a place of its own.
    async fn log_in(&self, state: &mut State, attempts_seen: u64, client: &Client) -> Result<Arc<Session>, ErpError> {
        if let Some(failure) = &state.failure {
            let shared = self.attempts.load(Ordering::SeqCst) > attempts_seen;
            let stands = failure.stands_until.is_some_and(|until| self.clock.now() < until);
            if shared || stands {
                return Err(failure.to_error());
            }
        }
        let outcome = self.attempt(&mut state.from, client).await;
        self.attempts.fetch_add(1, Ordering::SeqCst);
        match outcome {
            Ok(session) => {
                *self.in_use.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.way);
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

    async fn attempt(&self, from: &mut usize, client: &Client) -> Result<Session, ErpError> {
        let needs_name = !self.ways.contains(&Way::Json2);
        if self.secret.is_empty() || (needs_name && self.username.is_empty()) {
            return Err(ErpError::new(ErpErrorKind::Authentication, "the connection has no user name or no password"));
        }
        let mut told = None;
        for (place, way) in self.ways.iter().enumerate().skip(*from) {
            let error = match self.log_in_by(*way, client).await {
                Ok(Some(session)) => {
                    *from = place;
                    return Ok(session);
                }
                Ok(None) => continue,
                Err(error) => error,
            };
            let goes_on = may_work_elsewhere(*way, &error);
            // 'There is no such address' says less than what another way has answered.
            if told.is_none() || !is_not_offered(&error) {
                told = Some((*way, error));
            }
            if !goes_on {
                break;
            }
        }
        *from = 0;
        match told {
            Some((way, error)) => Err(self.judged(way, error, client).await),
            None => Err(ErpError::new(ErpErrorKind::Authentication, "the server wants more than a password")),
        }
    }

    /// `None` if the server wants more than a password (a second factor).
    async fn log_in_by(&self, way: Way, client: &Client) -> Result<Option<Session>, ErpError> {
        let uid = match way {
            Way::Cookie => return self.with_cookie(client).await,
            Way::Json2 => {
                let call = Call { model: "res.users", method: "context_get", args: Vec::new(), kwargs: Map::new() };
                let named = json2::named(&call).ok_or_else(|| not_odoo("JSON-2"))?;
                let context = json2::send(client, &self.database, &self.secret, &call, named).await?;
                context["uid"].as_i64().ok_or_else(|| not_odoo("JSON-2"))?
            }
            Way::Password => {
                let args = json!([self.database, self.username, self.secret, {}]);
                let params = json!({"service": "common", "method": "authenticate", "args": args});
                self.uid_in(&jsonrpc::send(client, "/jsonrpc", &params, None, None).await?.result)?
            }
            Way::Xml => {
                let [database, username, secret] = [&self.database, &self.username, &self.secret];
                let params = [json!(database), json!(username), json!(secret), json!({})];
                self.uid_in(&xml::send(client, "common", "authenticate", &params, None).await?)?
            }
        };
        Ok(Some(Session { uid, cookie: None, way }))
    }

    /// `None` if the server wants more than a password.
    async fn with_cookie(&self, client: &Client) -> Result<Option<Session>, ErpError> {
        let params = json!({"db": self.database, "login": self.username, "password": self.secret});
        let reply = jsonrpc::send(client, "/web/session/authenticate", &params, None, None).await?;
        let found = reply.result["uid"].as_i64().zip(reply.session_id);
        Ok(found.map(|(uid, cookie)| Session { uid, cookie: Some(Mutex::new(cookie)), way: Way::Cookie }))
    }

    fn uid_in(&self, answer: &Value) -> Result<i64, ErpError> {
        let refused = if self.username.is_empty() {
            "the API key is refused, and without a user name there is no other way to use it"
        } else {
            "the user name or the password is refused"
        };
        let uid = answer.as_i64().filter(|uid| *uid > 0);
        uid.ok_or_else(|| ErpError::new(ErpErrorKind::Authentication, refused))
    }

    /// PostgreSQL's driver has one name for 'no such database' and for 'the database server is away'. The list of
    /// databases tells them apart where the server gives it; where it is switched off, the name is believed.
    ///
    /// Over JSON-2 a database that does not exist is an address that is not found.
    async fn judged(&self, way: Way, error: ErpError, client: &Client) -> ErpError {
        let is_json2 = way == Way::Json2 && is_not_offered(&error);
        if !is_json2 && error.name.as_deref() != Some(errors::OPERATIONAL_ERROR) {
            return error;
        }
        let listed = jsonrpc::send(client, "/web/database/list", &json!({}), None, None).await;
        let away = match listed {
            Ok(reply) => {
                reply.result.as_array().is_some_and(|names| names.iter().any(|name| *name == self.database.as_str()))
            }
            Err(refusal) => is_json2 || refusal.name.as_deref() != Some(errors::ACCESS_DENIED),
        };
        if away {
            return error;
        }
        let message = format!("the database {:?} does not exist or can't be opened", self.database);
        ErpError::new(ErpErrorKind::UnknownDatabase, message).named(errors::OPERATIONAL_ERROR).caused_by(error)
    }
}

/// Whether another way may succeed where this one failed with this.
fn may_work_elsewhere(way: Way, error: &ErpError) -> bool {
    match way {
        // An older server, another kind of key, a proxy that knows only the older addresses: all but a server that
        // could not answer at all.
        Way::Json2 => error.kind.class() != ErpErrorClass::Transient && error.kind != ErpErrorKind::TooLarge,
        // The credential is refused (it may be an API key), the database filter hides the database, or the web part
        // is not reachable at all.
        Way::Cookie => {
            let not_there = [errors::NOT_FOUND, errors::HTTP_NOT_FOUND];
            matches!(error.kind, ErpErrorKind::Authentication | ErpErrorKind::AccessDenied)
                || error.name.as_deref().is_some_and(|name| not_there.contains(&name))
        }
        Way::Password | Way::Xml => is_not_offered(error),
    }
}

/// Whether the error says that nothing answers at the address, and nothing of the credential.
fn is_not_offered(error: &ErpError) -> bool {
    let not_there = [errors::NOT_FOUND, errors::HTTP_NOT_FOUND];
    error.name.as_deref().is_some_and(|name| not_there.contains(&name))
        || (error.name.is_none() && matches!(error.kind, ErpErrorKind::Protocol | ErpErrorKind::AccessDenied))
}

fn not_odoo(protocol: &str) -> ErpError {
    ErpError::new(ErpErrorKind::Protocol, format!("what answers for {protocol} is no Odoo"))
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
