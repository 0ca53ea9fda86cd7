//! The models of a system, and which strategy sees the changes of each.
//!
//! Ownership moves in three steps, so that nothing falls between two owners: a successor is named; it says that it is
//! ready, which means that it sees whatever is committed from then on; and the owner, once a look that it began after
//! it knew of that has succeeded, gives the model up. Until then both put what they find into the log.

use crate::db::{Expect, Row, Statement, params};
use crate::source::require;
use crate::{Fence, Store, StoreError};
use bridge_model::{ModelClass, ModelName, Strategy, SystemKey, TenantId, Timestamp};

/// A model as its system was found to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundModel {
    /// The model.
    pub model: ModelName,
    /// Its name, for people.
    pub label: Option<String>,
    /// The table that holds its records, where that is known.
    pub table_name: Option<String>,
    /// The modules that define it.
    pub modules: Option<String>,
    /// How much it matters.
    pub class: ModelClass,
    /// Whether its records tell when they were written last.
    pub has_write_date: bool,
    /// The strategies that can see its changes, the best first.
    pub available: Vec<Strategy>,
    /// The one to take unless an admin chose another; `None` if it is not to be tracked.
    pub recommended: Option<Strategy>,
}

/// What an admin asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Whatever is recommended.
    Auto,
    /// This strategy.
    Strategy(Strategy),
    /// The model shall not be tracked.
    Nothing,
}

/// A model of a system, and who sees its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedModel {
    /// What was found.
    pub found: FoundModel,
    /// What an admin asked for.
    pub choice: Choice,
    /// The strategy in charge.
    pub owner: Option<Strategy>,
    /// Since when it is, or since when nobody is; `None` if nothing was decided yet.
    pub owned_since: Option<Timestamp>,
    /// The strategy that is taking over.
    pub successor: Option<Strategy>,
    /// Whether the successor sees whatever is committed from now on.
    pub successor_ready: bool,
    /// When the model was last found in the system.
    pub found_at: Timestamp,
}

/// How detection of a system is set, beside its models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detection {
    /// Grows with each change of who owns what.
    pub version: i64,
    /// What an admin asked for where they named nothing for the model.
    pub fallback: Choice,
    /// When the system's models were last looked up.
    pub discovered_at: Option<Timestamp>,
}

/// A step in the life of a model's ownership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// This strategy (or nobody) is in charge from now on, and nobody is taking over. It is done only if `from` is in
    /// charge still.
    Cut {
        /// Who was in charge.
        from: Option<Strategy>,
        /// Who is.
        to: Option<Strategy>,
    },
    /// This strategy begins to take over; the owner goes on. With the owner itself, a hand-over is called off.
    HandOver(Strategy),
    /// This strategy, if it is the one that is taking over, sees whatever is committed from now on.
    Ready(Strategy),
    /// This strategy, if it is in charge and its successor is ready, has read everything from before that.
    GiveUp(Strategy),
}

/// How a strategy works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategyHealth {
    /// The strategy.
    pub strategy: Strategy,
    /// When it last looked with success.
    pub succeeded_at: Option<Timestamp>,
    /// Since when it has been failing; `None` while it works.
    pub failing_since: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl Store {
    /// How detection of a system is set; `None` if its models were never looked up.
    pub async fn detection(&self, tenant: TenantId, system: SystemKey) -> Result<Option<Detection>, StoreError> {
        let sql = "SELECT version, fallback, discovered_at FROM detections WHERE tenant_id = ?1 AND system_key = ?2";
        self.row(Statement::new(sql, params![tenant, system]), |row| {
            Ok(Detection {
                version: row.get_i64(0)?,
                fallback: choice(row.get_opt_text(1)?.as_deref())?,
                discovered_at: row.get_opt_time(2)?,
            })
        })
        .await
    }

    /// The models of a system by name.
    pub async fn tracked_models(&self, tenant: TenantId, system: SystemKey) -> Result<Vec<TrackedModel>, StoreError> {
        let sql = "SELECT model, label, table_name, modules, class, has_write_date, available, recommended, chosen,
                owner, owned_since, successor, successor_ready, found_at
             FROM tracked_models WHERE tenant_id = ?1 AND system_key = ?2 ORDER BY model";
        self.rows(Statement::new(sql, params![tenant, system]), tracked_model).await
    }

    /// Keeps what a look through a system's models found. Models that are there no longer are forgotten; of the
    /// others, what an admin chose and who owns them stays. [`StoreError::Fenced`] if the fence is no longer current.
    pub async fn save_found_models(
        &self,
        tenant: TenantId,
        system: SystemKey,
        found: &[FoundModel],
        fence: Option<&Fence>,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let mut statements: Vec<_> = fence.map(|fence| require(fence, now)).into_iter().collect();
        statements.extend(found.iter().map(|found| save(tenant, system, found, now)));
        statements.push(Statement::new(
            "DELETE FROM tracked_models WHERE tenant_id = ?1 AND system_key = ?2 AND found_at < ?3",
            params![tenant, system, now],
        ));
        statements.push(Statement::new(
            "INSERT INTO detections (tenant_id, system_key, version, discovered_at) VALUES (?1, ?2, 1, ?3)
             ON CONFLICT (tenant_id, system_key) DO UPDATE SET version = detections.version + 1,
                discovered_at = excluded.discovered_at",
            params![tenant, system, now],
        ));
        self.db().write(statements).await.map(drop)
    }

    /// Keeps what an admin asked for; `NotFound` if one of the models is not known, and then nothing is kept.
    pub async fn choose_strategies(
        &self,
        tenant: TenantId,
        system: SystemKey,
        choices: &[(ModelName, Choice)],
        fallback: Option<Choice>,
    ) -> Result<(), StoreError> {
        let mut statements = Vec::new();
        for (model, choice) in choices {
            let update = Statement::new(
                "UPDATE tracked_models SET chosen = ?4 WHERE tenant_id = ?1 AND system_key = ?2 AND model = ?3",
                params![tenant, system, model, choice_word(*choice)],
            );
            statements.push(update.expecting(Expect::Rows(1)));
        }
        if let Some(fallback) = fallback {
            statements.push(Statement::new(
                "INSERT INTO detections (tenant_id, system_key, version, fallback) VALUES (?1, ?2, 0, ?3)
                 ON CONFLICT (tenant_id, system_key) DO UPDATE SET fallback = excluded.fallback",
                params![tenant, system, choice_word(fallback)],
            ));
        }
        statements.push(count_up(tenant, system));
        self.db().write(statements).await.map(drop)
    }

    /// Takes steps that were planned when detection had this version. False: it has another by now, and nothing is done.
    /// [`StoreError::Fenced`] if the fence is no longer current.
    pub async fn move_ownership_at(
        &self,
        tenant: TenantId,
        system: SystemKey,
        version: i64,
        steps: &[(ModelName, Ownership)],
        fence: &Fence,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let count_up = Statement::new(
            "UPDATE detections SET version = version + 1 WHERE tenant_id = ?1 AND system_key = ?2 AND version = ?3",
            params![tenant, system, version],
        );
        let mut statements = vec![require(fence, now), count_up.expecting(Expect::Rows(1))];
        statements.extend(steps.iter().map(|(model, step)| step_statement(tenant, system, model, step, now)));
        self.all_or_nothing(statements).await
    }

    /// Takes steps in the ownership of models, all in one transaction. A step whose condition does not hold changes
    /// nothing. Answers whether any did.
    pub async fn move_ownership(
        &self,
        tenant: TenantId,
        system: SystemKey,
        steps: &[(ModelName, Ownership)],
        fence: Option<&Fence>,
    ) -> Result<bool, StoreError> {
        if steps.is_empty() {
            return Ok(false);
        }
        let now = self.now();
        let mut statements: Vec<_> = fence.map(|fence| require(fence, now)).into_iter().collect();
        let before = statements.len();
        statements.extend(steps.iter().map(|(model, step)| step_statement(tenant, system, model, step, now)));
        // Only ever counted up, also when no step did anything: that costs a look and loses nothing.
        statements.push(count_up(tenant, system));
        let outcomes = self.db().write(statements).await?;
        Ok(outcomes[before..].iter().take(steps.len()).any(|outcome| outcome.affected > 0))
    }

    /// Notes that a strategy works.
    pub async fn note_success(
        &self,
        tenant: TenantId,
        system: SystemKey,
        strategy: Strategy,
    ) -> Result<(), StoreError> {
        self.changed(Statement::new(
            "INSERT INTO strategy_health (tenant_id, system_key, strategy, succeeded_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (tenant_id, system_key, strategy) DO UPDATE SET succeeded_at = excluded.succeeded_at,
                failing_since = NULL, last_error = NULL",
            params![tenant, system, strategy.as_str(), self.now()],
        ))
        .await
        .map(drop)
    }

    /// Notes that a strategy fails, and why.
    pub async fn note_failure(
        &self,
        tenant: TenantId,
        system: SystemKey,
        strategy: Strategy,
        error: &str,
    ) -> Result<(), StoreError> {
        self.changed(Statement::new(
            "INSERT INTO strategy_health (tenant_id, system_key, strategy, failing_since, last_error)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (tenant_id, system_key, strategy) DO UPDATE SET
                failing_since = COALESCE(strategy_health.failing_since, excluded.failing_since),
                last_error = excluded.last_error",
            params![tenant, system, strategy.as_str(), self.now(), error],
        ))
        .await
        .map(drop)
    }

    /// How the strategies of a system work, of those that were ever tried.
    pub async fn strategy_health(
        &self,
        tenant: TenantId,
        system: SystemKey,
    ) -> Result<Vec<StrategyHealth>, StoreError> {
        let sql = "SELECT strategy, succeeded_at, failing_since, last_error FROM strategy_health
             WHERE tenant_id = ?1 AND system_key = ?2 ORDER BY strategy";
        self.rows(Statement::new(sql, params![tenant, system]), |row| {
            Ok(StrategyHealth {
                strategy: strategy(&row.get_text(0)?)?,
                succeeded_at: row.get_opt_time(1)?,
                failing_since: row.get_opt_time(2)?,
                last_error: row.get_opt_text(3)?,
            })
        })
        .await
    }
}

fn save(tenant: TenantId, system: SystemKey, found: &FoundModel, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO tracked_models (tenant_id, system_key, model, label, table_name, modules, class, has_write_date,
            available, recommended, successor_ready, found_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11)
         ON CONFLICT (tenant_id, system_key, model) DO UPDATE SET label = excluded.label,
            table_name = excluded.table_name, modules = excluded.modules, class = excluded.class,
            has_write_date = excluded.has_write_date, available = excluded.available,
            recommended = excluded.recommended, found_at = excluded.found_at",
        params![
            tenant,
            system,
            &found.model,
            found.label.as_deref(),
            found.table_name.as_deref(),
            found.modules.as_deref(),
            found.class.as_str(),
            found.has_write_date,
            found.available.iter().map(|strategy| strategy.as_str()).collect::<Vec<_>>().join(" "),
            found.recommended.map(Strategy::as_str),
            now,
        ],
    )
}

fn count_up(tenant: TenantId, system: SystemKey) -> Statement {
    Statement::new(
        "INSERT INTO detections (tenant_id, system_key, version) VALUES (?1, ?2, 1)
         ON CONFLICT (tenant_id, system_key) DO UPDATE SET version = detections.version + 1",
        params![tenant, system],
    )
}

fn step_statement(
    tenant: TenantId,
    system: SystemKey,
    model: &ModelName,
    step: &Ownership,
    now: Timestamp,
) -> Statement {
    match step {
        Ownership::Cut { from, to } => Statement::new(
            "UPDATE tracked_models SET owner = ?5, owned_since = ?6, successor = NULL, successor_ready = 0
             WHERE tenant_id = ?1 AND system_key = ?2 AND model = ?3 AND COALESCE(owner, '') = ?4",
            params![tenant, system, model, from.map_or("", Strategy::as_str), to.map(Strategy::as_str), now],
        ),
        Ownership::HandOver(to) => Statement::new(
            "UPDATE tracked_models SET successor = CASE WHEN owner = ?4 THEN NULL ELSE ?4 END, successor_ready = 0
             WHERE tenant_id = ?1 AND system_key = ?2 AND model = ?3
                AND COALESCE(successor, owner, '') <> ?4",
            params![tenant, system, model, to.as_str()],
        ),
        Ownership::Ready(strategy) => Statement::new(
            "UPDATE tracked_models SET successor_ready = 1
             WHERE tenant_id = ?1 AND system_key = ?2 AND model = ?3 AND successor = ?4 AND successor_ready = 0",
            params![tenant, system, model, strategy.as_str()],
        ),
        Ownership::GiveUp(strategy) => Statement::new(
            "UPDATE tracked_models SET owner = successor, owned_since = ?5, successor = NULL, successor_ready = 0
             WHERE tenant_id = ?1 AND system_key = ?2 AND model = ?3 AND owner = ?4 AND successor_ready = 1",
            params![tenant, system, model, strategy.as_str(), now],
        ),
    }
}

fn tracked_model(row: &Row) -> Result<TrackedModel, StoreError> {
    Ok(TrackedModel {
        found: FoundModel {
            model: ModelName::parse(row.get_text(0)?).map_err(|_| StoreError::Corrupt { what: "a model's name" })?,
            label: row.get_opt_text(1)?,
            table_name: row.get_opt_text(2)?,
            modules: row.get_opt_text(3)?,
            class: ModelClass::from_word(&row.get_text(4)?).ok_or(StoreError::Corrupt { what: "a model's class" })?,
            has_write_date: row.get_bool(5)?,
            available: row.get_text(6)?.split_whitespace().map(strategy).collect::<Result<_, _>>()?,
            recommended: opt_strategy(row, 7)?,
        },
        choice: choice(row.get_opt_text(8)?.as_deref())?,
        owner: opt_strategy(row, 9)?,
        owned_since: row.get_opt_time(10)?,
        successor: opt_strategy(row, 11)?,
        successor_ready: row.get_bool(12)?,
        found_at: row.get_time(13)?,
    })
}

/// How [`Choice::Nothing`] is written.
const NOTHING: &str = "none";

fn choice_word(choice: Choice) -> Option<&'static str> {
    match choice {
        Choice::Auto => None,
        Choice::Strategy(strategy) => Some(strategy.as_str()),
        Choice::Nothing => Some(NOTHING),
    }
}

fn choice(word: Option<&str>) -> Result<Choice, StoreError> {
    match word {
        None => Ok(Choice::Auto),
        Some(NOTHING) => Ok(Choice::Nothing),
        Some(word) => strategy(word).map(Choice::Strategy),
    }
}

fn opt_strategy(row: &Row, column: usize) -> Result<Option<Strategy>, StoreError> {
    row.get_opt_text(column)?.as_deref().map(strategy).transpose()
}

fn strategy(word: &str) -> Result<Strategy, StoreError> {
    Strategy::from_word(word).ok_or(StoreError::Corrupt { what: "a detection strategy" })
}
