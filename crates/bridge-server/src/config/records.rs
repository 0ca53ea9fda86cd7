//! How records are read and written.

use serde::{Deserialize, Serialize};

/// How records are read and written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Records {
    /// Records in one answer if the request names no limit.
    pub limit_default: u32,
    /// The most records in one answer.
    pub limit_max: u32,
    /// The most records that one request may create, change or delete.
    pub write_rows_max: usize,
    /// The most records in an answer with fields that hold files.
    pub binary_rows_max: u32,
    /// How old what is known of a model's fields may be before it is asked for again, in milliseconds.
    pub fields_fresh_ms: u64,
    /// The options of a call (`context`) that requests may give.
    pub context_keys: Vec<String>,
    /// The most users whose own connections to systems are kept open.
    pub user_connections_max: u64,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            limit_default: 100,
            limit_max: 1_000,
            write_rows_max: 1_000,
            binary_rows_max: 10,
            fields_fresh_ms: 300_000,
            context_keys: ["lang", "tz", "active_test", "allowed_company_ids"].map(str::to_owned).to_vec(),
            user_connections_max: 1_000,
        }
    }
}
