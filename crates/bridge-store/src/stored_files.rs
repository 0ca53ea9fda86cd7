//! Files on records that the service itself keeps: what they are and where. Their bytes are elsewhere.
//!
//! A row is written before the bytes and goes after them, so that there is never a byte that no row tells of. Meanwhile it
//! is hidden: nobody sees the file.

use crate::db::{Row, Statement, params};
use crate::{Store, StoreError};
use bridge_model::{ModelName, SystemKey, TenantId, Timestamp, UserId};

/// Where the bytes of files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FilePlace {
    /// In a folder of this machine, or one that it shares with others.
    Folder,
    /// In a bucket of an S3-compatible service.
    S3,
}

impl FilePlace {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::S3 => "s3",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Folder, Self::S3].into_iter().find(|place| place.as_str() == name)
    }
}

/// A file on a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is called here; nobody can guess it.
    pub id: String,
    /// The system of its record.
    pub system: SystemKey,
    /// The model of its record.
    pub model: ModelName,
    /// Its record.
    pub record_id: i64,
    /// Its name.
    pub name: String,
    /// Its MIME type.
    pub content_type: String,
    /// Its size, in bytes.
    pub size: u64,
    /// The SHA-256 of its contents, in hexadecimal.
    pub sha256: String,
    /// Where its bytes are.
    pub place: FilePlace,
    /// Who put it there.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
}

/// A file whose bytes are to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenFile {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is called.
    pub id: String,
    /// Where its bytes are, if they are.
    pub place: FilePlace,
    /// Since when nobody sees it.
    pub hidden_at: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT tenant_id, id, system_key, model, record_id, name, content_type, size, sha256, place, created_by, \
             created_at FROM stored_files ",
            $rest
        )
    };
}

impl Store {
    /// Notes a file whose bytes are about to be stored; nobody sees it yet. `NotFound` if the tenant has no such system.
    pub async fn begin_stored_file(&self, file: &StoredFile) -> Result<(), StoreError> {
        let size = i64::try_from(file.size).map_err(StoreError::invalid)?;
        let insert = Statement::new(
            "INSERT INTO stored_files (tenant_id, id, system_key, model, record_id, name, content_type, size, sha256,
                place, created_by, created_at, hidden_at)
             SELECT tenant_id, ?2, key, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12 FROM systems
             WHERE tenant_id = ?1 AND key = ?3 AND deleted_at IS NULL",
            params![
                file.tenant,
                &file.id,
                file.system,
                file.model.as_str(),
                file.record_id,
                &file.name,
                &file.content_type,
                size,
                &file.sha256,
                file.place.as_str(),
                file.created_by,
                file.created_at,
            ],
        );
        if self.changed(insert).await? { Ok(()) } else { Err(StoreError::NotFound) }
    }

    /// Shows a file whose bytes are stored; `false` if it was begun at `begun_after` or before, so that its bytes may be
    /// removed by now, or if its system was deleted meanwhile.
    pub async fn show_stored_file(
        &self,
        tenant: TenantId,
        id: &str,
        begun_after: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = Statement::new(
            "UPDATE stored_files SET hidden_at = NULL
             WHERE tenant_id = ?1 AND id = ?2 AND hidden_at = created_at AND created_at > ?3
                AND system_key IN (SELECT key FROM systems WHERE tenant_id = ?1 AND deleted_at IS NULL)",
            params![tenant, id, begun_after],
        );
        self.changed(update).await
    }

    /// A file of a tenant, if it can be seen.
    pub async fn stored_file(&self, tenant: TenantId, id: &str) -> Result<Option<StoredFile>, StoreError> {
        let sql = select!("WHERE tenant_id = ?1 AND id = ?2 AND hidden_at IS NULL");
        self.row(Statement::new(sql, params![tenant, id]), stored_file).await
    }

    /// Deletes a file: nobody sees it from now on, and its bytes are removed later. `false` if there is none that can be
    /// seen.
    pub async fn hide_stored_file(&self, tenant: TenantId, id: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE stored_files SET hidden_at = ?3 WHERE tenant_id = ?1 AND id = ?2 AND hidden_at IS NULL";
        self.changed(Statement::new(sql, params![tenant, id, self.now()])).await
    }

    /// Files that nobody has seen since `hidden_to` or longer, the longest hidden first, at most `limit`: those that
    /// come after `after`, if it is given.
    pub async fn hidden_files(
        &self,
        hidden_to: Timestamp,
        after: Option<&HiddenFile>,
        limit: u32,
    ) -> Result<Vec<HiddenFile>, StoreError> {
        let sql = "SELECT tenant_id, id, place, hidden_at FROM stored_files
             WHERE hidden_at <= ?1 AND (hidden_at, tenant_id, id) > (?2, ?3, ?4)
             ORDER BY hidden_at, tenant_id, id LIMIT ?5";
        let (at, tenant, id) =
            after.map_or((i64::MIN, 0, ""), |last| (last.hidden_at.as_micros(), last.tenant.0, last.id.as_str()));
        let read = |row: &Row| {
            Ok(HiddenFile {
                tenant: TenantId(row.get_i64(0)?),
                id: row.get_text(1)?,
                place: place(&row.get_text(2)?)?,
                hidden_at: row.get_time(3)?,
            })
        };
        self.rows(Statement::new(sql, params![hidden_to, at, tenant, id, limit]), read).await
    }

    /// Forgets a hidden file whose bytes have been removed; `false` if that was done already.
    pub async fn forget_hidden_file(&self, file: &HiddenFile) -> Result<bool, StoreError> {
        let sql = "DELETE FROM stored_files WHERE tenant_id = ?1 AND id = ?2 AND hidden_at = ?3";
        self.changed(Statement::new(sql, params![file.tenant, &file.id, file.hidden_at])).await
    }
}

fn stored_file(row: &Row) -> Result<StoredFile, StoreError> {
    Ok(StoredFile {
        tenant: TenantId(row.get_i64(0)?),
        id: row.get_text(1)?,
        system: SystemKey(row.get_i64(2)?),
        model: ModelName::parse(row.get_text(3)?)
            .map_err(|_| StoreError::Corrupt { what: "the model of a stored file" })?,
        record_id: row.get_i64(4)?,
        name: row.get_text(5)?,
        content_type: row.get_text(6)?,
        size: row.get_u64(7)?,
        sha256: row.get_text(8)?,
        place: place(&row.get_text(9)?)?,
        created_by: UserId(row.get_i64(10)?),
        created_at: row.get_time(11)?,
    })
}

fn place(name: &str) -> Result<FilePlace, StoreError> {
    FilePlace::parse(name).ok_or(StoreError::Corrupt { what: "the place of a stored file" })
}
