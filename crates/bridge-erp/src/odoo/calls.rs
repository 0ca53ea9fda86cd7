//! Calls of a model's methods: log-in, renewal of the session, retries and the span of each call.

use super::client::Client;
use super::jsonrpc::Reply;
use super::session::{Login, Session, Way};
use super::{errors, json2, jsonrpc, xml};
use crate::adapter::Connection;
use crate::pool::ClientOptions;
use crate::{ErpError, ErpErrorClass, ErpErrorKind};
use bridge_model::{Clock, Entropy};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;
use tracing::field::Empty;

/// The way to one Odoo's models.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) client: Client,
    pub(super) login: Login,
    pub(super) clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    retries_max: u32,
    retry_wait_ms: u64,
    retry_deadline_micros: i64,
}

/// A call of a model's method.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    /// The model.
    pub(super) model: &'a str,
    /// The method.
    pub(super) method: &'a str,
    /// The arguments by place.
    pub(super) args: Vec<Value>,
    /// The arguments by name.
    pub(super) kwargs: Map<String, Value>,
}

/// What `call_kw` is called with, in the order of the names.
#[derive(Serialize)]
struct WebParams<'a> {
    args: &'a [Value],
    kwargs: &'a Map<String, Value>,
    method: &'a str,
    model: &'a str,
}

impl Caller {
    /// The caller of this connection; nothing is sent yet.
    pub(super) fn new(
        connection: &Connection,
        options: &ClientOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ErpError> {
        Ok(Self {
            client: Client::new(connection, options, Arc::clone(&clock))?,
            login: Login::new(connection, options, Arc::clone(&clock))?,
            clock,
            entropy: Arc::clone(&options.entropy),
            retries_max: options.retries_max,
            retry_wait_ms: options.retry_wait_ms,
            retry_deadline_micros: i64::try_from(options.retry_deadline_ms.saturating_mul(1_000)).unwrap_or(i64::MAX),
        })
    }

    /// Calls a method that only reads: errors that may pass are tried again.
    pub(super) async fn read(&self, call: &Call<'_>) -> Result<Value, ErpError> {
        self.repeated(|| self.once(call)).await
    }

    /// Calls a method that may have effects. It is sent once; only if Odoo says that the session is over, in which
    /// case it has run nothing, it is sent again in a new session.
    pub(super) async fn once(&self, call: &Call<'_>) -> Result<Value, ErpError> {
        self.observed(call.model, call.method, self.in_session(call)).await
    }

    /// Does a step that may be repeated: again after an error that may pass, each time after about twice the wait.
    pub(super) async fn repeated<T, F>(&self, step: impl Fn() -> F) -> Result<T, ErpError>
    where
        F: Future<Output = Result<T, ErpError>>,
    {
        let give_up_at = self.clock.now().as_micros().saturating_add(self.retry_deadline_micros);
        let mut wait = Duration::from_millis(self.retry_wait_ms);
        for _ in 0..self.retries_max {
            match step().await {
                // Whom the guard turns away, it turns away for longer than these pauses.
                Err(error)
                    if error.kind.class() == ErpErrorClass::Transient
                        && !matches!(error.kind, ErpErrorKind::Saturated | ErpErrorKind::CircuitOpen) =>
                {
                    // Between half the wait and the whole of it, so that many callers don't come back together.
                    let pause = wait.mul_f64(0.5 + self.entropy.fraction() / 2.0);
                    let pause_micros = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
                    if self.clock.now().as_micros().saturating_add(pause_micros) > give_up_at {
                        return Err(error);
                    }
                    tokio::time::sleep(pause).await;
                    wait = wait.saturating_mul(2);
                }
                outcome => return outcome,
            }
        }
        step().await
    }

    /// Does a step in a span of its own, which tells how long it took and how it ended.
    pub(super) async fn observed<T>(
        &self,
        model: &str,
        method: &str,
        step: impl Future<Output = Result<T, ErpError>>,
    ) -> Result<T, ErpError> {
        let host = self.client.host();
        let span =
            tracing::info_span!("erp.call", system.host = host, model, method, duration_ms = Empty, outcome = Empty);
        let start = self.clock.now();
        let outcome = step.instrument(span.clone()).await;
        span.record("duration_ms", (self.clock.now().as_micros() - start.as_micros()) / 1_000);
        match &outcome {
            Ok(_) => span.record("outcome", "ok"),
            Err(error) => span.record("outcome", tracing::field::debug(error.kind)),
        };
        // Without a line in it a span is seen by nobody who reads the log.
        span.in_scope(|| tracing::debug!("called"));
        outcome
    }

    async fn in_session(&self, call: &Call<'_>) -> Result<Value, ErpError> {
        let session = self.login.current(&self.client).await.map_err(ErpError::unsent)?;
        match self.send(&session, call).await {
            Ok(result) => Ok(result),
            // It needs much more room than a call that succeeds.
            Err(error) => Box::pin(self.after_refusal(session, call, error)).await,
        }
    }

    /// What becomes of a call that was answered with an error: what it means is found out, and if it was that of a
    /// session that is over, the call is sent again.
    async fn after_refusal(&self, session: Arc<Session>, call: &Call<'_>, error: ErpError) -> Result<Value, ErpError> {
        let is_over = error.kind == ErpErrorKind::SessionExpired || is_key_refused(&error, &session);
        if is_over || self.is_lost(&session, &error).await? {
            // What meets the end of its session is not run.
            let session = self.login.renew(&session, &self.client).await.map_err(ErpError::unsent)?;
            return self.send(&session, call).await.map_err(|error| as_unknown_model(error, &session, call.model));
        }
        match error.name.as_deref() {
            Some(errors::ACCESS_DENIED) => {
                if session.session_id().is_none() {
                    // The password that goes with every call may have been changed; an error here says that it was.
                    self.login.renew(&session, &self.client).await?;
                }
                // We are who we say: it is the method itself that refuses.
                Err(ErpError { kind: ErpErrorKind::AccessDenied, ..error })
            }
            Some(errors::USER_ERROR)
                if session.way != Way::Json2
                    && (error.message == format!("Object {} doesn't exist", call.model)
                        || self.lacks(&session, call.model).await) =>
            {
                Err(ErpError { kind: ErpErrorKind::UnknownModel, ..error })
            }
            _ => Err(as_unknown_model(error, &session, call.model)),
        }
    }

    async fn send(&self, session: &Session, call: &Call<'_>) -> Result<Value, ErpError> {
        match session.way {
            Way::Json2 => self.send_named(session, call).await,
            Way::Cookie => self.send_with_cookie(session, call).await,
            Way::Password => self.send_with_password(session, call).await,
            Way::Xml => {
                let [database, uid, secret] = self.login.credential(session.uid);
                let (args, kwargs) = (json!(call.args), json!(call.kwargs));
                let params = [database, uid, secret, json!(call.model), json!(call.method), args, kwargs];
                xml::send(&self.client, "object", "execute_kw", &params, Some(call.model)).await
            }
        }
    }

    /// Over JSON-2, or with the same key over `/jsonrpc` if it knows arguments by name alone and we don't know theirs.
    async fn send_named(&self, session: &Session, call: &Call<'_>) -> Result<Value, ErpError> {
        let (database, key) = self.login.key();
        let Some(named) = json2::named(call) else {
            if self.login.may_use_jsonrpc() {
                return self.send_with_password(session, call).await;
            }
            let message = format!("JSON-2 needs the arguments of {}.{} by name", call.model, call.method);
            return Err(ErpError::new(ErpErrorKind::InvalidRequest, message));
        };
        let guessed = named.guessed;
        match json2::send(&self.client, database, key, call, named).await {
            // Odoo looks at the names before it runs anything.
            Err(error)
                if guessed && error.name.as_deref() == Some(errors::UNPROCESSABLE) && self.login.may_use_jsonrpc() =>
            {
                self.send_with_password(session, call).await
            }
            outcome => outcome,
        }
    }

    async fn send_with_password(&self, session: &Session, call: &Call<'_>) -> Result<Value, ErpError> {
        let Call { model, method, args, kwargs } = call;
        let [database, uid, secret] = self.login.credential(session.uid);
        let args = json!([database, uid, secret, model, method, args, kwargs]);
        let params = json!({"service": "object", "method": "execute_kw", "args": args});
        Ok(jsonrpc::send(&self.client, "/jsonrpc", &params, None, Some(model)).await?.result)
    }

    /// Sends a call in a session with a cookie.
    pub(super) async fn send_with_cookie(&self, session: &Session, call: &Call<'_>) -> Result<Value, ErpError> {
        let Call { model, method, args, kwargs } = call;
        let session_id = session.session_id();
        let path = format!("/web/dataset/call_kw/{model}/{method}");
        let params = WebParams { args, kwargs, method, model };
        let reply = jsonrpc::send(&self.client, &path, &params, session_id.as_deref(), Some(model)).await?;
        let Reply { result, session_id } = reply;
        if let Some(session_id) = session_id {
            session.renewed(session_id);
        }
        Ok(result)
    }

    /// With several databases, a server that has lost a session does not know its database either and answers 'not
    /// found', as it does for a model that it does not have. Asking for the session itself tells the two apart.
    async fn is_lost(&self, session: &Session, error: &ErpError) -> Result<bool, ErpError> {
        let Some(session_id) = session.session_id().filter(|_| is_not_found(error)) else {
            return Ok(false);
        };
        match jsonrpc::send(&self.client, "/web/session/get_session_info", &json!({}), Some(&session_id), None).await {
            Ok(reply) => Ok(reply.result["uid"].as_i64() != Some(session.uid)),
            Err(error) if error.kind == ErpErrorKind::SessionExpired || is_not_found(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether Odoo does not have this model. It may say so with the error that it has for every word to the user
    /// (over `/jsonrpc` it does), in another language than ours, so its list of models is asked; if that may not be
    /// read, the answer is no.
    async fn lacks(&self, session: &Session, model: &str) -> bool {
        let args = vec![json!([["model", "=", model]])];
        let call = Call { model: "ir.model", method: "search_count", args, kwargs: Map::new() };
        self.send(session, &call).await.is_ok_and(|count| count.as_u64() == Some(0))
    }
}

/// Whether JSON-2 refuses the key itself, in which case nothing was run.
fn is_key_refused(error: &ErpError, session: &Session) -> bool {
    session.way == Way::Json2 && error.name.as_deref() == Some(errors::UNAUTHORIZED)
}

fn is_not_found(error: &ErpError) -> bool {
    matches!(error.name.as_deref(), Some(errors::NOT_FOUND | errors::HTTP_NOT_FOUND))
}

/// The web's 'not found' for a call in a session that is known to be good, with words that fit.
fn as_unknown_model(error: ErpError, session: &Session, model: &str) -> ErpError {
    if session.session_id().is_some() && is_not_found(&error) {
        let message = format!("there is no model {model:?}");
        return ErpError { kind: ErpErrorKind::UnknownModel, message, ..error };
    }
    error
}
