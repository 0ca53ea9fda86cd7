//! Alerts: telling configured people, by webhook or e-mail, of what will not pass by itself.
//!
//! What needs a person is noticed where it happens: what a transaction of the store brings about raises its alert in that
//! transaction, what happens once is [raised](raise) there, and what goes on is [noted](Alerts::note) in memory or can be
//! seen at any time. A background task looks at all of that, so that nobody who reads or answers ever waits for it. It
//! hands each alert as one durable job for each target to whichever node sends it. Passing failures raise none.

mod email;
mod list;
mod look;
mod message;
mod send;
mod targets;
mod test;
mod webhook;

pub use list::{AlertPage, AlertView, ListAlerts, list};
pub use test::test;

use crate::config;
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{Strategy, SystemKey};
use bridge_store::{AlertKind, AlertSubject, System};
use look::Looker;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use targets::Targets;
use tokio_util::sync::CancellationToken;

/// Who is told, and what this node has noted since the last look.
#[derive(Debug)]
pub struct Alerts {
    targets: Targets,
    noted: Mutex<BTreeMap<(AlertKind, SystemKey), Noted>>,
}

/// What was noted, and how often since the last look; 0 times if only that it is still so.
#[derive(Debug, Clone)]
struct Noted {
    facts: Value,
    times: u64,
}

impl Alerts {
    /// With nothing noted; the error is a target that can't be.
    pub fn new(config: &config::Alerts) -> anyhow::Result<Self> {
        Ok(Self { targets: Targets::new(config)?, noted: Mutex::default() })
    }

    /// Notes that something goes on in a system. It never waits; the next look takes it up.
    pub fn note(&self, kind: AlertKind, system: SystemKey, facts: Value) {
        self.note_times(kind, system, Noted { facts, times: 1 });
    }

    /// Notes that something is still so that was raised before.
    pub fn still(&self, kind: AlertKind, system: SystemKey) {
        self.note_times(kind, system, Noted { facts: Value::Null, times: 0 });
    }

    fn note_times(&self, kind: AlertKind, system: SystemKey, noted: Noted) {
        let mut all = self.noted();
        let before = all.entry((kind, system)).or_insert_with(|| Noted { facts: Value::Null, times: 0 });
        if noted.times > 0 {
            *before = Noted { times: before.times + noted.times, ..noted };
        }
    }

    fn take_noted(&self) -> BTreeMap<(AlertKind, SystemKey), Noted> {
        std::mem::take(&mut *self.noted())
    }

    fn noted(&self) -> MutexGuard<'_, BTreeMap<(AlertKind, SystemKey), Noted>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From which failure in a row on a source is taken for refused, where the failure itself does not say so. With the pauses
/// between them that is about a minute: an ERP that is just being restarted may answer anything.
const REFUSALS_MIN: u32 = 8;

/// Takes note that a reader has failed, so many times in a row. Only what a person has to mend becomes an alert: a
/// credential that is refused at once, and what is permanent in another way when it has happened a few times.
pub fn source_failed(cx: &Context, system: &System, strategy: Strategy, problem: &Problem, failures: u32) {
    let is_refused = problem.kind == ProblemKind::ErpAuthentication;
    let is_permanent = problem.kind == ProblemKind::ErpFailed || problem.details["error_type"] == "permanent";
    if is_refused || (is_permanent && failures >= REFUSALS_MIN) {
        let facts = json!({ "strategy": strategy, "code": problem.kind.code() });
        cx.alerts.note(AlertKind::SourceRefused, system.key, facts);
    }
}

/// Raises an alert of what has just happened so many times. What can't be noted is logged: whoever tells goes on.
pub async fn raise(cx: &Context, kind: AlertKind, subject: AlertSubject, facts: Value, times: u64) {
    if let Err(error) = cx.store.raise_alert(kind, subject, &facts, times).await {
        tracing::error!(kind = kind.as_str(), ?subject, %facts, %error, "raise an alert");
    }
}

/// Looks for what is to be told, and tells it, until `stop`. `node` names this process among several.
pub async fn run(cx: Context, node: String, stop: CancellationToken) {
    let mut looker = Looker::new(&cx);
    tokio::join!(looker.look_until(&stop), send::send_until(&cx, &node, &stop));
}
