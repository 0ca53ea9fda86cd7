//! Which models a system has, and what can see their changes.

use super::class_of;
use crate::context::Context;
use crate::erps::parse_connection;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_erp::odoo::database::capture::{self, TableState};
use bridge_erp::odoo::database::wal::publication;
use bridge_erp::odoo::database::{Database, DatabaseError, DatabaseErrorKind, DatabaseOptions, TableKind, TableMap};
use bridge_erp::{ErpErrorKind, ErpModel, FeedInfo};
use bridge_model::{ModelClass, ModelName, Strategy, is_among};
use bridge_store::{Fence, FoundModel, System};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a system beside its models.
#[derive(Default)]
struct Surroundings {
    /// The models that the add-on tells of.
    addon: BTreeSet<ModelName>,
    /// The models all of whose tables have triggers that fire.
    captured: BTreeSet<ModelName>,
    /// The models whose tables the ERP's database publishes through its log.
    published: BTreeSet<ModelName>,
    /// The tables of models.
    tables: BTreeMap<ModelName, String>,
}

/// Looks a system's models up and keeps them. Answers how many there are; `None` where the system can't tell.
pub async fn discover(cx: &Context, system: &System, fence: &Fence) -> Result<Option<usize>, Problem> {
    let adapter = cx.erps.adapter(system)?;
    let models = match adapter.models().await {
        Ok(models) => models,
        Err(error) if error.kind == ErpErrorKind::UnknownMethod => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut around = match database(cx, system).await {
        Ok(around) => around,
        Err(problem) => {
            tracing::warn!(
                system.id = %system.system_id,
                causes = %problem.causes(),
                "look the ERP's database over: {}", cx.texts.english(&problem.message)
            );
            Surroundings::default()
        }
    };
    around.addon = reach_of_addon(cx, system, adapter.feed_info().await?.as_ref()).await?;
    let found: Vec<FoundModel> =
        models.into_iter().filter(|model| !model.is_abstract).map(|model| describe(cx, model, &around)).collect();
    cx.store.save_found_models(system.tenant, system.key, &found, Some(fence)).await?;
    cx.owners.forget(system.key);
    Ok(Some(found.len()))
}

/// Our own add-on says which models it tells of; of another one, only what it told so far is known.
async fn reach_of_addon(
    cx: &Context,
    system: &System,
    feed: Option<&FeedInfo>,
) -> Result<BTreeSet<ModelName>, Problem> {
    Ok(match feed {
        None => BTreeSet::new(),
        Some(FeedInfo { covers: Some(models), .. }) => models.iter().cloned().collect(),
        Some(FeedInfo { covers: None, .. }) => {
            cx.store.logged_models(system.tenant, system.key).await?.into_iter().collect()
        }
    })
}

/// What the ERP's database says, where it can be reached.
async fn database(cx: &Context, system: &System) -> Result<Surroundings, Problem> {
    let Some(url) = parse_connection(&system.connection)?.postgres_url else { return Ok(Surroundings::default()) };
    let failed = |error: DatabaseError| {
        if error.kind == DatabaseErrorKind::AddressRefused {
            return Problem::from(error);
        }
        Problem::new(ProblemKind::ErpUnreachable, Message::erp_unreachable(&error.message)).caused_by(error)
    };
    let options = DatabaseOptions {
        application_name: "bridgecore discovery".to_owned(),
        connect_timeout_ms: cx.config.erp.connect_timeout_ms,
        statement_timeout_ms: cx.config.erp.call_timeout_ms,
        outbound: cx.erps.outbound().clone(),
    };
    let database = Database::connect(&url, &options).await.map_err(failed)?;
    let map = TableMap::read(&database).await.map_err(failed)?;
    let published = publication::find(&database, &cx.config.wal.publication).await.map_err(failed)?;
    let members = published.filter(|found| found.fault.is_none()).map(|found| found.members).unwrap_or_default();
    let mut around = Surroundings { captured: captured(&database, &map).await, ..Surroundings::default() };
    let mut unpublished = BTreeSet::new();
    for (name, table) in map.iter() {
        let TableKind::Records(models) = &table.kind else { continue };
        for model in models {
            around.tables.entry(model.clone()).or_insert_with(|| name.to_owned());
            // A model is seen when all that holds its records is.
            if members.contains_key(name) {
                around.published.insert(model.clone());
            } else {
                unpublished.insert(model.clone());
            }
        }
    }
    around.published.retain(|model| !unpublished.contains(model));
    Ok(around)
}

/// A role that is made for something else may not look at the outbox: to it, nothing is captured.
async fn captured(database: &Database, map: &TableMap) -> BTreeSet<ModelName> {
    let status = match capture::status(database).await {
        Ok(status) => status,
        Err(error) => {
            tracing::debug!(error = %error, "the outbox in the ERP's database can't be looked at");
            return BTreeSet::new();
        }
    };
    let live: BTreeSet<&str> = status
        .tables
        .iter()
        .filter(|table| table.state == TableState::Live)
        .map(|table| table.table.as_str())
        .collect();
    let models: BTreeSet<ModelName> = map.iter().flat_map(|(_, table)| table.models()).cloned().collect();
    let is_captured = |model: &ModelName| {
        let tables = map.of_model(model);
        !tables.is_empty() && tables.iter().all(|table| live.contains(table))
    };
    models.into_iter().filter(is_captured).collect()
}

fn describe(cx: &Context, found: ErpModel, around: &Surroundings) -> FoundModel {
    let config = &cx.config.detection;
    let class = class_of(config, &found.model, found.is_transient);
    let is_tracked =
        class != ModelClass::Transient && !is_among(&cx.config.ingest.untracked_models, found.model.as_str());
    let mut available = Vec::new();
    if is_tracked {
        if around.addon.contains(&found.model) {
            available.push(Strategy::Addon);
        }
        if around.captured.contains(&found.model) {
            available.push(Strategy::Capture);
        }
        if around.published.contains(&found.model) {
            available.push(Strategy::Wal);
        }
        available.push(Strategy::Poll);
    }
    let mut recommended = available.first().copied();
    if recommended == Some(Strategy::Poll) && is_among(&config.view_models, found.model.as_str()) {
        recommended = None;
    }
    FoundModel {
        label: found.label,
        table_name: around.tables.get(&found.model).cloned(),
        modules: found.modules,
        class,
        has_write_date: found.has_write_date,
        available,
        recommended,
        model: found.model,
    }
}
