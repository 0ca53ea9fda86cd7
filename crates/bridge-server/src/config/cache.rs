//! The cache of what was read from ERPs.

use serde::{Deserialize, Serialize};

/// The cache of what was read from ERPs.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Whether answers are kept at all.
    pub enabled: bool,
    /// How long an answer is kept at most, in milliseconds. Changes in the log end it earlier; this bounds what no change
    /// of its records tells of, such as new rights of the user in the ERP.
    pub ttl_ms: u64,
    /// The most answers that are kept in memory.
    pub entries_max: u64,
    /// The most memory that they take together, in bytes.
    pub bytes_max: u64,
    /// The largest answer that is kept, in bytes.
    pub entry_bytes_max: usize,
    /// How long a request waits for another one that is reading the same, in milliseconds; then it reads for itself.
    pub wait_ms: u64,
    /// Whether answers about polled models are kept, too. A change there is in the log only after the next look, and is
    /// not seen in the answers before.
    pub polled_models: bool,
    /// The Redis that several nodes share answers through, `redis://:password@host:6379/0` or `rediss://` with TLS; empty:
    /// each node keeps its own. It holds records as plain text, so that whoever can read it reads them.
    pub redis_url: String,
    /// What the names of the keys there begin with.
    pub redis_prefix: String,
    /// How long Redis may take for an answer, in milliseconds; then the request goes on without it.
    pub redis_timeout_ms: u64,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address of Redis holds a password.
        f.debug_struct("Cache").field("enabled", &self.enabled).field("ttl_ms", &self.ttl_ms).finish_non_exhaustive()
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            enabled: true,
            ttl_ms: 300_000,
            entries_max: 50_000,
            bytes_max: 64 * 1024 * 1024,
            entry_bytes_max: 1024 * 1024,
            wait_ms: 2_000,
            polled_models: false,
            redis_url: String::new(),
            redis_prefix: "bridgecore:cache:".to_owned(),
            redis_timeout_ms: 100,
        }
    }
}
