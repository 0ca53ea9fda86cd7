//! The connected business systems: one kept adapter for each.

use crate::config::{self, Config, ms};
use crate::fresh::Fresh;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind, decoding};
use bridge_erp::pool::ClientOptions;
use bridge_erp::{Adapter, CircuitStatus, Connection, Guard, GuardOptions, Outbound, Protocol};
use bridge_model::entropy::hex;
use bridge_model::{Clock, Entropy, SystemId, SystemKey, TenantId, Timestamp, UserId};
use bridge_store::{ErpLink, LinkSecret, Store, System};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An adapter and when the settings that it was made of were saved.
type Kept = (Timestamp, Arc<dyn Adapter>);

/// An adapter, and when the settings and the credential that it was made of were saved.
type KeptLinked = (Timestamp, Timestamp, Arc<dyn Adapter>);

/// How long the connections of a user who does nothing are kept.
const LINKED_IDLE: Duration = Duration::from_mins(10);

/// The adapters in use. Building one is dear (certificates, connections, log-in), so each is kept until its system's
/// settings change.
pub struct Erps {
    kept: Mutex<HashMap<SystemKey, Kept>>,
    /// Systems as they were in the database a moment ago; reading one means decrypting how to connect to it.
    systems: Fresh<(TenantId, SystemKey), Arc<System>>,
    /// The same by their names.
    named: Fresh<(TenantId, SystemId), Arc<System>>,
    /// The adapters of users with credentials of their own, the least used of which go.
    linked: Cache<(SystemKey, UserId), KeptLinked>,
    /// What bounds the calls to each system, whoever makes them.
    guards: Mutex<HashMap<SystemKey, Arc<Guard>>>,
    guard_options: GuardOptions,
    options: ClientOptions,
    outbound: Outbound,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Erps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Erps").finish_non_exhaustive()
    }
}

impl Erps {
    /// No adapters yet; `config` bounds the calls of all that will be made, their number, and how long a system is
    /// believed to be as it was read.
    pub fn new(config: &Config, clock: Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> Self {
        let system_age_max = ms(config.security.session_cache_ms);
        let outbound = config.outbound.gate();
        Self {
            kept: Mutex::default(),
            systems: Fresh::new(system_age_max),
            named: Fresh::new(system_age_max),
            linked: Cache::builder()
                .max_capacity(config.records.user_connections_max)
                .time_to_idle(LINKED_IDLE)
                .build(),
            guards: Mutex::default(),
            guard_options: guard_options(&config.erp),
            options: client_options(&config.erp, entropy, &outbound),
            outbound,
            clock,
        }
    }

    /// The guard of a system: all of this node's adapters of it share one.
    pub fn guard(&self, system: SystemKey) -> Arc<Guard> {
        let mut guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Guard::new(self.guard_options.clone(), Arc::clone(&self.clock)));
        Arc::clone(guards.entry(system).or_insert_with(make))
    }

    /// Which addresses systems, and their databases, may be connected to at.
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// The circuit of each system that this node has called, with the time at which it last opened, be it closed again.
    pub fn circuits(&self) -> Vec<(SystemKey, CircuitStatus, Option<Timestamp>)> {
        let guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = guards.iter().map(|(key, guard)| (*key, guard.circuit_status(), guard.last_opened_at()));
        seen.collect()
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

    /// The same by its public name.
    async fn system_named(
        &self,
        store: &Store,
        tenant: TenantId,
        system_id: &SystemId,
    ) -> Result<Option<Arc<System>>, Problem> {
        let load = async { Ok(store.system(tenant, system_id).await?.map(Arc::new)) };
        self.named.get(&(tenant, system_id.clone()), self.clock.now(), load).await
    }

    /// The tenant's system of this name, or its primary one if none is named; `SystemNotFound` if there is none.
    pub async fn system_of(
        &self,
        store: &Store,
        tenant: TenantId,
        system_id: Option<&SystemId>,
    ) -> Result<Arc<System>, Problem> {
        let Some(system_id) = system_id else {
            let none = || Problem::new(ProblemKind::SystemNotFound, Message::no_system_to_read());
            return store.primary_system(tenant).await?.map(Arc::new).ok_or_else(none);
        };
        self.system_named(store, tenant, system_id).await?.ok_or_else(|| Problem::no_such_system(system_id))
    }

    /// Where a system is: what a user's own credential there is bound to.
    pub fn address(&self, system: &System) -> Result<String, Problem> {
        connection_of(system).map(|connection| address(&system.system_type, &connection))
    }

    /// As whom calls of a system are made, with its own credential or with a user's.
    pub fn identity(&self, system: &System, link: Option<&ErpLink>) -> Result<String, Problem> {
        let own = connection_of(system)?;
        let (username, key) = match link {
            Some(link) => (&link.username, &link.secret.api_key),
            None => (&own.username, &own.api_key),
        };
        // A key that stands alone is all that is known of its user.
        let key = key.as_deref().filter(|_| username.is_empty()).unwrap_or_default();
        let identity = format!("{}\n{username}\n{key}", address(&system.system_type, &own));
        Ok(hex(&Sha256::digest(identity)))
    }

    /// The adapter that acts in a system with a user's own credential; `None` if that was given for another address than
    /// the system's: nobody else is shown it.
    pub fn linked_adapter(&self, system: &System, link: &ErpLink) -> Result<Option<Arc<dyn Adapter>>, Problem> {
        let key = (system.key, link.user);
        if let Some((system_saved, link_saved, adapter)) = self.linked.get(&key)
            && (system_saved, link_saved) == (system.updated_at, link.updated_at)
        {
            return Ok(Some(adapter));
        }
        if link.secret.address != self.address(system)? {
            return Ok(None);
        }
        let connection = as_other(system, &link.username, &link.secret)?;
        let adapter = self.guarded(system, &connection)?;
        self.linked.insert(key, (system.updated_at, link.updated_at, Arc::clone(&adapter)));
        Ok(Some(adapter))
    }

    /// A new adapter for a system with another credential than its own; it is not kept.
    pub fn connect_as(
        &self,
        system: &System,
        username: &str,
        secret: &LinkSecret,
    ) -> Result<Arc<dyn Adapter>, Problem> {
        self.connect(&system.system_type, &as_other(system, username, secret)?)
    }

    /// The adapter of a system.
    pub fn adapter(&self, system: &System) -> Result<Arc<dyn Adapter>, Problem> {
        if let Some((made_for, adapter)) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&system.key)
            && *made_for == system.updated_at
        {
            return Ok(Arc::clone(adapter));
        }
        let connection = connection_of(system)?;
        let adapter = self.guarded(system, &connection)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(system.key, (system.updated_at, Arc::clone(&adapter)));
        Ok(adapter)
    }

    /// A new adapter that is not kept, to try settings out; the system's guard neither hinders it nor learns of it.
    pub fn connect(&self, system_type: &str, connection: &Connection) -> Result<Arc<dyn Adapter>, Problem> {
        self.make(system_type, connection, &self.options)
    }

    fn guarded(&self, system: &System, connection: &Connection) -> Result<Arc<dyn Adapter>, Problem> {
        let options = ClientOptions { guard: Some(self.guard(system.key)), ..self.options.clone() };
        self.make(&system.system_type, connection, &options)
    }

    fn make(
        &self,
        system_type: &str,
        connection: &Connection,
        options: &ClientOptions,
    ) -> Result<Arc<dyn Adapter>, Problem> {
        bridge_erp::connect(system_type, connection, options, Arc::clone(&self.clock)).map_err(|error| {
            Problem::field("connection_config", Reason::connection_unusable(&error.message)).caused_by(error)
        })
    }

    /// Drops what is kept of a system that was changed or is no more.
    pub fn forget(&self, system: SystemKey) {
        self.systems.forget_all();
        self.named.forget_all();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&system);
        // What was learned of the old settings says nothing of the new ones.
        self.guards.lock().unwrap_or_else(PoisonError::into_inner).remove(&system);
    }
}

fn address(system_type: &str, connection: &Connection) -> String {
    let Connection { url, database, .. } = connection;
    format!("{system_type} {} {database}", url.trim().trim_end_matches('/'))
}

/// A system's connection with another credential than its own.
fn as_other(system: &System, username: &str, secret: &LinkSecret) -> Result<Connection, Problem> {
    let own = connection_of(system)?;
    // The way that fits the system's credential may not fit this one.
    let fits = own.protocol != Some(Protocol::Json2) || secret.api_key.is_some();
    Ok(Connection {
        username: username.to_owned(),
        password: secret.password.clone(),
        api_key: secret.api_key.clone(),
        protocol: own.protocol.filter(|_| fits),
        // The database itself is the system's matter.
        postgres_url: None,
        ..own
    })
}

fn guard_options(config: &config::Erp) -> GuardOptions {
    GuardOptions {
        calls_at_once_max: config.calls_at_once_max,
        calls_waiting_max: config.calls_waiting_max,
        calls_wait_ms: config.calls_wait_ms,
        failures_max: config.circuit_failures_max,
        recovery_ms: config.circuit_recovery_ms,
    }
}

fn connection_of(system: &System) -> Result<Connection, Problem> {
    if let Some(error) = &system.connection_error {
        return Err(
            Problem::new(ProblemKind::Internal, Message::connection_not_decrypted()).with("reason", error.to_string())
        );
    }
    parse_connection(&system.connection)
}

fn client_options(config: &config::Erp, entropy: &Arc<dyn Entropy>, outbound: &Outbound) -> ClientOptions {
    ClientOptions {
        connect_timeout_ms: config.connect_timeout_ms,
        call_timeout_ms: config.call_timeout_ms,
        reply_bytes_max: config.reply_bytes_max,
        calls_at_once_max: config.calls_at_once_max,
        outbound: outbound.clone(),
        entropy: Arc::clone(entropy),
        ..ClientOptions::default()
    }
}

/// Reads `connection_config`.
pub fn parse_connection(value: &serde_json::Value) -> Result<Connection, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| decoding::in_field("connection_config", &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_model::clock::ManualClock;
    use bridge_model::entropy::SeededEntropy;
    use serde_json::json;

    /// As it can be on a node that has heard of a system's new address, but not yet that its users' links are gone.
    #[test]
    fn a_link_holds_only_where_it_was_proven() {
        let now = Timestamp::from_micros(0);
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let erps = Erps::new(&Config::default(), Arc::new(ManualClock::new(now)), &entropy);
        let mut system = System {
            key: SystemKey(1),
            tenant: TenantId(1),
            system_id: SystemId::parse("odoo").unwrap(),
            system_type: "odoo".to_owned(),
            system_version: None,
            name: "Odoo".to_owned(),
            description: None,
            is_active: true,
            is_primary: true,
            push_key_hash: None,
            push_addresses: Vec::new(),
            created_at: now,
            updated_at: now,
            connection: json!({ "url": "https://odoo.example.com", "database": "main" }),
            connection_error: None,
        };
        let address = erps.address(&system).unwrap();
        let secret = LinkSecret { password: "hush".to_owned(), api_key: None, address };
        let username = "ada".to_owned();
        let link = ErpLink {
            user: UserId(1),
            system: system.key,
            username,
            secret,
            erp_user_id: 7,
            created_at: now,
            updated_at: now,
        };
        assert!(erps.linked_adapter(&system, &link).unwrap().is_some());
        for (place, value) in
            [("url", "http://odoo.example.com"), ("url", "https://elsewhere.example.com"), ("database", "copy")]
        {
            system.updated_at = system.updated_at.plus(Duration::from_secs(1));
            let connection = std::mem::take(&mut system.connection);
            system.connection = connection.clone();
            system.connection[place] = json!(value);
            assert!(erps.linked_adapter(&system, &link).unwrap().is_none(), "{value}");
            system.connection = connection;
        }
    }
}
