//! Records of business systems: read and written on behalf of a caller, whatever the model.
//!
//! [`acting`] settles as whom: with the caller's own credential, or with the system's own, and then only what an admin
//! has opened. What comes in is checked against the fields of the model before anything is sent: domains, orders, values
//! and options are parsed, never passed through as text.

mod acting;
mod attachments;
mod audited;
mod cache;
mod crud;
mod domain;
mod fields;
mod keyed;
mod lines;
mod once;
mod options;
mod order;
mod problems;
mod read;
mod staying;
mod universal;
mod values;
mod write;

use acting::Access;
pub use acting::{Acting, acting};
pub use attachments::{Attachment, NewAttachment};
pub use cache::{CacheUse, Freshness, Held, ReadCache, Stock};
pub use crud::{Action, CrudAnswer, CrudRequest, Data, Wishes, crud};
pub(crate) use crud::{Output, ids_alone, request_hash};
pub use domain::parse_domain;
pub use fields::ModelFields;
pub use keyed::{IdempotencyKey, Once};
pub(crate) use keyed::{Series, unknown, write_once};
pub(crate) use lines::KEPT_BY_SYSTEM;
pub(crate) use once::{Keep, once};
pub use options::Options;
pub(crate) use problems::no_such_record;
pub use read::Query;
pub use universal::{EntityRequest, crud_entity};
pub use values::tidy;
pub(crate) use write::changed_since;

use crate::config::{Config, ms};
use crate::fresh::Fresh;
use crate::metrics::Metrics;
use bridge_model::{AllowList, Entropy, ModelName, SystemKey, TenantId, Timestamp, UserId};
use bridge_store::ErpLink;
use moka::sync::Cache;
use redis::RedisError;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A record: its fields by name.
pub type Record = Map<String, Value>;

/// What is remembered between requests.
#[derive(Debug)]
pub struct Records {
    /// The fields of models as the acting user sees them.
    fields: Cache<(Access, ModelName), Arc<ModelFields>>,
    /// The leading number of the systems' versions, and when it was asked for.
    versions: Cache<Access, (Timestamp, u32)>,
    /// Whether a system's add-on tells of every write, and when that was asked for.
    addons: Cache<Access, (Timestamp, bool)>,
    /// Answers, until a change makes them worthless.
    pub cache: ReadCache,
    links: Fresh<(TenantId, UserId, SystemKey), Option<Arc<ErpLink>>>,
    allow_lists: Fresh<(TenantId, SystemKey), Arc<AllowList>>,
}

/// The most models whose fields are kept in memory, counted for each acting user.
const KNOWN_MODELS_MAX: u64 = 5_000;

/// The most systems whose version is kept in memory.
const KNOWN_SYSTEMS_MAX: u64 = 10_000;

impl Records {
    /// Nothing is remembered yet. The error is an address of Redis that can't be one.
    pub fn new(config: &Config, metrics: &Metrics, entropy: &dyn Entropy) -> Result<Self, RedisError> {
        let age_max = ms(config.security.session_cache_ms);
        Ok(Self {
            fields: Cache::new(KNOWN_MODELS_MAX),
            versions: Cache::new(KNOWN_SYSTEMS_MAX),
            addons: Cache::new(KNOWN_SYSTEMS_MAX),
            cache: ReadCache::new(&config.cache, metrics, entropy)?,
            links: Fresh::new(age_max),
            allow_lists: Fresh::new(age_max),
        })
    }

    /// Makes links and allow lists be looked up anew; to be called after one was changed.
    pub fn rights_changed(&self) {
        self.links.forget_all();
        self.allow_lists.forget_all();
    }
}
