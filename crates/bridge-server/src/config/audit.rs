//! What the audit keeps of a write.

use serde::{Deserialize, Serialize};

/// What the audit keeps of a write. Passwords, keys and files are never kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Whether what an update or a delete is about to change is read first, which is one more call of the ERP each.
    pub before: bool,
    /// The longest text that is kept whole, in characters.
    pub value_chars_max: usize,
    /// The most that is kept of what a write changes, in bytes; of more, the names of the fields are.
    pub values_bytes_max: usize,
    /// The most log-ins of a tenant that are noted in a minute as refused, by each node; more are counted and not noted.
    pub refused_logins_per_minute_max: u32,
    /// Fields whose values are not kept, besides those that always are left out; `*` stands for any part of a name.
    pub hidden_fields: Vec<String>,
    /// Models of which no values are kept, besides those that always are left out; `*` stands for any part of a name.
    pub hidden_models: Vec<String>,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            before: true,
            value_chars_max: 500,
            values_bytes_max: 16 * 1024,
            refused_logins_per_minute_max: 20,
            hidden_fields: Vec::new(),
            hidden_models: Vec::new(),
        }
    }
}
