//! `GET /api/v1/webhooks/statistics`: how many changes of which kind, and how the sources are doing.

use super::since::Since;
use super::visible::look_over;
use crate::auth::Caller;
use crate::context::Context;
use crate::ingest::{ReaderStatus, reader_status};
use crate::problem::Problem;
use crate::sync::viewer_for;
use bridge_model::{Position, SystemId};
use bridge_store::{ChangeCount, LogFilter, LogSpan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// The most models that are counted by name.
const MODELS_MAX: usize = 200;

/// The query of the request.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct StatisticsRequest {
    /// After which position (digits), or what arrived at or after which time (RFC 3339).
    #[param(pattern = "^([0-9]{1,18}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2}))$", example = "525")]
    pub since: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Statistics {
    /// The position after which was counted.
    pub from_event_id: Position,
    /// The last position that was counted.
    pub to_event_id: Position,
    /// Whether everything that was asked for was counted: of a long log only the newest part is.
    pub complete: bool,
    /// How many changes there are.
    pub total_events: u64,
    /// How many of each model; of very many models those with the most changes.
    pub by_model: BTreeMap<String, u64>,
    /// How many of models that are not in `by_model`.
    pub other_models: u64,
    /// How many of each event.
    pub by_event: BTreeMap<&'static str, u64>,
    /// How many of each priority.
    pub by_priority: BTreeMap<&'static str, u64>,
    /// How many by each way in.
    pub by_origin: BTreeMap<&'static str, u64>,
    /// How many dead letters there are; for admins only.
    pub dead_letters: Option<u64>,
    /// How each system's background reader is doing; for admins only.
    pub sources: Option<Vec<Source>>,
}

/// A system as a source of changes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourceOfChanges)]
pub struct Source {
    /// The system.
    pub system_id: SystemId,
    /// Whether it is read and may push.
    pub is_active: bool,
    /// How far it is read and how much that lags.
    pub reader: ReaderStatus,
}

/// Counts what the caller may see.
pub async fn statistics(cx: &Context, caller: &Caller, request: StatisticsRequest) -> Result<Statistics, Problem> {
    let viewer = viewer_for(cx, caller, None).await?;
    let kept = cx.store.kept(viewer.tenant).await?;
    let asked = match request.since.as_deref().map(Since::parse).transpose()? {
        Some(since) => since.position(cx, viewer.tenant).await?.max(kept.after).min(kept.up_to),
        None => kept.after,
    };
    let start = Position::new(kept.up_to.get().saturating_sub(i64::from(cx.config.sync.scan_max)));
    let span = LogSpan { after: asked.max(start), up_to: kept.up_to };
    let sight = look_over(cx, &viewer, span, LogFilter::default()).await?;
    let (by_model, other_models) = models(&sight.counts);
    let (dead_letters, sources) = if viewer.is_admin {
        let mut sources = Vec::new();
        for system in cx.store.systems(viewer.tenant).await? {
            let reader = reader_status(cx, &system).await?;
            sources.push(Source { system_id: system.system_id, is_active: system.is_active, reader });
        }
        (Some(cx.store.dead_letter_count(viewer.tenant).await?), Some(sources))
    } else {
        (None, None)
    };
    Ok(Statistics {
        from_event_id: sight.span.after,
        to_event_id: sight.span.up_to,
        complete: sight.span.after <= asked,
        total_events: sight.counts.iter().map(|count| count.count).sum(),
        by_model,
        other_models,
        by_event: sums(&sight.counts, |count| count.event.as_str()),
        by_priority: sums(&sight.counts, |count| count.priority.as_str()),
        by_origin: sums(&sight.counts, |count| count.origin.as_str()),
        dead_letters,
        sources,
    })
}

fn sums<K: Ord>(counts: &[ChangeCount], kind: impl Fn(&ChangeCount) -> K) -> BTreeMap<K, u64> {
    let mut sums = BTreeMap::new();
    for count in counts {
        *sums.entry(kind(count)).or_default() += count.count;
    }
    sums
}

/// The models with the most changes, and how many changes the others have.
fn models(counts: &[ChangeCount]) -> (BTreeMap<String, u64>, u64) {
    let mut models: Vec<(String, u64)> = sums(counts, |count| count.model.as_str().to_owned()).into_iter().collect();
    models.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let others = models.split_off(models.len().min(MODELS_MAX));
    (models.into_iter().collect(), others.iter().map(|(_, count)| count).sum())
}
