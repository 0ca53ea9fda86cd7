//! The keys that ERPs push their events with. A push key names one system of one tenant and can do nothing else;
//! a user's token cannot push.

use super::token::{refused, sha256_hex};
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{Entropy, TenantId};
use bridge_store::System;
use std::net::IpAddr;
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
/// to none that is active, `AddressNotAllowed` if it may not be used from where the request comes.
pub async fn push_key(cx: &Context, headers_key: &str, peer: Option<IpAddr>) -> Result<PushSource, Problem> {
    let hash = push_key_hash(headers_key).ok_or_else(not_valid)?;
    let load = async {
        let system = cx.store.system_by_push_key(&hash).await?;
        Ok(system.map(|system| PushSource { tenant: system.tenant, system: Arc::new(system) }))
    };
    let source = cx.auth.push_keys.get(&hash, cx.clock.now(), load).await?.ok_or_else(not_valid)?;
    let allowed = &source.system.push_addresses;
    if allowed.is_empty() || peer.is_some_and(|peer| allowed.iter().any(|block| block.contains(peer))) {
        return Ok(source);
    }
    // Whoever has the key may have stolen it: somebody should be able to find that out.
    let (tenant, system) = (source.tenant, &source.system.system_id);
    tracing::info!(tenant.id = %tenant, system.id = %system, ?peer, "a push key came from where it is not allowed");
    Err(match peer {
        Some(peer) => not_allowed(Message::push_key_not_from_there(peer.to_string())).with("address", peer.to_string()),
        None => not_allowed(Message::push_key_from_nowhere()),
    })
}

/// A new push key, to be shown once and kept nowhere.
pub fn new_push_key(entropy: &dyn Entropy) -> String {
    format!("{PREFIX}{}", entropy.hex(KEY_BYTES))
}

/// What the database keeps of a push key; `None` for what is no push key at all.
pub fn push_key_hash(key: &str) -> Option<String> {
    key.starts_with(PREFIX).then(|| sha256_hex(key))
}

fn not_allowed(message: Message) -> Problem {
    Problem::new(ProblemKind::AddressNotAllowed, message)
}

fn not_valid() -> Problem {
    refused(Message::push_key_not_valid())
}
