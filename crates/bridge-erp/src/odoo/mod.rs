//! Odoo, over whichever of its protocols the server offers and the credential allows: JSON-2, JSON-RPC, XML-RPC.

mod answers;
mod calls;
mod client;
pub mod database;
mod devices;
mod errors;
mod feed;
mod json2;
mod jsonrpc;
mod keys;
mod models;
mod names;
mod normalise;
mod read_as;
mod rights;
mod session;
#[cfg(test)]
mod tests;
pub mod trail;
mod version;
mod xml;

use crate::adapter::{
    Adapter, Connection, DeviceState, ErpField, ErpModel, FeedEvent, FeedInfo, Identity, NewKey, Protocol, SearchRead,
    ServerInfo, Work, Write,
};
use crate::pool::ClientOptions;
use crate::{ErpError, ErpErrorKind};
use async_trait::async_trait;
use bridge_model::{Clock, MethodName, ModelName, RecordId, Timestamp};
use calls::{Call, Caller};
use feed::Owner;
use serde_json::{Map, Value, json};
use session::Login;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One database of an Odoo, versions 13 to 19. Recordings hold it to 17 and 19, and a live suite to 19; the others are
/// not tested.
#[derive(Debug)]
pub struct Odoo {
    caller: Caller,
    /// For what only a session with a password can do, where there is a password.
    keyring: Option<Keyring>,
    /// Who keeps the event table, once it is known.
    owner: Mutex<Option<Owner>>,
    /// Whether answers are kept, and when that was learned.
    answers: Mutex<Option<(bool, Timestamp)>>,
}

/// For how long it is believed that a system keeps no answers: the add-on may be installed.
const ANSWERS_FRESH: Duration = Duration::from_mins(1);

/// What the making of keys needs.
struct Keyring {
    login: Login,
    password: String,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password stays out of logs by construction.
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

impl Odoo {
    /// The adapter of this connection; nothing is sent yet. An address that can't be used is an `InvalidRequest`.
    pub fn new(connection: &Connection, options: &ClientOptions, clock: Arc<dyn Clock>) -> Result<Self, ErpError> {
        let keyring = (!connection.password.is_empty()).then(|| {
            let connection = Connection { api_key: None, protocol: Some(Protocol::Jsonrpc), ..connection.clone() };
            let login = Login::new(&connection, options, Arc::clone(&clock))?;
            Ok::<_, ErpError>(Keyring { login, password: connection.password })
        });
        let keyring = keyring.transpose()?;
        Ok(Self {
            caller: Caller::new(connection, options, clock)?,
            keyring,
            owner: Mutex::new(None),
            answers: Mutex::new(None),
        })
    }

    fn keyring(&self) -> Result<&Keyring, ErpError> {
        let message = "the connection has no password, and keys are made and removed with one";
        self.keyring.as_ref().ok_or_else(|| ErpError::new(ErpErrorKind::InvalidRequest, message))
    }

    fn known_owner(&self) -> Option<Owner> {
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who keeps the event table; asks if it is not known yet.
    async fn owner(&self) -> Result<Option<Owner>, ErpError> {
        match self.known_owner() {
            Some(owner) => Ok(Some(owner)),
            None => Ok(self.feed_info().await?.as_ref().map(Owner::of)),
        }
    }

    async fn owner_of_feed(&self) -> Result<Owner, ErpError> {
        self.owner().await?.ok_or_else(|| ErpError::new(ErpErrorKind::UnknownModel, "there is no event table"))
    }

    /// An add-on can be replaced by the other one: an answer that does not fit the known one makes us ask again.
    fn forget_owner_after<T>(&self, outcome: &Result<T, ErpError>) {
        let misfits = [ErpErrorKind::UnknownModel, ErpErrorKind::UnknownMethod, ErpErrorKind::InvalidRequest];
        if outcome.as_ref().is_err_and(|error| misfits.contains(&error.kind)) {
            *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

#[async_trait]
impl Adapter for Odoo {
    async fn server_info(&self) -> Result<ServerInfo, ErpError> {
        let ask = || version::ask(&self.caller.client);
        let (version, major) = self.caller.observed("", "version_info", self.caller.repeated(ask)).await?;
        Ok(ServerInfo { version, major, protocol: self.caller.login.protocol(major).to_owned() })
    }

    async fn clock(&self) -> Result<Option<Timestamp>, ErpError> {
        let ask = || version::date(&self.caller.client);
        self.caller.observed("", "date", self.caller.repeated(ask)).await
    }

    async fn authenticate(&self) -> Result<Identity, ErpError> {
        let Caller { client, login, .. } = &self.caller;
        let log_in = self.caller.repeated(|| login.afresh(client));
        let session = self.caller.observed("res.users", "authenticate", log_in).await?;
        Ok(Identity { erp_user_id: session.uid })
    }

    async fn credential_expiry(&self) -> Result<Option<Timestamp>, ErpError> {
        if self.caller.login.is_key() { keys::expiry(&self.caller).await } else { Ok(None) }
    }

    async fn make_key(&self, name: &str) -> Result<NewKey, ErpError> {
        let Keyring { login, password } = self.keyring()?;
        keys::make(&self.caller, login, password, name).await
    }

    async fn remove_keys(&self, name: &str) -> Result<(), ErpError> {
        let Keyring { login, password } = self.keyring()?;
        keys::remove(&self.caller, login, password, name).await
    }

    async fn search_read(&self, query: &SearchRead) -> Result<Vec<Map<String, Value>>, ErpError> {
        let kwargs = of_search_read(query)?;
        let call = Call { model: query.model.as_str(), method: "search_read", args: Vec::new(), kwargs };
        match self.caller.read(&call).await? {
            Value::Array(rows) => rows.into_iter().map(record).collect(),
            _ => Err(unexpected("search_read")),
        }
    }

    async fn count_all(&self, model: &ModelName, domain: &Value) -> Result<u64, ErpError> {
        let context = Map::from_iter([("active_test".to_owned(), json!(false))]);
        self.count_with(model, domain, &context).await
    }

    async fn count_with(
        &self,
        model: &ModelName,
        domain: &Value,
        context: &Map<String, Value>,
    ) -> Result<u64, ErpError> {
        let call = with_context(plain(model, "search_count", vec![domain.clone()]), context);
        self.caller.read(&call).await?.as_u64().ok_or_else(|| unexpected("search_count"))
    }

    async fn models(&self) -> Result<Vec<ErpModel>, ErpError> {
        models::all(&self.caller).await
    }

    async fn fields_in(&self, model: &ModelName, language: Option<&str>) -> Result<Vec<ErpField>, ErpError> {
        models::fields(&self.caller, model, language).await
    }

    async fn keeps_answers(&self) -> Result<bool, ErpError> {
        let now = self.caller.clock.now();
        let known = *self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((are_kept, learned_at)) = known
            && (are_kept || now.since(learned_at) < ANSWERS_FRESH)
        {
            return Ok(are_kept);
        }
        let are_kept = answers::are_kept(&self.caller).await?;
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = Some((are_kept, now));
        Ok(are_kept)
    }

    async fn perform(&self, write: Write) -> Result<Value, ErpError> {
        let Write { model, work, context, kept } = write;
        let (call, created) = match &work {
            Work::Create(values) if values.is_empty() => return Ok(json!([])),
            Work::Create(values) => (plain(&model, "create", vec![json!(values)]), Some(values.len())),
            Work::Update(ids, values) => (plain(&model, "write", vec![numbers(ids)?, json!(values)]), None),
            Work::Delete(ids) => (plain(&model, "unlink", vec![numbers(ids)?]), None),
            Work::Call { method, args, kwargs } => {
                let (args, kwargs) = (args.clone(), kwargs.clone());
                (Call { model: model.as_str(), method: method.as_str(), args, kwargs }, None)
            }
        };
        let call = with_context(call, &context);
        let answer = match kept {
            None => self.caller.once(&call).await?,
            Some(kept) => answers::call(&self.caller, &kept, &call).await.inspect_err(|error| {
                if error.kind == ErpErrorKind::UnknownModel {
                    // The add-on is gone.
                    *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
            })?,
        };
        match created {
            Some(count) => as_list(answer, count),
            None => Ok(answer),
        }
    }

    async fn create(&self, model: &ModelName, values: Vec<Map<String, Value>>) -> Result<Vec<RecordId>, ErpError> {
        let write = Write { model: model.clone(), work: Work::Create(values), context: Map::new(), kept: None };
        let ids = self.perform(write).await?;
        let id = |id: &Value| id.as_i64().map(RecordId::Number);
        ids.as_array().and_then(|ids| ids.iter().map(id).collect()).ok_or_else(|| unexpected("create"))
    }

    async fn write(&self, model: &ModelName, ids: &[RecordId], values: Map<String, Value>) -> Result<(), ErpError> {
        let args = vec![numbers(ids)?, Value::Object(values)];
        self.caller.once(&plain(model, "write", args)).await.map(drop)
    }

    async fn unlink(&self, model: &ModelName, ids: &[RecordId]) -> Result<(), ErpError> {
        let args = vec![numbers(ids)?];
        self.caller.once(&plain(model, "unlink", args)).await.map(drop)
    }

    async fn call(
        &self,
        model: &ModelName,
        method: &str,
        args: Vec<Value>,
        kwargs: Map<String, Value>,
    ) -> Result<Value, ErpError> {
        // The name becomes part of a path.
        MethodName::parse(method)
            .map_err(|_| ErpError::new(ErpErrorKind::UnknownMethod, "there is no public method of this name"))?;
        self.caller.once(&Call { model: model.as_str(), method, args, kwargs }).await
    }

    async fn feed_info(&self) -> Result<Option<FeedInfo>, ErpError> {
        let info = feed::info(&self.caller).await?;
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = info.as_ref().map(Owner::of);
        Ok(info)
    }

    async fn feed_after(&self, after: i64, limit: u32) -> Result<Vec<FeedEvent>, ErpError> {
        let owner = self.owner_of_feed().await?;
        let outcome = feed::after(&self.caller, owner, after, limit).await;
        self.forget_owner_after(&outcome);
        outcome
    }

    async fn feed_by_ids(&self, ids: &[i64]) -> Result<Vec<FeedEvent>, ErpError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let owner = self.owner_of_feed().await?;
        let outcome = feed::by_ids(&self.caller, owner, ids).await;
        self.forget_owner_after(&outcome);
        outcome
    }

    async fn search_read_as(&self, erp_user_id: i64, query: &SearchRead) -> Result<Vec<Map<String, Value>>, ErpError> {
        read_as::search_read(&self.caller, erp_user_id, query).await
    }

    async fn check_update(&self, model: &ModelName, id: &RecordId) -> Result<(), ErpError> {
        rights::check_update(&self.caller, model, id).await
    }

    async fn readable_models(&self, erp_user_id: i64, models: &[ModelName]) -> Result<Vec<ModelName>, ErpError> {
        let owner = self.owner().await?;
        let outcome = rights::readable(&self.caller, owner, erp_user_id, models).await;
        self.forget_owner_after(&outcome);
        outcome
    }

    async fn show_devices(
        &self,
        states: &[DeviceState],
        calls_max: usize,
    ) -> Result<Vec<Result<(), String>>, ErpError> {
        let owner = self.owner_of_feed().await?;
        let outcome = devices::show(&self.caller, owner, states, calls_max.max(1)).await;
        self.forget_owner_after(&outcome);
        outcome
    }
}

fn plain<'a>(model: &'a ModelName, method: &'a str, args: Vec<Value>) -> Call<'a> {
    Call { model: model.as_str(), method, args, kwargs: Map::new() }
}

/// What `search_read` is asked with.
fn of_search_read(query: &SearchRead) -> Result<Map<String, Value>, ErpError> {
    if query.limit == 0 {
        // To Odoo it would mean that there is no limit.
        return Err(ErpError::new(ErpErrorKind::InvalidRequest, "limit must be at least 1"));
    }
    let mut kwargs = Map::new();
    kwargs.insert("domain".into(), query.domain.clone());
    kwargs.insert("fields".into(), json!(query.fields));
    kwargs.insert("offset".into(), query.offset.into());
    kwargs.insert("limit".into(), query.limit.into());
    if !query.order.is_empty() {
        kwargs.insert("order".into(), query.order.as_str().into());
    }
    if !query.context.is_empty() {
        // Odoo takes the context of any call by this name and keeps it for what the method does.
        kwargs.insert("context".into(), Value::Object(query.context.clone()));
    }
    Ok(kwargs)
}

fn with_context<'a>(mut call: Call<'a>, context: &Map<String, Value>) -> Call<'a> {
    if !context.is_empty() {
        call.kwargs.insert("context".into(), Value::Object(context.clone()));
    }
    call
}

/// The ids that a creation answered, as a list of this length.
fn as_list(answer: Value, count: usize) -> Result<Value, ErpError> {
    let ids = if answer.is_array() { answer } else { Value::Array(vec![answer]) };
    let is_whole = ids.as_array().is_some_and(|ids| ids.len() == count && ids.iter().all(Value::is_i64));
    if is_whole { Ok(ids) } else { Err(unexpected("create")) }
}

fn record(row: Value) -> Result<Map<String, Value>, ErpError> {
    match row {
        Value::Object(record) => Ok(record),
        _ => Err(unexpected("search_read")),
    }
}

fn numbers(ids: &[RecordId]) -> Result<Value, ErpError> {
    let number = |id: &RecordId| match id {
        RecordId::Number(number) => Ok(Value::from(*number)),
        RecordId::Text(_) => Err(ErpError::new(ErpErrorKind::InvalidRequest, "a record's id must be a number")),
    };
    ids.iter().map(number).collect()
}

fn unexpected(method: &str) -> ErpError {
    ErpError::new(ErpErrorKind::Protocol, format!("{method} answered something of another form than it should"))
}
