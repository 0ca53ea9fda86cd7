//! How each system's background reader is doing, for people who ask.

use crate::config::ms;
use crate::context::Context;
use crate::problem::Problem;
use bridge_erp::FeedKind;
use bridge_model::{ModelName, Strategy, SystemKey, Timestamp};
use bridge_store::{SourceState, System};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use utoipa::ToSchema;

/// What a reader does now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReaderState {
    /// Not started on this node, or another node leads it.
    #[default]
    Idle,
    /// Reading.
    Running,
    /// The system has no event table: only pushes arrive.
    NoFeed,
    /// Too many event ids are missing: reading waits until the transactions that may hold them have ended.
    HeldBack,
    /// The last look failed; it is tried again.
    Failing,
}

/// A reader's state and how far it has come.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct ReaderStatus {
    /// What it does now.
    pub state: ReaderState,
    /// Which add-on keeps the event table.
    pub feed: Option<FeedKind>,
    /// The highest of the ERP's event ids that was read.
    pub read_to: i64,
    /// The highest of the ERP's event ids that could be seen at the last look.
    pub newest_id: i64,
    /// Missing ids that are asked for again.
    pub open_gaps: usize,
    /// When the last successful look began: whatever was committed before is read.
    #[serde(skip)]
    pub(super) look_began_at: Option<Timestamp>,
    /// When the table was last looked at with success.
    pub last_success_at: Option<Timestamp>,
    /// How long ago that was, in seconds: the lag of this source.
    pub lag_seconds: Option<f64>,
    /// What went wrong last, while it does.
    pub last_error: Option<String>,
}

/// How polling of a system goes.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct PollStatus {
    /// What it does now.
    pub state: ReaderState,
    /// How many models are polled.
    pub models: usize,
    /// By how much the model that has waited longest is overdue, in seconds: the share of the system's time is too
    /// small for all the looks when this grows.
    pub behind_seconds: f64,
    /// The part of the system's time that polling has taken since it began on this node, in percent.
    pub share_percent: f64,
    /// Calls since then.
    pub calls: u64,
    /// When a look last succeeded.
    pub last_success_at: Option<Timestamp>,
    /// What went wrong last, while it does.
    pub last_error: Option<String>,
    /// Some of the models that can't be read.
    pub refused: Vec<RefusedModel>,
}

/// A model that can't be read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RefusedModel {
    /// The model.
    pub model: ModelName,
    /// What the system says.
    pub error: String,
}

/// The states of this node's readers.
#[derive(Debug, Default)]
pub struct Readers {
    readers: Mutex<HashMap<(SystemKey, Strategy), ReaderStatus>>,
    polls: Mutex<HashMap<SystemKey, PollStatus>>,
}

impl Readers {
    pub(super) fn update(&self, system: SystemKey, strategy: Strategy, change: impl FnOnce(&mut ReaderStatus)) {
        change(self.readers.lock().unwrap_or_else(PoisonError::into_inner).entry((system, strategy)).or_default());
    }

    /// Changes what is said of polling, and with it what is said of it as of every reader.
    pub(super) fn update_poll(&self, system: SystemKey, change: impl FnOnce(&mut PollStatus)) {
        let mut polls = self.polls.lock().unwrap_or_else(PoisonError::into_inner);
        let status = polls.entry(system).or_default();
        change(status);
        let PollStatus { state, last_success_at, last_error, .. } = status.clone();
        drop(polls);
        self.update(system, Strategy::Poll, |reader| {
            (reader.state, reader.last_success_at, reader.last_error) = (state, last_success_at, last_error);
        });
    }

    pub(super) fn forget(&self, system: SystemKey, strategy: Strategy) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).remove(&(system, strategy));
        if strategy == Strategy::Poll {
            self.polls.lock().unwrap_or_else(PoisonError::into_inner).remove(&system);
        }
    }

    fn get(&self, system: SystemKey, strategy: Strategy) -> Option<ReaderStatus> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).get(&(system, strategy)).cloned()
    }
}

/// How often the store is looked at for a reader's progress; it may be another node's.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// Waits until a system's reader has read everything that was committed in the ERP before now, within the config's
/// time. False: it has not, or it is known that it can't.
///
/// That is so once a look that began after now has succeeded. Another node's looks can't be seen; there it is enough
/// that the reader has come to `id` and that no id up to it is missing.
pub(super) async fn wait_until_read(cx: &Context, system: &System, id: i64) -> Result<bool, Problem> {
    let asked_at = cx.clock.now();
    let until = asked_at.plus(ms(cx.config.ingest.push_order_wait_ms));
    loop {
        let here = cx.readers.get(system.key, Strategy::Addon).unwrap_or_default();
        if here.look_began_at.is_some_and(|began| began > asked_at) {
            return Ok(true);
        }
        let elsewhere = here.state == ReaderState::Idle;
        if elsewhere && has_come_to(&cx.store.source(system.tenant, system.key).await?, id) {
            return Ok(true);
        }
        let hopeless = matches!(here.state, ReaderState::Failing | ReaderState::NoFeed | ReaderState::HeldBack);
        if hopeless || cx.clock.now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Whether everything up to `id` has been read or settled.
pub(super) fn has_come_to(source: &SourceState, id: i64) -> bool {
    source.read_to >= id && source.gaps.iter().all(|gap| gap.id > id)
}

/// How polling of a system goes on this node.
pub fn poll_status(cx: &Context, system: &System) -> PollStatus {
    cx.readers.polls.lock().unwrap_or_else(PoisonError::into_inner).get(&system.key).cloned().unwrap_or_default()
}

/// The states of all of a system's readers: that of the event table, and those of other strategies that this node
/// runs.
pub async fn reader_statuses(cx: &Context, system: &System) -> Result<BTreeMap<Strategy, ReaderStatus>, Problem> {
    let now = cx.clock.now();
    let others = Strategy::ALL.into_iter().filter(|strategy| *strategy != Strategy::Addon);
    let mut statuses: BTreeMap<_, _> =
        others.filter_map(|strategy| Some((strategy, cx.readers.get(system.key, strategy)?))).collect();
    for status in statuses.values_mut() {
        status.lag_seconds = status.last_success_at.map(|at| now.since(at).as_secs_f64());
    }
    statuses.insert(Strategy::Addon, reader_status(cx, system).await?);
    Ok(statuses)
}

/// The state of the reader of a system's event table: live if this node leads it, otherwise what the store remembers.
pub async fn reader_status(cx: &Context, system: &System) -> Result<ReaderStatus, Problem> {
    let source = cx.store.source(system.tenant, system.key).await?;
    let mut status = cx.readers.get(system.key, Strategy::Addon).unwrap_or_default();
    status.read_to = source.read_to;
    status.open_gaps = source.gaps.len();
    status.newest_id = status.newest_id.max(source.read_to);
    status.lag_seconds = status.last_success_at.map(|at| cx.clock.now().since(at).as_secs_f64());
    Ok(status)
}
