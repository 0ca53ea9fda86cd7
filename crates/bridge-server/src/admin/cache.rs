//! What is kept of what was read from the systems of a tenant.

use super::systems;
use crate::audit::{Change, audited};
use crate::auth::Admin;
use crate::context::Context;
use crate::problem::Problem;
use crate::records::Stock;
use bridge_model::{ModelName, SystemId, SystemKey};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What is kept on the node that answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CacheStatistics {
    /// Whether anything is kept at all.
    pub enabled: bool,
    /// How many answers are kept for the tenant. Those that a change has made worthless are counted until they are asked
    /// for again or their time is over.
    pub entries: u64,
    /// How much memory they take, in bytes.
    pub bytes: u64,
    /// The answers that came out of the cache since the node began.
    pub hits: u64,
    /// Those of them that another node had kept in Redis, or this one before it was started anew.
    pub shared_hits: u64,
    /// The answers since then that could have, and had to be asked for.
    pub misses: u64,
    /// The share of the hits in both; `null` before there was any.
    pub hit_rate: Option<f64>,
    /// The most answers that the node keeps, for all tenants.
    pub entries_max: u64,
    /// The most memory that they may take, in bytes.
    pub bytes_max: u64,
    /// How long an answer is kept at most, in milliseconds.
    pub ttl_ms: u64,
    /// Whether the Redis that nodes share answers through answers now; `null` if none is configured.
    pub redis_answers: Option<bool>,
    /// By system and model.
    pub items: Vec<CachedModel>,
    /// Always `null`: one page holds them all.
    pub next_cursor: Option<String>,
}

/// What is kept of a model.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CachedModel {
    /// The system.
    pub system_id: SystemId,
    /// The model.
    pub model: ModelName,
    /// How many answers.
    pub entries: u64,
    /// How much memory they take, in bytes.
    pub bytes: u64,
}

/// The query of a request to clear it.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ClearCache {
    /// Only what is kept of this system.
    pub system_id: Option<SystemId>,
    /// Only what is kept of this model.
    pub model: Option<ModelName>,
}

/// The answer to that.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CacheCleared {
    /// Always true; failures have the error shape.
    pub success: bool,
    /// How many answers were dropped.
    pub cleared: u64,
}

/// What is kept for the admin's tenant.
pub async fn statistics(cx: &Context, admin: &Admin) -> Result<CacheStatistics, Problem> {
    let tenant = admin.0.tenant;
    let names = cx.store.system_names(tenant).await?;
    let Stock { held, hits, shared_hits, misses } = cx.records.cache.stock(tenant);
    let items: Vec<CachedModel> = held
        .into_iter()
        .filter_map(|((system, model), held)| {
            let system_id = names.get(&system)?.clone();
            Some(CachedModel { system_id, model, entries: held.entries, bytes: held.bytes })
        })
        .collect();
    let settings = &cx.config.cache;
    let asked = hits + misses;
    #[expect(clippy::cast_precision_loss, reason = "a share is only looked at")]
    let hit_rate = (asked > 0).then(|| hits as f64 / asked as f64);
    Ok(CacheStatistics {
        enabled: settings.enabled,
        entries: items.iter().map(|item| item.entries).sum(),
        bytes: items.iter().map(|item| item.bytes).sum(),
        hits,
        shared_hits,
        misses,
        hit_rate,
        entries_max: settings.entries_max,
        bytes_max: settings.bytes_max,
        ttl_ms: settings.ttl_ms,
        redis_answers: cx.records.cache.shared_answers().await,
        items,
        next_cursor: None,
    })
}

/// Drops what is kept for the admin's tenant, of a system, of a model, or all of it.
pub async fn clear(cx: &Context, admin: &Admin, request: ClearCache) -> Result<CacheCleared, Problem> {
    let change =
        Change::new("cache", "clear").set("system_id", request.system_id.as_ref()).set("model", request.model.as_ref());
    audited(cx, &admin.0, change, drop_kept(cx, admin, request)).await
}

async fn drop_kept(cx: &Context, admin: &Admin, request: ClearCache) -> Result<CacheCleared, Problem> {
    let tenant = admin.0.tenant;
    let systems: Vec<SystemKey> = match &request.system_id {
        Some(system_id) => vec![systems::find(cx, tenant, system_id).await?.key],
        None => cx.store.system_names(tenant).await?.into_keys().collect(),
    };
    let cleared = cx.records.cache.clear(tenant, &systems, request.model.as_ref());
    Ok(CacheCleared { success: true, cleared })
}
