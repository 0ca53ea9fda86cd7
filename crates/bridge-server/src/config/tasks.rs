//! How work is done that nobody waits for.

use serde::{Deserialize, Serialize};

/// How work is done that nobody waits for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Tasks {
    /// The most tasks of a tenant that have not ended; more are answered 429.
    pub open_max: u64,
    /// Of how many tenants a node does tasks at once. Those of one tenant are done one after the other.
    pub at_once_max: usize,
    /// How long a node may be silent before another goes on with its tasks, in milliseconds.
    pub lease_ms: u64,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { open_max: 100, at_once_max: 4, lease_ms: 30_000 }
    }
}
