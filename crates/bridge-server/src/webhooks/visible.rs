//! Which changes of a stretch of the log a viewer may see.

use crate::context::Context;
use crate::problem::Problem;
use crate::sync::{Follower, Scope, Viewer};
use bridge_model::{AppType, ModelName, Position, SystemKey};
use bridge_store::{ChangeCount, LogFilter, LogSpan};
use std::collections::{BTreeMap, BTreeSet};

/// The most models of systems that one stretch is judged for; a stretch with more is looked at from its middle on.
const JUDGED_MAX: usize = 500;

/// A stretch of the log as a viewer sees it.
#[derive(Debug)]
pub(super) struct Sight {
    /// The stretch; it may begin later than the one that was asked for.
    pub(super) span: LogSpan,
    /// What was asked for, and nothing that the viewer may not see.
    pub(super) filter: LogFilter,
    /// What the viewer sees in it, by kind.
    pub(super) counts: Vec<ChangeCount>,
}

/// Counts what a viewer sees in a stretch. Where nobody can say now whether they may, it is the problem that a pull
/// would have.
pub(super) async fn look_over(
    cx: &Context,
    viewer: &Viewer,
    mut span: LogSpan,
    mut filter: LogFilter,
) -> Result<Sight, Problem> {
    loop {
        let mut counts = cx.store.count_changes(viewer.tenant, span, &filter).await?;
        if viewer.is_admin {
            return Ok(Sight { span, filter, counts });
        }
        let mut latest: BTreeMap<(SystemKey, ModelName), Position> = BTreeMap::new();
        for count in &counts {
            let last = latest.entry((count.system, count.model.clone())).or_default();
            *last = count.last.max(*last);
        }
        if latest.len() > JUDGED_MAX {
            span.after = Position::new(i64::midpoint(span.after.get(), span.up_to.get()));
            continue;
        }
        let visible = visible(cx, viewer, latest).await?;
        counts.retain(|count| visible.contains(&(count.system, count.model.clone())));
        filter.visible = Some(visible.into_iter().collect());
        return Ok(Sight { span, filter, counts });
    }
}

/// Those of the models whose latest change a device of the viewer would be shown: rights are rights on models, so that
/// what holds for one change of a model holds for all.
async fn visible(
    cx: &Context,
    viewer: &Viewer,
    latest: BTreeMap<(SystemKey, ModelName), Position>,
) -> Result<BTreeSet<(SystemKey, ModelName)>, Problem> {
    // All of them in every scope, so that the ERP is asked once about all.
    let models: BTreeSet<ModelName> = latest.keys().map(|(_, model)| model.clone()).collect();
    let models: Vec<ModelName> = models.into_iter().collect();
    let mut visible = BTreeSet::new();
    for ((system, model), position) in latest {
        let scope = Scope {
            app_type: AppType::parse("mobile_app")?,
            models_filter: None,
            system: Some(system),
            models: Some(models.clone()),
        };
        let before = Position::new(position.get() - 1);
        // `None` means that the change has just been trimmed.
        let batch = Follower::new(cx, viewer.clone(), scope, before).next(cx, 1).await?;
        if batch.is_some_and(|batch| batch.events.iter().any(|event| event.id == position)) {
            visible.insert((system, model));
        }
    }
    Ok(visible)
}
