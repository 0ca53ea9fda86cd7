//! What is known of the API keys by which systems are reached: when each ends, and how its renewal stands.

use crate::db::{Expect, Row, Statement, params};
use crate::{Store, StoreError, System};
use bridge_model::{SystemKey, TenantId, Timestamp};
use serde_json::Value;

/// What is known of a system's API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Of which key: its hash.
    pub key_hash: String,
    /// Its name in the ERP, if we made it.
    pub key_name: Option<String>,
    /// The name of the key that it took the place of, if that is still to be removed in the ERP.
    pub previous_name: Option<String>,
    /// When it ends, if that is known.
    pub expires_at: Option<Timestamp>,
    /// When its renewal was last tried.
    pub attempted_at: Option<Timestamp>,
    /// The name of the key that the last try made or may have made and that is not used: it is still to be removed in
    /// the ERP.
    pub attempted_name: Option<String>,
    /// Why it can't be renewed, while it can't.
    pub problem: Option<String>,
}

/// A key that takes the place of another.
#[derive(Debug, Clone)]
pub struct RenewedKey {
    /// Its hash.
    pub key_hash: String,
    /// Its name in the ERP.
    pub key_name: String,
    /// The name of the key before it, if that is to be removed in the ERP.
    pub previous_name: Option<String>,
    /// When it ends, if that is known.
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// What is known of a system's API key.
    pub async fn credential(&self, tenant: TenantId, system: SystemKey) -> Result<Option<Credential>, StoreError> {
        let sql = "SELECT key_hash, key_name, previous_name, expires_at, attempted_at, attempted_name, problem
             FROM credentials WHERE tenant_id = ?1 AND system_key = ?2";
        self.row(Statement::new(sql, params![tenant, system]), credential).await
    }

    /// When the keys of all systems end, where that is known, and whether they can't be renewed.
    pub async fn credential_ends(&self) -> Result<Vec<(SystemKey, Option<Timestamp>, bool)>, StoreError> {
        let sql = "SELECT system_key, expires_at, problem FROM credentials ORDER BY system_key";
        let read = |row: &Row| Ok((SystemKey(row.get_i64(0)?), row.get_opt_time(1)?, row.get_opt_text(2)?.is_some()));
        self.rows(Statement::new(sql, params![]), read).await
    }

    /// Notes when the key of this hash ends and what is wrong with it. What is known of it besides stays; of another
    /// key nothing but the last try does, so that a key which comes and goes is no way around its pause. Nothing is noted
    /// if the system was changed since it was read: what is known of its key then may be newer.
    pub async fn note_credential(
        &self,
        system: &System,
        key_hash: &str,
        expires_at: Option<Timestamp>,
        problem: Option<&str>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO credentials (tenant_id, system_key, key_hash, expires_at, problem)
             SELECT tenant_id, key, ?3, ?4, ?5 FROM systems
             WHERE tenant_id = ?1 AND key = ?2 AND updated_at = ?6 AND deleted_at IS NULL
             ON CONFLICT (tenant_id, system_key) DO UPDATE SET
                key_name = CASE WHEN credentials.key_hash = excluded.key_hash THEN credentials.key_name END,
                previous_name = CASE WHEN credentials.key_hash = excluded.key_hash THEN credentials.previous_name END,
                key_hash = excluded.key_hash, expires_at = excluded.expires_at, problem = excluded.problem";
        let of_system = params![system.tenant, system.key, key_hash, expires_at, problem, system.updated_at];
        self.changed(Statement::new(sql, of_system)).await?;
        Ok(())
    }

    /// Begins a try at a renewal of the key of this hash by one of the name `attempted_name`; `false` if another was
    /// begun after `pause_since`, or if what is known is of another key. Making a key is not safe to repeat: whatever
    /// becomes of this try, the next one is that much later, and even if it is cut off, its name is known and `problem`
    /// is told.
    pub async fn begin_renewal(
        &self,
        system: &System,
        key_hash: &str,
        pause_since: Timestamp,
        attempted_name: &str,
        problem: &str,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE credentials SET attempted_at = ?5, attempted_name = ?6, problem = ?7
             WHERE tenant_id = ?1 AND system_key = ?2 AND key_hash = ?3
                AND (attempted_at IS NULL OR attempted_at <= ?4)";
        let try_of = params![system.tenant, system.key, key_hash, pause_since, self.now(), attempted_name, problem];
        self.changed(Statement::new(sql, try_of)).await
    }

    /// Puts `connection` in the place of the system's, and what is known of its new key in the place of the old one's,
    /// both or neither; `false` if somebody has changed the system since it was read.
    pub async fn finish_renewal(
        &self,
        system: &System,
        connection: &Value,
        renewed: &RenewedKey,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        // Two changes at one moment must not look like none.
        let updated_at = now.max(system.updated_at.plus(std::time::Duration::from_micros(1)));
        let save = Statement::new(
            "UPDATE systems SET connection = ?4, updated_at = ?5
             WHERE tenant_id = ?1 AND key = ?2 AND updated_at = ?3 AND deleted_at IS NULL",
            params![
                system.tenant,
                system.key,
                system.updated_at,
                self.crypt().encrypt(&connection.to_string(), now),
                updated_at,
            ],
        );
        let note = Statement::new(
            "UPDATE credentials SET key_hash = ?3, key_name = ?4, previous_name = ?5, expires_at = ?6,
                attempted_name = NULL, problem = NULL
             WHERE tenant_id = ?1 AND system_key = ?2",
            params![
                system.tenant,
                system.key,
                renewed.key_hash.as_str(),
                renewed.key_name.as_str(),
                renewed.previous_name.as_deref(),
                renewed.expires_at,
            ],
        );
        self.all_or_nothing(vec![save.expecting(Expect::Rows(1)), note.expecting(Expect::Rows(1))]).await
    }

    /// Notes that the key of this name, which is not used, is removed in the ERP.
    pub async fn note_removed(&self, tenant: TenantId, system: SystemKey, name: &str) -> Result<(), StoreError> {
        let sql = "UPDATE credentials SET previous_name = NULLIF(previous_name, ?3),
                attempted_name = NULLIF(attempted_name, ?3)
             WHERE tenant_id = ?1 AND system_key = ?2";
        self.changed(Statement::new(sql, params![tenant, system, name])).await?;
        Ok(())
    }

    /// Forgets what is known of a system's key: it is reached without one.
    pub async fn forget_credential(&self, tenant: TenantId, system: SystemKey) -> Result<(), StoreError> {
        let sql = "DELETE FROM credentials WHERE tenant_id = ?1 AND system_key = ?2";
        self.changed(Statement::new(sql, params![tenant, system])).await?;
        Ok(())
    }
}

fn credential(row: &Row) -> Result<Credential, StoreError> {
    Ok(Credential {
        key_hash: row.get_text(0)?,
        key_name: row.get_opt_text(1)?,
        previous_name: row.get_opt_text(2)?,
        expires_at: row.get_opt_time(3)?,
        attempted_at: row.get_opt_time(4)?,
        attempted_name: row.get_opt_text(5)?,
        problem: row.get_opt_text(6)?,
    })
}
