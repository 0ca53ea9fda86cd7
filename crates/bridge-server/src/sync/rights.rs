//! Which models a viewer may see: those that the linked ERP user may read.

use super::scope::Viewer;
use crate::config::ms;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{ModelName, SystemKey, Timestamp};
use bridge_store::System;
use moka::sync::Cache;
use serde_json::json;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What is known of one ERP user: which models were asked for and which of them they may read.
#[derive(Debug, Clone)]
struct Known {
    may_read: Arc<HashMap<ModelName, bool>>,
    asked_at: Timestamp,
}

/// What was learned about ERP users' rights, kept in memory and, for times when the ERP is down, in the store.
#[derive(Debug)]
pub struct Rights {
    known: Cache<(SystemKey, i64), Known>,
    /// When a system last failed to say: for a while, older knowledge is used without asking it.
    failed: Cache<SystemKey, Timestamp>,
    /// What was learned about the systems' models.
    pub(super) models: super::current::Models,
}

/// The most ERP users whose rights are kept in memory.
const KNOWN_USERS_MAX: u64 = 50_000;

/// The most systems whose failures are remembered.
const KNOWN_SYSTEMS_MAX: u64 = 10_000;

/// How long a system that failed to say is not asked again by those who can do with older knowledge, so that an ERP
/// which hangs does not slow down every pull.
const FAILURE_KEPT: Duration = Duration::from_secs(10);

/// How long the ERP may take to say what a user may read: well below the time that a request may take, so that one
/// which can do with older knowledge is still answered.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

impl Default for Rights {
    fn default() -> Self {
        Self {
            known: Cache::new(KNOWN_USERS_MAX),
            failed: Cache::new(KNOWN_SYSTEMS_MAX),
            models: super::current::Models::default(),
        }
    }
}

/// For each of `wanted`, whether `viewer` may read it. A model that is missing in the answer is one of which nothing
/// can be said now; the error is why. `likely` are models that will be wanted soon: they are asked for along the way, so
/// that the answer is there should the ERP be away by then.
pub(super) async fn of(
    cx: &Context,
    viewer: &Viewer,
    wanted: &[(SystemKey, &ModelName)],
    likely: &[ModelName],
) -> Result<Seen, Problem> {
    if viewer.is_admin {
        return Ok(Seen::Everything);
    }
    let Some(erp_user) = viewer.erp_user_id else {
        return Err(Problem::new(ProblemKind::ErpUserNotLinked, Message::no_erp_user_to_read_as()));
    };
    let primary = linked_system(cx, viewer).await?;
    let models: BTreeSet<&ModelName> =
        wanted.iter().filter(|(system, _)| *system == primary.key).map(|(_, model)| *model).collect();
    if models.is_empty() {
        return Ok(Seen::Of { system: primary.key, may_read: Arc::default(), unknown: None });
    }
    let key = (primary.key, erp_user);
    let fresh = ms(cx.config.sync.rights_fresh_ms);
    let now = cx.clock.now();
    let mut known = cx.rights.known.get(&key);
    if let Some(known) = &known
        && now.since(known.asked_at) < fresh
        && models.iter().all(|model| known.may_read.contains_key(*model))
    {
        return Ok(Seen::Of { system: primary.key, may_read: Arc::clone(&known.may_read), unknown: None });
    }
    if known.is_none() {
        known = remembered(cx, viewer, primary.key, erp_user).await?;
    }
    let usable = known.clone().filter(|known| now.since(known.asked_at) < ms(cx.config.sync.rights_stale_max_ms));
    let just_failed = cx.rights.failed.get(&primary.key).is_some_and(|at| now.since(at) < FAILURE_KEPT);
    if just_failed
        && let Some(usable) = &usable
        && models.iter().all(|model| usable.may_read.contains_key(*model))
    {
        return Ok(Seen::Of { system: primary.key, may_read: Arc::clone(&usable.may_read), unknown: None });
    }
    let mut to_ask: BTreeSet<ModelName> = models.into_iter().cloned().collect();
    to_ask.extend(likely.iter().cloned());
    to_ask.extend(known.iter().flat_map(|known| known.may_read.keys().cloned()));
    let to_ask: Vec<ModelName> = to_ask.into_iter().collect();
    let asked = match cx.erps.adapter(&primary) {
        Ok(adapter) => match tokio::time::timeout(ASK_TIMEOUT, adapter.readable_models(erp_user, &to_ask)).await {
            Ok(asked) => asked.map_err(Problem::from),
            Err(_) => Err(Problem::new(ProblemKind::ErpTimeout, Message::rights_late())),
        },
        Err(problem) => Err(problem),
    };
    match asked {
        Ok(readable) => {
            if readable.is_empty() {
                // Nothing to read and nobody there look the same; only the first may be passed over.
                user_is_there(cx, &primary, erp_user).await?;
            }
            let readable: BTreeSet<&ModelName> = readable.iter().collect();
            let may_read: HashMap<ModelName, bool> =
                to_ask.iter().map(|model| (model.clone(), readable.contains(model))).collect();
            let (allowed, denied): (Vec<_>, Vec<_>) = to_ask.into_iter().partition(|model| may_read[model]);
            if let Err(error) = cx.store.save_readable(viewer.tenant, primary.key, erp_user, &allowed, &denied).await {
                // It is kept for times when the ERP is down; this answer does not need it.
                tracing::warn!(system.id = %primary.system_id, error = %error, "keep what a user may read");
            }
            cx.rights.failed.invalidate(&primary.key);
            let may_read = Arc::new(may_read);
            cx.rights.known.insert(key, Known { may_read: Arc::clone(&may_read), asked_at: now });
            Ok(Seen::Of { system: primary.key, may_read, unknown: None })
        }
        Err(problem) => {
            // What was known not too long ago still holds; what was never asked for stays open.
            cx.rights.failed.insert(primary.key, now);
            let may_read = usable.map(|known| known.may_read).unwrap_or_default();
            Ok(Seen::Of { system: primary.key, may_read, unknown: Some(problem) })
        }
    }
}

/// The system that the viewer's ERP user belongs to. A link that was made before there was any system is bound to the
/// tenant's primary one at its first use, and stays there: in another system the same number is another person.
async fn linked_system(cx: &Context, viewer: &Viewer) -> Result<Arc<System>, Problem> {
    let linked = match viewer.erp_system {
        Some(key) => cx.erps.system(&cx.store, viewer.tenant, key).await?,
        None => cx.store.primary_system(viewer.tenant).await?.map(Arc::new),
    };
    let Some(system) = linked else {
        return Err(Problem::new(ProblemKind::ErpUserNotLinked, Message::linked_system_gone()));
    };
    if viewer.erp_system.is_none() {
        cx.store.bind_user_link(viewer.tenant, viewer.user, system.key).await?;
        cx.auth.forget_sessions();
    }
    Ok(system)
}

/// Makes sure that the ERP's user exists and is active.
async fn user_is_there(cx: &Context, system: &System, erp_user: i64) -> Result<(), Problem> {
    let users = ModelName::parse("res.users")?;
    let found = cx.erps.adapter(system)?.count(&users, &json!([["id", "=", erp_user]])).await?;
    if found == 0 {
        return Err(Problem::new(ProblemKind::ErpUserNotLinked, Message::linked_user_gone()));
    }
    Ok(())
}

async fn remembered(cx: &Context, viewer: &Viewer, system: SystemKey, erp_user: i64) -> Result<Option<Known>, Problem> {
    let stored = cx.store.readable(viewer.tenant, system, erp_user).await?;
    Ok(stored.map(|stored| {
        let allowed = stored.allowed.into_iter().map(|model| (model, true));
        let denied = stored.denied.into_iter().map(|model| (model, false));
        Known { may_read: Arc::new(allowed.chain(denied).collect()), asked_at: stored.refreshed_at }
    }))
}

/// What a viewer may see.
#[derive(Debug)]
pub(super) enum Seen {
    /// An admin.
    Everything,
    /// The models of the linked system that the ERP lets the user read.
    Of {
        /// The linked system.
        system: SystemKey,
        /// What is known.
        may_read: Arc<HashMap<ModelName, bool>>,
        /// Why more is not known, if the ERP could not be asked.
        unknown: Option<Problem>,
    },
}

impl Seen {
    /// Whether a change may be shown; `None` if nobody can say now.
    pub(super) fn may_see(&self, system: SystemKey, model: &ModelName) -> Option<bool> {
        match self {
            Self::Everything => Some(true),
            Self::Of { system: linked, .. } if *linked != system => Some(false),
            Self::Of { may_read, .. } => may_read.get(model).copied(),
        }
    }

    /// Why something is not known.
    pub(super) fn into_unknown(self) -> Option<Problem> {
        match self {
            Self::Of { unknown, .. } => unknown,
            Self::Everything => None,
        }
    }
}
