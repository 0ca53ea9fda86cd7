//! The business systems that a tenant has registered. How to connect to one is a secret and encrypted at rest.

use crate::db::{Expect, Row, Statement, params};
use crate::{Store, StoreError};
use bridge_model::{AddressBlock, SystemId, SystemKey, TenantId, Timestamp};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;

/// A registered system. `Debug` leaves the connection and the push key's hash out.
#[derive(Clone)]
pub struct System {
    /// The store's number of it, never used again.
    pub key: SystemKey,
    /// The tenant.
    pub tenant: TenantId,
    /// Its public name within the tenant.
    pub system_id: SystemId,
    /// Which adapter speaks to it, for example `odoo`.
    pub system_type: String,
    /// The version, if known.
    pub system_version: Option<String>,
    /// Its name, for people to read.
    pub name: String,
    /// What it is, for people to read.
    pub description: Option<String>,
    /// Whether it is read and may push.
    pub is_active: bool,
    /// Whether a request that names no system means this one; at most one of a tenant's systems.
    pub is_primary: bool,
    /// The hash of the key by which it pushes.
    pub push_key_hash: Option<String>,
    /// From where that key may be used; empty: from anywhere.
    pub push_addresses: Vec<AddressBlock>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// How to connect to it, with its secrets. Null if it cannot be decrypted, and then `connection_error` says so:
    /// one unreadable system must not take the others down.
    pub connection: Value,
    /// Why the connection cannot be read, if it cannot. Saving the system leaves what is stored as it is, unless
    /// `connection` has been given a new value.
    pub connection_error: Option<StoreError>,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("key", &self.key)
            .field("tenant", &self.tenant)
            .field("system_id", &self.system_id)
            .field("system_type", &self.system_type)
            .field("is_active", &self.is_active)
            .field("is_primary", &self.is_primary)
            .field("connection_error", &self.connection_error)
            .finish_non_exhaustive()
    }
}

/// A system to be registered. `Debug` leaves the connection and the push key's hash out.
#[derive(Clone)]
pub struct NewSystem {
    /// Its public name within the tenant.
    pub system_id: SystemId,
    /// Which adapter speaks to it.
    pub system_type: String,
    /// The version, if known.
    pub system_version: Option<String>,
    /// Its name, for people to read.
    pub name: String,
    /// What it is, for people to read.
    pub description: Option<String>,
    /// How to connect to it, with its secrets.
    pub connection: Value,
    /// The hash of the key by which it pushes.
    pub push_key_hash: Option<String>,
    /// From where that key may be used; empty: from anywhere.
    pub push_addresses: Vec<AddressBlock>,
}

impl fmt::Debug for NewSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSystem")
            .field("system_id", &self.system_id)
            .field("system_type", &self.system_type)
            .finish_non_exhaustive()
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT key, tenant_id, system_id, system_type, system_version, name, description, is_active, \
             is_primary, push_key_hash, created_at, updated_at, connection, push_addresses FROM systems WHERE deleted_at IS NULL ",
            $rest
        )
    };
}

impl Store {
    /// Registers a system, active. A tenant's first is its primary one. A name that is taken is
    /// `Conflict("system_id")`, an unknown tenant `NotFound`.
    pub async fn create_system(&self, tenant: TenantId, new: NewSystem) -> Result<System, StoreError> {
        let now = self.now();
        let insert = Statement::new(
            "INSERT INTO systems (tenant_id, system_id, system_type, system_version, name, description, connection,
                push_key_hash, push_addresses, is_active, is_primary, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?10, 1,
                CASE WHEN EXISTS (SELECT 1 FROM systems WHERE tenant_id = ?1 AND deleted_at IS NULL) THEN 0 ELSE 1 END,
                ?9, ?9)
             RETURNING key, is_primary",
            params![
                tenant,
                &new.system_id,
                &new.system_type,
                new.system_version.as_deref(),
                &new.name,
                new.description.as_deref(),
                self.crypt().encrypt(&new.connection.to_string(), now),
                new.push_key_hash.as_deref(),
                now,
                list(&new.push_addresses),
            ],
        );
        let made = self
            .returned(vec![lock_tenant(tenant), insert], |row| Ok((SystemKey(row.get_i64(0)?), row.get_bool(1)?)))
            .await?;
        let (key, is_primary) = made.ok_or(StoreError::Corrupt { what: "the key of a new system" })?;
        Ok(System {
            key,
            tenant,
            system_id: new.system_id,
            system_type: new.system_type,
            system_version: new.system_version,
            name: new.name,
            description: new.description,
            is_active: true,
            is_primary,
            push_key_hash: new.push_key_hash,
            push_addresses: new.push_addresses,
            created_at: now,
            updated_at: now,
            connection: new.connection,
            connection_error: None,
        })
    }

    /// A tenant's system by its public name.
    pub async fn system(&self, tenant: TenantId, system_id: &SystemId) -> Result<Option<System>, StoreError> {
        let sql = select!("AND tenant_id = ?1 AND system_id = ?2");
        self.row(Statement::new(sql, params![tenant, system_id]), |row| self.system_of(row)).await
    }

    /// A tenant's system by the store's number of it.
    pub async fn system_by_key(&self, tenant: TenantId, key: SystemKey) -> Result<Option<System>, StoreError> {
        let sql = select!("AND tenant_id = ?1 AND key = ?2");
        self.row(Statement::new(sql, params![tenant, key]), |row| self.system_of(row)).await
    }

    /// The system that a tenant's request means if it names none. After the primary one was deleted there is none
    /// until another is made primary: no request shall silently reach a different business system.
    pub async fn primary_system(&self, tenant: TenantId) -> Result<Option<System>, StoreError> {
        let sql = select!("AND tenant_id = ?1 AND is_primary = 1");
        self.row(Statement::new(sql, params![tenant]), |row| self.system_of(row)).await
    }

    /// A tenant's systems, in the order in which they were registered.
    pub async fn systems(&self, tenant: TenantId) -> Result<Vec<System>, StoreError> {
        let sql = select!("AND tenant_id = ?1 ORDER BY key");
        self.rows(Statement::new(sql, params![tenant]), |row| self.system_of(row)).await
    }

    /// The systems of all tenants, for the readers in the background.
    pub async fn all_systems(&self) -> Result<Vec<System>, StoreError> {
        let sql = select!("ORDER BY key");
        self.rows(Statement::new(sql, params![]), |row| self.system_of(row)).await
    }

    /// The active system that pushes with the key of this hash, whichever tenant's it is.
    pub async fn system_by_push_key(&self, hash: &str) -> Result<Option<System>, StoreError> {
        let sql = select!("AND push_key_hash = ?1 AND is_active = 1");
        self.row(Statement::new(sql, params![hash]), |row| self.system_of(row)).await
    }

    /// The public names of a tenant's systems, also of deleted ones, whose changes are still in the log.
    pub async fn system_names(&self, tenant: TenantId) -> Result<HashMap<SystemKey, SystemId>, StoreError> {
        let sql = "SELECT key, system_id FROM systems WHERE tenant_id = ?1";
        let name = |row: &Row| Ok((SystemKey(row.get_i64(0)?), system_id(row.get_text(1)?)?));
        Ok(self.rows(Statement::new(sql, params![tenant]), name).await?.into_iter().collect())
    }

    /// Saves everything of a system but its key, tenant, public name and times; `false` if there is no such
    /// system. One that becomes primary takes that from the one that was.
    pub async fn update_system(&self, system: &System) -> Result<bool, StoreError> {
        self.all_or_nothing(self.saving(system)).await
    }

    /// The same for a system that is at another address from now on: its users' own credentials are not meant for that
    /// and are forgotten.
    pub async fn move_system(&self, system: &System) -> Result<bool, StoreError> {
        let sql = "DELETE FROM erp_links WHERE tenant_id = ?1 AND system_key = ?2";
        let mut statements = self.saving(system);
        statements.push(Statement::new(sql, params![system.tenant, system.key]));
        self.all_or_nothing(statements).await
    }

    fn saving(&self, system: &System) -> Vec<Statement> {
        let now = self.now();
        let unreadable = system.connection_error.is_some() && system.connection.is_null();
        let connection = (!unreadable).then(|| self.crypt().encrypt(&system.connection.to_string(), now));
        let mut statements = vec![lock_tenant(system.tenant)];
        if system.is_primary {
            statements.push(Statement::new(
                "UPDATE systems SET is_primary = 0 WHERE tenant_id = ?1 AND key <> ?2 AND is_primary = 1",
                params![system.tenant, system.key],
            ));
        }
        let update = Statement::new(
            "UPDATE systems SET system_type = ?3, system_version = ?4, name = ?5, description = ?6, is_active = ?7,
                is_primary = ?8, push_key_hash = ?9, connection = COALESCE(?10, connection), updated_at = ?11,
                push_addresses = ?12
             WHERE tenant_id = ?1 AND key = ?2 AND deleted_at IS NULL",
            params![
                system.tenant,
                system.key,
                &system.system_type,
                system.system_version.as_deref(),
                &system.name,
                system.description.as_deref(),
                system.is_active,
                system.is_primary,
                system.push_key_hash.as_deref(),
                connection,
                now,
                list(&system.push_addresses),
            ],
        );
        statements.push(update.expecting(Expect::Rows(1)));
        statements
    }

    /// Deletes a system; `false` if there is none of that name. Its secrets, its push key, what its users may
    /// read, what is known of its models and the files on its records are gone; its key and its name stay known for the log, and the name may be registered anew.
    pub async fn delete_system(&self, tenant: TenantId, system_id: &SystemId) -> Result<bool, StoreError> {
        let delete = Statement::new(
            "UPDATE systems SET deleted_at = ?3, is_active = 0, is_primary = 0, push_key_hash = NULL, connection = ''
             WHERE tenant_id = ?1 AND system_id = ?2 AND deleted_at IS NULL",
            params![tenant, system_id, self.now()],
        );
        let gone = "(SELECT key FROM systems WHERE tenant_id = ?1 AND system_id = ?2 AND deleted_at IS NOT NULL)";
        let mut statements = vec![delete.expecting(Expect::Rows(1))];
        // What was mirrored there can't be ended without a connection.
        let tables = [
            "readable_models",
            "tracked_models",
            "detections",
            "strategy_health",
            "polled_models",
            "polled_ids",
            "reader_notes",
            "mirrored_states",
            "event_marks",
            "credentials",
            "erp_links",
            "allow_lists",
            "mappings",
            "keyed_writes",
            "alerts",
        ];
        statements.extend(tables.map(|table| {
            let sql = format!("DELETE FROM {table} WHERE tenant_id = ?1 AND system_key IN {gone}");
            Statement::new(sql, params![tenant, system_id])
        }));
        // The bytes are not here: a row goes when they are gone.
        let files = format!(
            "UPDATE stored_files SET hidden_at = ?3
             WHERE tenant_id = ?1 AND system_key IN {gone} AND hidden_at IS NULL"
        );
        statements.push(Statement::new(files, params![tenant, system_id, self.now()]));
        self.all_or_nothing(statements).await
    }

    fn system_of(&self, row: &Row) -> Result<System, StoreError> {
        let secret = self.crypt().decrypt(&row.get_text(12)?).and_then(|text| parse_connection(&text));
        let (connection, connection_error) = match secret {
            Ok(connection) => (connection, None),
            Err(error) => (Value::Null, Some(error)),
        };
        Ok(System {
            key: SystemKey(row.get_i64(0)?),
            tenant: TenantId(row.get_i64(1)?),
            system_id: system_id(row.get_text(2)?)?,
            system_type: row.get_text(3)?,
            system_version: row.get_opt_text(4)?,
            name: row.get_text(5)?,
            description: row.get_opt_text(6)?,
            is_active: row.get_bool(7)?,
            is_primary: row.get_bool(8)?,
            push_key_hash: row.get_opt_text(9)?,
            push_addresses: addresses(&row.get_text(13)?)?,
            created_at: row.get_time(10)?,
            updated_at: row.get_time(11)?,
            connection,
            connection_error,
        })
    }
}

/// Makes transactions that decide which of a tenant's systems is primary take turns.
fn lock_tenant(tenant: TenantId) -> Statement {
    Statement::new("UPDATE tenants SET name = name WHERE id = ?1", params![tenant]).expecting(Expect::Rows(1))
}

fn parse_connection(text: &str) -> Result<Value, StoreError> {
    // The parser's message may quote the secret.
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt { what: "a system's connection" })
}

fn list(blocks: &[AddressBlock]) -> String {
    blocks.iter().map(|block| Value::from(block.to_string())).collect::<Value>().to_string()
}

/// A list that can't be read must not become one that lets everybody in.
fn addresses(text: &str) -> Result<Vec<AddressBlock>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt { what: "where a system's push key may be used" })
}

fn system_id(text: String) -> Result<SystemId, StoreError> {
    SystemId::parse(text).map_err(|_| StoreError::Corrupt { what: "a system's public name" })
}
