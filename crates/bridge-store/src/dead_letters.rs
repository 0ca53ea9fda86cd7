//! What arrived and could not be understood: kept with its reason and its bytes, so that nothing is lost silently.

use crate::db::{Row, Statement, params};
use crate::{Store, StoreError};
use bridge_model::{Origin, SourceId, SystemKey, TenantId, Timestamp};

/// Something that could not be understood, on its way into the store.
#[derive(Debug, Clone)]
pub struct NewDeadLetter {
    /// The system it came from, if that is known.
    pub system: Option<SystemKey>,
    /// How it reached us.
    pub origin: Origin,
    /// The source's id of it, by which a second arrival is recognised.
    pub source_id: Option<SourceId>,
    /// Why it could not be understood, for people to read.
    pub reason: String,
    /// The bytes as they came; the caller bounds them.
    pub body: Vec<u8>,
}

/// Something that could not be understood.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its number, which grows with arrival.
    pub id: i64,
    /// The system it came from, if that is known.
    pub system: Option<SystemKey>,
    /// How it reached us.
    pub origin: Origin,
    /// The source's id of it.
    pub source_id: Option<SourceId>,
    /// Why it could not be understood, for people to read.
    pub reason: String,
    /// The bytes as they came.
    pub body: Vec<u8>,
    /// When it came.
    pub received_at: Timestamp,
}

impl Store {
    /// A tenant's dead letters in order of arrival, those with a higher id than `after`.
    pub async fn dead_letters(
        &self,
        tenant: TenantId,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let sql = "SELECT id, system_key, origin, source_id, reason, body, received_at FROM dead_letters
             WHERE tenant_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
        self.rows(Statement::new(sql, params![tenant, after.unwrap_or(0), limit]), dead_letter).await
    }

    /// How many dead letters a tenant has.
    pub async fn dead_letter_count(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM dead_letters WHERE tenant_id = ?1";
        Ok(self.row(Statement::new(sql, params![tenant]), |row| row.get_u64(0)).await?.unwrap_or(0))
    }

    /// Forgets dead letters of every tenant that came before this time, in transactions of at most `batch` rows;
    /// answers how many.
    pub async fn purge_dead_letters(&self, received_before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        self.purge(
            "DELETE FROM dead_letters WHERE id IN
                (SELECT id FROM dead_letters WHERE received_at < ?1 ORDER BY received_at LIMIT ?2)",
            received_before,
            batch,
        )
        .await
    }
}

/// The statement that keeps a dead letter; it changes no row if one with the same system, origin and source id is
/// kept already.
pub(crate) fn insert_dead_letter(tenant: TenantId, letter: &NewDeadLetter, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO dead_letters (tenant_id, system_key, origin, source_id, reason, body, received_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        params![
            tenant,
            letter.system,
            letter.origin.as_str(),
            letter.source_id.as_ref(),
            letter.reason.as_str(),
            letter.body.clone(),
            now,
        ],
    )
}

fn dead_letter(row: &Row) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        id: row.get_i64(0)?,
        system: row.get_opt_i64(1)?.map(SystemKey),
        origin: Origin::from_word(&row.get_text(2)?).ok_or(StoreError::Corrupt { what: "a dead letter's origin" })?,
        source_id: row.get_opt_text(3)?.map(SourceId),
        reason: row.get_text(4)?,
        body: row.get_blob(5)?,
        received_at: row.get_time(6)?,
    })
}
