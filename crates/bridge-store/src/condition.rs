//! In which condition the database is, for whoever looks after it.

use crate::db::{Db, Row, Statement, migrations, params};
use crate::{Store, StoreError};
use bridge_model::{SystemId, TenantId, Timestamp};

/// How the schema of a database stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// Its version; 0 if nothing was ever made there.
    pub version: i64,
    /// The version that this program works with.
    pub known: i64,
}

/// What the PostgreSQL server of a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreServer {
    /// Its version, 150004 for 15.4.
    pub version: i64,
    /// What its clock shows.
    pub clock: Timestamp,
    /// Whether a commit that was answered survives a crash of the machine.
    pub is_durable: bool,
    /// Whether it follows another server, and so can't be written to.
    pub is_standby: bool,
    /// The size of the database, in bytes.
    pub size_bytes: u64,
}

/// A slot in the database of a system that was deleted, which its reader had no time to drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftSlot {
    /// The tenant that the system was of.
    pub tenant: TenantId,
    /// The system.
    pub system_id: SystemId,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// The slot.
    pub slot: String,
}

impl Store {
    /// How the database's schema stands. May be asked of any database.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let known = migrations::ALL.last().map_or(0, |migration| migration.number);
        let exists = match self.db() {
            Db::Sqlite(_) => "SELECT COUNT(*) FROM sqlite_master WHERE name = 'schema_migrations'",
            Db::Postgres(_) => "SELECT COUNT(to_regclass('schema_migrations'))",
        };
        let number = |row: &Row| row.get_i64(0);
        if self.row(Statement::new(exists, params![]), number).await? != Some(1) {
            return Ok(Schema { version: 0, known });
        }
        let version = self.row(Statement::new(migrations::VERSION, params![]), number).await?;
        Ok(Schema { version: version.unwrap_or(0), known })
    }

    /// What the PostgreSQL server says of itself; `None` on SQLite.
    pub async fn server(&self) -> Result<Option<StoreServer>, StoreError> {
        if matches!(self.db(), Db::Sqlite(_)) {
            return Ok(None);
        }
        let sql = "SELECT current_setting('server_version_num')::bigint,
                (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
                current_setting('fsync')::bool AND current_setting('full_page_writes')::bool,
                pg_is_in_recovery(), pg_database_size(current_database())";
        self.row(Statement::new(sql, params![]), |row| {
            Ok(StoreServer {
                version: row.get_i64(0)?,
                clock: row.get_time(1)?,
                is_durable: row.get_bool(2)?,
                is_standby: row.get_bool(3)?,
                size_bytes: u64::try_from(row.get_i64(4)?).unwrap_or(0),
            })
        })
        .await
    }

    /// The slots that deleted systems were read through to their end, as far as is known: each keeps the log of a
    /// database for ever, unless somebody has dropped it since.
    pub async fn left_slots(&self) -> Result<Vec<LeftSlot>, StoreError> {
        let sql = "SELECT s.tenant_id, s.system_id, s.deleted_at, w.slot FROM systems AS s
             JOIN wal_places AS w ON w.tenant_id = s.tenant_id AND w.system_key = s.key
             WHERE s.deleted_at IS NOT NULL AND w.slot <> '' ORDER BY s.deleted_at";
        self.rows(Statement::new(sql, params![]), |row| {
            let name = SystemId::parse(row.get_text(1)?);
            Ok(LeftSlot {
                tenant: TenantId(row.get_i64(0)?),
                system_id: name.map_err(|_| StoreError::Corrupt { what: "a system's public name" })?,
                deleted_at: row.get_time(2)?,
                slot: row.get_text(3)?,
            })
        })
        .await
    }
}
