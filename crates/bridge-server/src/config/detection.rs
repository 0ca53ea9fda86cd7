//! How changes are seen.

use serde::{Deserialize, Serialize};

/// How changes are seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Detection {
    /// Whether the models of systems are looked up and each gets the best strategy that there is. If not, what the
    /// add-on tells is taken, and nothing else is seen.
    pub enabled: bool,
    /// How old what a node knows of the owners of models may be, in milliseconds; a hand-over between strategies takes
    /// about this long.
    pub owners_fresh_ms: u64,
    /// How often a system's models are looked up, in milliseconds; also whenever its settings change.
    pub discover_interval_ms: u64,
    /// How often it is checked whether the strategies work and models have to change hands, in milliseconds.
    pub watch_interval_ms: u64,
    /// How long a strategy may fail before others take its models over, in milliseconds.
    pub failover_ms: u64,
    /// The models that the business stands on; a `*` stands for any part of a name.
    pub critical_models: Vec<String>,
    /// The models that belong to it.
    pub important_models: Vec<String>,
    /// Models that count as transient beside those that the ERP calls so.
    pub transient_models: Vec<String>,
    /// Models that are views over others, for reports: they are polled only when an admin asks for it.
    pub view_models: Vec<String>,
    /// Comparing records over the ERP's API.
    pub poll: Poll,
    /// What the ERP itself notes of changes.
    pub trail: Trail,
}

impl Default for Detection {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            enabled: true,
            owners_fresh_ms: 1_000,
            discover_interval_ms: 600_000,
            watch_interval_ms: 5_000,
            failover_ms: 120_000,
            critical_models: names(&["sale.order", "purchase.order", "account.move", "stock.picking", "res.partner"]),
            important_models: names(&["sale.*", "purchase.*", "stock.*"]),
            transient_models: Vec::new(),
            view_models: names(&["*.report", "*.report.*", "report.*", "*.analysis"]),
            poll: Poll::default(),
            trail: Trail::default(),
        }
    }
}

/// Comparing records over the ERP's API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Poll {
    /// The most of a system's time that polling takes, in percent: after a call that took a second at 10 percent, the
    /// next one is made nine seconds later.
    pub share_percent: f64,
    /// The pause between two looks at a critical model in which something happens, in milliseconds.
    pub critical_interval_ms: u64,
    /// The pause reached step by step while nothing happens there, in milliseconds.
    pub critical_idle_ms: u64,
    /// The same for an important model.
    pub important_interval_ms: u64,
    /// The same while nothing happens there.
    pub important_idle_ms: u64,
    /// The same for any other model.
    pub standard_interval_ms: u64,
    /// The same while nothing happens there.
    pub standard_idle_ms: u64,
    /// How far back an ordinary look reaches behind the newest write that it knows, in milliseconds, for transactions
    /// that commit late. A thorough look reaches back by `ingest.transaction_age_max_ms`, the longest transaction.
    pub overlap_ms: u64,
    /// How often a look is thorough in a model in which much happens, in milliseconds; elsewhere each is.
    pub thorough_interval_ms: u64,
    /// The most records read in one call.
    pub rows_max: u32,
    /// The most ids read in one call.
    pub ids_max: u32,
    /// The most records of a model that are noted because they were written within the longest transaction.
    pub noted_max: usize,
}

impl Default for Poll {
    fn default() -> Self {
        Self {
            share_percent: 10.0,
            critical_interval_ms: 5_000,
            critical_idle_ms: 30_000,
            important_interval_ms: 15_000,
            important_idle_ms: 120_000,
            standard_interval_ms: 60_000,
            standard_idle_ms: 600_000,
            overlap_ms: 60_000,
            thorough_interval_ms: 60_000,
            rows_max: 500,
            ids_max: 10_000,
            noted_max: 10_000,
        }
    }
}

/// What the ERP itself notes of changes, by which those that capture, the log of the database or polling have seen get
/// their user and their values before and after.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Trail {
    /// Whether it is looked at. If not, those changes have no user, and no values but those of row images.
    pub enabled: bool,
    /// The longest that changes wait for what the ERP's database has noted of them, in milliseconds.
    pub timeout_ms: u64,
    /// The longest that one call to the ERP may take where the changes were seen by polling, in milliseconds.
    pub call_timeout_ms: u64,
    /// How long nothing is looked up after it failed or took too long, in milliseconds.
    pub rest_ms: u64,
    /// The most changes of one batch that it is looked up for.
    pub changes_max: usize,
    /// The most noted values that are read for one batch.
    pub values_max: u32,
    /// The most bytes of `old_data` and of `new_data` that a change gets from it; beyond, it gets none.
    pub bytes_max: usize,
}

impl Default for Trail {
    fn default() -> Self {
        Self {
            enabled: true,
            timeout_ms: 250,
            call_timeout_ms: 5_000,
            rest_ms: 30_000,
            changes_max: 2_000,
            values_max: 5_000,
            bytes_max: 8_192,
        }
    }
}
