//! How often somebody may ask for something.
//!
//! Requests are of classes, and each user, push key and log-in name has an allowance of each class ([`rate`]). With Redis
//! the nodes count together ([`shared`]); without it, and while it is away, each node counts for itself ([`table`]).
//!
//! What is counted and when is decided by who answers requests, in `api`: one place for all routes, and not one in each.

mod class;
mod rate;
mod shared;
mod table;

pub use class::{Class, Who};

use crate::config::{self, Config, ms};
use crate::context::Context;
use crate::fresh::Fresh;
use crate::language::Message;
use crate::metrics::Metrics;
use crate::problem::{Problem, ProblemKind};
use bridge_model::TenantId;
use rate::{Rate, Verdict};
use redis::RedisError;
use shared::Shared;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use table::{Ahead, Rates, Table};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// The limits, and what this node remembers of those who ask.
#[derive(Debug)]
pub struct Limits {
    /// By the place of the class.
    of_class: [Option<Rate>; Class::ALL.len()],
    webhook_events_of_plan: BTreeMap<String, Rate>,
    sync_pull_of_plan: BTreeMap<String, Rate>,
    plans: Fresh<TenantId, Arc<str>>,
    known: Table,
    /// Apart from the others: who makes names up drives out nobody who has an account.
    logins: Table,
    shared: Option<Shared>,
}

/// What is left of an allowance, as the headers of an answer tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// How many requests the limit allows within its window, and at once.
    pub limit: u32,
    /// How many may follow at once.
    pub remaining: u32,
    /// When the allowance is whole again if none follows, in seconds, rounded up.
    pub reset_s: u64,
}

/// Where it is noted what a request has left of its allowance, for whoever writes the answer.
#[derive(Debug, Default)]
pub struct Noted(OnceLock<Allowance>);

impl Noted {
    /// What is left, if the request was counted.
    pub fn allowance(&self) -> Option<Allowance> {
        self.0.get().copied()
    }
}

impl Limits {
    /// Nobody has asked yet; the error is an address of Redis that can't be one.
    pub fn new(config: &Config, metrics: &Metrics) -> Result<Self, RedisError> {
        let limits = &config.limits;
        let of_plan = |numbers: &BTreeMap<String, u32>| {
            let rates = numbers.iter().filter_map(|(plan, count)| Some((plan.clone(), rate(limits, *count, HOUR)?)));
            rates.collect()
        };
        Ok(Self {
            of_class: Class::ALL.map(|class| {
                let (count, window) = number(limits, class);
                rate(limits, count, window)
            }),
            webhook_events_of_plan: of_plan(&limits.webhook_events_per_hour),
            sync_pull_of_plan: of_plan(&limits.sync_pull_per_hour),
            plans: Fresh::new(ms(config.security.session_cache_ms)),
            known: Table::new(limits.entries_max),
            logins: Table::new(limits.entries_max),
            shared: Shared::new(config, || metrics.redis_up.with_label_values(&["limits"]))?,
        })
    }

    /// How many entries this node has.
    pub fn entries(&self) -> usize {
        self.known.len() + self.logins.len()
    }

    /// The limits of a class by the plan of a tenant, if there are any.
    fn of_plan(&self, class: Class) -> Option<&BTreeMap<String, Rate>> {
        let of_plan = match class {
            Class::WebhookEvents => &self.webhook_events_of_plan,
            Class::SyncPull => &self.sync_pull_of_plan,
            _ => return None,
        };
        Some(of_plan).filter(|of_plan| !of_plan.is_empty())
    }
}

fn rate(limits: &config::Limits, count: u32, window: Duration) -> Option<Rate> {
    Rate::new(count, window).filter(|_| limits.enabled)
}

fn number(limits: &config::Limits, class: Class) -> (u32, Duration) {
    let in_minute = &limits.per_minute;
    let count = match class {
        Class::Authentication => in_minute.authentication,
        Class::Reads => in_minute.reads,
        Class::Writes => in_minute.writes,
        Class::Deletes => in_minute.deletes,
        Class::Batch => in_minute.batch,
        Class::Files => in_minute.files,
        Class::WebhookEvents => in_minute.webhook_events,
        Class::WebhookReceive => in_minute.webhook_receive,
        Class::SyncPull => in_minute.sync_pull,
        Class::SyncState => in_minute.sync_state,
        Class::SyncReset => return (limits.per_hour.sync_reset, HOUR),
    };
    (count, MINUTE)
}

/// Counts a request of this class, and notes what is left; `RateLimited` if that was nothing, and then it is not counted.
pub async fn count(cx: &Context, noted: &Noted, who: Who, class: Class) -> Result<(), Problem> {
    let limits = &cx.limits;
    let rates = [limits.of_class[class as usize], plan_rate(cx, who, class).await?];
    if rates == [None, None] {
        return Ok(());
    }
    let Some(verdict) = decisive(&rates, &ask(cx, (who, class), &rates).await) else { return Ok(()) };
    let (limit, window_s) = (verdict.rate.count(), verdict.rate.window().as_secs());
    noted.0.get_or_init(|| Allowance { limit, remaining: verdict.remaining, reset_s: seconds(verdict.whole_in_us) });
    let Some(again_in_us) = verdict.again_in_us else { return Ok(()) };
    cx.metrics.rate_limited.with_label_values(&[class.as_str()]).inc();
    let retry_after_s = seconds(again_in_us);
    let message = match class {
        Class::Authentication => Message::too_many_log_ins(retry_after_s),
        _ => Message::limit_reached(retry_after_s),
    };
    let mut problem = Problem::new(ProblemKind::RateLimited, message);
    problem.retry_after_s = Some(retry_after_s);
    Err(problem.with("limit", limit).with("window_s", window_s).with("class", class.as_str()))
}

async fn ask(cx: &Context, key: table::Key, rates: &Rates) -> Ahead {
    let limits = &cx.limits;
    if let Some(shared) = &limits.shared {
        if let Some(ahead_us) = shared.ask(&key, rates).await {
            return ahead_us;
        }
        cx.metrics.rate_limits_alone.inc();
    }
    let table = if matches!(key.0, Who::Login(_)) { &limits.logins } else { &limits.known };
    table.ask(key, rates, cx.clock.now())
}

/// The limit that the plan of the user's tenant has for this class.
async fn plan_rate(cx: &Context, who: Who, class: Class) -> Result<Option<Rate>, Problem> {
    let (Some(of_plan), Who::User(tenant, _)) = (cx.limits.of_plan(class), who) else { return Ok(None) };
    let load = async { Ok(cx.store.tenant(tenant).await?.map(|tenant| Arc::from(tenant.plan))) };
    let plan = cx.limits.plans.get(&tenant, cx.clock.now(), load).await?;
    Ok(plan.and_then(|plan| of_plan.get(&*plan).copied()))
}

/// Of the limits that refuse a request, what the one says that does so for longest; if all let it in, what the one says
/// that has least left.
fn decisive(rates: &Rates, ahead_us: &Ahead) -> Option<Verdict> {
    let verdicts = rates.iter().zip(ahead_us).filter_map(|(rate, ahead_us)| Some((*rate)?.judge(*ahead_us)));
    verdicts.min_by_key(|verdict| (Reverse(verdict.again_in_us), verdict.remaining))
}

/// Rounded up, so that nobody who waits as told comes too early.
fn seconds(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or_default().div_ceil(1_000_000)
}
