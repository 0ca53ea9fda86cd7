//! API keys: when they end, and how new ones are made.
//!
//! Odoo makes no key over its RPC. The dialogue of its web client does: a wizard, a check of the password, an action
//! that holds the key. It needs a session, and so a password.

use super::calls::{Call, Caller};
use super::feed::search_read;
use super::session::{Login, Session, Way};
use super::version;
use crate::adapter::NewKey;
use crate::{ErpError, ErpErrorKind};
use bridge_model::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;

const KEYS: &str = "res.users.apikeys";
const CHECK: &str = "res.users.identitycheck";
/// The most that a user who is no administrator may ask for.
const DAYS: &str = "90";

/// The end of the first of the user's keys that RPC takes. Which of them is ours is not told, so it may be another's.
pub(super) async fn expiry(caller: &Caller) -> Result<Option<Timestamp>, ErpError> {
    let user = caller.login.current(&caller.client).await?.uid;
    let domain = json!([["user_id", "=", user], ["scope", "in", [false, "rpc"]], ["expiration_date", "!=", false],]);
    soonest(caller, &domain).await
}

/// Makes a key in a session of its own.
pub(super) async fn make(caller: &Caller, login: &Login, password: &str, name: &str) -> Result<NewKey, ErpError> {
    let dialogue = Dialogue::begin(caller, login).await?;
    let mut values = json!({"name": name});
    if dialogue.major >= 18 {
        values["duration"] = DAYS.into();
    }
    let wizard = dialogue.call("res.users.apikeys.description", "create", vec![values], Map::new()).await?;
    let args = vec![json!([wizard])];
    let action = dialogue.proved(password, "res.users.apikeys.description", "make_key", args).await?;
    let key = action["context"]["default_key"].as_str().filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| ErpError::new(ErpErrorKind::Protocol, "the dialogue ended without a key"))?.to_owned();
    let domain = json!([["user_id", "=", dialogue.session.uid], ["name", "=", name]]);
    Ok(NewKey { key, expires_at: soonest(caller, &domain).await? })
}

/// Removes the user's keys of this name.
pub(super) async fn remove(caller: &Caller, login: &Login, password: &str, name: &str) -> Result<(), ErpError> {
    let dialogue = Dialogue::begin(caller, login).await?;
    let domain = json!([["user_id", "=", dialogue.session.uid], ["name", "=", name]]);
    let ids = dialogue.call(KEYS, "search", vec![domain], Map::new()).await?;
    if ids.as_array().is_some_and(|ids| !ids.is_empty()) {
        dialogue.proved(password, KEYS, "remove", vec![ids]).await?;
    }
    Ok(())
}

async fn soonest(caller: &Caller, domain: &Value) -> Result<Option<Timestamp>, ErpError> {
    let rows =
        search_read(caller, KEYS, domain, &json!(["expiration_date"]), "expiration_date asc, id desc", Some(1)).await;
    match rows {
        Ok(rows) => {
            let text = rows.first().and_then(|row| row["expiration_date"].as_str());
            Ok(text.and_then(|text| Timestamp::parse_any(text).ok()))
        }
        // Up to 17 keys have no end, and before 14 there are none; some may not look.
        Err(error)
            if matches!(
                error.kind,
                ErpErrorKind::InvalidRequest | ErpErrorKind::UnknownModel | ErpErrorKind::AccessDenied
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A session with a cookie, whatever else the connection uses.
struct Dialogue<'a> {
    caller: &'a Caller,
    session: Arc<Session>,
    major: u32,
}

impl<'a> Dialogue<'a> {
    async fn begin(caller: &'a Caller, login: &Login) -> Result<Self, ErpError> {
        let (_, major) = version::ask(&caller.client).await?;
        // An earlier session may have ended long ago: keys are made and removed once in months.
        let session = caller.observed("session", "authenticate", login.afresh(&caller.client)).await?;
        if session.way != Way::Cookie {
            let message = "keys are managed in a session, which this server does not give for a password";
            return Err(ErpError::new(ErpErrorKind::InvalidRequest, message));
        }
        Ok(Self { caller, session, major })
    }

    /// Calls a method for which Odoo wants to know again who is asking.
    async fn proved(&self, password: &str, model: &str, method: &str, args: Vec<Value>) -> Result<Value, ErpError> {
        let action = self.call(model, method, args, Map::new()).await?;
        if action["res_model"] != CHECK {
            return Ok(action);
        }
        let check = json!([action["res_id"]]);
        if self.major < 19 {
            self.call(CHECK, "write", vec![check.clone(), json!({"password": password})], Map::new()).await?;
        }
        // From 19 on the password is not written anywhere.
        let mut kwargs = Map::new();
        kwargs.insert("context".into(), json!({"password": password}));
        self.call(CHECK, "run_check", vec![check], kwargs).await
    }

    async fn call(
        &self,
        model: &str,
        method: &str,
        args: Vec<Value>,
        kwargs: Map<String, Value>,
    ) -> Result<Value, ErpError> {
        let call = Call { model, method, args, kwargs };
        self.caller.observed(model, method, self.caller.send_with_cookie(&self.session, &call)).await
    }
}
