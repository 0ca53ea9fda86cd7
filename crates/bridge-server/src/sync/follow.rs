//! Reading the log as a viewer: one page, or on and on.

use super::event::EventText;
use super::page::{Page, Sight};
use super::scope::{Scope, Viewer};
use super::{rights, tail};
use crate::context::Context;
use crate::language::Message;
use crate::metrics::Timer;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{ModelName, Position, SystemKey, TenantId};
use bridge_store::{LogQuery, LogRead, LogSpan};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What one look at the log gave a viewer.
#[derive(Debug)]
pub(super) enum Look {
    /// The visible changes.
    Page(Batch),
    /// The log is not kept back to there any more.
    Trimmed {
        /// The log's end now: where to go on from after a snapshot.
        head: Position,
    },
    /// The log does not reach that far.
    Ahead,
}

/// Visible changes, and how far the log was looked through for them.
#[derive(Debug)]
pub struct Batch {
    /// The changes, in the order of their positions.
    pub events: Vec<EventText>,
    /// The last position that was looked at.
    pub scanned_to: Position,
    /// The log's end when it was looked at.
    pub head: Position,
}

/// Which changes to look for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// The last position that the viewer has.
    pub(super) after: Position,
    /// None above this.
    pub(super) up_to: Option<Position>,
    /// How many at most.
    pub(super) limit: u32,
}

/// Reads changes of a log of which `span` was kept a moment ago.
pub(super) async fn look(
    cx: &Context,
    viewer: &Viewer,
    scope: &Scope,
    wish: Wish,
    span: LogSpan,
) -> Result<Look, Problem> {
    let Wish { after, up_to, limit } = wish;
    if after == span.up_to && after >= span.after {
        return Ok(Look::Page(Batch { events: Vec::new(), scanned_to: after, head: after }));
    }
    let room = up_to.map_or(i64::MAX, |up_to| up_to.get() - after.get());
    let scan_max = u32::try_from(room.max(1)).unwrap_or(u32::MAX).min(cx.config.sync.scan_max);
    let sight = if viewer.is_admin { Sight::Whole } else { Sight::Outline };
    let contents = sight == Sight::Whole;
    let query = LogQuery { after, models: None, system: None, limit, scan_max, contents };
    let page = match tail::read(cx, viewer.tenant, sight, scope, &query, span).await? {
        Some(page) => page,
        None => match read_log(cx, viewer.tenant, scope, query).await? {
            LogRead::Page(page) => Page::of(cx, viewer.tenant, page, sight).await?,
            LogRead::Trimmed { head, .. } => return Ok(Look::Trimmed { head }),
            LogRead::Ahead { .. } => return Ok(Look::Ahead),
        },
    };
    let mut batch =
        Batch { events: Vec::with_capacity(page.events.len()), scanned_to: page.scanned_to, head: page.head };
    if page.events.is_empty() {
        return Ok(Look::Page(batch));
    }
    let wanted: Vec<(SystemKey, &ModelName)> = page.kinds.iter().map(|kind| (kind.system, &kind.model)).collect();
    let seen = rights::of(cx, viewer, &wanted, scope.models.as_deref().unwrap_or_default()).await?;
    // Rights are rights on models: each kind is judged once.
    let verdicts: Vec<Option<bool>> = page.kinds.iter().map(|kind| seen.may_see(kind.system, &kind.model)).collect();
    let mut looked_to = after;
    for event in page.events {
        match verdicts.get(event.kind).copied().flatten() {
            Some(true) => batch.events.push(EventText { id: event.position, text: event.text }),
            Some(false) => {}
            // Neither shown nor skipped: the page ends before it.
            None if looked_to > after => {
                batch.scanned_to = looked_to;
                return Ok(Look::Page(batch));
            }
            None => return Err(seen.into_unknown().unwrap_or_else(unknown)),
        }
        looked_to = event.position;
    }
    Ok(Look::Page(batch))
}

async fn read_log(cx: &Context, tenant: TenantId, scope: &Scope, query: LogQuery) -> Result<LogRead, Problem> {
    let query = LogQuery { models: scope.models.clone(), system: scope.system, ..query };
    let _timer = Timer::start(&*cx.clock, &cx.metrics.read_log_seconds);
    Ok(cx.store.read(tenant, &query).await?)
}

fn unknown() -> Problem {
    Problem::new(ProblemKind::ErpUnreachable, Message::rights_unknown())
}

/// How long a pull waits for changes, and what wakes it. Dropping it, as happens when the client goes away, ends the
/// waiting.
#[derive(Debug)]
pub(super) struct Patience {
    head: Option<watch::Receiver<Position>>,
    ends_at: Instant,
}

impl Patience {
    /// Starts now.
    pub(super) fn new(cx: &Context, tenant: TenantId, wish: Duration) -> Self {
        let head = (!wish.is_zero()).then(|| cx.hub.subscribe(tenant));
        Self { head, ends_at: Instant::now() + wish }
    }

    /// Must come before the log is read, so that a change which comes after is not slept through.
    pub(super) fn mark(&mut self) {
        if let Some(head) = &mut self.head {
            head.borrow_and_update();
        }
    }

    /// Waits until the log has grown since the mark. False: it is time to answer.
    pub(super) async fn wait(&mut self, cx: &Context) -> bool {
        let Some(head) = &mut self.head else { return false };
        tokio::select! {
            grown = head.changed() => grown.is_ok(),
            () = tokio::time::sleep_until(self.ends_at) => false,
            () = cx.hub.sessions_have_to_end() => false,
        }
    }
}

/// Follows the log from a position on, for a connection. It holds no changes: a slow reader is simply behind.
#[derive(Debug)]
pub struct Follower {
    viewer: Viewer,
    scope: Scope,
    next: Position,
    head: watch::Receiver<Position>,
}

impl Follower {
    /// Starts after `after`.
    pub fn new(cx: &Context, viewer: Viewer, scope: Scope, after: Position) -> Self {
        let head = cx.hub.subscribe(viewer.tenant);
        Self { viewer, scope, next: after, head }
    }

    /// The last position that was looked at.
    pub fn position(&self) -> Position {
        self.next
    }

    /// Whom it reads for.
    pub fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// What it reads.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The next changes, waiting for some if need be. A batch may be empty when others' changes were passed over.
    ///
    /// `Ok(None)` means that the log is not kept back to here any more. May be dropped while it waits, without loss.
    pub async fn next(&mut self, cx: &Context, limit: u32) -> Result<Option<Batch>, Problem> {
        loop {
            // Marked as seen before the log is read, so that a change in between is not slept through.
            let head = *self.head.borrow_and_update();
            let span = if head > self.next {
                // That much is in the log. How far it was trimmed matters only to who has to ask the database.
                LogSpan { after: Position::START, up_to: head }
            } else {
                cx.store.kept(self.viewer.tenant).await?
            };
            let wish = Wish { after: self.next, up_to: None, limit };
            match look(cx, &self.viewer, &self.scope, wish, span).await? {
                Look::Page(batch) if batch.scanned_to > self.next => {
                    self.next = batch.scanned_to;
                    return Ok(Some(batch));
                }
                Look::Page(_) => {}
                Look::Trimmed { .. } => return Ok(None),
                Look::Ahead => {
                    return Err(Problem::new(ProblemKind::InvalidSyncToken, Message::position_not_in_log()));
                }
            }
            if self.head.changed().await.is_err() {
                return Err(Problem::new(ProblemKind::Busy, Message::service_stopping()));
            }
        }
    }
}
