//! How far the write-ahead log of a system's database has been read.

use crate::db::{Row, Statement, params};
use crate::{Store, StoreError};
use bridge_model::{SystemKey, TenantId};
use std::collections::BTreeMap;

/// Where the reader of a database's log stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalPlace {
    /// The slot that it reads through.
    pub slot: String,
    /// Names the life of the database and of the slot; another one means that places can't be compared.
    pub life: String,
    /// Everything that was committed before this place is in our log.
    pub read_to: i64,
    /// The tables that were published when this was saved, each with the number of its membership in the publication.
    pub published: BTreeMap<String, u32>,
}

/// Where the reader of a system's database stands after an append, saved together with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalProgress {
    /// The system.
    pub system: SystemKey,
    /// Where it stands. It takes the place of what was saved before, also if it is an earlier one.
    pub place: WalPlace,
}

impl Store {
    /// Where the reader of a system's database stands; `None` if it has never read.
    pub async fn wal_place(&self, tenant: TenantId, system: SystemKey) -> Result<Option<WalPlace>, StoreError> {
        let sql = "SELECT slot, life, read_to, published FROM wal_places WHERE tenant_id = ?1 AND system_key = ?2";
        self.row(Statement::new(sql, params![tenant, system]), place).await
    }
}

/// The statement that saves a place in an append's transaction.
pub(crate) fn save_place(tenant: TenantId, progress: &WalProgress) -> Statement {
    let WalPlace { slot, life, read_to, published } = &progress.place;
    let published = serde_json::json!(published).to_string();
    Statement::new(
        "INSERT INTO wal_places (tenant_id, system_key, slot, life, read_to, published)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (tenant_id, system_key) DO UPDATE SET slot = excluded.slot, life = excluded.life,
            read_to = excluded.read_to, published = excluded.published",
        params![tenant, progress.system, slot.as_str(), life.as_str(), *read_to, published],
    )
}

fn place(row: &Row) -> Result<WalPlace, StoreError> {
    let published = serde_json::from_str(&row.get_text(3)?);
    Ok(WalPlace {
        slot: row.get_text(0)?,
        life: row.get_text(1)?,
        read_to: row.get_i64(2)?,
        published: published.map_err(|_| StoreError::Corrupt { what: "the tables of a publication" })?,
    })
}
