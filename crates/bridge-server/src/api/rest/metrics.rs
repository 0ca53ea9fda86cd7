//! `GET /metrics`

use crate::api::extract::bearer;
use crate::api::openapi::{Refuses as _, TOKEN};
use crate::context::Context;
use crate::ingest::{ReaderState, poll_status, reader_statuses};
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bridge_erp::CircuitState;
use bridge_model::{SystemKey, Timestamp};
use bridge_store::System;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How old the values that need a look at the database may be: the page can be asked for by anybody, any number of
/// times.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// How long that look may take; a scrape must not hang because the database does.
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(4);

/// The most systems with lines of their own, in the order of their registration.
const SYSTEMS_MAX: usize = 200;

/// The most tenants with a line of their own.
const TENANTS_MAX: usize = 100;

/// The label of those beyond.
const OTHER: &str = "other";

const TEXT_FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The route of this file.
pub(in crate::api) fn routes() -> OpenApiRouter<Context> {
    let sampled_at = SampledAt::default();
    OpenApiRouter::new().routes(routes!(metrics).refusing(&[TOKEN])).layer(Extension(sampled_at))
}

/// When the values that need a look at the database were last renewed.
type SampledAt = Arc<Mutex<Option<Timestamp>>>;

/// Read the metrics
///
/// In the text format of Prometheus, for this node. Open to whoever reaches the listener, unless the setting
/// `server.metrics_token` asks for a token. It answers also while the service is too busy for other requests.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "readMetrics",
    tag = "Service",
    security((), ("metrics_token" = [])),
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain"))
)]
async fn metrics(
    State(cx): State<Context>,
    Extension(sampled_at): Extension<SampledAt>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_token(&cx, &headers)?;
    // Held to the end, so that nobody reads values while they are renewed.
    let mut sampled_at = sampled_at.lock().await;
    let now = cx.clock.now();
    if sampled_at.is_none_or(|at| now.since(at) >= SAMPLE_INTERVAL) {
        *sampled_at = Some(now);
        sample_in_time(&cx).await;
    }
    let text = cx
        .metrics
        .text()
        .map_err(|error| Problem::new(ProblemKind::Internal, Message::metrics_not_written()).caused_by(error))?;
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}

fn check_token(cx: &Context, headers: &HeaderMap) -> Result<(), Problem> {
    let wanted = cx.config.server.metrics_token.as_bytes();
    let given = bearer(headers).unwrap_or_default().as_bytes();
    if wanted.is_empty() || bool::from(wanted.ct_eq(given)) {
        return Ok(());
    }
    Err(Problem::new(ProblemKind::Unauthenticated, Message::metrics_token_needed()))
}

/// What can't be learned now keeps its last value, and that is counted.
async fn sample_in_time(cx: &Context) {
    match tokio::time::timeout(SAMPLE_TIMEOUT, sample(cx)).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => {
            tracing::warn!(causes = %problem.causes(), "look for the metrics: {}", cx.texts.english(&problem.message));
            cx.metrics.sample_failures.inc();
        }
        Err(_) => {
            tracing::warn!("look for the metrics: the database took too long");
            cx.metrics.sample_failures.inc();
        }
    }
}

async fn sample(cx: &Context) -> Result<(), Problem> {
    let metrics = &cx.metrics;
    let stats = cx.store.write_stats();
    metrics.store_commits.inc_by(stats.commits.saturating_sub(metrics.store_commits.get()));
    metrics.store_writes.inc_by(stats.writes.saturating_sub(metrics.store_writes.get()));
    sample_systems(cx).await?;
    sample_tenants(cx).await?;
    cx.metrics.rate_limit_entries.set(i64::try_from(cx.limits.entries()).unwrap_or(i64::MAX));
    let alerts = cx.store.open_alerts().await?;
    metrics.alerts_open.reset();
    for (kind, count) in alerts {
        metrics.alerts_open.with_label_values(&[kind.as_str()]).set(number(count));
    }
    let jobs = cx.store.job_counts().await?;
    for (state, count) in [("queued", jobs.queued), ("running", jobs.running), ("failed", jobs.failed)] {
        metrics.jobs.with_label_values(&[state]).set(number(count));
    }
    Ok(())
}

/// How a system's reader is doing, or several together.
#[derive(Default)]
struct Source {
    lag_seconds: Option<f64>,
    down: bool,
    backlog: i64,
    open_gaps: i64,
}

async fn sample_systems(cx: &Context) -> Result<(), Problem> {
    let mut systems = cx.store.all_systems().await?;
    systems.retain(|system| system.is_active);
    systems.sort_by_key(|system| system.key);
    let mut connected: BTreeMap<String, i64> = BTreeMap::new();
    let mut sources: BTreeMap<[String; 3], Source> = BTreeMap::new();
    let mut mirrors: BTreeMap<[String; 2], f64> = BTreeMap::new();
    let mut behind: BTreeMap<[String; 2], f64> = BTreeMap::new();
    for (index, system) in systems.iter().enumerate() {
        let labels = labels(index, system);
        let poll = poll_status(cx, system);
        if poll.state != ReaderState::Idle {
            let longest = behind.entry(labels.clone()).or_default();
            *longest = longest.max(poll.behind_seconds);
        }
        if let Some(mirror) = cx.mirrors.get(system.key) {
            let lag = mirror.untold_since.map_or(0.0, |since| cx.clock.now().since(since).as_secs_f64());
            let highest = mirrors.entry(labels.clone()).or_insert(lag);
            *highest = highest.max(lag);
        }
        let mut any_up = false;
        for (strategy, status) in reader_statuses(cx, system).await? {
            if status.state == ReaderState::Idle {
                // Another node reads it, and tells.
                continue;
            }
            let up = status.state != ReaderState::Failing;
            any_up |= up;
            let [tenant, name] = labels.clone();
            let source = sources.entry([tenant, name, strategy.to_string()]).or_default();
            source.lag_seconds = match (source.lag_seconds, status.lag_seconds) {
                (Some(one), Some(other)) => Some(one.max(other)),
                (one, other) => one.or(other),
            };
            source.down |= !up;
            source.backlog = source.backlog.saturating_add((status.newest_id - status.read_to).max(0));
            source.open_gaps += i64::try_from(status.open_gaps).unwrap_or(i64::MAX);
        }
        *connected.entry(system.system_type.clone()).or_default() += i64::from(any_up);
    }
    sample_circuits(cx, &systems);
    sample_wal(cx, &systems);
    sample_credentials(cx, &systems).await?;
    let metrics = &cx.metrics;
    metrics.active_connections.reset();
    for (system_type, count) in connected {
        metrics.active_connections.with_label_values(&[system_type]).set(count);
    }
    metrics.mirror_lag.reset();
    for (labels, seconds) in mirrors {
        metrics.mirror_lag.with_label_values(&labels).set(seconds);
    }
    metrics.poll_behind.reset();
    for (labels, seconds) in behind {
        metrics.poll_behind.with_label_values(&labels).set(seconds);
    }
    metrics.source_lag.reset();
    metrics.source_up.reset();
    metrics.source_backlog.reset();
    metrics.source_open_gaps.reset();
    for (labels, source) in sources {
        if let Some(seconds) = source.lag_seconds {
            metrics.source_lag.with_label_values(&labels).set(seconds);
        }
        metrics.source_up.with_label_values(&labels).set(i64::from(!source.down));
        metrics.source_backlog.with_label_values(&labels).set(source.backlog);
        metrics.source_open_gaps.with_label_values(&labels).set(source.open_gaps);
    }
    Ok(())
}

fn sample_circuits(cx: &Context, systems: &[System]) {
    let gauge = &cx.metrics.circuit_breaker;
    gauge.reset();
    for (index, system) in systems.iter().enumerate() {
        let state = match cx.erps.guard(system.key).circuit_status().state {
            CircuitState::Closed => 0,
            CircuitState::HalfOpen => 1,
            CircuitState::Open => 2,
        };
        let shown = gauge.with_label_values(&labels(index, system));
        shown.set(shown.get().max(state));
    }
}

/// What the reading of databases' logs costs those. Systems beyond those that have a line of their own share one with
/// the sums.
fn sample_wal(cx: &Context, systems: &[System]) {
    let metrics = &cx.metrics;
    let gauges = [&metrics.wal_lag, &metrics.wal_retained, &metrics.wal_alarm, &metrics.wal_unpublished];
    for gauge in gauges {
        gauge.reset();
    }
    for (index, system) in systems.iter().enumerate() {
        let Some(status) = cx.wal_readers.get(system.key) else { continue };
        let labels = labels(index, system);
        let [lag, retained, alarm, unpublished] = gauges.map(|gauge| gauge.with_label_values(&labels));
        lag.add(number(status.lag_bytes.unwrap_or(0)));
        retained.add(number(status.retained_bytes.unwrap_or(0)));
        alarm.add(i64::from(status.retained_alarm));
        unpublished.add(i64::try_from(status.unpublished_models.len()).unwrap_or(i64::MAX));
    }
}

fn labels(index: usize, system: &System) -> [String; 2] {
    if index < SYSTEMS_MAX {
        [system.tenant.0.to_string(), system.system_id.to_string()]
    } else {
        [OTHER.to_owned(), OTHER.to_owned()]
    }
}

async fn sample_credentials(cx: &Context, systems: &[System]) -> Result<(), Problem> {
    let known: BTreeMap<SystemKey, (Option<Timestamp>, bool)> =
        cx.store.credential_ends().await?.into_iter().map(|(key, end, is_stuck)| (key, (end, is_stuck))).collect();
    let mut first_ends: BTreeMap<[String; 2], Timestamp> = BTreeMap::new();
    let mut stuck: BTreeMap<[String; 2], i64> = BTreeMap::new();
    for (index, system) in systems.iter().enumerate() {
        let Some((end, is_stuck)) = known.get(&system.key) else { continue };
        let labels = labels(index, system);
        *stuck.entry(labels.clone()).or_default() += i64::from(*is_stuck);
        if let Some(end) = end {
            let first = first_ends.entry(labels).or_insert(*end);
            *first = (*first).min(*end);
        }
    }
    cx.metrics.credential_problems.reset();
    for (labels, count) in stuck {
        cx.metrics.credential_problems.with_label_values(&labels).set(count);
    }
    cx.metrics.credential_expires_at.reset();
    for (labels, end) in first_ends {
        let seconds = end.since(Timestamp::from_micros(0)).as_secs_f64();
        cx.metrics.credential_expires_at.with_label_values(&labels).set(seconds);
    }
    Ok(())
}

async fn sample_tenants(cx: &Context) -> Result<(), Problem> {
    let (mut dead_letters, mut heads) = (0, BTreeMap::<String, i64>::new());
    for (index, tenant) in cx.store.tenants().await?.iter().enumerate() {
        dead_letters += cx.store.dead_letter_count(tenant.id).await?;
        let head = cx.store.head(tenant.id).await?.get();
        let label = if index < TENANTS_MAX { tenant.id.0.to_string() } else { OTHER.to_owned() };
        *heads.entry(label).or_default() += head;
    }
    cx.metrics.dead_letters.set(number(dead_letters));
    cx.metrics.log_head.reset();
    for (tenant, head) in heads {
        cx.metrics.log_head.with_label_values(&[tenant]).set(head);
    }
    Ok(())
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
