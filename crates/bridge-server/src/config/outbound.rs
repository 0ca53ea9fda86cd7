//! Which addresses may be connected to.

use bridge_erp::{Outbound as Gate, OutboundRules, SystemNames};
use bridge_model::AddressBlock;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which addresses systems may have, beside public ones.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// Whether systems may be at private addresses (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7), where
    /// most companies have theirs. Whoever may register systems can then make the service connect to anything in there.
    pub allow_private: bool,
    /// Further addresses that systems may have, as a list of addresses and blocks: `["10.20.0.0/16"]`, and
    /// `["127.0.0.0/8", "::1"]` for systems on this machine. Link-local addresses and those where clouds hand out credentials
    /// are opened only by naming them, not by a wider block.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub allowed_addresses: Vec<AddressBlock>,
}

impl Outbound {
    /// What connects by these rules.
    pub fn gate(&self) -> Gate {
        let rules = OutboundRules { allow_private: self.allow_private, allowed: self.allowed_addresses.clone() };
        Gate::new(rules, Arc::new(SystemNames))
    }
}
