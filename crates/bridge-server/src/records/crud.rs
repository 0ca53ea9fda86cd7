//! The one request for everything that is done with records.

use super::keyed::{Once, write_once};
use super::{Acting, CacheUse, Freshness, IdempotencyKey, Options, Query, Record, acting, cache, parse_domain};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use bridge_model::domain::Domain;
use bridge_model::entropy::hex;
use bridge_model::{MethodName, ModelName, RecordId, SystemId, Timestamp};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use utoipa::ToSchema;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Creates one record, or several by a list in `data`.
    Create,
    /// Reads records, by `record_id`, `record_ids` or `domain`.
    Read,
    /// Writes `data` to the records `record_id` or `record_ids`.
    Update,
    /// Deletes the records `record_id` or `record_ids`.
    Delete,
    /// Answers the ids of the records that `domain` finds.
    Search,
    /// Counts the records that `domain` finds.
    Count,
    /// Describes the fields of the model.
    Fields,
    /// Calls `method`, on `record_id` or `record_ids` if given.
    Call,
}

impl Action {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Search => "search",
            Self::Count => "count",
            Self::Fields => "fields",
            Self::Call => "call",
        }
    }

    /// Whether it changes something, or may.
    pub fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete | Self::Call)
    }

    /// The fields of the request that mean something for this action, besides those that always do.
    fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Create => &["data", "fields"],
            Self::Read => &["record_id", "record_ids", "domain", "fields", "limit", "offset", "order"],
            Self::Update => &["record_id", "record_ids", "data", "fields"],
            Self::Delete => &["record_id", "record_ids"],
            Self::Search => &["domain", "limit", "offset", "order"],
            Self::Count => &["domain"],
            Self::Fields => &["fields"],
            Self::Call => &["record_id", "record_ids", "method", "args", "kwargs"],
        }
    }
}

/// The body of the request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CrudRequest {
    /// What is done.
    pub action: Action,
    /// The model.
    pub model: ModelName,
    /// One record.
    #[serde(default)]
    pub record_id: Option<RecordId>,
    /// Several records.
    #[serde(default)]
    pub record_ids: Option<Vec<RecordId>>,
    /// Which records, in Odoo's prefix form: `[["is_company", "=", true], "|", ["city", "=", "Fès"], ["email", "!=", null]]`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Value>>)]
    pub domain: Option<Value>,
    /// The fields to read. Left out: those that the record itself holds, without files; after a `create` or `update`
    /// those of `data`.
    #[serde(default)]
    pub fields: Option<Vec<String>>,
    /// The most records to answer; 100 if left out.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub limit: Option<u32>,
    /// How many to leave out.
    #[serde(default)]
    pub offset: Option<u32>,
    /// In which order, `name asc, id desc`.
    #[serde(default)]
    pub order: Option<String>,
    /// The values to write, by field: an object, or for `create` also a list of them.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    pub data: Option<Data>,
    /// The method of `call`.
    #[serde(default)]
    pub method: Option<MethodName>,
    /// Its arguments by place, without the records.
    #[serde(default)]
    pub args: Option<Vec<Value>>,
    /// Its arguments by name.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub kwargs: Option<Map<String, Value>>,
    /// Options of the call: `lang`, `tz`, `active_test`, `allowed_company_ids`, and what the service's settings add.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Map<String, Value>>,
    /// The language of translated fields, `ar_001`; short for `context.lang`.
    #[serde(default)]
    pub lang: Option<String>,
}

/// Values to write.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Data {
    /// Those of one record.
    One(Record),
    /// Those of several.
    Many(Vec<Record>),
}

/// The answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CrudAnswer {
    /// Always true; failures have the error shape.
    pub success: bool,
    /// What was asked for: the record of a `create`, an `update` or a `read` by `record_id`; the list of records of
    /// others; the ids of a `search`; the number of a `count`; the fields by name; what the method of a `call` answered.
    /// Left out after a `delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub result: Option<Output>,
    /// What happened, in words, after a `delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the cache had to do with it, where something is read.
    #[serde(skip)]
    pub cache: Option<CacheUse>,
    /// Whether it is the answer of an earlier request with the same key.
    #[serde(skip)]
    pub is_replayed: bool,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub enum Output {
    /// As it was made.
    Value(Value),
    /// As it was written before.
    Text(Arc<RawValue>),
}

impl Output {
    /// As a value, to be worked on.
    pub(crate) fn into_value(self) -> Result<Value, Problem> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Text(text) => serde_json::from_str(text.get()).map_err(not_json),
        }
    }
}

impl Serialize for Output {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
        }
    }
}

/// What a caller wishes besides.
#[derive(Debug, Default)]
pub struct Wishes {
    /// How fresh an answer has to be.
    pub freshness: Freshness,
    /// Under what a write is done once.
    pub key: Option<IdempotencyKey>,
    /// When the work has to have ended, if that is earlier than for a request by itself.
    pub ends_at: Option<Timestamp>,
}

/// Does what the request says in a system of the caller's tenant: a write to its end, also when the caller goes away, and one
/// that has a key once for that key.
pub async fn crud(
    cx: &Context,
    caller: &Caller,
    system_id: &SystemId,
    request: CrudRequest,
    wishes: Wishes,
) -> Result<CrudAnswer, Problem> {
    request.check_fit()?;
    let options = Options::parse(&cx.config.records, request.context.as_ref(), request.lang.as_deref())?;
    let acting = acting(cx, caller, system_id).await?.until(wishes.ends_at);
    if !request.action.is_write() {
        return counted(&acting, caller, &request, &options, wishes.freshness).await;
    }
    // What has no key is never compared with another request.
    let hash = wishes.key.as_ref().map(|_| request_hash(&json!([system_id, request]))).unwrap_or_default();
    let (by, bytes_max) = (caller.clone(), cx.config.retention.kept_answer_bytes_max);
    let work = async move |acting: Acting| counted(&acting, &by, &request, &options, wishes.freshness).await;
    let keep = move |answer: &CrudAnswer| answer.to_keep(bytes_max);
    let done = Box::pin(write_once(acting, caller, wishes.key, hash, work, keep)).await?;
    Ok(match done {
        Once::Done(answer) => answer,
        Once::Replayed(kept) => CrudAnswer::of_kept(kept),
    })
}

/// Names a request: another one has another hash.
pub(crate) fn request_hash(request: &Value) -> String {
    hex(&Sha256::digest(request.to_string()))
}

/// Does what the request says, and counts it.
async fn counted(
    acting: &Acting,
    caller: &Caller,
    request: &CrudRequest,
    options: &Options,
    freshness: Freshness,
) -> Result<CrudAnswer, Problem> {
    let cx = &acting.cx;
    let outcome = act(acting, caller, request, options, freshness).await;
    let (is_real, status) = match &outcome {
        Ok(_) => (true, "ok"),
        // What was refused before the system was asked may name anything.
        Err(problem) => (problem.kind != ProblemKind::ModelNotFound && problem.source.is_some(), problem.kind.code()),
    };
    if let Err(problem) = &outcome
        && request.action.is_write()
    {
        Box::pin(acting.note_refused(request, problem)).await;
    }
    cx.metrics.operated(&acting.system.system_type, &request.model, is_real, request.action.as_str(), status);
    outcome
}

async fn act(
    acting: &Acting,
    caller: &Caller,
    request: &CrudRequest,
    options: &Options,
    freshness: Freshness,
) -> Result<CrudAnswer, Problem> {
    match request.action {
        Action::Read | Action::Search | Action::Count => {
            let read = || Box::pin(look_up(acting, request, options));
            let (result, cache) = cache::answer(acting, request, options, freshness, read).await?;
            Ok(CrudAnswer::of(Some(result), None, Some(cache)))
        }
        // Each of these needs much more room than what is read most, an answer that is kept.
        _ => Box::pin(act_unkept(acting, caller, request, options)).await,
    }
}

/// The same for what is never kept.
async fn act_unkept(
    acting: &Acting,
    caller: &Caller,
    request: &CrudRequest,
    options: &Options,
) -> Result<CrudAnswer, Problem> {
    let cx = &acting.cx;
    let result = match request.action {
        Action::Create => create(acting, request, options).await?,
        Action::Update => update(acting, request, options).await?,
        Action::Delete => {
            let ids = request.required_ids(cx)?;
            acting.delete(&request.model, &ids, options).await?;
            let message = cx.texts.say(caller.speaks(), &Message::records_deleted(ids.len()));
            return Ok(CrudAnswer::of(None, Some(message), None));
        }
        Action::Read | Action::Search | Action::Count => look_up(acting, request, options).await?,
        Action::Fields => acting.describe(&request.model, request.fields.as_deref(), options).await?.into(),
        Action::Call => call(acting, request, options).await?,
    };
    Ok(CrudAnswer::of(Some(Output::Value(result)), None, None))
}

/// Asks the system for what the request wants to know.
async fn look_up(acting: &Acting, request: &CrudRequest, options: &Options) -> Result<Value, Problem> {
    Ok(match request.action {
        Action::Search => Value::Array(acting.search(request.query(&acting.cx)?, options).await?),
        Action::Count => acting.count(&request.model, &request.domain()?, options).await?.into(),
        _ => read(acting, request, options).await?,
    })
}

async fn create(acting: &Acting, request: &CrudRequest, options: &Options) -> Result<Value, Problem> {
    let rows_max = acting.cx.config.records.write_rows_max;
    let (records, is_one) = match &request.data {
        Some(Data::One(record)) => (std::slice::from_ref(record), true),
        Some(Data::Many(records)) if (1..=rows_max).contains(&records.len()) => (records.as_slice(), false),
        Some(Data::Many(_)) => return Err(Problem::field("data", Reason::items(1, rows_max))),
        None => return Err(missing("data")),
    };
    let ids = acting.create(&request.model, records, options).await?;
    let names = records.iter().flat_map(Map::keys);
    let rows = read_back(acting, request, &ids, names, options).await;
    Ok(if is_one { rows.into_iter().next().unwrap_or_default().into() } else { rows.into() })
}

async fn read(acting: &Acting, request: &CrudRequest, options: &Options) -> Result<Value, Problem> {
    let by_key = request.record_id.is_some() || request.record_ids.is_some();
    if by_key {
        let paging = [
            ("domain", request.domain.is_some()),
            ("limit", request.limit.is_some()),
            ("offset", request.offset.is_some()),
            ("order", request.order.is_some()),
        ];
        if let Some((name, _)) = paging.iter().find(|(_, is_given)| *is_given) {
            return Err(Problem::field(name, Reason::not_with_records()));
        }
    }
    let fields = request.fields.clone();
    if let Some(id) = &request.record_id {
        return Ok(acting.read_one(&request.model, id, fields, options).await?.into());
    }
    if by_key {
        let ids = request.required_ids(&acting.cx)?;
        return Ok(acting.read_ids(&request.model, &ids, fields, options).await?.into());
    }
    Ok(acting.read(&Query { fields, ..request.query(&acting.cx)? }, options).await?.into())
}

async fn update(acting: &Acting, request: &CrudRequest, options: &Options) -> Result<Value, Problem> {
    let ids = request.required_ids(&acting.cx)?;
    let record = match &request.data {
        Some(Data::One(record)) if !record.is_empty() => record,
        Some(Data::One(_)) => return Err(Problem::field("data", Reason::not_empty())),
        Some(Data::Many(_)) => return Err(Problem::field("data", Reason::object())),
        None => return Err(missing("data")),
    };
    acting.update(&request.model, &ids, record, options).await?;
    let rows = read_back(acting, request, &ids, record.keys(), options).await;
    Ok(if request.record_id.is_some() { rows.into_iter().next().unwrap_or_default().into() } else { rows.into() })
}

async fn call(acting: &Acting, request: &CrudRequest, options: &Options) -> Result<Value, Problem> {
    let method = request.method.as_ref().ok_or_else(|| missing("method"))?;
    let ids = request.ids(&acting.cx)?.unwrap_or_default();
    let (args, kwargs) = (request.args.as_deref().unwrap_or_default(), request.kwargs.clone().unwrap_or_default());
    acting.call(&request.model, method, &ids, args, &kwargs, options).await
}

/// The records as they are after a write: the fields that the request asks for, or those that it wrote. The write is
/// done, so that whatever goes wrong here is no failure of the request: what can't be read is answered by its id alone.
async fn read_back<'n>(
    acting: &Acting,
    request: &CrudRequest,
    ids: &[RecordId],
    written: impl Iterator<Item = &'n String>,
    options: &Options,
) -> Vec<Record> {
    let mut fields = request.fields.clone().unwrap_or_default();
    if request.fields.is_none() {
        // What was written is known to the model; a file needs not be sent back.
        let known = acting.in_time(acting.fields(&request.model)).await.and_then(Result::ok);
        for name in written {
            let is_file = known.as_ref().and_then(|known| known.get(name)).is_none_or(|field| field.kind == "binary");
            if !is_file && !fields.contains(name) {
                fields.push(name.clone());
            }
        }
    }
    let read = acting.in_time(acting.read_ids(&request.model, ids, Some(fields), options)).await;
    let mut rows = match read {
        Some(Ok(rows)) => rows,
        Some(Err(problem)) => {
            tracing::debug!(model = %request.model, code = problem.kind.code(), "what was written is not read back");
            Vec::new()
        }
        None => Vec::new(),
    };
    let id_of = |id: &RecordId| Record::from_iter([("id".to_owned(), json!(id))]);
    ids.iter()
        .map(|id| {
            let place = rows.iter().position(|row| row.get("id") == Some(&json!(id)));
            place.map_or_else(|| id_of(id), |place| rows.swap_remove(place))
        })
        .collect()
}

/// Room for what stands around a result, in bytes.
const ENVELOPE_BYTES: usize = 64;

/// Room for an answer of some twenty records, in bytes: a longer one grows.
const ANSWER_BYTES: usize = 4 * 1024;

impl CrudAnswer {
    fn of(result: Option<Output>, message: Option<String>, cache: Option<CacheUse>) -> Self {
        Self { success: true, result, message, cache, is_replayed: false }
    }

    /// The answer as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, Problem> {
        let bytes = match &self.result {
            Some(Output::Text(text)) => text.get().len() + ENVELOPE_BYTES,
            _ => ANSWER_BYTES,
        };
        let mut json = Vec::with_capacity(bytes);
        serde_json::to_writer(&mut json, self).map_err(not_json)?;
        Ok(json)
    }

    /// What is kept of it for those who ask again with the same key: all of it, or if that is too long, the ids of its
    /// records.
    fn to_keep(&self, bytes_max: usize) -> Value {
        let whole = json!(self);
        if whole.to_string().len() <= bytes_max {
            return whole;
        }
        json!({ "success": true, "result": ids_alone(&whole["result"]) })
    }

    fn of_kept(mut kept: Value) -> Self {
        let message = kept["message"].as_str().map(str::to_owned);
        let result = kept.get_mut("result").map(|result| Output::Value(result.take()));
        Self { is_replayed: true, ..Self::of(result, message, None) }
    }
}

impl CrudRequest {
    /// `Invalid` if something is given that the action has no use for: it may be meant for another.
    pub(crate) fn check_fit(&self) -> Result<(), Problem> {
        let given = [
            ("record_id", self.record_id.is_some()),
            ("record_ids", self.record_ids.is_some()),
            ("domain", self.domain.is_some()),
            ("fields", self.fields.is_some()),
            ("limit", self.limit.is_some()),
            ("offset", self.offset.is_some()),
            ("order", self.order.is_some()),
            ("data", self.data.is_some()),
            ("method", self.method.is_some()),
            ("args", self.args.is_some()),
            ("kwargs", self.kwargs.is_some()),
        ];
        let stray = given.iter().find(|(name, is_given)| *is_given && !self.action.takes().contains(name));
        match stray {
            Some((name, _)) => Err(Problem::field(name, Reason::not_for_action(self.action.as_str()))),
            None if self.record_id.is_some() && self.record_ids.is_some() => {
                Err(Problem::field("record_ids", Reason::not_with_record_id()))
            }
            None => Ok(()),
        }
    }

    /// The records that the request names, if it names any.
    fn ids(&self, cx: &Context) -> Result<Option<Vec<RecordId>>, Problem> {
        let ids = match (&self.record_id, &self.record_ids) {
            (Some(id), _) => vec![id.clone()],
            (None, Some(ids)) => ids.clone(),
            (None, None) => return Ok(None),
        };
        let reads = self.action == Action::Read;
        let rows_max = if reads { cx.config.records.limit_max as usize } else { cx.config.records.write_rows_max };
        if !(1..=rows_max).contains(&ids.len()) {
            return Err(Problem::field("record_ids", Reason::items(1, rows_max)));
        }
        Ok(Some(ids))
    }

    fn required_ids(&self, cx: &Context) -> Result<Vec<RecordId>, Problem> {
        self.ids(cx)?.ok_or_else(|| missing("record_id"))
    }

    fn domain(&self) -> Result<Domain, Problem> {
        self.domain.as_ref().map_or(Ok(Domain::All), parse_domain)
    }

    fn query(&self, cx: &Context) -> Result<Query, Problem> {
        let records = &cx.config.records;
        let limit = self.limit.unwrap_or(records.limit_default);
        if !(1..=records.limit_max).contains(&limit) {
            return Err(Problem::field("limit", Reason::between(1, records.limit_max)));
        }
        let order = self.order.clone().unwrap_or_default();
        let offset = self.offset.unwrap_or(0);
        Ok(Query { domain: self.domain()?, order, offset, ..Query::of(&self.model, limit) })
    }
}

/// Of records that were answered, the ids; of anything else, nothing.
pub(crate) fn ids_alone(result: &Value) -> Value {
    let id_of = |record: &Value| json!({ "id": record["id"] });
    let is_record = |value: &Value| value.get("id").is_some();
    match result {
        Value::Array(rows) if rows.iter().all(is_record) => rows.iter().map(id_of).collect(),
        record if is_record(record) => id_of(record),
        _ => Value::Null,
    }
}

fn not_json(error: serde_json::Error) -> Problem {
    Problem::new(ProblemKind::Internal, Message::internal()).caused_by(error)
}

fn missing(field: &str) -> Problem {
    Problem::field(field, Reason::is_missing())
}
