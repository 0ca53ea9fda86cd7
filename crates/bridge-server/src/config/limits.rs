//! How often something may be asked for.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often something may be asked for. Each number is also how many may come at once; a place becomes free every
/// window divided by the number.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Whether there are any limits; `false` lifts that of log-ins, too.
    pub enabled: bool,
    /// Whether nodes count together, in the Redis of `cache.redis_url`, where there is one. Otherwise, and while Redis is
    /// away, each counts for itself.
    pub shared: bool,
    /// What the names of the keys in Redis begin with.
    pub redis_prefix: String,
    /// The most users and keys whose requests of a kind a node remembers, and as many log-in names; beyond, those are
    /// forgotten that have used least.
    pub entries_max: usize,
    /// The plan of a new tenant. `bridgecore tenants plan` gives a tenant another.
    pub plan_default: String,
    /// Requests within a minute. 0: no limit.
    pub per_minute: PerMinute,
    /// Requests within an hour. 0: no limit.
    pub per_hour: PerHour,
    /// How often a user may ask for changes (`GET /api/v1/webhooks/events` and `…/check-updates`) within an hour, by the
    /// plan of their tenant. 0, or a plan that is not named: no limit. What ERPs push is never counted here.
    pub webhook_events_per_hour: BTreeMap<String, u32>,
    /// How often a user may pull within an hour, by the plan of their tenant. 0, or a plan that is not named: no limit.
    pub sync_pull_per_hour: BTreeMap<String, u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            shared: true,
            redis_prefix: "bridgecore:limits:".to_owned(),
            entries_max: 100_000,
            plan_default: "enterprise".to_owned(),
            per_minute: PerMinute::default(),
            per_hour: PerHour::default(),
            webhook_events_per_hour: by_plan([100, 1_000, 10_000]),
            sync_pull_per_hour: by_plan([50, 500, 5_000]),
        }
    }
}

fn by_plan(numbers: [u32; 3]) -> BTreeMap<String, u32> {
    ["free", "premium", "enterprise"].map(str::to_owned).into_iter().zip(numbers).collect()
}

/// Requests within a minute. 0: no limit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PerMinute {
    /// Log-ins with a name from an address; and of each user, refreshed tokens and linked credentials.
    pub authentication: u32,
    /// Of each user: reading anything that is not named below. Opening a live connection is one as well.
    pub reads: u32,
    /// Of each user: creating, changing and calling.
    pub writes: u32,
    /// Of each user: deleting.
    pub deletes: u32,
    /// Of each user: requests that hold many operations, and migrations.
    pub batch: u32,
    /// Of each user: files, in and out.
    pub files: u32,
    /// Of each user: asking for changes, `GET /api/v1/webhooks/events` and `…/check-updates`.
    pub webhook_events: u32,
    /// Of each push key: requests with events, however many are in one.
    pub webhook_receive: u32,
    /// Of each user: pulls, on all devices. One that waits for a change is one.
    pub sync_pull: u32,
    /// Of each user: asking how far a device is, and confirming.
    pub sync_state: u32,
}

impl Default for PerMinute {
    fn default() -> Self {
        Self {
            authentication: 10,
            reads: 100,
            writes: 50,
            deletes: 20,
            batch: 10,
            files: 30,
            webhook_events: 100,
            webhook_receive: 200,
            sync_pull: 200,
            sync_state: 100,
        }
    }
}

/// Requests within an hour. 0: no limit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PerHour {
    /// Of each user: letting a device start over.
    pub sync_reset: u32,
}

impl Default for PerHour {
    fn default() -> Self {
        Self { sync_reset: 10 }
    }
}
