//! Users' own credentials in business systems. Each is a secret and encrypted at rest.

use crate::db::{Row, Statement, params};
use crate::{Store, StoreError};
use bridge_model::{SystemKey, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a user logs in to a system with: a password or an API key. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSecret {
    /// The password; empty where there is a key.
    pub password: String,
    /// The API key, if there is one.
    pub api_key: Option<String>,
    /// Where it was proven. It is kept with the secret, and encrypted with it, so that it is shown to no other system
    /// whatever becomes of the system's settings; empty in links that are older than this rule, which hold nowhere.
    #[serde(default)]
    pub address: String,
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkSecret").finish_non_exhaustive()
    }
}

/// A user's own credential in a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErpLink {
    /// Whose it is.
    pub user: UserId,
    /// The system.
    pub system: SystemKey,
    /// The log-in name there.
    pub username: String,
    /// What proves it.
    pub secret: LinkSecret,
    /// Who the system says that this is.
    pub erp_user_id: i64,
    /// When the first credential was given.
    pub created_at: Timestamp,
    /// When this one was.
    pub updated_at: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT user_id, system_key, username, secret, erp_user_id, created_at, updated_at FROM erp_links ",
            $rest
        )
    };
}

impl Store {
    /// Keeps a user's credential in a system in the place of the one before; `NotFound` if the tenant has no such user
    /// or system.
    pub async fn save_erp_link(
        &self,
        tenant: TenantId,
        user: UserId,
        system: SystemKey,
        username: &str,
        secret: &LinkSecret,
        erp_user_id: i64,
    ) -> Result<ErpLink, StoreError> {
        let now = self.now();
        let text = serde_json::to_string(secret).map_err(StoreError::invalid)?;
        let insert = Statement::new(
            "INSERT INTO erp_links (tenant_id, user_id, system_key, username, secret, erp_user_id, created_at, updated_at)
             SELECT users.tenant_id, users.id, systems.key, ?4, ?5, ?6, ?7, ?7 FROM users
             JOIN systems ON systems.tenant_id = users.tenant_id
             WHERE users.tenant_id = ?1 AND users.id = ?2 AND systems.key = ?3 AND systems.deleted_at IS NULL
             ON CONFLICT (tenant_id, user_id, system_key)
             DO UPDATE SET username = excluded.username, secret = excluded.secret,
                erp_user_id = excluded.erp_user_id, updated_at = excluded.updated_at
             RETURNING created_at",
            params![tenant, user, system, username, self.crypt().encrypt(&text, now), erp_user_id, now],
        );
        let created_at = self.returned(vec![insert], |row| row.get_time(0)).await?.ok_or(StoreError::NotFound)?;
        let (username, secret) = (username.to_owned(), secret.clone());
        Ok(ErpLink { user, system, username, secret, erp_user_id, created_at, updated_at: now })
    }

    /// A user's credential in a system, if there is one; an error if no key decrypts it.
    pub async fn erp_link(
        &self,
        tenant: TenantId,
        user: UserId,
        system: SystemKey,
    ) -> Result<Option<ErpLink>, StoreError> {
        let sql = select!("WHERE tenant_id = ?1 AND user_id = ?2 AND system_key = ?3");
        self.row(Statement::new(sql, params![tenant, user, system]), |row| self.link_of(row)).await
    }

    /// All of a user's credentials, by system.
    pub async fn erp_links(&self, tenant: TenantId, user: UserId) -> Result<Vec<ErpLink>, StoreError> {
        let sql = select!("WHERE tenant_id = ?1 AND user_id = ?2 ORDER BY system_key");
        self.rows(Statement::new(sql, params![tenant, user]), |row| self.link_of(row)).await
    }

    /// Forgets a user's credential in a system; `false` if there is none.
    pub async fn delete_erp_link(&self, tenant: TenantId, user: UserId, system: SystemKey) -> Result<bool, StoreError> {
        let sql = "DELETE FROM erp_links WHERE tenant_id = ?1 AND user_id = ?2 AND system_key = ?3";
        self.changed(Statement::new(sql, params![tenant, user, system])).await
    }

    fn link_of(&self, row: &Row) -> Result<ErpLink, StoreError> {
        let secret = self.crypt().decrypt(&row.get_text(3)?)?;
        Ok(ErpLink {
            user: UserId(row.get_i64(0)?),
            system: SystemKey(row.get_i64(1)?),
            username: row.get_text(2)?,
            secret: serde_json::from_str(&secret).map_err(|_| StoreError::Corrupt { what: "a user's credential" })?,
            erp_user_id: row.get_i64(4)?,
            created_at: row.get_time(5)?,
            updated_at: row.get_time(6)?,
        })
    }
}
