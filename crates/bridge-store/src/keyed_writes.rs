//! Writes that came with a key of their caller, so that the same key gives the same answer.
//!
//! One is noted before it is sent to the business system, and its answer when there is one. Whoever works on it holds a
//! claim, which ends by itself if they don't come back.

use crate::db::{Expect, Row, Statement, params};
use crate::{AuditId, NewAuditEntry, Store, StoreError};
use bridge_model::{SystemKey, TenantId, Timestamp, UserId};
use serde_json::Value;
use std::fmt;

/// A key of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteKey {
    /// The tenant.
    pub tenant: TenantId,
    /// Whose it is: the keys of others are other keys.
    pub user: UserId,
    /// The key, as the user gave it.
    pub key: String,
}

/// A write with a key.
#[derive(Debug, Clone, PartialEq)]
pub struct NewKeyedWrite {
    /// The system that it goes to.
    pub system: SystemKey,
    /// Which request it is: the same key can't stand for another.
    pub request_hash: String,
    /// As whom it is sent: the system gives the answer that it keeps to nobody else.
    pub sent_as: String,
    /// The name under which the system keeps the answer, where it does.
    pub erp_key: Option<String>,
    /// What shows whether it was done.
    pub to_check: Value,
    /// The writes that it belongs to, where it is one of several.
    pub series: Option<WriteSeries>,
}

/// Writes that belong together, those of a batch or of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteSeries {
    /// Unlike that of any other.
    pub name: String,
    /// Which of them it is; `None` for the request that asks for all of them.
    pub part: Option<WritePart>,
}

/// The operations of a series that one call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WritePart {
    /// The place of the first.
    pub first: u64,
    /// How many there are.
    pub operations: u64,
}

/// A write with a key, as it was noted. `Debug` leaves the answer out, which holds what was written.
#[derive(Clone, PartialEq)]
pub struct KeyedWrite {
    /// What is written, and where.
    pub write: NewKeyedWrite,
    /// When it was first sent.
    pub begun_at: Timestamp,
    /// Until when somebody is at work on it.
    pub claimed_to: Timestamp,
    /// Its answer; `None` as long as the outcome is not known.
    pub answer: Option<Value>,
}

impl fmt::Debug for KeyedWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedWrite")
            .field("write", &self.write)
            .field("begun_at", &self.begun_at)
            .field("claimed_to", &self.claimed_to)
            .finish_non_exhaustive()
    }
}

/// Who works on a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteClaim {
    /// Unlike that of anybody else.
    pub name: String,
    /// Until when; then anybody may take it over.
    pub until: Timestamp,
}

impl Store {
    /// The write that a key stands for, if there is one.
    pub async fn keyed_write(&self, key: &WriteKey) -> Result<Option<KeyedWrite>, StoreError> {
        let sql =
            "SELECT system_key, request_hash, sent_as, erp_key, to_check, begun_at, claimed_to, answer, series, first,
                operations
             FROM keyed_writes WHERE tenant_id = ?1 AND user_id = ?2 AND key = ?3";
        let read = |row: &Row| {
            let corrupt = |_| StoreError::Corrupt { what: "a write with a key" };
            let json = |text: &str| serde_json::from_str(text).map_err(corrupt);
            let answer = row.get_opt_text(7)?.map(|token| json(&self.crypt().decrypt(&token)?)).transpose()?;
            Ok(KeyedWrite {
                write: NewKeyedWrite {
                    system: SystemKey(row.get_i64(0)?),
                    request_hash: row.get_text(1)?,
                    sent_as: row.get_text(2)?,
                    erp_key: row.get_opt_text(3)?,
                    to_check: json(&row.get_text(4)?)?,
                    series: read_series(row, 8)?,
                },
                begun_at: row.get_time(5)?,
                claimed_to: row.get_time(6)?,
                answer,
            })
        };
        self.row(Statement::new(sql, params![key.tenant, key.user, &key.key]), read).await
    }

    /// Notes a write that is sent now; `false` if the key stands for one already, and then nothing is noted.
    pub async fn begin_keyed_write(
        &self,
        key: &WriteKey,
        write: &NewKeyedWrite,
        claim: &WriteClaim,
    ) -> Result<bool, StoreError> {
        self.changed(self.insert_keyed_write(key, write, claim)).await
    }

    /// The same with an entry in the audit, in one transaction; answers its number, or `None` if the key stands for a write
    /// already.
    pub async fn begin_audited_write(
        &self,
        key: &WriteKey,
        write: &NewKeyedWrite,
        claim: &WriteClaim,
        entry: &NewAuditEntry,
    ) -> Result<Option<AuditId>, StoreError> {
        let write = self.insert_keyed_write(key, write, claim).expecting(Expect::Rows(1));
        let statements = vec![write, self.insert_audit_entry(entry, Some(&key.key))];
        match self.returned(statements, |row| row.get_i64(0).map(AuditId)).await {
            Err(StoreError::NotFound) => Ok(None),
            noted => noted,
        }
    }

    fn insert_keyed_write(&self, key: &WriteKey, write: &NewKeyedWrite, claim: &WriteClaim) -> Statement {
        let part = write.series.as_ref().and_then(|series| series.part);
        Statement::new(
            "INSERT INTO keyed_writes (tenant_id, user_id, key, system_key, request_hash, sent_as, erp_key, to_check,
                begun_at, claim, claimed_to, series, first, operations)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT (tenant_id, user_id, key) DO NOTHING",
            params![
                key.tenant,
                key.user,
                &key.key,
                write.system,
                &write.request_hash,
                &write.sent_as,
                write.erp_key.as_deref(),
                write.to_check.to_string(),
                self.now(),
                &claim.name,
                claim.until,
                write.series.as_ref().map(|series| series.name.as_str()),
                part.map(|part| number(part.first)),
                part.map(|part| number(part.operations)),
            ],
        )
    }

    /// The calls of a series that were begun and not found to be refused, each with what shows whether it was done.
    pub async fn series_parts(&self, series: &str) -> Result<Vec<(WritePart, Value)>, StoreError> {
        let sql = "SELECT series, first, operations, to_check FROM keyed_writes
             WHERE series = ?1 AND first IS NOT NULL ORDER BY first";
        let read = |row: &Row| {
            let part = read_series(row, 0)?.and_then(|series| series.part).ok_or(StoreError::Corrupt { what: PART })?;
            let to_check = serde_json::from_str(&row.get_text(3)?).map_err(|_| StoreError::Corrupt { what: PART })?;
            Ok((part, to_check))
        };
        self.rows(Statement::new(sql, params![series]), read).await
    }

    /// Takes a write over whose outcome is not known and that nobody works on any more; `false` if somebody does, or
    /// if there is no such write.
    pub async fn claim_keyed_write(&self, key: &WriteKey, claim: &WriteClaim) -> Result<bool, StoreError> {
        self.take_over(key, claim, self.now()).await
    }

    /// Takes a write over whose outcome is not known, whoever has been at work on it: for those who know in another way
    /// that they are alone. `false` if there is no such write.
    pub async fn seize_keyed_write(&self, key: &WriteKey, claim: &WriteClaim) -> Result<bool, StoreError> {
        self.take_over(key, claim, Timestamp::from_micros(i64::MAX)).await
    }

    async fn take_over(
        &self,
        key: &WriteKey,
        claim: &WriteClaim,
        claimed_up_to: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = Statement::new(
            "UPDATE keyed_writes SET claim = ?4, claimed_to = ?5
             WHERE tenant_id = ?1 AND user_id = ?2 AND key = ?3 AND answer IS NULL AND claimed_to <= ?6",
            params![key.tenant, key.user, &key.key, &claim.name, claim.until, claimed_up_to],
        );
        self.changed(update).await
    }

    /// Keeps the answer of a write; `false` if another has taken it over meanwhile.
    pub async fn answer_keyed_write(
        &self,
        key: &WriteKey,
        claim: &WriteClaim,
        answer: &Value,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let update = Statement::new(
            "UPDATE keyed_writes SET answer = ?5, claimed_to = ?6
             WHERE tenant_id = ?1 AND user_id = ?2 AND key = ?3 AND claim = ?4 AND answer IS NULL",
            params![key.tenant, key.user, &key.key, &claim.name, self.crypt().encrypt(&answer.to_string(), now), now],
        );
        self.changed(update).await
    }

    /// Gives a write up whose outcome is not known: the next with its key may take it over at once.
    pub async fn leave_keyed_write(&self, key: &WriteKey, claim: &WriteClaim) -> Result<bool, StoreError> {
        let update = Statement::new(
            "UPDATE keyed_writes SET claimed_to = ?5
             WHERE tenant_id = ?1 AND user_id = ?2 AND key = ?3 AND claim = ?4 AND answer IS NULL",
            params![key.tenant, key.user, &key.key, &claim.name, self.now()],
        );
        self.changed(update).await
    }

    /// Forgets a write that was not done: its key is free again.
    pub async fn forget_keyed_write(&self, key: &WriteKey, claim: &WriteClaim) -> Result<bool, StoreError> {
        let delete = Statement::new(
            "DELETE FROM keyed_writes
             WHERE tenant_id = ?1 AND user_id = ?2 AND key = ?3 AND claim = ?4 AND answer IS NULL",
            params![key.tenant, key.user, &key.key, &claim.name],
        );
        self.changed(delete).await
    }

    /// Deletes writes that were first sent before `begun_before`, at most `batch` in a transaction; answers how many. Those
    /// of a task stay as long as it has not ended: whoever goes on with it has to know what was sent.
    pub async fn purge_keyed_writes(&self, begun_before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        self.purge(
            "DELETE FROM keyed_writes WHERE (tenant_id, user_id, key) IN
                (SELECT tenant_id, user_id, key FROM keyed_writes
                 WHERE begun_at < ?1 AND (series IS NULL OR series NOT IN
                    (SELECT series FROM tasks WHERE finished_at IS NULL AND series IS NOT NULL))
                 ORDER BY begun_at LIMIT ?2)",
            begun_before,
            batch,
        )
        .await
    }
}

/// What a row is that can't be read.
const PART: &str = "a write of a series";

/// The series of a write, from its name in column `at` and the two columns that follow.
fn read_series(row: &Row, at: usize) -> Result<Option<WriteSeries>, StoreError> {
    let Some(name) = row.get_opt_text(at)? else { return Ok(None) };
    let count = |number: i64| u64::try_from(number).map_err(|_| StoreError::Corrupt { what: PART });
    let part = match (row.get_opt_i64(at + 1)?, row.get_opt_i64(at + 2)?) {
        (Some(first), Some(operations)) => Some(WritePart { first: count(first)?, operations: count(operations)? }),
        _ => None,
    };
    Ok(Some(WriteSeries { name, part }))
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
