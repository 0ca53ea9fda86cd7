//! Tenants: the walls between customers of one installation.

use crate::db::{Expect, Row, Statement, params};
use crate::{Store, StoreError};
use bridge_model::{TenantId, Timestamp};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id, which is never used again.
    pub id: TenantId,
    /// Its name, for people to read; need not be unique.
    pub name: String,
    /// The plan that decides its limits, as the config names it.
    pub plan: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Store {
    /// Makes a tenant.
    pub async fn create_tenant(&self, name: &str, plan: &str) -> Result<Tenant, StoreError> {
        let created_at = self.now();
        let insert = Statement::new(
            "INSERT INTO tenants (name, plan, created_at) VALUES (?1, ?2, ?3) RETURNING id",
            params![name, plan, created_at],
        );
        let id = self.returned(vec![lock_accounts(), insert], |row| row.get_i64(0)).await?;
        let id = id.map(TenantId).ok_or(StoreError::Corrupt { what: "the id of a new tenant" })?;
        Ok(Tenant { id, name: name.to_owned(), plan: plan.to_owned(), created_at })
    }

    /// The tenant with this id.
    pub async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let sql = "SELECT id, name, plan, created_at FROM tenants WHERE id = ?1";
        self.row(Statement::new(sql, params![id]), tenant).await
    }

    /// Gives a tenant another plan; `NotFound` if there is no such tenant.
    pub async fn set_tenant_plan(&self, id: TenantId, plan: &str) -> Result<(), StoreError> {
        let update = Statement::new("UPDATE tenants SET plan = ?2 WHERE id = ?1", params![id, plan]);
        if self.changed(update).await? { Ok(()) } else { Err(StoreError::NotFound) }
    }

    /// Every tenant, in the order in which they were made.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let sql = "SELECT id, name, plan, created_at FROM tenants ORDER BY id";
        self.rows(Statement::new(sql, params![]), tenant).await
    }
}

/// Makes transactions that add tenants take turns, so that the highest tenant id which one of them sees is its own.
pub(crate) fn lock_accounts() -> Statement {
    Statement::new("UPDATE account_lock SET turns = turns + 1 WHERE id = 1", params![]).expecting(Expect::Rows(1))
}

fn tenant(row: &Row) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: TenantId(row.get_i64(0)?),
        name: row.get_text(1)?,
        plan: row.get_text(2)?,
        created_at: row.get_time(3)?,
    })
}
