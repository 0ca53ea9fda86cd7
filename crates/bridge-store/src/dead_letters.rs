//! What arrived and could not be understood: kept with its reason and its bytes, so that nothing is lost silently.

use crate::alerts::dead_letters_kept;
use crate::db::{Row, Statement, params};
use crate::{Append, Fence, Store, StoreError};
use bridge_model::{Origin, SourceId, SystemKey, TenantId, Timestamp};
use std::collections::BTreeSet;

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
    /// How often it was tried again, in vain.
    pub attempts: i64,
    /// When that was last.
    pub last_attempt_at: Option<Timestamp>,
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Only those of this system.
    pub system: Option<SystemKey>,
    /// Only those whose reason contains this text, letter by letter; an empty text is in every reason.
    pub reason_contains: Option<String>,
}

/// What a store adds to the appends of another try of a dead letter.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    pub(crate) dead_letter: i64,
    pub(crate) fence: Fence,
}

macro_rules! columns {
    () => {
        "id, system_key, origin, source_id, reason, body, received_at, attempts, last_attempt_at"
    };
}

impl Store {
    /// A tenant's dead letters in order of arrival, those with a higher id than `after`.
    pub async fn dead_letters(
        &self,
        tenant: TenantId,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.dead_letters_of(tenant, &DeadLetterFilter::default(), after, limit).await
    }

    /// The same of those that the filter means.
    pub async fn dead_letters_of(
        &self,
        tenant: TenantId,
        filter: &DeadLetterFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        // REPLACE finds a text in which no sign has a meaning of its own, in both databases alike.
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM dead_letters WHERE tenant_id = ?1 AND id > ?2
                AND system_key IS NOT DISTINCT FROM COALESCE(CAST(?3 AS BIGINT), system_key)
                AND (CAST(?4 AS TEXT) = '' OR REPLACE(reason, CAST(?4 AS TEXT), '') <> reason)
             ORDER BY id LIMIT ?5"
        );
        let reason = filter.reason_contains.as_deref().unwrap_or_default();
        self.rows(Statement::new(sql, params![tenant, after.unwrap_or(0), filter.system, reason, limit]), dead_letter)
            .await
    }

    /// A tenant's dead letter of this number.
    pub async fn dead_letter(&self, tenant: TenantId, id: i64) -> Result<Option<DeadLetter>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM dead_letters WHERE tenant_id = ?1 AND id = ?2");
        self.row(Statement::new(sql, params![tenant, id]), dead_letter).await
    }

    /// The same store for another try of a dead letter: whatever is appended through it [settles](Append::settles) that
    /// letter, and is refused with [`StoreError::Fenced`] once another may be trying it.
    #[must_use]
    pub fn settling(&self, dead_letter: i64, fence: Fence) -> Self {
        let mut store = self.clone();
        store.retry = Some(Retry { dead_letter, fence });
        store
    }

    /// Notes that a dead letter was tried again in vain, and why; `false` if the tenant has none of this number.
    pub async fn fail_dead_letter(&self, tenant: TenantId, id: i64, reason: &str) -> Result<bool, StoreError> {
        self.changed(failed_again(tenant, id, reason, self.now())).await
    }

    /// Removes a dead letter that needs nothing more; `false` if the tenant has none of this number.
    pub async fn remove_dead_letter(&self, tenant: TenantId, id: i64) -> Result<bool, StoreError> {
        self.changed(settled(tenant, id)).await
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

/// What an append does with dead letters: it keeps those that came with it, or settles the one it comes from.
pub(crate) fn dead_letter_statements(tenant: TenantId, batch: &Append, now: Timestamp) -> Vec<Statement> {
    match (batch.settles, batch.dead_letters.first()) {
        (None, _) => {
            let kept = batch.dead_letters.iter().map(|letter| insert_dead_letter(tenant, letter, now));
            // Whoever is to be told of them is told even if we are cut off right after this.
            let systems: BTreeSet<_> = batch.dead_letters.iter().map(|letter| letter.system).collect();
            kept.chain(systems.into_iter().map(|system| dead_letters_kept(tenant, system, now))).collect()
        }
        (Some(id), None) => vec![settled(tenant, id)],
        // It is the same letter again, so that it is not kept twice.
        (Some(id), Some(again)) => vec![failed_again(tenant, id, &again.reason, now)],
    }
}

fn settled(tenant: TenantId, id: i64) -> Statement {
    Statement::new("DELETE FROM dead_letters WHERE tenant_id = ?1 AND id = ?2", params![tenant, id])
}

fn failed_again(tenant: TenantId, id: i64, reason: &str, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE dead_letters SET attempts = attempts + 1, reason = ?3, last_attempt_at = ?4
         WHERE tenant_id = ?1 AND id = ?2",
        params![tenant, id, reason, now],
    )
}

/// The statement that keeps a dead letter; it changes no row if one with the same system, origin and source id is
/// kept already.
fn insert_dead_letter(tenant: TenantId, letter: &NewDeadLetter, now: Timestamp) -> Statement {
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
        attempts: row.get_i64(7)?,
        last_attempt_at: row.get_opt_time(8)?,
    })
}
