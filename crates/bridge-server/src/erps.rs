//! The connected business systems: one kept adapter for each.

use crate::config;
use crate::fresh::Fresh;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind, decoding};
use bridge_erp::pool::ClientOptions;
use bridge_erp::{Adapter, Connection};
use bridge_model::{Clock, Entropy, SystemKey, TenantId, Timestamp};
use bridge_store::{Store, System};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An adapter and when the settings that it was made of were saved.
type Kept = (Timestamp, Arc<dyn Adapter>);

/// The adapters in use. Building one is dear (certificates, connections, log-in), so each is kept until its system's
/// settings change.
#[derive(Debug)]
pub struct Erps {
    kept: Mutex<HashMap<SystemKey, Kept>>,
    /// Systems as they were in the database a moment ago; reading one means decrypting how to connect to it.
    systems: Fresh<(TenantId, SystemKey), Arc<System>>,
    options: ClientOptions,
    clock: Arc<dyn Clock>,
}

impl Erps {
    /// No adapters yet; `config` bounds the calls of all that will be made, `system_age_max` how long a system is
    /// believed to be as it was read.
    pub fn new(
        config: &config::Erp,
        system_age_max: Duration,
        clock: Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
    ) -> Self {
        let options = client_options(config, entropy);
        Self { kept: Mutex::default(), systems: Fresh::new(system_age_max), options, clock }
    }

    /// A tenant's system, as it is or, where it was changed on another node, as it was a moment ago.
    pub async fn system(
        &self,
        store: &Store,
        tenant: TenantId,
        key: SystemKey,
    ) -> Result<Option<Arc<System>>, Problem> {
        let load = async { Ok(store.system_by_key(tenant, key).await?.map(Arc::new)) };
        self.systems.get(&(tenant, key), self.clock.now(), load).await
    }

    /// The adapter of a system.
    pub fn adapter(&self, system: &System) -> Result<Arc<dyn Adapter>, Problem> {
        if let Some((made_for, adapter)) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&system.key)
            && *made_for == system.updated_at
        {
            return Ok(Arc::clone(adapter));
        }
        if let Some(error) = &system.connection_error {
            return Err(Problem::new(ProblemKind::Internal, Message::connection_not_decrypted())
                .with("reason", error.to_string()));
        }
        let connection = parse_connection(&system.connection)?;
        let adapter = self.connect(&system.system_type, &connection)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(system.key, (system.updated_at, Arc::clone(&adapter)));
        Ok(adapter)
    }

    /// A new adapter that is not kept, to try settings out.
    pub fn connect(&self, system_type: &str, connection: &Connection) -> Result<Arc<dyn Adapter>, Problem> {
        bridge_erp::connect(system_type, connection, &self.options, Arc::clone(&self.clock)).map_err(|error| {
            Problem::field("connection_config", Reason::connection_unusable(&error.message)).caused_by(error)
        })
    }

    /// Drops what is kept of a system that was changed or is no more.
    pub fn forget(&self, system: SystemKey) {
        self.systems.forget_all();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&system);
    }
}

fn client_options(config: &config::Erp, entropy: &Arc<dyn Entropy>) -> ClientOptions {
    ClientOptions {
        connect_timeout_ms: config.connect_timeout_ms,
        call_timeout_ms: config.call_timeout_ms,
        reply_bytes_max: config.reply_bytes_max,
        calls_at_once_max: config.calls_at_once_max,
        entropy: Arc::clone(entropy),
        ..ClientOptions::default()
    }
}

/// Reads `connection_config`.
pub fn parse_connection(value: &serde_json::Value) -> Result<Connection, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| decoding::in_field("connection_config", &error))
}
