//! How changes are seen.

use serde::{Deserialize, Serialize};

/// How changes are seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Detection {
    /// How old what a node knows of the owners of models may be, in milliseconds; a hand-over between strategies takes
    /// about this long.
    pub owners_fresh_ms: u64,
}

impl Default for Detection {
    fn default() -> Self {
        Self { owners_fresh_ms: 1_000 }
    }
}
