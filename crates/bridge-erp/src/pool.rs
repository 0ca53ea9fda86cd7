//! From a system's type and connection to its adapter.

use crate::adapter::{Adapter, Connection};
use crate::guard::Guard;
use crate::odoo::Odoo;
use crate::outbound::Outbound;
use crate::{ErpError, ErpErrorKind};
use bridge_model::entropy::SeededEntropy;
use bridge_model::{Clock, Entropy};
use std::sync::Arc;

/// The kinds of system that [`connect`] knows.
pub const SYSTEM_TYPES: &[&str] = &["odoo"];

/// The limits of an adapter's calls.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The longest that making a connection may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// The longest that one call may take from its first byte out to its last byte in, in milliseconds, unless the
    /// connection says otherwise.
    pub call_timeout_ms: u64,
    /// The largest reply that is read, in bytes.
    pub reply_bytes_max: usize,
    /// The most calls that one adapter has under way at once; further ones wait their turn.
    pub calls_at_once_max: usize,
    /// How often a read is tried again after an error that may pass.
    pub retries_max: u32,
    /// The wait before the first retry, in milliseconds; it doubles with each further one.
    pub retry_wait_ms: u64,
    /// A read is not tried again once this much time has gone since its first try, in milliseconds.
    pub retry_deadline_ms: u64,
    /// For how long a refused credential is not shown to the system again, in milliseconds: systems count failures
    /// per address and lock the address out.
    pub refusal_kept_ms: u64,
    /// What bounds the calls of all adapters of the system together and counts their failures; if there is none, the
    /// adapter has bounds of its own, and its circuit never opens.
    pub guard: Option<Arc<Guard>>,
    /// Which addresses may be connected to; anywhere, unless it is said.
    pub outbound: Outbound,
    /// Where the jitter of the retries comes from.
    pub entropy: Arc<dyn Entropy>,
}

impl Default for ClientOptions {
    /// The limits of a service with a few systems; the jitter is that of a fixed seed.
    fn default() -> Self {
        Self {
            connect_timeout_ms: 5_000,
            call_timeout_ms: 30_000,
            reply_bytes_max: 64 * 1024 * 1024,
            calls_at_once_max: 8,
            retries_max: 3,
            retry_wait_ms: 200,
            retry_deadline_ms: 60_000,
            refusal_kept_ms: 60_000,
            guard: None,
            outbound: Outbound::anywhere(),
            entropy: Arc::new(SeededEntropy::new(0)),
        }
    }
}

/// The adapter for a system of this type. Nothing is sent yet: the adapter connects at its first call.
///
/// An unknown type or a connection that can't be used (an address that is not `http` or `https`) is an
/// [`ErpErrorKind::InvalidRequest`]; [`ErpErrorKind::Internal`] means that the machine's certificates can't be read.
pub fn connect(
    system_type: &str,
    connection: &Connection,
    options: &ClientOptions,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Adapter>, ErpError> {
    match system_type {
        "odoo" => Ok(Arc::new(Odoo::new(connection, options, clock)?)),
        other => Err(ErpError::new(
            ErpErrorKind::InvalidRequest,
            format!("unknown system type {other:?}; known are: {}", SYSTEM_TYPES.join(", ")),
        )),
    }
}
