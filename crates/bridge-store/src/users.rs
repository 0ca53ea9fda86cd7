//! Users: who may log in, and which user of the business system each of them is.

use crate::db::{Row, Statement, params};
use crate::tenants::lock_accounts;
use crate::{Store, StoreError};
use bridge_model::{SystemKey, TenantId, Timestamp, UserId};
use std::fmt;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Manages the tenant: systems, users, everybody's devices.
    Admin,
    /// Uses the apps.
    User,
}

impl Role {
    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
        }
    }

    /// The role that `word` names, if any.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "admin" => Some(Self::Admin),
            "user" => Some(Self::User),
            _ => None,
        }
    }
}

/// A user. `Debug` leaves the password's hash out.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// BridgeCore's id of the user, never used again.
    pub id: UserId,
    /// The tenant.
    pub tenant: TenantId,
    /// The name to log in with; unique over all tenants, since a login names no tenant.
    pub username: String,
    /// The password's hash, in the form that its algorithm writes.
    pub password_hash: String,
    /// What the user may do.
    pub role: Role,
    /// The user's id in the business system, if linked.
    pub odoo_user_id: Option<i64>,
    /// The system in which `odoo_user_id` is that user; the same number is another person elsewhere. `None` without
    /// a link, and while the tenant had no primary system since the link was set.
    pub odoo_system: Option<SystemKey>,
    /// The language of messages, for example `ar`; `None` means as the client asks.
    pub language: Option<String>,
    /// Whether the user may log in.
    pub active: bool,
    /// When the user was made.
    pub created_at: Timestamp,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("username", &self.username)
            .field("role", &self.role)
            .field("odoo_user_id", &self.odoo_user_id)
            .field("odoo_system", &self.odoo_system)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// A user to be made. `Debug` leaves the password's hash out.
#[derive(Clone)]
pub struct NewUser {
    /// The name to log in with.
    pub username: String,
    /// The password's hash.
    pub password_hash: String,
    /// What the user may do.
    pub role: Role,
    /// The user's id in the tenant's primary system of this moment, if linked.
    pub odoo_user_id: Option<i64>,
    /// The language of messages.
    pub language: Option<String>,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("username", &self.username)
            .field("role", &self.role)
            .field("odoo_user_id", &self.odoo_user_id)
            .finish_non_exhaustive()
    }
}

macro_rules! columns {
    () => {
        "id, tenant_id, username, password_hash, role, odoo_user_id, language, active, created_at, odoo_system_key"
    };
}

impl Store {
    /// Makes an active user; a link is to the tenant's primary system of this moment, if there is one. A name that is taken, in whichever tenant, is `Conflict("username")`; an unknown
    /// tenant is `NotFound`.
    pub async fn create_user(&self, tenant: TenantId, new: NewUser) -> Result<User, StoreError> {
        let now = self.now();
        let statement = Statement::new(
            "INSERT INTO users
                (tenant_id, username, password_hash, role, odoo_user_id, language, active, created_at, odoo_system_key)
             SELECT id, ?2, ?3, ?4, ?5, ?6, 1, ?7,
                (SELECT key FROM systems WHERE tenant_id = ?1 AND is_primary = 1 AND deleted_at IS NULL
                    AND CAST(?5 AS BIGINT) IS NOT NULL)
             FROM tenants WHERE id = ?1
             RETURNING id, odoo_system_key",
            params![
                tenant.0,
                new.username.as_str(),
                new.password_hash.as_str(),
                new.role.as_str(),
                new.odoo_user_id,
                new.language.clone(),
                now,
            ],
        );
        let ids = |row: &Row| Ok((UserId(row.get_i64(0)?), row.get_opt_i64(1)?.map(SystemKey)));
        let (id, odoo_system) = self.returned(vec![statement], ids).await?.ok_or(StoreError::NotFound)?;
        Ok(User { odoo_system, ..made(id, tenant, new, now) })
    }

    /// Makes the first tenant and its first user, an admin, in one transaction; `None` if there is a user already.
    /// Of two nodes that start at once, one makes them.
    pub async fn create_first_admin(
        &self,
        tenant_name: &str,
        plan: &str,
        new: NewUser,
    ) -> Result<Option<User>, StoreError> {
        let now = self.now();
        let new = NewUser { role: Role::Admin, ..new };
        let tenant = Statement::new(
            "INSERT INTO tenants (name, plan, created_at)
             SELECT ?1, ?2, ?3 FROM account_lock WHERE NOT EXISTS (SELECT 1 FROM users)
             RETURNING id",
            params![tenant_name, plan, now],
        );
        let user = Statement::new(
            // The lock is held, so the highest id is the tenant that the statement before has made, if it has.
            "INSERT INTO users
                (tenant_id, username, password_hash, role, odoo_user_id, language, active, created_at)
             SELECT MAX(id), ?1, ?2, ?3, ?4, ?5, 1, ?6 FROM tenants
             HAVING NOT EXISTS (SELECT 1 FROM users)
             RETURNING id, tenant_id",
            params![
                new.username.as_str(),
                new.password_hash.as_str(),
                new.role.as_str(),
                new.odoo_user_id,
                new.language.clone(),
                now,
            ],
        );
        let ids = |row: &Row| Ok((UserId(row.get_i64(0)?), TenantId(row.get_i64(1)?)));
        let ids = self.returned(vec![lock_accounts(), tenant, user], ids).await?;
        Ok(ids.map(|(id, tenant)| made(id, tenant, new, now)))
    }

    /// A tenant's user.
    pub async fn user(&self, tenant: TenantId, id: UserId) -> Result<Option<User>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM users WHERE tenant_id = ?1 AND id = ?2");
        self.row(Statement::new(sql, params![tenant, id]), user).await
    }

    /// The user with this name in whichever tenant, for the login, which names none.
    pub async fn user_by_name(&self, username: &str) -> Result<Option<User>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM users WHERE username = ?1");
        self.row(Statement::new(sql, params![username]), user).await
    }

    /// A tenant's users by id, those after `after`.
    pub async fn users(&self, tenant: TenantId, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM users WHERE tenant_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
        self.rows(Statement::new(sql, params![tenant, after.map_or(0, |id| id.0), limit]), user).await
    }

    /// Saves everything of a user but id, tenant and time of making; `false` if there is no such user, and
    /// `Conflict("username")` if the new name is taken. Where `odoo_system` is `None` and `odoo_user_id` is the one
    /// that is stored, the system stays as it is: it may have been bound since the user was read.
    pub async fn update_user(&self, user: &User) -> Result<bool, StoreError> {
        self.changed(Statement::new(
            "UPDATE users SET username = ?3, password_hash = ?4, role = ?5, odoo_user_id = ?6, language = ?7,
                active = ?8,
                odoo_system_key = COALESCE(?9, CASE WHEN odoo_user_id = ?6 THEN odoo_system_key END)
             WHERE tenant_id = ?1 AND id = ?2",
            params![
                user.tenant.0,
                user.id.0,
                user.username.as_str(),
                user.password_hash.as_str(),
                user.role.as_str(),
                user.odoo_user_id,
                user.language.clone(),
                user.active,
                user.odoo_system,
            ],
        ))
        .await
    }

    /// Sets the language of a user's messages; `false` if there is no such user.
    pub async fn set_user_language(
        &self,
        tenant: TenantId,
        id: UserId,
        language: Option<&str>,
    ) -> Result<bool, StoreError> {
        self.changed(Statement::new(
            "UPDATE users SET language = ?3 WHERE tenant_id = ?1 AND id = ?2",
            params![tenant, id, language.map(str::to_owned)],
        ))
        .await
    }

    /// Binds a user's link that was set while the tenant had no primary system; `false` if there is no such user or
    /// system, or if the user has no link or one that is bound.
    pub async fn bind_user_link(&self, tenant: TenantId, id: UserId, system: SystemKey) -> Result<bool, StoreError> {
        self.changed(Statement::new(
            "UPDATE users SET odoo_system_key = ?3
             WHERE tenant_id = ?1 AND id = ?2 AND odoo_user_id IS NOT NULL AND odoo_system_key IS NULL
                AND EXISTS (SELECT 1 FROM systems WHERE tenant_id = ?1 AND key = ?3 AND deleted_at IS NULL)",
            params![tenant, id, system],
        ))
        .await
    }

    /// Deletes a user with its cursors and sessions; `false` if there is no such user.
    pub async fn delete_user(&self, tenant: TenantId, id: UserId) -> Result<bool, StoreError> {
        // The tables of cursors and sessions refer to the user and follow it (ON DELETE CASCADE), which also
        // catches the cursor that another node adds at this moment.
        let delete = Statement::new("DELETE FROM users WHERE tenant_id = ?1 AND id = ?2", params![tenant.0, id.0]);
        Ok(self.affected_with(delete, self.writing_cursors()).await? > 0)
    }

    /// Whether there is any user at all, in any tenant.
    pub async fn any_user(&self) -> Result<bool, StoreError> {
        Ok(self.row(Statement::new("SELECT id FROM users LIMIT 1", params![]), |_| Ok(())).await?.is_some())
    }
}

fn made(id: UserId, tenant: TenantId, new: NewUser, created_at: Timestamp) -> User {
    User {
        id,
        tenant,
        username: new.username,
        password_hash: new.password_hash,
        role: new.role,
        odoo_user_id: new.odoo_user_id,
        odoo_system: None,
        language: new.language,
        active: true,
        created_at,
    }
}

fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: UserId(row.get_i64(0)?),
        tenant: TenantId(row.get_i64(1)?),
        username: row.get_text(2)?,
        password_hash: row.get_text(3)?,
        role: Role::from_word(&row.get_text(4)?).ok_or(StoreError::Corrupt { what: "a user's role" })?,
        odoo_user_id: row.get_opt_i64(5)?,
        language: row.get_opt_text(6)?,
        active: row.get_bool(7)?,
        created_at: row.get_time(8)?,
        odoo_system: row.get_opt_i64(9)?.map(SystemKey),
    })
}
