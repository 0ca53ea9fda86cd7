//! Kept answers that nodes share through Redis.
//!
//! Redis decides nothing: a node gives a shared answer only where it would have given it out of its own memory, and it
//! judges that by what it knows itself. Whatever Redis forgets, brings back or does not tell makes an answer be read once
//! more, never one be believed.
//!
//! - **Changes.** An answer carries the log's head from before it was read, as it does in memory, and the reader looks at
//!   its own list of what has changed since. A node that has just begun to follow the log reads back a little first; what
//!   was kept under an older head is not taken.
//! - **The log itself.** Positions begin anew in a log that was restored from a backup, so that two different changes can
//!   have had the same one. An answer carries when the change at its head was received, and is taken only if that is what
//!   the reader's log holds there.
//! - **Own writes.** A node must see its own writes at once, and counts them ([`super::writes`]); no other node knows
//!   these counts. So each tells its own in Redis, and an answer carries the counts that were told before it was read. A
//!   node takes it only if its own count in there is what it counts now: if its telling came late or was lost, it takes
//!   nothing.
//! - **Who asked.** Everything that distinguishes one answer from another in memory is in the key, by its SHA-256: tenant,
//!   system and when its settings were saved, whose credential and when that was saved, the model and the question. Whether
//!   the answer may be kept at all, and who owned the models, is judged by the reader as well.
//! - **Age.** Entries end in Redis by themselves after the time to live, and what is left of it is all that one has in
//!   memory.

use super::writes::Counted;
use super::{Entry, Key, Made, Moment, Reader};
use crate::config::{self, ms};
use crate::redis::Redis;
use bridge_model::entropy::hex;
use bridge_model::{Entropy, ModelName, Position, SystemKey, TenantId, Timestamp};
use bridge_store::{LogQuery, LogRead, Store};
use prometheus::IntGauge;
use redis::RedisError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Changes with the form of what is kept, so that another version of the program does not read it.
const FORM: &str = "1";

/// The most nodes whose counts are kept for a model. A node that was ended leaves its own behind; beyond this all are
/// dropped, and those that live tell theirs again.
const NODES_MAX: usize = 64;

/// The answers in Redis.
#[derive(Debug)]
pub(super) struct Shared {
    redis: Redis,
    prefix: String,
    /// This node among those that write; another one after each start.
    node: String,
    ttl: Duration,
}

/// What Redis told before an answer was read.
#[derive(Debug)]
pub(super) struct Told {
    /// What nodes had counted of their own writes.
    writes: BTreeMap<String, Counted>,
    /// The entry and how long it has left.
    kept: Option<(String, Duration)>,
}

/// What stands before the text of an entry, on a line of its own.
#[derive(Debug, Serialize, Deserialize)]
struct Under {
    head: Position,
    /// When the change at the head was received; `None` if the log was empty.
    received_at: Option<Timestamp>,
    owners: Option<i64>,
    writes: BTreeMap<String, Counted>,
}

/// What tells the log that an answer was kept under from another one: when the change at its head was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(Option<Timestamp>);

impl Shared {
    /// `None` if no Redis is configured; the error is an address that can't be one.
    pub(super) fn new(
        config: &config::Cache,
        up: impl FnOnce() -> IntGauge,
        entropy: &dyn Entropy,
    ) -> Result<Option<Self>, RedisError> {
        if config.redis_url.is_empty() {
            return Ok(None);
        }
        let redis = Redis::new(&config.redis_url, ms(config.redis_timeout_ms), "cache", up())?;
        Ok(Some(Self { redis, prefix: config.redis_prefix.clone(), node: entropy.hex(8), ttl: ms(config.ttl_ms) }))
    }

    /// Whether Redis answers now.
    pub(super) async fn answers(&self) -> bool {
        self.redis.answers().await
    }

    /// Asks what is kept under this key, and tells what this node has counted of its own writes if Redis does not know it
    /// yet. `None` if Redis is away.
    pub(super) async fn ask(&self, key: &Key, counted: Counted) -> Option<Told> {
        let place = self.writes_of(key.access.system, &key.model);
        let entry = self.entry(key)?;
        let mut look = redis::pipe();
        look.cmd("HGETALL").arg(&place).cmd("GET").arg(&entry).cmd("PTTL").arg(&entry);
        let (told, text, left_ms): (HashMap<String, String>, Option<String>, i64) = self.redis.ask(&look).await?;
        let too_many = told.len() > NODES_MAX;
        let writes: BTreeMap<_, _> =
            told.into_iter().filter_map(|(node, text)| Some((node, serde_json::from_str(&text).ok()?))).collect();
        if too_many || !self.own(&writes).covers(counted) {
            self.tell(&place, counted, too_many).await?;
        }
        // Without an end of its own nothing tells how old it is.
        let left = u64::try_from(left_ms).ok().map(ms).filter(|left| *left <= self.ttl);
        Some(Told { writes, kept: text.zip(left) })
    }

    /// The entry that was told of, if this node would give it out of its own memory to one who began at `now`.
    pub(super) async fn take(&self, reader: &Reader<'_>, now: Moment, made: &Made, told: &Told) -> Option<Entry> {
        let Reader { cx, key, seen, .. } = reader;
        let (kept, left) = told.kept.as_ref()?;
        let (under, text) = kept.split_once('\n')?;
        let under: Under = serde_json::from_str(under).ok()?;
        let is_current = under.owners == now.owners
            && self.own(&under.writes).covers(now.writes)
            && !seen.has_changed(under.head, key.access.system, &key.model, made)
            && mark(&cx.store, key.tenant, under.head).await? == Mark(under.received_at);
        if !is_current {
            return None;
        }
        let text: Arc<RawValue> = RawValue::from_string(text.to_owned()).ok()?.into();
        let read_at = cx.clock.now().minus(self.ttl.saturating_sub(*left));
        Some(Entry { text, made: made.clone(), under: Moment { head: under.head, ..now }, read_at })
    }

    /// Keeps an answer for the other nodes, for what is left of its time.
    pub(super) async fn keep(&self, reader: &Reader<'_>, entry: &Entry, mark: Mark, told: Told) {
        let Entry { text, under, read_at, .. } = entry;
        let left = self.ttl.saturating_sub(reader.cx.clock.now().since(*read_at));
        let mut writes = told.writes;
        writes.insert(self.node.clone(), under.writes);
        let head = Under { head: under.head, received_at: mark.0, owners: under.owners, writes };
        let (Some(key), Ok(head)) = (self.entry(reader.key), serde_json::to_string(&head)) else { return };
        let Some(left_ms) = u64::try_from(left.as_millis()).ok().filter(|left_ms| *left_ms > 0) else { return };
        let mut keep = redis::pipe();
        keep.cmd("SET").arg(key).arg(format!("{head}\n{}", text.get())).arg("PX").arg(left_ms).ignore();
        self.redis.ask::<()>(&keep).await;
    }

    /// What this node has told of its own writes.
    fn own(&self, told: &BTreeMap<String, Counted>) -> Counted {
        told.get(&self.node).copied().unwrap_or_default()
    }

    async fn tell(&self, place: &str, counted: Counted, drop_all: bool) -> Option<()> {
        let text = serde_json::to_string(&counted).ok()?;
        // Entries that carry it are gone by then.
        let end_ms = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX).saturating_mul(2);
        let mut tell = redis::pipe();
        if drop_all {
            tell.cmd("DEL").arg(place).ignore();
        }
        tell.cmd("HSET").arg(place).arg(&self.node).arg(text).ignore();
        tell.cmd("PEXPIRE").arg(place).arg(end_ms).ignore();
        self.redis.ask::<()>(&tell).await
    }

    fn entry(&self, key: &Key) -> Option<String> {
        let Key { tenant, access, model, asked } = key;
        let whole = serde_json::to_vec(&(FORM, tenant, access, model, &**asked)).ok()?;
        Some(format!("{}answer:{}", self.prefix, hex(&Sha256::digest(whole))))
    }

    fn writes_of(&self, system: SystemKey, model: &ModelName) -> String {
        format!("{}writes:{system}:{model}", self.prefix)
    }
}

/// The mark of a log at a position; `None` if that is not known any more, or the log does not reach so far.
pub(super) async fn mark(store: &Store, tenant: TenantId, head: Position) -> Option<Mark> {
    if head == Position::START {
        return Some(Mark(None));
    }
    let after = Position::new(head.get() - 1);
    let query = LogQuery { after, models: None, system: None, limit: 1, scan_max: 1, contents: false };
    let Ok(LogRead::Page(page)) = store.read(tenant, &query).await else { return None };
    let change = page.changes.first().filter(|change| change.position == head)?;
    Some(Mark(Some(change.received_at)))
}
