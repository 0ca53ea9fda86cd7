//! The audit: who changed what, in business systems and in the service itself.
//!
//! A change is noted before it is made, and its outcome afterwards. If nothing was heard of its outcome, it stays unknown.

use crate::db::{Row, Statement, params};
use crate::{Store, StoreError, WriteKey};
use bridge_model::entropy::hex;
use bridge_model::{RecordId, SystemId, TenantId, Timestamp, UserId};
use serde_json::Value;
use std::fmt;

/// The number of an entry; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditId(pub i64);

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditOutcome {
    /// It is under way, or nobody knows.
    Unknown,
    /// It is made.
    Done,
    /// It is not made.
    Refused,
}

impl AuditOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Done, Self::Refused];

    /// The word in the store and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// Who changes what. `Debug` leaves the values out.
#[derive(Clone, PartialEq)]
pub struct NewAuditEntry {
    /// The tenant.
    pub tenant: TenantId,
    /// Who does it.
    pub user: UserId,
    /// The user's name then.
    pub username: String,
    /// As whom it is done in the business system.
    pub acting_as: Option<String>,
    /// The business system, where it is about one.
    pub system_id: Option<SystemId>,
    /// The model, or the kind of thing in the service.
    pub model: String,
    /// The records, as far as they are known.
    pub record_ids: Vec<RecordId>,
    /// What is done.
    pub action: String,
    /// What is written and what was there before; kept encrypted.
    pub values: Value,
    /// What became of it, so far as that is known already.
    pub outcome: AuditOutcome,
    /// Why it was refused.
    pub code: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// The key that the request came with.
    pub idempotency_key: Option<String>,
    /// The address that the request came from.
    pub address: Option<String>,
}

impl fmt::Debug for NewAuditEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAuditEntry")
            .field("tenant", &self.tenant)
            .field("user", &self.user)
            .field("model", &self.model)
            .field("action", &self.action)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// An entry of the audit.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Its number.
    pub id: AuditId,
    /// When the change was begun.
    pub at: Timestamp,
    /// The change. Its values are `null` if no key decrypts them.
    pub entry: NewAuditEntry,
}

/// Which entries are wanted; what is `None` leaves nothing out.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only older ones than this.
    pub before: Option<AuditId>,
    /// Those of a user.
    pub user: Option<UserId>,
    /// Those of a system.
    pub system_id: Option<SystemId>,
    /// Those of a model.
    pub model: Option<String>,
    /// Those of a record.
    pub record_id: Option<String>,
    /// Those of an action.
    pub action: Option<String>,
    /// Those with an outcome.
    pub outcome: Option<AuditOutcome>,
    /// Those from this time on.
    pub since: Option<Timestamp>,
    /// Those before this time.
    pub until: Option<Timestamp>,
    /// The most to answer.
    pub limit: u32,
}

impl Store {
    /// Notes a change that is about to be made.
    pub async fn add_audit_entry(&self, entry: &NewAuditEntry) -> Result<AuditId, StoreError> {
        let added = self.returned(vec![self.insert_audit_entry(entry, None)], read_id).await?;
        added.ok_or(StoreError::Corrupt { what: "the audit" })
    }

    /// The statement that notes a change and returns its number, for a transaction with others.
    pub(crate) fn insert_audit_entry(&self, entry: &NewAuditEntry, write_key: Option<&str>) -> Statement {
        let now = self.now();
        Statement::new(
            "INSERT INTO audit (tenant_id, at, user_id, username, acting_as, system_id, model, record_ids, action, body,
                outcome, code, request_id, idempotency_key, write_key, address)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) RETURNING id",
            params![
                entry.tenant,
                now,
                entry.user,
                &entry.username,
                entry.acting_as.as_deref(),
                entry.system_id.as_ref(),
                &entry.model,
                ids_text(&entry.record_ids),
                &entry.action,
                self.crypt().encrypt(&entry.values.to_string(), now),
                entry.outcome.as_str(),
                entry.code.as_deref(),
                entry.request_id.as_deref(),
                entry.idempotency_key.as_deref(),
                write_key,
                entry.address.as_deref(),
            ],
        )
    }

    /// The entry of the write that a key stands for, which an earlier try of it has begun; `None` if it has none.
    pub async fn audit_entry_of(&self, key: &WriteKey) -> Result<Option<AuditId>, StoreError> {
        let sql =
            "SELECT id FROM audit WHERE tenant_id = ?1 AND user_id = ?2 AND write_key = ?3 ORDER BY id DESC LIMIT 1";
        self.row(Statement::new(sql, params![key.tenant, key.user, &key.key]), read_id).await
    }

    /// Notes what became of a change, with its records if they are known only now. `false` if that it is made or refused was
    /// noted before. One that ended without anybody knowing stays [`AuditOutcome::Unknown`], with the code of its end.
    pub async fn settle_audit_entry(
        &self,
        id: AuditId,
        outcome: AuditOutcome,
        code: Option<&str>,
        record_ids: Option<&[RecordId]>,
    ) -> Result<bool, StoreError> {
        let update = Statement::new(
            "UPDATE audit SET outcome = ?2, code = ?3, record_ids = COALESCE(CAST(?4 AS TEXT), record_ids)
             WHERE id = ?1 AND outcome = 'unknown'",
            params![id.0, outcome.as_str(), code, record_ids.map(ids_text)],
        );
        self.changed(update).await
    }

    /// A tenant's entries, the newest first.
    pub async fn audit_entries(&self, tenant: TenantId, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        // Only a plain comparison makes SQLite take the index.
        let of_model = if query.model.is_some() { "model = ?5" } else { "CAST(?5 AS TEXT) IS NULL" };
        let sql = format!(
            "SELECT id, at, tenant_id, user_id, username, acting_as, system_id, model, record_ids, action, body, outcome,
                code, request_id, idempotency_key, address
             FROM audit
             WHERE tenant_id = ?1 AND id < ?2
                AND (CAST(?3 AS BIGINT) IS NULL OR user_id = CAST(?3 AS BIGINT))
                AND (CAST(?4 AS TEXT) IS NULL OR system_id = CAST(?4 AS TEXT))
                AND {of_model}
                AND (CAST(?6 AS TEXT) IS NULL OR record_ids LIKE CAST(?6 AS TEXT))
                AND (CAST(?7 AS TEXT) IS NULL OR action = CAST(?7 AS TEXT))
                AND (CAST(?8 AS TEXT) IS NULL OR outcome = CAST(?8 AS TEXT))
                AND (CAST(?9 AS BIGINT) IS NULL OR at >= CAST(?9 AS BIGINT))
                AND (CAST(?10 AS BIGINT) IS NULL OR at < CAST(?10 AS BIGINT))
             ORDER BY id DESC LIMIT ?11"
        );
        let values = params![
            tenant,
            query.before.map_or(i64::MAX, |id| id.0),
            query.user,
            query.system_id.as_ref(),
            query.model.as_deref(),
            query.record_id.as_deref().map(pattern),
            query.action.as_deref(),
            query.outcome.map(AuditOutcome::as_str),
            query.since,
            query.until,
            query.limit,
        ];
        self.rows(Statement::new(sql, values), |row| self.read_entry(row)).await
    }

    /// Forgets entries that were begun before this time, in transactions of at most `batch` rows; answers how many.
    pub async fn purge_audit(&self, begun_before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        self.purge(
            "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)",
            begun_before,
            batch,
        )
        .await
    }

    fn read_entry(&self, row: &Row) -> Result<AuditEntry, StoreError> {
        const WHAT: &str = "the audit";
        let system_id = row.get_opt_text(6)?.map(SystemId::parse).transpose();
        let values = self.crypt().decrypt(&row.get_text(10)?).ok().and_then(|text| serde_json::from_str(&text).ok());
        Ok(AuditEntry {
            id: read_id(row)?,
            at: row.get_time(1)?,
            entry: NewAuditEntry {
                tenant: TenantId(row.get_i64(2)?),
                user: UserId(row.get_i64(3)?),
                username: row.get_text(4)?,
                acting_as: row.get_opt_text(5)?,
                system_id: system_id.map_err(|_| StoreError::Corrupt { what: WHAT })?,
                model: row.get_text(7)?,
                record_ids: read_ids(&row.get_text(8)?).ok_or(StoreError::Corrupt { what: WHAT })?,
                action: row.get_text(9)?,
                values: values.unwrap_or_default(),
                outcome: AuditOutcome::from_word(&row.get_text(11)?).ok_or(StoreError::Corrupt { what: WHAT })?,
                code: row.get_opt_text(12)?,
                request_id: row.get_opt_text(13)?,
                idempotency_key: row.get_opt_text(14)?,
                address: row.get_opt_text(15)?,
            },
        })
    }
}

fn read_id(row: &Row) -> Result<AuditId, StoreError> {
    row.get_i64(0).map(AuditId)
}

/// The records as a list of JSON, in which each can be found in its quotes: a number as its digits, a text as `x` and the
/// hexadecimal digits of its bytes.
fn ids_text(ids: &[RecordId]) -> String {
    Value::Array(ids.iter().map(|id| word(id).into()).collect()).to_string()
}

fn word(id: &RecordId) -> String {
    match id {
        RecordId::Number(number) => number.to_string(),
        RecordId::Text(text) => format!("x{}", hex(text.as_bytes())),
    }
}

fn read_ids(text: &str) -> Option<Vec<RecordId>> {
    let words: Vec<String> = serde_json::from_str(text).ok()?;
    let read = |word: &String| match word.strip_prefix('x') {
        None => word.parse().ok().map(RecordId::Number),
        Some(digits) => {
            let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
            String::from_utf8(bytes.collect::<Option<_>>()?).ok().map(RecordId::Text)
        }
    };
    words.iter().map(read).collect()
}

/// What finds a record in such a list. What reads as a number means one.
fn pattern(record_id: &str) -> String {
    let id = record_id.parse().map_or_else(|_| RecordId::Text(record_id.to_owned()), RecordId::Number);
    format!("%\"{}\"%", word(&id))
}
