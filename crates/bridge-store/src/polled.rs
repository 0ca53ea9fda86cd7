//! What is known of models whose changes are seen by comparing records: which records there are, and up to when their
//! writes were seen.

use crate::db::{Statement, params};
use crate::source::require;
use crate::{Fence, Store, StoreError};
use bridge_model::{ModelName, SystemKey, TenantId, Timestamp};
use std::collections::BTreeSet;

/// What is known of a polled model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled {
    /// Everything that was written before this, by the ERP's clock, is in the log.
    pub settled_to: Timestamp,
    /// The newest write that was seen.
    pub seen_to: Timestamp,
    /// Records that were written shortly before the model was first looked at, as the poller notes them.
    pub adopted: Option<Vec<u8>>,
    /// Instead, where they were too many: the newest of their writes.
    pub quiet_to: Option<Timestamp>,
}

/// What is kept of a polled model in an append, together with the changes that it led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolledSave {
    /// The system.
    pub system: SystemKey,
    /// The model.
    pub model: ModelName,
    /// What is known.
    pub polled: Polled,
    /// Whether everything that was known before is to be forgotten.
    pub anew: bool,
    /// Blocks of ids that have changed, by number; `None` for one that is empty now.
    pub blocks: Vec<(i64, Option<Vec<u8>>)>,
}

impl Store {
    /// What is known of a polled model; `None` if it was not looked at yet.
    pub async fn polled(
        &self,
        tenant: TenantId,
        system: SystemKey,
        model: &ModelName,
    ) -> Result<Option<Polled>, StoreError> {
        let sql = "SELECT settled_to, seen_to, adopted, quiet_to FROM polled_models
             WHERE tenant_id = ?1 AND system_key = ?2 AND model = ?3";
        self.row(Statement::new(sql, params![tenant, system, model]), |row| {
            Ok(Polled {
                settled_to: row.get_time(0)?,
                seen_to: row.get_time(1)?,
                adopted: row.get_opt_blob(2)?,
                quiet_to: row.get_opt_time(3)?,
            })
        })
        .await
    }

    /// The blocks of ids that are known of a polled model, by number.
    pub async fn polled_ids(
        &self,
        tenant: TenantId,
        system: SystemKey,
        model: &ModelName,
    ) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let sql = "SELECT block, ids FROM polled_ids
             WHERE tenant_id = ?1 AND system_key = ?2 AND model = ?3 ORDER BY block";
        self.rows(Statement::new(sql, params![tenant, system, model]), |row| Ok((row.get_i64(0)?, row.get_blob(1)?)))
            .await
    }

    /// The models of a system of which something is known by polling.
    pub async fn polled_models(&self, tenant: TenantId, system: SystemKey) -> Result<BTreeSet<ModelName>, StoreError> {
        let sql = "SELECT model FROM polled_models WHERE tenant_id = ?1 AND system_key = ?2";
        let models = self.rows(Statement::new(sql, params![tenant, system]), |row| {
            ModelName::parse(row.get_text(0)?).map_err(|_| StoreError::Corrupt { what: "a model's name" })
        });
        Ok(models.await?.into_iter().collect())
    }

    /// Forgets what is known of models by polling: the next look at one is a first one again. [`StoreError::Fenced`] if
    /// the fence is no longer current.
    pub async fn forget_polled(
        &self,
        tenant: TenantId,
        system: SystemKey,
        models: &[ModelName],
        fence: &Fence,
    ) -> Result<(), StoreError> {
        let mut statements = vec![require(fence, self.now())];
        statements.extend(models.iter().flat_map(|model| forget(tenant, system, model)));
        self.db().write(statements).await.map(drop)
    }
}

fn forget(tenant: TenantId, system: SystemKey, model: &ModelName) -> [Statement; 2] {
    ["polled_models", "polled_ids"].map(|table| {
        Statement::new(
            format!("DELETE FROM {table} WHERE tenant_id = ?1 AND system_key = ?2 AND model = ?3"),
            params![tenant, system, model],
        )
    })
}

/// The statements that keep what is known of a polled model, in an append's transaction.
pub(crate) fn polled_statements(tenant: TenantId, save: &PolledSave) -> Vec<Statement> {
    let PolledSave { system, model, polled, anew, blocks } = save;
    let mut statements = Vec::new();
    if *anew {
        statements.extend(forget(tenant, *system, model));
    }
    statements.push(Statement::new(
        "INSERT INTO polled_models (tenant_id, system_key, model, settled_to, seen_to, adopted, quiet_to)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (tenant_id, system_key, model) DO UPDATE SET settled_to = excluded.settled_to,
            seen_to = excluded.seen_to, adopted = excluded.adopted, quiet_to = excluded.quiet_to",
        params![tenant, *system, model, polled.settled_to, polled.seen_to, polled.adopted.clone(), polled.quiet_to],
    ));
    for (block, ids) in blocks {
        statements.push(match ids {
            Some(ids) => Statement::new(
                "INSERT INTO polled_ids (tenant_id, system_key, model, block, ids) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (tenant_id, system_key, model, block) DO UPDATE SET ids = excluded.ids",
                params![tenant, *system, model, *block, ids.clone()],
            ),
            None => Statement::new(
                "DELETE FROM polled_ids WHERE tenant_id = ?1 AND system_key = ?2 AND model = ?3 AND block = ?4",
                params![tenant, *system, model, *block],
            ),
        });
    }
    statements
}
