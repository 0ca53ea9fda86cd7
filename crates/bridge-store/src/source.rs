//! What the reader of a system remembers: which life of the numbering it is in, how far it has read, and which ids
//! were missing on the way.

use crate::db::{Db, Expect, Row, Statement, params};
use crate::leases::check_fence;
use crate::{Fence, Store, StoreError};
use bridge_model::{Epoch, ModelName, SystemKey, TenantId, Timestamp};

/// How far a system has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceState {
    /// The life of the numbering that is current.
    pub epoch: Epoch,
    /// What tells this life from another, for example the ERP database's own id; `None` until first told.
    pub identity: Option<String>,
    /// The highest source id that was read; everything up to it is in the log or among the gaps.
    pub read_to: i64,
    /// The ids that were missing, lowest first.
    pub gaps: Vec<Gap>,
}

/// A source id that was missing when a higher one was read: its transaction may be open still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The id.
    pub id: i64,
    /// When it was first seen to be missing, by the store's clock.
    pub seen_at: Timestamp,
}

/// How far a system has been read, saved together with what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProgress {
    /// The system.
    pub system: SystemKey,
    /// The life of the numbering in which it was read; an older one is refused.
    pub epoch: Epoch,
    /// The highest source id read. A lower one than before changes nothing.
    pub read_to: i64,
    /// Ids that were missing.
    pub gaps_opened: Vec<i64>,
    /// Ids that were missing and now are in the log, or are given up.
    pub gaps_closed: Vec<i64>,
}

impl Store {
    /// What the reader of a system remembers; the default if it has not read yet. On SQLite, where nobody else can
    /// write it, mostly without a look at the database.
    pub async fn source(&self, tenant: TenantId, system: SystemKey) -> Result<SourceState, StoreError> {
        let Db::Sqlite(db) = self.db() else { return self.read_source(tenant, system).await };
        let key = (tenant, system);
        if let Some(state) = db.sources.look(&key, Clone::clone) {
            return Ok(state);
        }
        let reading = db.sources.reading(&key);
        let state = self.read_source(tenant, system).await?;
        reading.keep(state.clone());
        Ok(state)
    }

    async fn read_source(&self, tenant: TenantId, system: SystemKey) -> Result<SourceState, StoreError> {
        // One statement, so that the gaps and how far was read are of one moment.
        let sql = "SELECT s.epoch, s.identity, s.read_to, g.gap_id, g.seen_at FROM sources AS s
             LEFT JOIN source_gaps AS g ON g.tenant_id = s.tenant_id AND g.system_key = s.system_key
             WHERE s.tenant_id = ?1 AND s.system_key = ?2 ORDER BY g.gap_id";
        let rows = self.db().read(sql, params![tenant, system]).await?;
        let Some(first) = rows.first() else { return Ok(SourceState::default()) };
        Ok(SourceState {
            epoch: Epoch(first.get_i64(0)?),
            identity: first.get_opt_text(1)?,
            read_to: first.get_i64(2)?,
            gaps: rows.iter().filter_map(|row| gap(row).transpose()).collect::<Result<_, _>>()?,
        })
    }

    /// The models of which the log tells for this system, sorted. Looks through the tenant's whole log: for rare
    /// occasions such as a restore of the ERP.
    pub async fn logged_models(&self, tenant: TenantId, system: SystemKey) -> Result<Vec<ModelName>, StoreError> {
        let sql = "SELECT DISTINCT model FROM changes WHERE tenant_id = ?1 AND system_key = ?2 ORDER BY model";
        self.rows(Statement::new(sql, params![tenant, system]), |row| {
            ModelName::parse(row.get_text(0)?).map_err(|_| StoreError::Corrupt { what: "a model's name" })
        })
        .await
    }

    /// Says which life of a system's numbering is being read, and answers its epoch.
    ///
    /// The same identity keeps the epoch; the first one ever told adopts the epoch as it is; another one opens the
    /// next epoch. Of a life that is new nothing has been read yet but what was there no more when it was first seen, which
    /// is up to `gone_to`. [`StoreError::Fenced`] if the fence is no longer current.
    pub async fn open_epoch(
        &self,
        tenant: TenantId,
        system: SystemKey,
        identity: &str,
        gone_to: i64,
        fence: Option<Fence>,
    ) -> Result<Epoch, StoreError> {
        let mut statements: Vec<_> = fence.iter().map(|fence| require(fence, self.now())).collect();
        statements.push(lock_head(tenant));
        statements.push(Statement::new(
            "DELETE FROM source_gaps WHERE tenant_id = ?1 AND system_key = ?2 AND EXISTS (SELECT 1 FROM sources
                WHERE tenant_id = ?1 AND system_key = ?2 AND identity IS NOT NULL AND identity <> ?3)",
            params![tenant, system, identity],
        ));
        statements.push(Statement::new(
            "INSERT INTO sources (tenant_id, system_key, epoch, identity, read_to) VALUES (?1, ?2, 0, ?3, ?4)
             ON CONFLICT (tenant_id, system_key) DO UPDATE SET
                epoch = CASE WHEN sources.identity IS NULL OR sources.identity = excluded.identity
                    THEN sources.epoch ELSE sources.epoch + 1 END,
                read_to = CASE WHEN sources.identity = excluded.identity
                        OR (sources.identity IS NULL AND sources.read_to > excluded.read_to)
                    THEN sources.read_to ELSE excluded.read_to END,
                identity = excluded.identity
             RETURNING epoch",
            params![tenant, system, identity, gone_to],
        ));
        let writing = match self.db() {
            Db::Sqlite(db) => Some(db.sources.writing(&(tenant, system))),
            Db::Postgres(_) => None,
        };
        let (mut outcomes, _writing) = self.db().write_with(statements, writing).await?;
        let row = outcomes.pop().and_then(crate::db::Outcome::into_row).ok_or(StoreError::NotFound)?;
        row.get_i64(0).map(Epoch)
    }
}

/// The statement that fails the transaction when the fence is no longer current.
pub(crate) fn require(fence: &Fence, now: Timestamp) -> Statement {
    check_fence(fence, now).expecting(Expect::Fence)
}

/// The statement that makes appends of this tenant wait until the transaction ends (and makes the row they lock).
fn lock_head(tenant: TenantId) -> Statement {
    Statement::new(
        "INSERT INTO log_heads (tenant_id, head, trimmed_to, last_received_at) VALUES (?1, 0, 0, 0)
         ON CONFLICT (tenant_id) DO UPDATE SET head = log_heads.head",
        params![tenant],
    )
}

/// The statements that save a progress in an append's transaction. The first fails it when the epoch is not current.
pub(crate) fn save_progress(tenant: TenantId, progress: &SourceProgress, now: Timestamp) -> Vec<Statement> {
    let system = progress.system;
    let mut statements = vec![
        Statement::new(
            "INSERT INTO sources (tenant_id, system_key, epoch, identity, read_to)
             SELECT CAST(?1 AS BIGINT), CAST(?2 AS BIGINT), CAST(?3 AS BIGINT), NULL, CAST(?4 AS BIGINT)
             WHERE ?3 = 0 OR EXISTS (SELECT 1 FROM sources WHERE tenant_id = ?1 AND system_key = ?2)
             ON CONFLICT (tenant_id, system_key) DO UPDATE SET
                read_to = CASE WHEN excluded.read_to > sources.read_to THEN excluded.read_to ELSE sources.read_to END
             WHERE sources.epoch = excluded.epoch",
            params![tenant, system, progress.epoch, progress.read_to],
        )
        .expecting(Expect::Fence),
    ];
    if !progress.gaps_opened.is_empty() {
        statements.push(
            Statement::new(
                "INSERT INTO source_gaps (tenant_id, system_key, gap_id, seen_at)
                 SELECT ?1, ?2, value, ?4 FROM json_each(?3) WHERE TRUE ON CONFLICT DO NOTHING",
                params![tenant, system, id_list(&progress.gaps_opened), now],
            )
            .or_postgres(
                "INSERT INTO source_gaps (tenant_id, system_key, gap_id, seen_at)
                 SELECT CAST(?1 AS BIGINT), CAST(?2 AS BIGINT), CAST(value AS BIGINT), CAST(?4 AS BIGINT)
                 FROM json_array_elements_text(CAST(CAST(?3 AS TEXT) AS JSON)) ON CONFLICT DO NOTHING",
            ),
        );
    }
    if !progress.gaps_closed.is_empty() {
        statements.push(
            Statement::new(
                "DELETE FROM source_gaps WHERE tenant_id = ?1 AND system_key = ?2
                    AND gap_id IN (SELECT value FROM json_each(?3))",
                params![tenant, system, id_list(&progress.gaps_closed)],
            )
            .or_postgres(
                "DELETE FROM source_gaps WHERE tenant_id = ?1 AND system_key = ?2 AND gap_id IN (SELECT
                    CAST(value AS BIGINT) FROM json_array_elements_text(CAST(CAST(?3 AS TEXT) AS JSON)))",
            ),
        );
    }
    statements
}

fn id_list(ids: &[i64]) -> String {
    serde_json::Value::from(ids).to_string()
}

fn gap(row: &Row) -> Result<Option<Gap>, StoreError> {
    match (row.get_opt_i64(3)?, row.get_opt_time(4)?) {
        (Some(id), Some(seen_at)) => Ok(Some(Gap { id, seen_at })),
        _ => Ok(None),
    }
}
