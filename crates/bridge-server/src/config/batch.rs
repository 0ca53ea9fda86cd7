//! How several operations are done in one request.

use serde::{Deserialize, Serialize};

/// How several operations are done in one request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// The most operations in one request.
    pub operations_max: usize,
    /// The most records that operations which are done together make one call of. If the answer of a call is lost, it is
    /// not known of so many whether they were done.
    pub rows_per_call_max: usize,
    /// About how large an answer may grow, in bytes; operations that come after that are not done.
    pub answer_bytes_max: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { operations_max: 1_000, rows_per_call_max: 100, answer_bytes_max: 16 * 1024 * 1024 }
    }
}
