//! The one trait between BridgeCore and a business system.

use crate::{ErpError, ErpErrorKind};
use async_trait::async_trait;
use bridge_model::{Event, MethodName, ModelName, Priority, RecordId, SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// How a system is reached: the `connection_config` of the API. It is kept encrypted and never shown again.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The base address, `https://odoo.example.com`.
    pub url: String,
    /// The database (Odoo).
    #[serde(default)]
    pub database: String,
    /// The log-in name.
    #[serde(default)]
    pub username: String,
    /// The password; an API key works in its place.
    #[serde(default)]
    pub password: String,
    /// An API key, where the protocol has its own place for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// Time-out of one call, in milliseconds; the service's default if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The protocol to speak; the best that works if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The address of the system's own PostgreSQL database, with a role of its own for us
    /// (`postgres://bridgecore_capture:…@host/database`), where changes are read from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres_url: Option<String>,
}

/// The protocols of an Odoo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// The best that the server offers and the credential allows.
    #[default]
    Auto,
    /// JSON-2, Odoo 19 and later; needs an API key.
    Json2,
    /// JSON-RPC, with a session where the credential is a password.
    Jsonrpc,
    /// XML-RPC.
    Xmlrpc,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets stay out of logs by construction.
        f.debug_struct("Connection").field("url", &self.url).field("database", &self.database).finish_non_exhaustive()
    }
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerInfo {
    /// The version as the system writes it, `19.0`.
    pub version: String,
    /// The version's leading number, 19.
    pub major: u32,
    /// The protocol in use (`json2`, `jsonrpc`, `xmlrpc`); before the first log-in, the one that is tried first.
    pub protocol: String,
}

/// Who the credential is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The ERP's own user id.
    pub erp_user_id: i64,
}

/// A key that was just made.
#[derive(Clone)]
pub struct NewKey {
    /// The key itself; it can't be read again.
    pub key: String,
    /// When it stops working; `None` if it does not, or where the system does not tell.
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A read of records by a filter.
#[derive(Debug, Clone)]
pub struct SearchRead {
    /// The model.
    pub model: ModelName,
    /// The filter, in the form of the filter language's JSON (`[["state","=","sale"]]`).
    pub domain: Value,
    /// The fields to read; empty means all.
    pub fields: Vec<String>,
    /// How many to leave out.
    pub offset: u32,
    /// The most to return, at least 1.
    pub limit: u32,
    /// The order, `id asc`; empty means the system's own.
    pub order: String,
    /// Options of the call (`active_test`, `lang`).
    pub context: Map<String, Value>,
}

/// Which add-on keeps the event table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FeedKind {
    /// Ours: every write in its own transaction, deletes included.
    Bridgecore {
        /// The add-on's version.
        version: String,
    },
    /// The public add-on that existing users have (`auto_webhook`): it debounces, and may leave deletes out.
    AutoWebhook,
}

/// The state of a system's event table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeedInfo {
    /// Which add-on keeps it.
    pub kind: FeedKind,
    /// Names this life of the event numbering: another value means that a database was restored or the add-on
    /// installed anew, and the ids may start over.
    pub identity: String,
    /// The highest id that was ever given, or where that is not known, the highest that can be seen now.
    pub newest_id: i64,
    /// The highest id that was deleted to save space; 0 if none was, or where that is not known. A reader that had not
    /// come so far has missed events.
    pub cleaned_to: i64,
    /// How long the oldest transaction now open in the ERP's database has been open, in milliseconds, where the
    /// add-on tells. An id that is missing for longer than this belongs to a transaction that was rolled back.
    pub oldest_transaction_ms: Option<u64>,
    /// The models whose changes the table tells of; `None` where the add-on does not say.
    pub covers: Option<Vec<ModelName>>,
}

/// A model as its system describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErpModel {
    /// Its name.
    pub model: ModelName,
    /// Its name, for people.
    pub label: Option<String>,
    /// The modules that define it.
    pub modules: Option<String>,
    /// Whether its records are there only for a while, as those of a wizard.
    pub is_transient: bool,
    /// Whether it has no records of its own.
    pub is_abstract: bool,
    /// Whether its records tell when they were written last.
    pub has_write_date: bool,
}

/// A field of a model as its system describes it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own about the field")]
pub struct ErpField {
    /// Its name.
    pub name: String,
    /// Its name, for people.
    pub label: String,
    /// The type, in the system's own word.
    #[serde(rename = "type")]
    pub kind: String,
    /// The model that it points to.
    pub relation: Option<String>,
    /// Whether a record must have a value.
    pub required: bool,
    /// Whether people can't change it.
    pub readonly: bool,
    /// Whether the value is kept with the record, not computed when it is read.
    pub stored: bool,
    /// Whether each company has a value of its own.
    #[serde(skip)]
    pub by_company: bool,
    /// The values that it can have, where these are a list.
    pub selection: Option<Vec<Choice>>,
}

/// A value that a field can have.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The value.
    pub value: String,
    /// Its name, for people.
    pub label: String,
}

/// Something that changes records, or may.
#[derive(Debug, Clone)]
pub struct Write {
    /// The model.
    pub model: ModelName,
    /// What is done.
    pub work: Work,
    /// Options of the call (`lang`, `tz`).
    pub context: Map<String, Value>,
    /// The name under which the system keeps the answer, where [`Adapter::keeps_answers`]: the write is then done once,
    /// however often it is sent under this name.
    pub kept: Option<KeptAnswer>,
}

/// The name of a write whose answer its system keeps.
#[derive(Debug, Clone)]
pub struct KeptAnswer {
    /// Unlike that of any other write, 8 to 255 characters.
    pub name: String,
    /// Whether the write may have been done under this name by an earlier try.
    pub is_repeat: bool,
}

/// What a [`Write`] does.
#[derive(Debug, Clone)]
pub enum Work {
    /// Creates records with these values; the result is the list of their keys, in the same order.
    Create(Vec<Map<String, Value>>),
    /// Writes the same values to some records.
    Update(Vec<RecordId>, Map<String, Value>),
    /// Deletes records.
    Delete(Vec<RecordId>),
    /// Calls a method of the model; the result is what it answers.
    Call {
        /// The method.
        method: MethodName,
        /// Its arguments by place.
        args: Vec<Value>,
        /// Its arguments by name.
        kwargs: Map<String, Value>,
    },
}

/// A row of the event table.
#[derive(Debug, Clone)]
pub struct FeedEvent {
    /// Its id there. Ids are given before commit: a lower one can appear later.
    pub id: i64,
    /// The row's content, or why it can't be understood.
    pub event: Result<ErpEvent, String>,
    /// The row as it came, for the dead letters.
    pub raw: Value,
}

/// An event in the ERP, freed of the ERP's own way of writing it.
#[derive(Debug, Clone, PartialEq)]
pub struct ErpEvent {
    /// Its id in the source.
    pub source_id: Option<SourceId>,
    /// The model.
    pub model: ModelName,
    /// The record.
    pub record_id: RecordId,
    /// What happened.
    pub event: Event,
    /// How urgent it is.
    pub priority: Priority,
    /// When it happened there.
    pub occurred_at: Timestamp,
    /// The names of the fields that changed, where the source tells.
    pub changed_fields: Option<Vec<String>>,
    /// What the source sent along.
    pub payload: Option<Value>,
    /// The ERP user who did it.
    pub erp_user_id: Option<i64>,
    /// Our own key, if the write came through us.
    pub idempotency_key: Option<String>,
}

/// The state of a device, as it is shown in the ERP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceState {
    /// The ERP's user whose device it is.
    pub erp_user_id: i64,
    /// The device.
    pub device_id: String,
    /// The kind of app on it.
    pub app_type: String,
    /// The highest event id that it has confirmed; 0 for a device that starts over.
    pub last_event_id: i64,
    /// When it last synchronised.
    pub last_sync_at: Option<Timestamp>,
    /// How often it did.
    pub sync_count: i64,
    /// How many events it got the last time.
    pub last_event_count: i64,
    /// How many it got in all.
    pub total_events_synced: i64,
    /// Whether it is still in use; one that is not and that the ERP does not know is left out.
    pub is_active: bool,
}

/// A business system, as BridgeCore sees it. Every call has a time-out of its own and may be repeated unless its
/// comment says otherwise. Implementations keep their connections and sessions.
#[async_trait]
pub trait Adapter: fmt::Debug + Send + Sync {
    /// Asks the server for its version; needs no credential.
    async fn server_info(&self) -> Result<ServerInfo, ErpError>;

    /// What the system's clock shows, in whole seconds and cut, as its answers tell; `None` where they don't. Needs no
    /// credential.
    async fn clock(&self) -> Result<Option<Timestamp>, ErpError> {
        Ok(None)
    }

    /// Logs in and says who we are.
    async fn authenticate(&self) -> Result<Identity, ErpError>;

    /// The earliest time at which the credential may stop working by itself, as far as the system tells; `None` if
    /// it does not stop, or where that can't be known.
    async fn credential_expiry(&self) -> Result<Option<Timestamp>, ErpError> {
        Ok(None)
    }

    /// Makes a new key for the same user under this name, to take the place of one that expires. The old one goes on
    /// working until its own end. Not safe to repeat: each call makes a key. Where the system has no keys, or the
    /// connection lacks what is needed to make one, it is an `InvalidRequest`.
    async fn make_key(&self, name: &str) -> Result<NewKey, ErpError> {
        let message = format!("no key {name:?} can be made: this kind of system has none");
        Err(ErpError::new(crate::ErpErrorKind::InvalidRequest, message))
    }

    /// Removes this user's keys of this name, which [`Adapter::make_key`] gave; that there is none is no error. Where
    /// the system has no keys, or the connection lacks what is needed to remove one, it is an `InvalidRequest`.
    async fn remove_keys(&self, name: &str) -> Result<(), ErpError> {
        let message = format!("no key {name:?} can be removed: this kind of system has none");
        Err(ErpError::new(ErpErrorKind::InvalidRequest, message))
    }

    /// Reads records by a filter.
    async fn search_read(&self, query: &SearchRead) -> Result<Vec<Map<String, Value>>, ErpError>;

    /// Reads records by a filter with the rights of the ERP's user `erp_user_id`: what this user may not read is not
    /// among them. `limit` may be at most 1,000. A user who is inactive or does not exist is an `AccessDenied`; a
    /// system that can't read as somebody else answers `UnknownMethod`.
    async fn search_read_as(&self, erp_user_id: i64, query: &SearchRead) -> Result<Vec<Map<String, Value>>, ErpError> {
        let _ = (erp_user_id, query);
        Err(ErpError::new(ErpErrorKind::UnknownMethod, "reading as a user needs an add-on in the ERP"))
    }

    /// Counts records by a filter.
    async fn count(&self, model: &ModelName, domain: &Value) -> Result<u64, ErpError> {
        self.count_with(model, domain, &Map::new()).await
    }

    /// Counts records by a filter, archived ones included.
    async fn count_all(&self, model: &ModelName, domain: &Value) -> Result<u64, ErpError> {
        self.count(model, domain).await
    }

    /// Counts records by a filter, with options of the call (`active_test`, `lang`).
    async fn count_with(
        &self,
        model: &ModelName,
        domain: &Value,
        context: &Map<String, Value>,
    ) -> Result<u64, ErpError>;

    /// Every model that the system has, by name. A system that can't tell answers `UnknownMethod`.
    async fn models(&self) -> Result<Vec<ErpModel>, ErpError> {
        Err(ErpError::new(ErpErrorKind::UnknownMethod, "this kind of system does not tell its models"))
    }

    /// The fields of a model that the credential may see, by name. A system that can't tell answers `UnknownMethod`.
    async fn fields(&self, model: &ModelName) -> Result<Vec<ErpField>, ErpError> {
        self.fields_in(model, None).await
    }

    /// The same with what is for people in a language (`ar_001`), if one is named and the system has it.
    async fn fields_in(&self, model: &ModelName, language: Option<&str>) -> Result<Vec<ErpField>, ErpError> {
        let _ = language;
        let message = format!("this kind of system does not tell the fields of {model}");
        Err(ErpError::new(ErpErrorKind::UnknownMethod, message))
    }

    /// Asks whether the credential may change a record, without changing it; `AccessDenied` if it may not. A system that
    /// can't tell answers `UnknownMethod`.
    async fn check_update(&self, model: &ModelName, id: &RecordId) -> Result<(), ErpError> {
        let message = format!("this kind of system does not tell who may change {model} {id}");
        Err(ErpError::new(ErpErrorKind::UnknownMethod, message))
    }

    /// Creates records and answers their keys in the same order. Not safe to repeat.
    async fn create(&self, model: &ModelName, values: Vec<Map<String, Value>>) -> Result<Vec<RecordId>, ErpError>;

    /// Writes the same values to some records.
    async fn write(&self, model: &ModelName, ids: &[RecordId], values: Map<String, Value>) -> Result<(), ErpError>;

    /// Deletes records. A repeated call may answer that they are missing.
    async fn unlink(&self, model: &ModelName, ids: &[RecordId]) -> Result<(), ErpError>;

    /// Whether the system keeps the answers of writes that have a name, in the transaction that does their work.
    async fn keeps_answers(&self) -> Result<bool, ErpError> {
        Ok(false)
    }

    /// Does something that changes records, or may, and answers its result. Not safe to repeat, unless the system keeps
    /// the answer: then it is tried again within the call. Whether an error leaves the outcome open is told by
    /// [`ErpError::may_be_done`].
    async fn perform(&self, write: Write) -> Result<Value, ErpError>;

    /// Calls a method of a model. Whether it may be repeated depends on the method.
    async fn call(
        &self,
        model: &ModelName,
        method: &str,
        args: Vec<Value>,
        kwargs: Map<String, Value>,
    ) -> Result<Value, ErpError>;

    /// The state of the event table, or `None` if the system has none.
    async fn feed_info(&self) -> Result<Option<FeedInfo>, ErpError>;

    /// The events with ids above `after`, in the order of their ids, at most `limit`. What has not been committed yet
    /// is not among them and can appear later below the highest id: the caller keeps the gaps.
    async fn feed_after(&self, after: i64, limit: u32) -> Result<Vec<FeedEvent>, ErpError>;

    /// Those of the events `ids` that can be seen now.
    async fn feed_by_ids(&self, ids: &[i64]) -> Result<Vec<FeedEvent>, ErpError>;

    /// Those of `models` that the ERP's user `erp_user_id` may read, by the ERP's own model rights. A user who is
    /// inactive or does not exist may read none.
    async fn readable_models(&self, erp_user_id: i64, models: &[ModelName]) -> Result<Vec<ModelName>, ErpError>;

    /// Shows the states of devices in the ERP, with as few calls as it takes and at most `calls_max`, at least 1. The
    /// values are set and not added to: a repeated call changes nothing.
    ///
    /// Answers for as many of `states`, from the first on, as the calls were enough for: `Ok`, or why the ERP refused
    /// this one. An error means that not even the first could be settled; `UnknownModel` and `UnknownMethod`, that
    /// this system shows no devices.
    async fn show_devices(
        &self,
        states: &[DeviceState],
        calls_max: usize,
    ) -> Result<Vec<Result<(), String>>, ErpError> {
        let _ = (states, calls_max);
        Err(ErpError::new(ErpErrorKind::UnknownMethod, "this kind of system shows no devices"))
    }
}
