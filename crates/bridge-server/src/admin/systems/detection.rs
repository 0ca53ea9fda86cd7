//! Which strategy sees the changes of which model, as an admin sees and sets it.

use super::find;
use super::models::word;
use crate::audit::{Change, audited};
use crate::auth::Admin;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_model::{ModelName, Strategy, SystemId, Timestamp};
use bridge_store::{Choice, StoreError, System, TrackedModel};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The most models in one request.
const MODELS_MAX: usize = 5_000;

/// How changes of a system are seen.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DetectionView {
    /// The system.
    pub system_id: SystemId,
    /// What is taken where nothing was chosen for a model: a strategy, `auto` or `none`.
    pub default: &'static str,
    /// What was chosen for models, by name.
    pub models: BTreeMap<ModelName, &'static str>,
    /// Every strategy, the best first.
    pub strategies: Vec<StrategyView>,
    /// How many models of each class there are.
    pub classes: BTreeMap<&'static str, usize>,
    /// How many models nobody sees the changes of.
    pub unowned: usize,
    /// How many models are being handed over.
    pub moving: usize,
    /// When the models were last looked up; `null` if they have not been yet.
    pub discovered_at: Option<Timestamp>,
}

/// How a strategy does in a system.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StrategyView {
    /// The strategy.
    pub strategy: Strategy,
    /// What the log holds of the models that it owns.
    pub promise: &'static str,
    /// How many models it could see.
    pub available: usize,
    /// How many models it is in charge of.
    pub owned: usize,
    /// When it last looked with success.
    pub succeeded_at: Option<Timestamp>,
    /// Since when it has been failing; `null` while it works, or if it was never tried.
    pub failing_since: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// The body of a request: what is left out stays as it is.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct SetDetection {
    /// For each model a strategy that can see it, `auto`, or `none` for not at all.
    pub models: BTreeMap<ModelName, String>,
    /// The same for the models that nothing was chosen for.
    pub default: Option<String>,
}

/// How changes of a system of the admin's tenant are seen.
pub async fn detection(cx: &Context, admin: &Admin, system_id: &SystemId) -> Result<DetectionView, Problem> {
    let system = find(cx, admin.0.tenant, system_id).await?;
    view(cx, &system).await
}

/// Sets which strategy sees the changes of which model. Models change hands soon afterwards, without loss.
pub async fn set_detection(
    cx: &Context,
    admin: &Admin,
    system_id: &SystemId,
    request: SetDetection,
) -> Result<DetectionView, Problem> {
    let models = (!request.models.is_empty()).then_some(&request.models);
    let change = Change::new("detection", "update")
        .in_system(system_id)
        .set("models", models)
        .set("default", request.default.as_ref());
    audited(cx, &admin.0, change, choose(cx, admin, system_id, request)).await
}

async fn choose(
    cx: &Context,
    admin: &Admin,
    system_id: &SystemId,
    request: SetDetection,
) -> Result<DetectionView, Problem> {
    let system = find(cx, admin.0.tenant, system_id).await?;
    if request.models.len() > MODELS_MAX {
        return Err(Problem::field("models", Reason::models_at_most(MODELS_MAX)));
    }
    let tracked: BTreeMap<ModelName, TrackedModel> = cx
        .store
        .tracked_models(system.tenant, system.key)
        .await?
        .into_iter()
        .map(|model| (model.found.model.clone(), model))
        .collect();
    let mut choices = Vec::with_capacity(request.models.len());
    for (model, wanted) in request.models {
        let field = format!("models.{model}");
        let choice = choice(&field, &wanted)?;
        let Some(known) = tracked.get(&model) else {
            return Err(Problem::field(&field, Reason::model_not_found_yet()));
        };
        check_available(&field, choice, known)?;
        choices.push((model, choice));
    }
    let fallback = request.default.as_deref().map(|wanted| choice("default", wanted)).transpose()?;
    match cx.store.choose_strategies(system.tenant, system.key, &choices, fallback).await {
        // A model has gone since it was looked for.
        Err(StoreError::NotFound) => return Err(Problem::field("models", Reason::model_gone())),
        outcome => outcome?,
    }
    cx.owners.forget(system.key);
    view(cx, &system).await
}

fn choice(field: &str, wanted: &str) -> Result<Choice, Problem> {
    match wanted {
        "auto" => Ok(Choice::Auto),
        "none" => Ok(Choice::Nothing),
        name => Strategy::from_word(name)
            .map(Choice::Strategy)
            .ok_or_else(|| Problem::field(field, Reason::one_of("addon, capture, wal, poll, auto, none"))),
    }
}

fn check_available(field: &str, choice: Choice, model: &TrackedModel) -> Result<(), Problem> {
    let Choice::Strategy(strategy) = choice else { return Ok(()) };
    let available = &model.found.available;
    if available.contains(&strategy) {
        return Ok(());
    }
    let names: Vec<&str> = available.iter().map(|strategy| strategy.as_str()).collect();
    let reason = if names.is_empty() {
        Reason::model_never_tracked(strategy.as_str())
    } else {
        Reason::strategy_not_available(strategy.as_str(), names.join(", "))
    };
    Err(Problem::field(field, reason).with("available", names))
}

async fn view(cx: &Context, system: &System) -> Result<DetectionView, Problem> {
    let set = cx.store.detection(system.tenant, system.key).await?;
    let models = cx.store.tracked_models(system.tenant, system.key).await?;
    let health = cx.store.strategy_health(system.tenant, system.key).await?;
    let count = |fits: &dyn Fn(&TrackedModel) -> bool| models.iter().filter(|model| fits(model)).count();
    let strategies = Strategy::ALL.map(|strategy| {
        let known = health.iter().find(|known| known.strategy == strategy);
        StrategyView {
            strategy,
            promise: strategy.promise(),
            available: count(&|model| model.found.available.contains(&strategy)),
            owned: count(&|model| model.owner == Some(strategy)),
            succeeded_at: known.and_then(|known| known.succeeded_at),
            failing_since: known.and_then(|known| known.failing_since),
            last_error: known.and_then(|known| known.last_error.clone()),
        }
    });
    let mut classes = BTreeMap::new();
    for model in &models {
        *classes.entry(model.found.class.as_str()).or_default() += 1;
    }
    Ok(DetectionView {
        system_id: system.system_id.clone(),
        default: word(set.map_or(Choice::Auto, |set| set.fallback)),
        strategies: strategies.into(),
        classes,
        unowned: count(&|model| model.owner.is_none()),
        moving: count(&|model| model.successor.is_some()),
        discovered_at: set.and_then(|set| set.discovered_at),
        models: models
            .into_iter()
            .filter(|model| model.choice != Choice::Auto)
            .map(|model| (model.found.model, word(model.choice)))
            .collect(),
    })
}
