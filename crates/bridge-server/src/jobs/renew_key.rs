//! Renews the API keys by which systems are reached, before they end.
//!
//! A new key is made, tried out and saved; from then on it is used, and the one before it is removed in the ERP at the
//! next look, when no node uses it any more. Making a key is not safe to repeat. A try is therefore noted before it
//! begins, with the name of its key: whatever becomes of it, the next try is a day later, and a key that was made but
//! not saved is removed at the next look too.

use crate::config::days;
use crate::context::Context;
use crate::erps::parse_connection;
use crate::problem::Problem;
use anyhow::Context as _;
use bridge_erp::Adapter;
use bridge_model::entropy::hex;
use bridge_model::{SystemKey, TenantId, Timestamp};
use bridge_store::{Credential, NewJob, RenewedKey, System};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// The job for one system.
pub(super) const RENEW_KEY: &str = "renew_key";

/// How long after a try the next one is made at the earliest.
const PAUSE: Duration = Duration::from_hours(24);

/// Why a key can't be made by a connection that has nothing but a key.
const NO_PASSWORD: &str = "the connection has no password, which is needed to make a new API key";

/// What is told of a try while it is under way, and afterwards if it was cut off.
const UNFINISHED: &str = "the last try to renew it did not come to an end";

/// How long after a try a key that is not used is removed at the earliest: long enough for the try to have ended, and for
/// all nodes to have learned of the new key.
const REMOVAL_WAIT: Duration = Duration::from_mins(30);

/// Keys that we make live for 90 days. Whatever is configured, one of them is not renewed in the first half of its life,
/// or there would be a new one each day.
const OWN_NEAR_MAX: Duration = Duration::from_hours(24 * 45);

/// How long one system may take; other jobs wait for it.
const TIME_MAX: Duration = Duration::from_mins(2);

/// Makes a job for each active system, so that one that does not answer is no hindrance to the others.
pub(super) async fn look_at_all(cx: &Context) -> anyhow::Result<()> {
    for system in cx.store.all_systems().await.context("find the systems")? {
        if !system.is_active {
            continue;
        }
        let job = NewJob {
            tenant: Some(system.tenant),
            kind: RENEW_KEY.to_owned(),
            payload: json!({ "system": system.key.0 }),
            run_at: cx.clock.now(),
            attempts_max: 1,
            unique_key: Some(format!("{RENEW_KEY}:{}", system.key)),
        };
        cx.store.enqueue(job).await.context("add a job")?;
    }
    Ok(())
}

/// Looks at one system's key, and renews it if its end is near.
pub(super) async fn look_at(cx: &Context, tenant: Option<TenantId>, payload: &Value) -> anyhow::Result<()> {
    let key = payload["system"].as_i64().map(SystemKey).context("the job names no system")?;
    let tenant = tenant.context("the job names no tenant")?;
    let Some(system) = cx.store.system_by_key(tenant, key).await? else { return Ok(()) };
    match tokio::time::timeout(TIME_MAX, Look { cx, system: &system }.take()).await {
        Ok(outcome) => outcome.with_context(|| format!("look at the API key of {}", system.system_id)),
        Err(_) => anyhow::bail!("{} took too long", system.system_id),
    }
}

struct Look<'a> {
    cx: &'a Context,
    system: &'a System,
}

impl Look<'_> {
    async fn take(&self) -> anyhow::Result<()> {
        let Self { cx, system } = self;
        let (tenant, key) = (system.tenant, system.key);
        let connection = parse_connection(&system.connection).map_err(words(cx))?;
        let Some(api_key) = connection.api_key.as_deref().filter(|key| !key.is_empty()) else {
            return Ok(cx.store.forget_credential(tenant, key).await?);
        };
        let hash = hash_of(api_key);
        let adapter = cx.erps.adapter(system).map_err(words(cx))?;
        let now = cx.clock.now();
        let known = cx.store.credential(tenant, key).await?;
        if let Some(known) = &known
            && !connection.password.is_empty()
            && known.attempted_at.is_some_and(|at| at <= now.minus(REMOVAL_WAIT))
        {
            self.remove_unused(&adapter, known, &hash).await?;
        }
        let known = known.filter(|known| known.key_hash == hash);
        let ours = known.as_ref().filter(|known| known.key_name.is_some());
        let expires_at = match ours.and_then(|known| known.expires_at) {
            // Of a key that we made it is known exactly; the ERP tells of all of the user's keys together.
            Some(end) => Some(end),
            None => adapter.credential_expiry().await?,
        };
        let near = days(cx.config.erp.key_renewal_days);
        let near = if ours.is_some() { near.min(OWN_NEAR_MAX) } else { near };
        let is_near = expires_at.is_some_and(|end| end <= now.plus(near));
        let problem = if !is_near {
            None
        } else if connection.password.is_empty() {
            Some(NO_PASSWORD)
        } else {
            // It stands until the next try.
            known.as_ref().and_then(|known| known.problem.as_deref()).filter(|problem| *problem != NO_PASSWORD)
        };
        cx.store.note_credential(system, &hash, expires_at, problem).await?;
        let Some(end) = expires_at.filter(|_| is_near) else { return Ok(()) };
        if let Some(problem) = problem.filter(|_| connection.password.is_empty()) {
            tracing::warn!(system.id = %system.system_id, expires_at = %end, "the API key ends soon: {problem}");
            return Ok(());
        }
        let name = format!("BridgeCore {} {}", system.system_id, cx.entropy.hex(6));
        if !cx.store.begin_renewal(system, &hash, now.minus(PAUSE), &name, UNFINISHED).await? {
            tracing::warn!(system.id = %system.system_id, expires_at = %end, "the API key ends soon; its renewal waits");
            return Ok(());
        }
        let previous = ours.and_then(|known| known.key_name.clone());
        if let Err(error) = self.renew(&adapter, name, previous).await {
            let error = format!("{error:#}");
            tracing::warn!(system.id = %system.system_id, expires_at = %end, "the API key can't be renewed: {error}");
            cx.store.note_credential(system, &hash, expires_at, Some(&error)).await?;
        }
        Ok(())
    }

    /// Makes a key of this name, tries it out and saves it.
    async fn renew(
        &self,
        adapter: &Arc<dyn Adapter>,
        name: String,
        previous_name: Option<String>,
    ) -> anyhow::Result<()> {
        let Self { cx, system } = self;
        let user = adapter.authenticate().await.context("log in with the key that there is")?;
        let made = adapter.make_key(&name).await.context("make a key")?;
        let mut connection = system.connection.clone();
        connection["api_key"] = json!(made.key);
        let parsed = parse_connection(&connection).map_err(words(cx))?;
        // An adapter of a connection with a key logs in with nothing but the key.
        let tried = cx.erps.connect(&system.system_type, &parsed).map_err(words(cx))?;
        let found = tried.authenticate().await.context("try the new key out")?;
        anyhow::ensure!(found.erp_user_id == user.erp_user_id, "the new key is another user's");
        let key_hash = hash_of(&made.key);
        let renewed = RenewedKey { key_hash, key_name: name, previous_name, expires_at: made.expires_at };
        let is_saved = cx.store.finish_renewal(system, &connection, &renewed).await.context("save the new key")?;
        anyhow::ensure!(is_saved, "the system was changed meanwhile, and the change stands");
        tracing::info!(system.id = %system.system_id, expires_at = ?made.expires_at, "the API key was renewed");
        cx.erps.forget(system.key);
        cx.hub.systems_changed();
        Ok(())
    }

    /// Removes keys that we made and nobody uses: the one before this one, and what a try left behind. Those that
    /// others made are left to their owners.
    async fn remove_unused(&self, adapter: &Arc<dyn Adapter>, known: &Credential, hash: &str) -> anyhow::Result<()> {
        let Self { cx, system } = self;
        // If somebody put another key in the place of ours, what was before ours may be in use again.
        let previous_name = known.previous_name.as_ref().filter(|_| known.key_hash == hash);
        for name in previous_name.into_iter().chain(&known.attempted_name) {
            match adapter.remove_keys(name).await {
                Ok(()) => cx.store.note_removed(system.tenant, system.key, name).await?,
                Err(error) => {
                    tracing::warn!(system.id = %system.system_id, %error, "remove the unused API key {name:?}; it is tried again");
                }
            }
        }
        Ok(())
    }
}

/// What stands for a key where it must not be read.
fn hash_of(key: &str) -> String {
    hex(&Sha256::digest(key))
}

/// Makes a job's error of a problem, in the language of the log.
fn words(cx: &Context) -> impl Fn(Problem) -> anyhow::Error {
    move |problem| anyhow::anyhow!("{}", cx.texts.english(&problem.message))
}

/// When a system's key ends, as last learned, and why it can't be renewed, if it can't.
pub async fn key_end(cx: &Context, system: &System) -> Result<(Option<Timestamp>, Option<String>), Problem> {
    let hash = system.connection["api_key"].as_str().filter(|key| !key.is_empty()).map(hash_of);
    let known = cx.store.credential(system.tenant, system.key).await?;
    let known = known.filter(|known| Some(&known.key_hash) == hash.as_ref());
    Ok(known.map_or((None, None), |known| (known.expires_at, known.problem)))
}
