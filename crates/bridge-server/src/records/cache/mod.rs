//! Answers to `read`, `search` and `count`, kept in memory until a change makes them worthless.
//!
//! **No read that starts after a change is in the log is answered with what was before the change.** Nothing has to be
//! called for that when a change comes in, on this node or on another one: positions decide it.
//!
//! 1. Before an answer is read from the system, the head of the log is asked for, and the answer is kept with it
//!    (`under.head`). Whatever is in the log up to there was committed in the system before it got into the log, so that
//!    the answer, which is read after that, shows it.
//! 2. Whoever wants an answer first asks for the head of the log, too (`now.head`), and takes note of all changes up to
//!    there. A change that was in the log before they began is at or below that head: on `SQLite` the store gives the
//!    head of the last append that anybody was told of, on `PostgreSQL` it is read from the database after they began.
//!    Those who ask at the same time share one look, but never one that began before they did.
//! 3. A kept answer is given if it was read at or after the reader's own head (`under.head >= now.head`), or else if no
//!    change of what it is made of lies between the two. So a change that the reader may know of, and which the answer
//!    may not show, lies above `under.head` and ends it, whichever of the two was first to be noticed, and also while the
//!    answer was on its way from the system.
//!
//! For this it must be known what an answer is made of, and all changes of that must get into the log: [`own`] says which
//! answers are kept at all. One that was read while others owned the models is not given (`owners`): in between, nobody
//! may have looked.
//!
//! What BridgeCore itself writes is dropped by counts ([`writes`]), not by positions: the writer is to see it at once,
//! and the log tells of it later. Counted before the system is called and when it has answered, so that an answer which
//! was read in between is dropped as well. Other nodes learn of such a write from the log, as of any other.
//!
//! With Redis, nodes share answers ([`shared`]); whether one is given is judged in the same way.
//!
//! An answer belongs to the credential that it was read with, and to when that and the system's settings were saved: new
//! ones have new answers. What is seen also hangs on the user's groups and companies there and on what record rules look
//! at; changes of those end nothing, so that there the time to live is the bound.

mod flights;
mod own;
mod seen;
mod shared;
mod stock;
mod writes;

pub use stock::{Held, Stock};

use super::acting::Access;
use super::crud::{CrudRequest, Output};
use super::{Acting, Options};
use crate::config::{self, ms};
use crate::context::Context;
use crate::detection::{ModelOwners, owners};
use crate::metrics::Metrics;
use crate::problem::Problem;
use bridge_erp::Work;
use bridge_model::{Entropy, ModelName, Operation, Position, SystemKey, TenantId, Timestamp};
use flights::Flights;
use redis::RedisError;
use seen::{LOOK_BACK, Made, Seen};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use shared::Shared;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use writes::{Counted, Writes};

/// How fresh an answer has to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Freshness {
    /// One that was kept will do.
    #[default]
    Any,
    /// It has to be asked for now.
    Asked,
    /// The same, and it is not to be kept.
    Unkept,
}

/// What the cache had to do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// It was kept.
    Hit,
    /// It was read from the system, and is kept now.
    Miss,
    /// It was read from the system, and is none that is kept.
    Bypass,
}

impl CacheUse {
    /// The word in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// The kept answers of this node.
pub struct ReadCache {
    kept: moka::sync::Cache<Key, Arc<Entry>>,
    shared: Option<Shared>,
    tenants: moka::sync::Cache<TenantId, Arc<Seen>>,
    writes: Writes,
    flights: Flights,
}

impl fmt::Debug for ReadCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadCache").field("entries", &self.kept.entry_count()).finish_non_exhaustive()
    }
}

/// The most tenants whose logs are followed. One that has to be followed anew begins without kept answers.
const TENANTS_MAX: u64 = 10_000;

/// What an entry takes besides its text and its key, in bytes.
const ENTRY_BYTES: usize = 400;

/// What is asked, by whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    access: Access,
    model: ModelName,
    asked: Arc<str>,
}

#[derive(Debug)]
struct Entry {
    text: Arc<RawValue>,
    made: Made,
    under: Moment,
    read_at: Timestamp,
}

/// Where things stood: what is read after this shows at least that.
#[derive(Debug, Clone, Copy)]
struct Moment {
    head: Position,
    writes: Counted,
    /// The version of who owns which model.
    owners: Option<i64>,
}

/// The part of a request that decides the answer.
#[derive(Serialize)]
struct Asked<'a> {
    action: &'static str,
    record_id: &'a Option<bridge_model::RecordId>,
    record_ids: &'a Option<Vec<bridge_model::RecordId>>,
    domain: &'a Option<Value>,
    fields: &'a Option<Vec<String>>,
    limit: Option<u32>,
    offset: Option<u32>,
    order: &'a Option<String>,
    options: &'a serde_json::Map<String, Value>,
}

impl ReadCache {
    /// Nothing is kept yet; `config` bounds what will be. The error is an address of Redis that can't be one.
    pub fn new(config: &config::Cache, metrics: &Metrics, entropy: &dyn Entropy) -> Result<Self, RedisError> {
        // No entry weighs less than this, so that there are never more of them than allowed.
        let least = config.bytes_max / config.entries_max.max(1);
        let weight = move |key: &Key, entry: &Arc<Entry>| {
            let bytes = u64::try_from(key.asked.len() + entry.text.get().len() + ENTRY_BYTES).unwrap_or(u64::MAX);
            u32::try_from(bytes.max(least)).unwrap_or(u32::MAX)
        };
        Ok(Self {
            kept: moka::sync::Cache::builder()
                .max_capacity(config.bytes_max)
                .weigher(weight)
                .time_to_live(ms(config.ttl_ms))
                .build(),
            shared: Shared::new(config, || metrics.redis_up.with_label_values(&["cache"]), entropy)?,
            tenants: moka::sync::Cache::new(TENANTS_MAX),
            writes: Writes::default(),
            flights: Flights::default(),
        })
    }

    /// Whether the Redis that answers are shared through answers now; `None` if none is configured.
    pub async fn shared_answers(&self) -> Option<bool> {
        match &self.shared {
            Some(shared) => Some(shared.answers().await),
            None => None,
        }
    }

    /// Drops what a write of ours may change, now and when the answer is dropped: once the system has answered, or nobody
    /// waits for it any more.
    pub(super) fn writing(&self, system: SystemKey, model: &ModelName, work: &Work) -> Writing<'_> {
        // Lines are records of other models, and so is whatever a method does or goes away with a record.
        let is_plain = match work {
            Work::Create(records) => !records.iter().any(has_lines),
            Work::Update(_, values) => !has_lines(values),
            Work::Delete(_) | Work::Call { .. } => false,
        };
        let model = is_plain.then(|| model.clone());
        self.writes.count(system, model.as_ref());
        Writing { cache: self, system, model }
    }

    fn seen(&self, tenant: TenantId) -> Arc<Seen> {
        let look_back = if self.shared.is_some() { LOOK_BACK } else { 0 };
        self.tenants.get_with(tenant, || Arc::new(Seen::new(look_back)))
    }

    fn look(&self, reader: &Reader<'_>, now: Moment) -> Option<Arc<Entry>> {
        let Reader { cx, key, seen, .. } = reader;
        let entry = self.kept.get(*key)?;
        let Entry { made, under, read_at, .. } = &*entry;
        let is_young = cx.clock.now().since(*read_at) < ms(cx.config.cache.ttl_ms);
        let is_current = under.head >= now.head || !seen.has_changed(under.head, key.access.system, &key.model, made);
        (is_young && is_current && under.owners == now.owners && under.writes.covers(now.writes)).then_some(entry)
    }
}

fn has_lines(values: &serde_json::Map<String, Value>) -> bool {
    values.values().any(|value| value.is_array() || value.is_object())
}

/// A write that is going on.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    cache: &'a ReadCache,
    system: SystemKey,
    /// `None`: anything in the system.
    model: Option<ModelName>,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.cache.writes.count(self.system, self.model.as_ref());
    }
}

/// Who asks, and for what.
struct Reader<'a> {
    cx: &'a Context,
    key: &'a Key,
    seen: &'a Seen,
    owners: &'a ModelOwners,
}

impl Reader<'_> {
    /// Gives a kept answer, and counts it.
    fn hit(&self, entry: &Entry, request: &CrudRequest) -> (Output, CacheUse) {
        self.seen.hits.fetch_add(1, Ordering::Relaxed);
        self.cx.metrics.cache_hits.with_label_values(&[request.action.as_str()]).inc();
        (Output::Text(Arc::clone(&entry.text)), CacheUse::Hit)
    }

    /// `None`: our own database can't be asked, so that nothing can be said of what is kept.
    async fn moment(&self) -> Option<Moment> {
        let Self { cx, key, seen, owners } = self;
        let writes = cx.records.cache.writes.counted(key.access.system, &key.model);
        match seen.follow(&cx.store, key.tenant).await {
            Ok(head) => Some(Moment { head, writes, owners: owners.version() }),
            Err(error) => {
                tracing::warn!(tenant.id = key.tenant.0, error = %error, "the log can't be followed for the cache");
                None
            }
        }
    }
}

/// The answer to a request that reads: a kept one, or what `read` gives.
///
/// What is done where nothing is kept has a place of its own: it needs much more room than to find a kept answer, and
/// every request would bring that along.
pub(super) async fn answer<R: Future<Output = Result<Value, Problem>>>(
    acting: &Acting,
    request: &CrudRequest,
    options: &Options,
    freshness: Freshness,
    read: impl FnOnce() -> Pin<Box<R>>,
) -> Result<(Output, CacheUse), Problem> {
    let cx = &acting.cx;
    let (cache, settings) = (&cx.records.cache, &cx.config.cache);
    // The system judges what is asked of it; what was kept is judged here.
    acting.check(&request.model, Operation::Read)?;
    let key = (settings.enabled && freshness != Freshness::Unkept).then(|| Key::of(acting, request, options)).flatten();
    let Some(key) = key.filter(|key| key.asked.len() <= settings.entry_bytes_max) else {
        return Ok((Output::Value(read().await?), CacheUse::Bypass));
    };
    let owners = owners(cx, &acting.system).await?;
    let seen = cache.seen(key.tenant);
    let reader = Reader { cx, key: &key, seen: &seen, owners: &owners };
    let Some(now) = reader.moment().await else {
        return Ok((Output::Value(read().await?), CacheUse::Bypass));
    };
    if freshness == Freshness::Any
        && let Some(entry) = cache.look(&reader, now)
    {
        return Ok(reader.hit(&entry, request));
    }
    Box::pin(asked(acting, request, options, freshness, &reader, now, read)).await
}

/// The answer to a request for which nothing was kept.
async fn asked<R: Future<Output = Result<Value, Problem>>>(
    acting: &Acting,
    request: &CrudRequest,
    options: &Options,
    freshness: Freshness,
    reader: &Reader<'_>,
    now: Moment,
    read: impl FnOnce() -> Pin<Box<R>>,
) -> Result<(Output, CacheUse), Problem> {
    let Reader { cx, key, seen, owners } = *reader;
    let (cache, settings) = (&cx.records.cache, &cx.config.cache);
    let may_be_kept = freshness == Freshness::Any;
    let Some(made) = own::made_of(acting, owners, request, options).await? else {
        return Ok((Output::Value(read().await?), CacheUse::Bypass));
    };
    let turn = if may_be_kept { Some(cache.flights.turn(key, ms(settings.wait_ms)).await) } else { None };
    if turn.is_some()
        && let Some(entry) = cache.look(reader, now)
    {
        return Ok(reader.hit(&entry, request));
    }
    // Asked for again: those who came while this one waited for its turn can use the answer as well.
    let Some(under) = reader.moment().await else {
        return Ok((Output::Value(read().await?), CacheUse::Bypass));
    };
    let told = match &cache.shared {
        Some(shared) => shared.ask(key, under.writes).await,
        None => None,
    };
    if may_be_kept
        && let (Some(shared), Some(told)) = (&cache.shared, &told)
        && let Some(entry) = shared.take(reader, under, &made, told).await
    {
        let entry = Arc::new(entry);
        cache.kept.insert(key.clone(), Arc::clone(&entry));
        seen.shared_hits.fetch_add(1, Ordering::Relaxed);
        cx.metrics.cache_shared_hits.with_label_values(&[request.action.as_str()]).inc();
        return Ok(reader.hit(&entry, request));
    }
    let read_at = cx.clock.now();
    let mark = async {
        match &told {
            Some(_) => shared::mark(&cx.store, key.tenant, under.head).await,
            None => None,
        }
    };
    let (value, mark) = tokio::join!(read(), mark);
    let value = value?;
    seen.misses.fetch_add(1, Ordering::Relaxed);
    cx.metrics.cache_misses.with_label_values(&[request.action.as_str()]).inc();
    let Ok(text) = serde_json::value::to_raw_value(&value) else {
        return Ok((Output::Value(value), CacheUse::Bypass));
    };
    let text: Arc<RawValue> = text.into();
    if text.get().len() + key.asked.len() > settings.entry_bytes_max {
        return Ok((Output::Text(text), CacheUse::Bypass));
    }
    let entry = Arc::new(Entry { text: Arc::clone(&text), made, under, read_at });
    cache.kept.insert(key.clone(), Arc::clone(&entry));
    drop(turn);
    if let (Some(shared), Some(told), Some(mark)) = (&cache.shared, told, mark) {
        shared.keep(reader, &entry, mark, told).await;
    }
    Ok((Output::Text(text), CacheUse::Miss))
}

impl Key {
    fn of(acting: &Acting, request: &CrudRequest, options: &Options) -> Option<Self> {
        let asked = Asked {
            action: request.action.as_str(),
            record_id: &request.record_id,
            record_ids: &request.record_ids,
            domain: &request.domain,
            fields: &request.fields,
            limit: request.limit,
            offset: request.offset,
            order: &request.order,
            options: &options.0,
        };
        Some(Self {
            tenant: acting.system.tenant,
            access: acting.access,
            model: request.model.clone(),
            asked: serde_json::to_string(&asked).ok()?.into(),
        })
    }
}
