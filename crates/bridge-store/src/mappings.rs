//! What tenants lay over the field maps of their systems.

use crate::db::{Row, Statement, params};
use crate::{Store, StoreError};
use bridge_model::{SystemKey, TenantId};
use serde_json::Value;

impl Store {
    /// Keeps a tenant's changes to the map of an entity in a system, in place of what was kept before; `NotFound` if the
    /// tenant has no such system.
    pub async fn save_mapping(
        &self,
        tenant: TenantId,
        system: SystemKey,
        entity: &str,
        changes: &Value,
    ) -> Result<(), StoreError> {
        let saved = self
            .changed(Statement::new(
                "INSERT INTO mappings (tenant_id, system_key, entity, changes, updated_at)
                 SELECT tenant_id, key, ?3, ?4, ?5 FROM systems
                 WHERE tenant_id = ?1 AND key = ?2 AND deleted_at IS NULL
                 ON CONFLICT (tenant_id, system_key, entity)
                 DO UPDATE SET changes = excluded.changes, updated_at = excluded.updated_at",
                params![tenant, system, entity, changes.to_string(), self.now()],
            ))
            .await?;
        if saved { Ok(()) } else { Err(StoreError::NotFound) }
    }

    /// The changes to the maps of a system, by entity.
    pub async fn mappings(&self, tenant: TenantId, system: SystemKey) -> Result<Vec<(String, Value)>, StoreError> {
        let sql = "SELECT entity, changes FROM mappings WHERE tenant_id = ?1 AND system_key = ?2 ORDER BY entity";
        let read = |row: &Row| Ok((row.get_text(0)?, row.get_json(1)?));
        self.rows(Statement::new(sql, params![tenant, system]), read).await
    }

    /// The changes to the map of one entity; `None` if there are none.
    pub async fn mapping(
        &self,
        tenant: TenantId,
        system: SystemKey,
        entity: &str,
    ) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT changes FROM mappings WHERE tenant_id = ?1 AND system_key = ?2 AND entity = ?3";
        self.row(Statement::new(sql, params![tenant, system, entity]), |row| row.get_json(0)).await
    }

    /// Takes the changes to the map of one entity away; `false` if there were none.
    pub async fn delete_mapping(&self, tenant: TenantId, system: SystemKey, entity: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM mappings WHERE tenant_id = ?1 AND system_key = ?2 AND entity = ?3";
        self.changed(Statement::new(sql, params![tenant, system, entity])).await
    }
}
