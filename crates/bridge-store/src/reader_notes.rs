//! What readers remember of their sources.

use crate::db::{Statement, params};
use crate::{Store, StoreError};
use bridge_model::{SystemKey, TenantId};

/// What a reader remembers, saved together with what it read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderNote {
    /// The system.
    pub system: SystemKey,
    /// The reader's name; each has one note for each system.
    pub reader: &'static str,
    /// What it remembers, in its own form. It takes the place of what was saved before.
    pub note: String,
}

impl Store {
    /// What a reader of a system remembers; `None` if it has never saved anything.
    pub async fn reader_note(
        &self,
        tenant: TenantId,
        system: SystemKey,
        reader: &str,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT note FROM reader_notes WHERE tenant_id = ?1 AND system_key = ?2 AND reader = ?3";
        self.row(Statement::new(sql, params![tenant, system, reader]), |row| row.get_text(0)).await
    }
}

/// The statement that saves a note in an append's transaction.
pub(crate) fn save_note(tenant: TenantId, note: &ReaderNote) -> Statement {
    Statement::new(
        "INSERT INTO reader_notes (tenant_id, system_key, reader, note) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (tenant_id, system_key, reader) DO UPDATE SET note = excluded.note",
        params![tenant, note.system, note.reader, note.note.as_str()],
    )
}
