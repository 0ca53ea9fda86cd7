//! Alerts: what somebody should look at, kept until everybody who is to be told was told.
//!
//! While something lasts there is one alert for it (of its tenant, system and kind), however often it happens: it is only
//! counted. What happens in a transaction of the store, such as a dead letter, raises its alert in that transaction.

use crate::db::{Expect, Param, Row, Statement, params};
use crate::jobs::insert_job;
use crate::{NewJob, Store, StoreError, TaskId};
use bridge_model::{SystemId, SystemKey, TenantId, Timestamp};
use serde_json::{Value, json};

/// The number of an alert; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId(pub i64);

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKind {
    /// A system's circuit breaker is open.
    CircuitOpen,
    /// Events came that could not be understood.
    DeadLetters,
    /// A source can't be read, and that will not pass by itself.
    SourceRefused,
    /// A strategy has failed for too long, and the next best sees the changes of its models.
    Takeover,
    /// The log of an ERP's database could not be read on.
    WalLost,
    /// An ERP's database keeps much of its log for us.
    WalRetained,
    /// An API key ends soon and can't be renewed.
    CredentialEnding,
    /// A task could not go on.
    TaskFailed,
    /// A job of the service itself was given up.
    JobFailed,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::CircuitOpen,
        Self::DeadLetters,
        Self::SourceRefused,
        Self::Takeover,
        Self::WalLost,
        Self::WalRetained,
        Self::CredentialEnding,
        Self::TaskFailed,
        Self::JobFailed,
    ];

    /// The word in the store, in the config and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CircuitOpen => "circuit_open",
            Self::DeadLetters => "dead_letters",
            Self::SourceRefused => "source_refused",
            Self::Takeover => "takeover",
            Self::WalLost => "wal_lost",
            Self::WalRetained => "wal_retained",
            Self::CredentialEnding => "credential_ending",
            Self::TaskFailed => "task_failed",
            Self::JobFailed => "job_failed",
        }
    }

    /// The kind of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it goes on until it is over, which is worth telling. The others happen, and are left alone when they have
    /// not happened again for a while.
    pub fn lasts(self) -> bool {
        !matches!(self, Self::WalLost | Self::TaskFailed | Self::JobFailed)
    }

    /// Whether it is worth telling again that it still lasts, also if it has not happened anew.
    fn reminds(self) -> bool {
        self.lasts() && self != Self::DeadLetters
    }
}

/// What an alert is to be raised about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertSubject {
    /// A system, and with it its tenant.
    System(SystemKey),
    /// The whole installation, which is no tenant's business.
    Installation,
}

/// An alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its number, which grows with time.
    pub id: AlertId,
    /// The tenant; `None` for one of the whole installation.
    pub tenant: Option<TenantId>,
    /// The system, by its public name, if it is about one.
    pub system_id: Option<SystemId>,
    /// What it is about.
    pub kind: AlertKind,
    /// More of it, for programs; no secrets and nothing of records.
    pub facts: Value,
    /// How often it has happened.
    pub times: u64,
    /// Since when.
    pub raised_at: Timestamp,
    /// When it was last known to be so.
    pub seen_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// How often it was handed to those who are to be told.
    pub told: u64,
    /// When that was last.
    pub told_at: Option<Timestamp>,
}

/// A SELECT of alerts with their systems' names, with what goes on behind it.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.tenant_id, s.system_id, a.kind, a.facts, a.times, a.raised_at, a.seen_at, a.resolved_at,
                a.told, a.told_at
             FROM alerts AS a LEFT JOIN systems AS s ON s.key = a.system_key ",
            $rest
        )
    };
}

impl Store {
    /// Notes that something has happened so many `times` more: raises its alert, or counts it to the one that is open. Nothing
    /// is noted of a system that there is not any more.
    pub async fn raise_alert(
        &self,
        kind: AlertKind,
        subject: AlertSubject,
        facts: &Value,
        times: u64,
    ) -> Result<(), StoreError> {
        let (source, system) = match subject {
            AlertSubject::System(key) => (
                "SELECT s.tenant_id AS tenant_id, s.key AS system_key, 0 AS mark, CAST(?5 AS BIGINT) AS times
                 FROM systems AS s WHERE s.key = CAST(?4 AS BIGINT) AND s.deleted_at IS NULL",
                key.0,
            ),
            AlertSubject::Installation => {
                ("SELECT 0 AS tenant_id, CAST(?4 AS BIGINT) AS system_key, 0 AS mark, CAST(?5 AS BIGINT) AS times", 0)
            }
        };
        let further = params![system, i64::try_from(times).unwrap_or(i64::MAX)];
        self.changed(raised(kind, facts, self.now(), source, further)).await.map(drop)
    }

    /// Notes that something is still so; `false` if no alert of it is open.
    pub async fn hold_alert(&self, kind: AlertKind, system: SystemKey) -> Result<bool, StoreError> {
        let sql = "UPDATE alerts SET seen_at = ?3 WHERE kind = ?1 AND system_key = ?2 AND resolved_at IS NULL";
        self.changed(Statement::new(sql, params![kind.as_str(), system, self.now()])).await
    }

    /// Ends the alerts of what has not been seen since `seen_before`, and closes those that don't last and were told of
    /// before `told_before`.
    pub async fn end_alerts(&self, seen_before: Timestamp, told_before: Timestamp) -> Result<(), StoreError> {
        let over = format!(
            "SELECT id FROM alerts AS a WHERE is_settled = 0 AND resolved_at IS NULL AND seen_at <= ?1 AND kind IN ({})
                AND NOT (kind = '{}' AND EXISTS (SELECT 1 FROM dead_letters AS d
                    WHERE d.tenant_id = a.tenant_id AND COALESCE(d.system_key, 0) = a.system_key))
             ORDER BY id",
            words(AlertKind::lasts),
            AlertKind::DeadLetters.as_str(),
        );
        // Each in a transaction of its own: one that took many rows could stand in the way of an append.
        for id in self.rows(Statement::new(over, params![seen_before]), |row| row.get_i64(0)).await? {
            let sql = "UPDATE alerts SET resolved_at = ?2 WHERE id = ?1 AND resolved_at IS NULL AND seen_at <= ?3";
            self.changed(Statement::new(sql, params![id, self.now(), seen_before])).await?;
        }
        let quiet = format!(
            "SELECT id FROM alerts WHERE is_settled = 0 AND resolved_at IS NULL AND told_at <= ?1 AND told_times = times
                AND kind IN ({}) ORDER BY id",
            words(|kind| !kind.lasts()),
        );
        for id in self.rows(Statement::new(quiet, params![told_before]), |row| row.get_i64(0)).await? {
            let sql = "UPDATE alerts SET resolved_at = ?2, is_settled = 1
                 WHERE id = ?1 AND resolved_at IS NULL AND told_at <= ?3 AND told_times = times";
            self.changed(Statement::new(sql, params![id, self.now(), told_before])).await?;
        }
        Ok(())
    }

    /// Alerts of which something is to be told: that they were raised, that they are over, or, if that was told before
    /// `told_before`, that they go on. The oldest first.
    pub async fn alerts_to_tell(&self, told_before: Timestamp, limit: u32) -> Result<Vec<Alert>, StoreError> {
        let sql = format!(
            select!(
                "WHERE a.is_settled = 0 AND (a.told_at IS NULL OR a.resolved_at IS NOT NULL
                    OR (a.told_at <= ?1 AND (a.times > a.told_times OR a.kind IN ({}))))
                 ORDER BY a.id LIMIT ?2"
            ),
            words(AlertKind::reminds)
        );
        self.rows(Statement::new(sql, params![told_before, limit]), read_alert).await
    }

    /// Hands an alert to those who are to be told, which these jobs do. `false`, and then nothing is done, if another node
    /// was first.
    pub async fn tell_alert(&self, alert: &Alert, jobs: &[NewJob]) -> Result<bool, StoreError> {
        let now = self.now();
        let told = i64::try_from(alert.told).unwrap_or(i64::MAX);
        let note = Statement::new(
            "UPDATE alerts SET told = told + 1, told_at = ?3, told_times = times,
                is_settled = CASE WHEN resolved_at IS NULL THEN 0 ELSE 1 END
             WHERE id = ?1 AND told = ?2 AND is_settled = 0",
            params![alert.id.0, told, now],
        );
        let mut statements = vec![note.expecting(Expect::Rows(1))];
        statements.extend(jobs.iter().map(|job| insert_job(job, now)));
        self.all_or_nothing(statements).await
    }

    /// The alert of this number.
    pub async fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        self.row(Statement::new(select!("WHERE a.id = ?1"), params![id.0]), read_alert).await
    }

    /// A tenant's alerts, the newest first: those with a lower number than `before`, only the open ones or only those that
    /// are over if that is said.
    pub async fn alerts(
        &self,
        tenant: TenantId,
        open: Option<bool>,
        before: Option<AlertId>,
        limit: u32,
    ) -> Result<Vec<Alert>, StoreError> {
        let sql = select!(
            "WHERE a.tenant_id = ?1 AND a.id < ?2 AND (CAST(?3 AS BIGINT) IS NULL
                OR CAST(?3 AS BIGINT) = CASE WHEN a.resolved_at IS NULL THEN 1 ELSE 0 END)
             ORDER BY a.id DESC LIMIT ?4"
        );
        let before = before.map_or(i64::MAX, |id| id.0);
        self.rows(Statement::new(sql, params![tenant, before, open.map(i64::from), limit]), read_alert).await
    }

    /// How many alerts are open, of each kind that has any.
    pub async fn open_alerts(&self) -> Result<Vec<(AlertKind, u64)>, StoreError> {
        let sql = "SELECT kind, COUNT(*) FROM alerts WHERE is_settled = 0 AND resolved_at IS NULL GROUP BY kind";
        self.rows(Statement::new(sql, params![]), |row| Ok((read_kind(&row.get_text(0)?)?, row.get_u64(1)?))).await
    }

    /// Forgets alerts that were over before this time, in transactions of at most `batch` rows; answers how many.
    pub async fn purge_alerts(&self, resolved_before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        self.purge(
            "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts
                WHERE is_settled = 1 AND resolved_at < ?1 ORDER BY resolved_at LIMIT ?2)",
            resolved_before,
            batch,
        )
        .await
    }
}

/// The statement that counts the dead letters of a system that were kept since they were last counted. It belongs into
/// the transaction that keeps them: a tenant's appends take turns, so that none has a lower number than one before it.
pub(crate) fn dead_letters_kept(tenant: TenantId, system: Option<SystemKey>, now: Timestamp) -> Statement {
    let source = "SELECT CAST(?4 AS BIGINT) AS tenant_id, CAST(?5 AS BIGINT) AS system_key,
            MAX(d.id) AS mark, COUNT(*) AS times
         FROM dead_letters AS d
         WHERE d.tenant_id = CAST(?4 AS BIGINT) AND COALESCE(d.system_key, 0) = CAST(?5 AS BIGINT)
            AND d.id > COALESCE((SELECT MAX(m.mark) FROM alerts AS m WHERE m.tenant_id = CAST(?4 AS BIGINT)
                AND m.system_key = CAST(?5 AS BIGINT) AND m.kind = CAST(?1 AS TEXT)), 0)
         HAVING COUNT(*) > 0";
    raised(AlertKind::DeadLetters, &json!({}), now, source, params![tenant, system.map_or(0, |key| key.0)])
}

/// The statement that tells of a task which could not go on; it belongs into the transaction that ends it.
pub(crate) fn task_failed(id: TaskId, now: Timestamp) -> Statement {
    let source = "SELECT t.tenant_id AS tenant_id, COALESCE(s.key, 0) AS system_key, 0 AS mark, 1 AS times
         FROM tasks AS t LEFT JOIN systems AS s
            ON s.tenant_id = t.tenant_id AND s.system_id = t.system_id AND s.deleted_at IS NULL
         WHERE t.id = CAST(?4 AS BIGINT)";
    raised(AlertKind::TaskFailed, &json!({ "task_id": id.0 }), now, source, params![id.0])
}

/// The statement that raises the alert that `source` selects (`tenant_id`, `system_key`, `mark`, `times`), whose own
/// parameters begin with `?4`, or counts it to the one that is open.
fn raised(kind: AlertKind, facts: &Value, now: Timestamp, source: &str, further: Vec<Param>) -> Statement {
    let mut params = params![kind.as_str(), facts.to_string(), now];
    params.extend(further);
    // The types are told where the value alone would not tell PostgreSQL.
    let sql = format!(
        "INSERT INTO alerts (tenant_id, system_key, kind, facts, times, mark, raised_at, seen_at, told, told_times, is_settled)
         SELECT f.tenant_id, f.system_key, CAST(?1 AS TEXT), CAST(?2 AS TEXT), f.times, f.mark,
            CAST(?3 AS BIGINT), CAST(?3 AS BIGINT), 0, 0, 0
         FROM ({source}) AS f WHERE 1 = 1
         ON CONFLICT (tenant_id, system_key, kind) WHERE resolved_at IS NULL DO UPDATE SET
            times = alerts.times + excluded.times, mark = excluded.mark,
            facts = excluded.facts, seen_at = excluded.seen_at"
    );
    Statement::new(sql, params)
}

/// The words of some kinds, for `IN`.
fn words(which: impl Fn(AlertKind) -> bool) -> String {
    let words = AlertKind::ALL.into_iter().filter(|kind| which(*kind));
    words.map(|kind| format!("'{}'", kind.as_str())).collect::<Vec<_>>().join(", ")
}

fn read_kind(word: &str) -> Result<AlertKind, StoreError> {
    AlertKind::from_word(word).ok_or(StoreError::Corrupt { what: "an alert's kind" })
}

fn read_alert(row: &Row) -> Result<Alert, StoreError> {
    let system_id = row.get_opt_text(2)?.map(SystemId::parse).transpose();
    Ok(Alert {
        id: AlertId(row.get_i64(0)?),
        tenant: Some(row.get_i64(1)?).filter(|tenant| *tenant != 0).map(TenantId),
        system_id: system_id.map_err(|_| StoreError::Corrupt { what: "an alert's system" })?,
        kind: read_kind(&row.get_text(3)?)?,
        facts: row.get_json(4)?,
        times: row.get_u64(5)?,
        raised_at: row.get_time(6)?,
        seen_at: row.get_time(7)?,
        resolved_at: row.get_opt_time(8)?,
        told: row.get_u64(9)?,
        told_at: row.get_opt_time(10)?,
    })
}
