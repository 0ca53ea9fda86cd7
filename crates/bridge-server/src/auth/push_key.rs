//! The keys that ERPs push their events with. A push key names one system of one tenant and can do nothing else;
//! a user's token cannot push.

use super::token::{refused, sha256_hex};
use crate::context::Context;
use crate::language::Message;
use crate::problem::Problem;
use bridge_model::{Entropy, TenantId};
use bridge_store::System;
use std::sync::Arc;

/// How every push key starts, so that one that got out is recognised for what it is.
const PREFIX: &str = "bcpk_";

/// Random bytes in a key.
const KEY_BYTES: usize = 32;

/// Who pushes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PushSource {
    /// The tenant.
    pub tenant: TenantId,
    /// The system.
    pub system: Arc<System>,
}

/// The system that a push key (`bcpk_…`, from `X-API-Key` or as bearer) belongs to; `Unauthenticated` if it belongs
/// to none that is active.
pub async fn push_key(cx: &Context, headers_key: &str) -> Result<PushSource, Problem> {
    let hash = push_key_hash(headers_key).ok_or_else(not_valid)?;
    let load = async {
        let system = cx.store.system_by_push_key(&hash).await?;
        Ok(system.map(|system| PushSource { tenant: system.tenant, system: Arc::new(system) }))
    };
    cx.auth.push_keys.get(&hash, cx.clock.now(), load).await?.ok_or_else(not_valid)
}

/// A new push key, to be shown once and kept nowhere.
pub fn new_push_key(entropy: &dyn Entropy) -> String {
    format!("{PREFIX}{}", entropy.hex(KEY_BYTES))
}

/// What the database keeps of a push key; `None` for what is no push key at all.
pub fn push_key_hash(key: &str) -> Option<String> {
    key.starts_with(PREFIX).then(|| sha256_hex(key))
}

fn not_valid() -> Problem {
    refused(Message::push_key_not_valid())
}
