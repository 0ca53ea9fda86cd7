//! Calls to a system that never take more than their share of its time, by a node that leads.

use super::clock::ErpClock;
use super::trail::PolledTrail;
use crate::config::ms;
use crate::context::Context;
use crate::ingest::{leader, pipeline};
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_erp::{Adapter, ErpError, ErpErrorClass, ErpErrorKind, ErpField, SearchRead};
use bridge_model::{Epoch, ModelName, NewChange, Timestamp};
use bridge_store::{Append, Lease, PolledSave, StoreError, System};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Why a look did not come to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// The system refused or could not be asked.
    Erp(ErpError),
    /// Something of ours failed.
    Ours(Problem),
    /// Another node leads now.
    Lost,
}

impl From<ErpError> for Failure {
    fn from(error: ErpError) -> Self {
        Self::Erp(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Ours(problem)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Fenced) { Self::Lost } else { Self::Ours(error.into()) }
    }
}

impl Failure {
    /// The problem, as people are told of it.
    pub(super) fn into_problem(self) -> Problem {
        match self {
            Self::Erp(error) => error.into(),
            Self::Ours(problem) => problem,
            Self::Lost => Problem::new(ProblemKind::Busy, Message::busy()),
        }
    }

    /// Whether only this model can't be read, while others may be.
    pub(super) fn is_of_model(&self) -> bool {
        let Self::Erp(error) = self else { return false };
        error.kind.class() == ErpErrorClass::Business
            || matches!(
                error.kind,
                ErpErrorKind::UnknownModel
                    | ErpErrorKind::UnknownMethod
                    | ErpErrorKind::Internal
                    | ErpErrorKind::TooLarge
                    | ErpErrorKind::Protocol
            )
    }
}

/// By how much the ERP's clock may run ahead of ours for its times to be believed, in seconds. Records can bear times
/// that have not come yet, and would make everything before look settled.
const AHEAD_MAX_S: i64 = 60;

/// A leading node's way to one system.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) cx: &'a Context,
    pub(super) system: &'a System,
    pub(super) lease: Lease,
    clock: ErpClock,
    next_call: Instant,
    /// Since when this node polls the system, what it has spent of its time, and in how many calls.
    began: Instant,
    spent: Duration,
    pub(super) calls: u64,
    pub(super) trail: PolledTrail,
}

impl<'a> Session<'a> {
    pub(super) fn new(cx: &'a Context, system: &'a System, lease: Lease) -> Self {
        let now = Instant::now();
        let clock = ErpClock::default();
        Self {
            cx,
            system,
            lease,
            clock,
            next_call: now,
            began: now,
            spent: Duration::ZERO,
            calls: 0,
            trail: PolledTrail::default(),
        }
    }

    /// Records by a filter, archived ones included.
    pub(super) async fn read(
        &mut self,
        model: &ModelName,
        domain: Value,
        fields: &[&str],
        order: &str,
        limit: u32,
    ) -> Result<Vec<Map<String, Value>>, Failure> {
        let query = SearchRead {
            model: model.clone(),
            domain,
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            offset: 0,
            limit,
            order: order.to_owned(),
            context: Map::from_iter([("active_test".to_owned(), json!(false))]),
        };
        let adapter = self.turn().await?;
        self.measured(adapter.search_read(&query)).await
    }

    /// How many records a filter finds, archived ones included.
    pub(super) async fn count(&mut self, model: &ModelName, domain: Value) -> Result<u64, Failure> {
        let adapter = self.turn().await?;
        self.measured(adapter.count_all(model, &domain)).await
    }

    /// Records by a filter, in the order of their ids, if the system has them within `limit`.
    pub(super) async fn read_within(
        &mut self,
        limit: Duration,
        model: &ModelName,
        domain: Value,
        fields: &[&str],
        rows_max: u32,
    ) -> Result<Vec<Map<String, Value>>, Failure> {
        let query = SearchRead {
            model: model.clone(),
            domain,
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            offset: 0,
            limit: rows_max,
            order: "id".to_owned(),
            context: Map::new(),
        };
        let adapter = self.turn().await?;
        let call = async {
            let answer = tokio::time::timeout(limit, adapter.search_read(&query)).await;
            answer.unwrap_or_else(|_| Err(ErpError::new(ErpErrorKind::Timeout, "no answer within the time for it")))
        };
        self.measured(call).await
    }

    /// The fields of a model.
    pub(super) async fn fields(&mut self, model: &ModelName) -> Result<Vec<ErpField>, Failure> {
        let adapter = self.turn().await?;
        self.measured(adapter.fields(model)).await
    }

    /// Appends changes together with what is known of their model.
    pub(super) async fn append(&self, mut changes: Vec<NewChange>, polled: PolledSave) -> Result<(), Failure> {
        let epoch = self.epoch().await?;
        for change in &mut changes {
            change.epoch = epoch;
        }
        let batch = Append { changes, polled: Some(polled), fence: Some(self.lease.fence()), ..Append::default() };
        pipeline::append(self.cx, self.system.tenant, batch).await?;
        Ok(())
    }

    async fn epoch(&self) -> Result<Epoch, Failure> {
        Ok(self.cx.store.source(self.system.tenant, self.system.key).await?.epoch)
    }

    /// Notes that a record was written in this second of the ERP's clock. False: that second can't have come yet, so
    /// that nothing may be concluded from it.
    pub(super) fn observe(&mut self, second: i64, at: Instant) -> bool {
        let is_believed = second <= self.believed_to();
        if is_believed {
            self.clock.observe(second, at);
        }
        is_believed
    }

    /// The last second that a record can have been written in.
    pub(super) fn believed_to(&self) -> i64 {
        second_of(self.cx.clock.now()) + AHEAD_MAX_S
    }

    /// The second that the ERP's clock had reached by `at`, at least.
    pub(super) fn reached(&self, at: Instant) -> Option<i64> {
        self.clock.at_least(at)
    }

    /// Every transaction that writes times before this second has ended by `at`, if none lasts longer than the config
    /// says.
    pub(super) fn ended_before(&self, at: Instant) -> Option<i64> {
        let longest = ms(self.cx.config.ingest.transaction_age_max_ms).as_secs() + 1;
        let longest = i64::try_from(longest).unwrap_or(i64::MAX);
        self.reached(at).map(|second| second.saturating_sub(longest).saturating_sub(AHEAD_MAX_S).max(0))
    }

    /// The part of the system's time that polling took so far, in percent.
    pub(super) fn share_percent(&self) -> f64 {
        let elapsed = self.began.elapsed().as_secs_f64();
        if elapsed > 0.0 { self.spent.as_secs_f64() / elapsed * 100.0 } else { 0.0 }
    }

    /// Waits until the next call may be made, and keeps the lease meanwhile.
    async fn turn(&mut self) -> Result<Arc<dyn Adapter>, Failure> {
        loop {
            self.keep_lease().await?;
            let wait = self.next_call.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Ok(self.cx.erps.adapter(self.system)?);
            }
            tokio::time::sleep(wait.min(ms(self.cx.config.ingest.lease_ms) / 4)).await;
        }
    }

    async fn measured<T>(&mut self, call: impl Future<Output = Result<T, ErpError>>) -> Result<T, Failure> {
        let start = Instant::now();
        let outcome = call.await;
        let took = start.elapsed();
        let rest = took.mul_f64(100.0 / self.cx.config.detection.poll.share_percent - 1.0);
        self.next_call = Instant::now() + rest;
        self.spent += took;
        self.calls += 1;
        self.cx.metrics.poll_calls.inc();
        self.cx.metrics.poll_call_seconds.observe(took.as_secs_f64());
        outcome.map_err(Failure::from)
    }

    /// Renews the lease from time to time.
    pub(super) async fn keep_lease(&mut self) -> Result<(), Failure> {
        if leader::keep_lease(self.cx, &mut self.lease).await? { Ok(()) } else { Err(Failure::Lost) }
    }
}

/// A time in whole seconds, as the ERP writes them.
pub(super) fn second_of(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(1_000_000)
}

/// The time that a second begins at.
pub(super) fn time_of(second: i64) -> Timestamp {
    Timestamp::from_micros(second.saturating_mul(1_000_000))
}
