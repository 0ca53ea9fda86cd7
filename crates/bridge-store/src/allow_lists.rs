//! What is open of a system to those who act with its own credential.

use crate::db::{Statement, params};
use crate::{Store, StoreError};
use bridge_model::{AllowList, SystemKey, TenantId};

impl Store {
    /// What is open of a system: nothing, unless something was saved.
    pub async fn allow_list(&self, tenant: TenantId, system: SystemKey) -> Result<AllowList, StoreError> {
        let sql = "SELECT models FROM allow_lists WHERE tenant_id = ?1 AND system_key = ?2";
        let list = |text: String| {
            serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { what: "what is open of a system" })
        };
        let found = self.row(Statement::new(sql, params![tenant, system]), |row| list(row.get_text(0)?)).await?;
        Ok(found.unwrap_or_default())
    }

    /// Saves what is open of a system, in the place of what was before; `NotFound` if the tenant has no such system.
    pub async fn save_allow_list(
        &self,
        tenant: TenantId,
        system: SystemKey,
        list: &AllowList,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(list).map_err(StoreError::invalid)?;
        let saved = self
            .changed(Statement::new(
                "INSERT INTO allow_lists (tenant_id, system_key, models, updated_at)
                 SELECT tenant_id, key, ?3, ?4 FROM systems WHERE tenant_id = ?1 AND key = ?2 AND deleted_at IS NULL
                 ON CONFLICT (tenant_id, system_key)
                 DO UPDATE SET models = excluded.models, updated_at = excluded.updated_at",
                params![tenant, system, text, self.now()],
            ))
            .await?;
        if saved { Ok(()) } else { Err(StoreError::NotFound) }
    }
}
