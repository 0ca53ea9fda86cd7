//! Does tasks, in the background.

use super::execute::Kept;
use super::view::reasons;
use crate::auth::Caller;
use crate::batch::{OperationResult, OperationStatus, Run};
use crate::config::ms;
use crate::context::Context;
use crate::language::Language;
use crate::records::Series;
use crate::supervise::caught;
use anyhow::Context as _;
use bridge_model::TenantId;
use bridge_store::{Lease, Settled, StoreError, Task, TaskState};
use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// How often tasks are looked for, besides at each signal: another node may have taken one in, or given one up.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Does tasks until `stop`: those of one tenant one after the other, those of several at the same time. `node` names this
/// process among several.
pub async fn run(cx: Context, node: String, stop: CancellationToken) {
    let mut working = JoinSet::new();
    let mut tenants = HashSet::new();
    loop {
        if let Err(error) = start(&cx, &node, &stop, &mut working, &mut tenants).await {
            tracing::warn!(error = %format!("{error:#}"), "look for tasks");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = cx.hub.wait_task_added() => {}
            Some(ended) = working.join_next() => {
                if let Ok(tenant) = ended {
                    tenants.remove(&tenant);
                }
            }
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
    }
    // What is under way gets its result noted, if that does not take too long.
    while working.join_next().await.is_some() {}
}

/// Takes up the tenants that have tasks and that nobody works for.
async fn start(
    cx: &Context,
    node: &str,
    stop: &CancellationToken,
    working: &mut JoinSet<TenantId>,
    tenants: &mut HashSet<TenantId>,
) -> anyhow::Result<()> {
    for tenant in cx.store.tenants_with_tasks().await.context("find the tenants that have tasks")? {
        if tenants.len() >= cx.config.tasks.at_once_max {
            break;
        }
        if tenants.contains(&tenant) {
            continue;
        }
        let ttl = ms(cx.config.tasks.lease_ms);
        let lease = cx.store.acquire_lease(&format!("tasks:{tenant}"), node, ttl).await;
        let Some(lease) = lease.context("acquire the lease of a tenant's tasks")? else { continue };
        tenants.insert(tenant);
        let (cx, stop) = (cx.clone(), stop.clone());
        working.spawn(async move {
            work_for(&cx, tenant, lease, &stop).await;
            tenant
        });
    }
    Ok(())
}

/// Does a tenant's tasks in their order until there are no more.
async fn work_for(cx: &Context, tenant: TenantId, mut lease: Lease, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        match do_next(cx, tenant, &mut lease, stop).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                tracing::warn!(tenant.id = %tenant, error = %format!("{error:#}"), "do a task; it is taken up again");
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(LOOK_INTERVAL) => {}
                }
                break;
            }
        }
    }
    if let Err(error) = cx.store.release_lease(&lease).await {
        tracing::warn!(tenant.id = %tenant, %error, "release the lease of a tenant's tasks");
    }
}

/// Does the tenant's oldest task; `false` if there is none, or another node does it now.
async fn do_next(cx: &Context, tenant: TenantId, lease: &mut Lease, stop: &CancellationToken) -> anyhow::Result<bool> {
    let Some(task) = cx.store.next_task(tenant).await.context("find the next task")? else { return Ok(false) };
    let span = tracing::info_span!("task", task.id = task.id.0, tenant.id = %tenant);
    let mut doing = Doing { cx, task: &task, lease };
    let outcome = caught(&cx.metrics, "task", Box::pin(doing.go_on(stop))).instrument(span).await;
    let ended = match outcome {
        Some(Ok(ended)) => ended,
        Some(Err(error)) if error.downcast_ref::<StoreError>().is_some_and(is_fenced) => return Ok(false),
        Some(Err(error)) => return Err(error),
        None => End::Failed(reasons::PANICKED),
    };
    let (state, reason) = match ended {
        End::Left => return Ok(false),
        End::Completed => (TaskState::Completed, None),
        End::Cancelled => (TaskState::Cancelled, None),
        End::Failed(reason) => (TaskState::Failed, Some(reason)),
    };
    tracing::debug!(task.id = task.id.0, state = state.as_str(), "a task ended");
    match cx.store.end_task(task.id, state, reason, &lease.fence()).await {
        Err(StoreError::Fenced) => Ok(false),
        ended => ended.context("end a task").map(|_| true),
    }
}

fn is_fenced(error: &StoreError) -> bool {
    matches!(error, StoreError::Fenced)
}

/// Why a task is not worked on any more.
enum End {
    /// The service stops; another process goes on.
    Left,
    Completed,
    Cancelled,
    Failed(&'static str),
}

struct Doing<'a> {
    cx: &'a Context,
    task: &'a Task,
    lease: &'a mut Lease,
}

impl Doing<'_> {
    /// Goes on where the task stands.
    async fn go_on(&mut self, stop: &CancellationToken) -> anyhow::Result<End> {
        let (cx, task) = (self.cx, self.task);
        let Ok(Some(request)) = cx.store.task_request(task.id).await else {
            return Ok(End::Failed(reasons::UNREADABLE));
        };
        let Ok(kept) = serde_json::from_value::<Kept>(request) else { return Ok(End::Failed(reasons::UNREADABLE)) };
        let asked = kept.language.as_deref().and_then(Language::of_tag);
        let Some(mut caller) = Caller::of_user(cx, task.tenant, task.user, asked).await? else {
            return Ok(End::Failed(reasons::USER_NOT_ACTIVE));
        };
        let outcomes = cx.store.task_outcomes(task.id).await.context("read what came of a task")?;
        let results: Result<Vec<OperationResult>, _> = outcomes.into_iter().map(serde_json::from_value).collect();
        let Ok(results) = results else { return Ok(End::Failed(reasons::UNREADABLE)) };
        caller.origin = kept.origin;
        let mut run = Run::new(cx, &caller, &task.system_id, kept.operations, kept.stop_on_error).resume(results);
        let mut noted = run.results().len();
        if let Some(name) = task.series.clone() {
            let begun = cx.store.series_parts(&name).await.context("find what was sent")?;
            let label = kept.key.unwrap_or_else(|| format!("task-{}", task.id.0));
            // Nobody comes again with what a task has to do.
            run = run.in_series(Series { name, label, may_come_again: false }, begun);
        } else {
            run.interrupted(usize::try_from(task.under_way).unwrap_or(usize::MAX));
        }
        loop {
            let group = run.next();
            if group.is_none() || run.results().len() > noted {
                self.note(&run, &mut noted).await?;
            }
            let Some(group) = group else { return Ok(End::Completed) };
            if stop.is_cancelled() {
                return Ok(End::Left);
            }
            self.keep_lease().await?;
            let count = u64::try_from(group.len()).unwrap_or(u64::MAX);
            let begun = cx.store.begin_operations(task.id, place(noted), count, &self.lease.fence()).await;
            if !begun.context("note that operations are begun")? {
                return Ok(End::Cancelled);
            }
            let outcome = Box::pin(self.holding(run.perform(&group))).await;
            run.note(&group, outcome);
            self.note(&run, &mut noted).await?;
        }
    }

    /// Notes what came of operations since the last time.
    async fn note(&mut self, run: &Run<'_>, noted: &mut usize) -> anyhow::Result<()> {
        let fresh = run.results().get(*noted..).unwrap_or_default();
        let count = |status| u64::try_from(fresh.iter().filter(|one| one.status == status).count()).unwrap_or(u64::MAX);
        let outcomes = fresh.iter().map(serde_json::to_value).collect::<Result<_, _>>().context("write the results")?;
        let settled =
            Settled { outcomes, successful: count(OperationStatus::Done), failed: count(OperationStatus::Failed) };
        self.keep_lease().await?;
        let is_noted = self.cx.store.settle_operations(self.task.id, place(*noted), settled, &self.lease.fence()).await;
        anyhow::ensure!(is_noted.context("note what came of operations")?, "the task has ended meanwhile");
        *noted = run.results().len();
        Ok(())
    }

    /// Waits for work, and keeps the lease meanwhile. If it gets lost, what comes of the work can't be noted, and whoever
    /// has it now says that its outcome is unknown.
    async fn holding<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let pause = ms(self.cx.config.tasks.lease_ms) / 3;
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                () = tokio::time::sleep(pause) => {
                    if let Err(error) = self.keep_lease().await {
                        tracing::warn!(error = %format!("{error:#}"), "keep the lease of a tenant's tasks");
                    }
                }
            }
        }
    }

    /// Renews the lease when a third of it has passed.
    async fn keep_lease(&mut self) -> anyhow::Result<()> {
        let ttl = ms(self.cx.config.tasks.lease_ms);
        if self.cx.clock.now().plus(ttl * 2 / 3) < self.lease.expires_at {
            return Ok(());
        }
        if self.cx.store.renew_lease(self.lease, ttl).await.context("renew the lease of a tenant's tasks")? {
            self.lease.expires_at = self.cx.clock.now().plus(ttl);
        }
        Ok(())
    }
}

fn place(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
