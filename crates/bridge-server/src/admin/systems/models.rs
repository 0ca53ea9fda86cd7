//! The models of a system: how much they matter, and who sees their changes.

use super::find;
use crate::auth::Admin;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_erp::ErpField;
use bridge_model::{ModelClass, ModelName, Strategy, SystemId, Timestamp};
use bridge_store::{Choice, TrackedModel};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Models in one answer if the request names no limit.
const LIMIT_DEFAULT: u32 = 100;

/// The most models in one answer.
const LIMIT_MAX: u32 = 1_000;

/// Which models to answer.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ModelsQuery {
    /// Only models of this class.
    pub class: Option<ModelClass>,
    /// Only models that this strategy is in charge of; `none` for those that nobody is.
    pub owner: Option<String>,
    /// The most to answer.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// Where the last answer ended.
    pub cursor: Option<String>,
}

/// Models of a system.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ModelPage {
    /// By name.
    pub items: Vec<ModelView>,
    /// Asks for the next ones; `null` if there are none.
    pub next_cursor: Option<String>,
    /// When the system's models were last looked up; `null` if they have not been yet.
    pub discovered_at: Option<Timestamp>,
}

/// A model of a system.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ModelView {
    /// The model.
    pub model: ModelName,
    /// Its name, for people.
    pub name: Option<String>,
    /// How much it matters.
    pub class: ModelClass,
    /// The table that holds its records, where that is known.
    pub table: Option<String>,
    /// The modules that define it.
    pub modules: Option<String>,
    /// Whether its records tell when they were written last. If not, polling sees only new and deleted ones.
    pub has_write_date: bool,
    /// The strategies that can see its changes, the best first.
    pub available: Vec<Strategy>,
    /// The one to take unless an admin chose another; `null` if it is not to be tracked.
    pub recommended: Option<Strategy>,
    /// What an admin chose for it: a strategy, `auto` or `none`.
    pub chosen: &'static str,
    /// The strategy in charge.
    pub owner: Option<Strategy>,
    /// Since when.
    pub owned_since: Option<Timestamp>,
    /// The strategy that is taking over.
    pub successor: Option<Strategy>,
    /// What the log holds of its changes, by the strategy in charge.
    pub promise: Option<&'static str>,
}

/// What is promised of a model whose records don't tell when they were written.
const IDS_ONLY: &str =
    "records that were created or deleted between two looks; writes are not seen, since its records don't tell of them";

impl From<TrackedModel> for ModelView {
    fn from(tracked: TrackedModel) -> Self {
        let promise = tracked.owner.map(|owner| match owner {
            Strategy::Poll if !tracked.found.has_write_date => IDS_ONLY,
            owner => owner.promise(),
        });
        Self {
            model: tracked.found.model,
            name: tracked.found.label,
            class: tracked.found.class,
            table: tracked.found.table_name,
            modules: tracked.found.modules,
            has_write_date: tracked.found.has_write_date,
            available: tracked.found.available,
            recommended: tracked.found.recommended,
            chosen: word(tracked.choice),
            owner: tracked.owner,
            owned_since: tracked.owned_since,
            successor: tracked.successor,
            promise,
        }
    }
}

/// A choice, as the API has it.
pub(super) fn word(choice: Choice) -> &'static str {
    match choice {
        Choice::Auto => "auto",
        Choice::Nothing => "none",
        Choice::Strategy(strategy) => strategy.as_str(),
    }
}

/// The models of a system of the admin's tenant, by name, a page at a time.
pub async fn models(
    cx: &Context,
    admin: &Admin,
    system_id: &SystemId,
    query: &ModelsQuery,
) -> Result<ModelPage, Problem> {
    let system = find(cx, admin.0.tenant, system_id).await?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field("limit", Reason::between(1, LIMIT_MAX)));
    }
    let owner = match query.owner.as_deref() {
        None => None,
        Some("none") => Some(None),
        Some(name) => match Strategy::from_word(name) {
            Some(strategy) => Some(Some(strategy)),
            None => return Err(Problem::field("owner", Reason::one_of("addon, capture, wal, poll, none"))),
        },
    };
    let after = query
        .cursor
        .clone()
        .map(ModelName::parse)
        .transpose()
        .map_err(|_| Problem::field("cursor", Reason::cursor_of_another_page()))?;
    let discovered_at =
        cx.store.detection(system.tenant, system.key).await?.and_then(|detection| detection.discovered_at);
    let fits = |model: &TrackedModel| {
        query.class.is_none_or(|class| model.found.class == class)
            && owner.is_none_or(|owner| model.owner == owner)
            && after.as_ref().is_none_or(|after| model.found.model > *after)
    };
    let mut found: Vec<TrackedModel> =
        cx.store.tracked_models(system.tenant, system.key).await?.into_iter().filter(fits).collect();
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let items: Vec<ModelView> = found.into_iter().map(ModelView::from).collect();
    let next_cursor = items.last().filter(|_| has_more).map(|model| model.model.to_string());
    Ok(ModelPage { items, next_cursor, discovered_at })
}

/// The fields of a model.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldPage {
    /// By name.
    pub items: Vec<ErpField>,
    /// Always `null`: one page holds them.
    pub next_cursor: Option<String>,
}

/// The fields of a model of a system of the admin's tenant, as its credential may see them. The system is asked now.
pub async fn fields(
    cx: &Context,
    admin: &Admin,
    system_id: &SystemId,
    model: &ModelName,
) -> Result<FieldPage, Problem> {
    let system = find(cx, admin.0.tenant, system_id).await?;
    let items = cx.erps.adapter(&system)?.fields(model).await?;
    Ok(FieldPage { items, next_cursor: None })
}
