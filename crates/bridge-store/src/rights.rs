//! Which models each user of a business system may read there, as asked last.

use crate::db::{Row, Statement, params};
use crate::{Store, StoreError};
use bridge_model::{ModelName, SystemKey, TenantId, Timestamp};

/// What a user of a business system may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readable {
    /// The models that were asked for and may be read, sorted.
    pub allowed: Vec<ModelName>,
    /// The models that were asked for and may not be read, sorted.
    pub denied: Vec<ModelName>,
    /// When the business system said so.
    pub refreshed_at: Timestamp,
}

impl Store {
    /// Keeps what a system's user may read, in place of what was kept before; `NotFound` if the tenant has no such
    /// system.
    pub async fn save_readable(
        &self,
        tenant: TenantId,
        system: SystemKey,
        erp_user_id: i64,
        allowed: &[ModelName],
        denied: &[ModelName],
    ) -> Result<(), StoreError> {
        let saved = self
            .changed(Statement::new(
                "INSERT INTO readable_models (tenant_id, system_key, erp_user_id, allowed, denied, refreshed_at)
                 SELECT tenant_id, key, ?3, ?4, ?5, ?6 FROM systems
                 WHERE tenant_id = ?1 AND key = ?2 AND deleted_at IS NULL
                 ON CONFLICT (tenant_id, system_key, erp_user_id)
                 DO UPDATE SET allowed = excluded.allowed, denied = excluded.denied, refreshed_at = excluded.refreshed_at",
                params![
                    tenant,
                    system,
                    erp_user_id,
                    models_text(allowed.to_vec()),
                    models_text(denied.to_vec()),
                    self.now()
                ],
            ))
            .await?;
        if saved { Ok(()) } else { Err(StoreError::NotFound) }
    }

    /// What a system's user may read; `None` if that was never asked.
    pub async fn readable(
        &self,
        tenant: TenantId,
        system: SystemKey,
        erp_user_id: i64,
    ) -> Result<Option<Readable>, StoreError> {
        let sql = "SELECT allowed, denied, refreshed_at FROM readable_models
             WHERE tenant_id = ?1 AND system_key = ?2 AND erp_user_id = ?3";
        self.row(Statement::new(sql, params![tenant, system, erp_user_id]), readable).await
    }

    /// The users of a system whose rights are kept, by id, for the job that asks anew.
    pub async fn readable_users(&self, tenant: TenantId, system: SystemKey) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT erp_user_id FROM readable_models WHERE tenant_id = ?1 AND system_key = ?2
             ORDER BY erp_user_id";
        self.rows(Statement::new(sql, params![tenant, system]), |row| row.get_i64(0)).await
    }
}

/// Models as the store has them: a sorted JSON array without repetitions.
pub(crate) fn models_text(mut models: Vec<ModelName>) -> String {
    models.sort();
    models.dedup();
    models.iter().map(ModelName::as_str).collect::<serde_json::Value>().to_string()
}

/// Reads what [`models_text`] wrote.
pub(crate) fn models_from_text(text: &str) -> Result<Vec<ModelName>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt { what: "a list of models" })
}

fn readable(row: &Row) -> Result<Readable, StoreError> {
    Ok(Readable {
        allowed: models_from_text(&row.get_text(0)?)?,
        denied: models_from_text(&row.get_text(1)?)?,
        refreshed_at: row.get_time(2)?,
    })
}
