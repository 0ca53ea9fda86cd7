//! The newest changes of each tenant's log, already written as JSON, so that those who follow closely need not ask
//! the database.
//!
//! A tail is part of the log: it is filled by reading the log, never from what an append has said, so that it is the
//! same on every node. Whoever has a position below it reads the database.

mod held;

use super::page::{Names, Page, Sight, Written};
use super::scope::Scope;
use crate::config;
use crate::context::Context;
use crate::metrics::Timer;
use crate::problem::Problem;
use bridge_model::{Position, TenantId, Timestamp};
use bridge_store::{LogQuery, LogRead, LogSpan};
use held::Held;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// The tails of this process, and what writing changes needs.
#[derive(Debug)]
pub struct Tails {
    of_tenants: Mutex<HashMap<(TenantId, Sight), Arc<Tail>>>,
    rows_max: usize,
    bytes_max: usize,
    /// What all tails take together.
    bytes: Arc<AtomicUsize>,
    /// When idle tails were looked for.
    swept_at: AtomicI64,
    pub(super) names: Names,
}

/// How many changes are read at once to fill a tail.
const FILL_ROWS: u32 = 500;

/// The most different models of systems that a tail tells apart; one that has seen more begins anew.
const KINDS_MAX: usize = 4_096;

/// What a change is taken to need before it is read.
const CHANGE_BYTES: usize = 400;

/// A tail that nobody read for so long is dropped when others need the memory.
const IDLE: Duration = Duration::from_mins(1);

/// How often idle tails are looked for at most.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

impl Tails {
    /// No tails yet; `config` bounds them.
    pub fn new(config: &config::Sync) -> Self {
        Self {
            of_tenants: Mutex::default(),
            rows_max: config.tail_rows_max,
            bytes_max: config.tail_bytes_max,
            bytes: Arc::default(),
            swept_at: AtomicI64::new(0),
            names: Names::default(),
        }
    }

    /// How many bytes all tails take together.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn of(&self, tenant: TenantId, sight: Sight, now: Timestamp) -> Arc<Tail> {
        let mut tails = self.of_tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = tails.entry((tenant, sight)).or_insert_with(|| Arc::new(Tail::new(Arc::clone(&self.bytes))));
        tail.used_at.store(now.as_micros(), Ordering::Relaxed);
        Arc::clone(tail)
    }

    /// How many bytes there is room for, once idle tails are gone if need be.
    fn room(&self, wanted: usize, now: Timestamp) -> usize {
        let left = || self.bytes_max.saturating_sub(self.bytes());
        if left() < wanted && now.since(time_of(&self.swept_at)) >= SWEEP_INTERVAL {
            self.swept_at.store(now.as_micros(), Ordering::Relaxed);
            let mut tails = self.of_tenants.lock().unwrap_or_else(PoisonError::into_inner);
            tails.retain(|_, tail| now.since(time_of(&tail.used_at)) < IDLE);
        }
        left()
    }
}

fn time_of(micros: &AtomicI64) -> Timestamp {
    Timestamp::from_micros(micros.load(Ordering::Relaxed))
}

/// Answers as the log would of which `span` was kept a moment ago. `None`: the log has to be asked.
pub(super) async fn read(
    cx: &Context,
    tenant: TenantId,
    sight: Sight,
    scope: &Scope,
    query: &LogQuery,
    span: LogSpan,
) -> Result<Option<Page>, Problem> {
    let behind = usize::try_from(span.up_to.get() - query.after.get());
    if query.after < span.after || behind.is_err() || behind.is_ok_and(|behind| behind > cx.tails.rows_max) {
        return Ok(None);
    }
    let tail = cx.tails.of(tenant, sight, cx.clock.now());
    if let Some(page) = tail.page(scope, query, span.up_to) {
        return Ok(Some(page));
    }
    tail.fill(&Filling { cx, tenant, sight, after: query.after, head: span.up_to }).await?;
    Ok(tail.page(scope, query, span.up_to))
}

/// One tenant's tail, for those who see the same of each change.
#[derive(Debug)]
struct Tail {
    held: RwLock<Held>,
    /// Held while the log is read, by one for all.
    filling: tokio::sync::Mutex<()>,
    /// What all tails take together.
    bytes: Arc<AtomicUsize>,
    used_at: AtomicI64,
}

/// What a reader needs that is not held.
struct Filling<'a> {
    cx: &'a Context,
    tenant: TenantId,
    sight: Sight,
    after: Position,
    head: Position,
}

impl Tail {
    fn new(bytes: Arc<AtomicUsize>) -> Self {
        Self { held: RwLock::default(), filling: tokio::sync::Mutex::default(), bytes, used_at: AtomicI64::new(0) }
    }

    fn page(&self, scope: &Scope, query: &LogQuery, head: Position) -> Option<Page> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).page(scope, query, head)
    }

    /// Changes what is held, and counts what it takes.
    fn change<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let before = held.bytes();
        let changed = change(&mut held);
        // Wraps around when there is less than before, which comes to the same.
        self.bytes.fetch_add(held.bytes().wrapping_sub(before), Ordering::Relaxed);
        changed
    }

    /// The positions that are held: after the first, up to the second.
    fn bounds(&self) -> (Position, Position) {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        (held.after(), held.up_to())
    }

    /// Reads what is needed and not held, as far as there is room.
    async fn fill(&self, needed: &Filling<'_>) -> Result<(), Problem> {
        let (held_after, held_up_to) = self.bounds();
        let lacks = (held_after.get() - needed.after.get()).max(0) + (needed.head.get() - held_up_to.get()).max(0);
        let _turn = if lacks <= i64::from(FILL_ROWS) {
            // Worth waiting for: it is one read for all who wait.
            self.filling.lock().await
        } else {
            // That takes a while. The others read the log for themselves meanwhile.
            let Ok(turn) = self.filling.try_lock() else { return Ok(()) };
            turn
        };
        let (held_after, held_up_to) = self.bounds();
        let there_already = held_after <= needed.after && needed.head <= held_up_to;
        if !there_already && self.begin(needed) && self.add_newer(needed).await? {
            self.add_older(needed).await?;
        }
        Ok(())
    }

    /// Begins anew where going on makes no sense. False: there is no room for what is needed.
    fn begin(&self, needed: &Filling<'_>) -> bool {
        let tails = &needed.cx.tails;
        let (_, held_up_to) = self.bounds();
        let lacks = usize::try_from(needed.head.get() - held_up_to.get()).unwrap_or(0);
        let begins = self.change(|held| {
            let begins = held.rows() == 0 || lacks > tails.rows_max || held.kinds() > KINDS_MAX;
            if begins {
                held.begin_after(needed.after);
            }
            begins
        });
        let rows = usize::try_from(needed.head.get() - needed.after.get()).unwrap_or(usize::MAX);
        let bytes = rows.saturating_mul(CHANGE_BYTES);
        !begins || tails.room(bytes, needed.cx.clock.now()) >= bytes
    }

    /// Reads on to the log's end; the oldest go when there is no room. False: what is held is not part of the log.
    async fn add_newer(&self, needed: &Filling<'_>) -> Result<bool, Problem> {
        let tails = &needed.cx.tails;
        loop {
            let (_, held_up_to) = self.bounds();
            if held_up_to >= needed.head {
                return Ok(true);
            }
            let Some(changes) = needed.read(held_up_to, FILL_ROWS).await? else {
                // It was trimmed to beyond, or it is another log.
                self.change(|held| held.begin_after(needed.head));
                return Ok(false);
            };
            if changes.is_empty() {
                return Ok(false);
            }
            self.change(|held| held.add_newer(changes));
            tails.room(1, needed.cx.clock.now());
            self.change(|held| {
                let over = tails.bytes().saturating_sub(tails.bytes_max);
                held.shrink(tails.rows_max, held.bytes().saturating_sub(over));
            });
        }
    }

    /// Reads down to what is needed, if there is room.
    async fn add_older(&self, needed: &Filling<'_>) -> Result<(), Problem> {
        let tails = &needed.cx.tails;
        loop {
            let (held_after, held_up_to) = self.bounds();
            let Ok(lacks @ 1..) = usize::try_from(held_after.get() - needed.after.get()) else { return Ok(()) };
            let rows_then = usize::try_from(held_up_to.get() - needed.after.get()).unwrap_or(usize::MAX);
            let bytes = lacks.saturating_mul(CHANGE_BYTES);
            if rows_then > tails.rows_max || tails.room(bytes, needed.cx.clock.now()) < bytes {
                return Ok(());
            }
            let rows = u32::try_from(lacks).unwrap_or(FILL_ROWS).min(FILL_ROWS);
            let Some(changes) = needed.read(held_after.plus(-i64::from(rows)), rows).await? else { return Ok(()) };
            if u32::try_from(changes.len()) != Ok(rows) {
                return Ok(());
            }
            self.change(|held| held.add_older(changes));
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.change(|held| held.begin_after(Position::START));
    }
}

impl Filling<'_> {
    /// Up to so many changes after `after`, without a hole; `None` if the log does not have them.
    async fn read(&self, after: Position, rows: u32) -> Result<Option<Vec<Written>>, Problem> {
        let Self { cx, tenant, sight, .. } = *self;
        let contents = sight == Sight::Whole;
        let query = LogQuery { after, models: None, system: None, limit: rows, scan_max: rows, contents };
        let timer = Timer::start(&*cx.clock, &cx.metrics.read_log_seconds);
        let read = cx.store.read(tenant, &query).await?;
        drop(timer);
        let LogRead::Page(page) = read else { return Ok(None) };
        if !page.changes.iter().zip(1..).all(|(change, n)| change.position == after.plus(n)) {
            tracing::error!(tenant.id = tenant.0, after = after.get(), "the log has a hole");
            return Ok(None);
        }
        let names = cx.tails.names.of(cx, tenant, &page.changes).await?;
        Ok(Some(page.changes.into_iter().map(|change| Written::of(change, &names, sight)).collect()))
    }
}
