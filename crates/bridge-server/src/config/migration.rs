//! How records are carried from one version to another.

use serde::{Deserialize, Serialize};

/// How records are carried from one version to another.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Migration {
    /// The most records that one request may carry or name.
    pub records_max: usize,
    /// How many records one call of an ERP reads.
    pub batch_records: usize,
}

impl Default for Migration {
    fn default() -> Self {
        Self { records_max: 10_000, batch_records: 200 }
    }
}
