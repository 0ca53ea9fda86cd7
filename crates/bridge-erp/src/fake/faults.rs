//! What can be made to go wrong, and the count of what was called.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// A way to fail one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset before anything is done.
    Reset,
    /// The work is done, then the connection is reset: the reply is lost.
    ResetAfterWork,
    /// Nothing is done; the answer is this HTTP status with a page of text, as a proxy gives it.
    Status(u16),
    /// The work is done and the answer begins, but the connection is cut in the middle of the body.
    CutReply,
    /// The work is done, and nothing is answered until the caller goes away.
    HangAfterWork,
    /// Nothing is done and nothing is answered until the caller goes away.
    Hang,
    /// Nothing is done; Odoo says that the session is over.
    SessionExpired,
    /// The work waits until it is let go, and is done and answered then, if the caller is still there.
    Held,
}

/// The faults of a demo ERP, set by tests.
#[derive(Debug, Default)]
pub struct Faults {
    inner: Mutex<Inner>,
    gate: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    latency_ms: u64,
    refuse: bool,
    rules: Vec<Rule>,
    calls: BTreeMap<(String, String), u64>,
}

#[derive(Debug)]
struct Rule {
    model: Option<String>,
    method: Option<String>,
    left: u32,
    fault: Fault,
}

/// The most different methods that are counted.
const COUNTED_MAX: usize = 10_000;

impl Faults {
    /// Makes every answer wait this long, in milliseconds.
    pub fn latency_ms(&self, latency_ms: u64) {
        self.with(|inner| inner.latency_ms = latency_ms);
    }

    /// Fails the next `times` calls of whatever model and method.
    pub fn fail_next(&self, times: u32, fault: Fault) {
        self.add(None, None, times, fault);
    }

    /// Fails the next `times` calls of a model's method. The services of the protocol count as models: `common` with
    /// `version`, `authenticate` and `login`, `session` with `authenticate`, `destroy` and `get_session_info`.
    pub fn fail_method(&self, model: &str, method: &str, times: u32, fault: Fault) {
        self.add(Some(model), Some(method), times, fault);
    }

    /// Fails the next `times` calls of a model, whatever the method.
    pub fn fail_model(&self, model: &str, times: u32, fault: Fault) {
        self.add(Some(model), None, times, fault);
    }

    /// Resets every connection as soon as it is made, until told otherwise. To have the port closed, stop the ERP.
    pub fn refuse_connections(&self, refuse: bool) {
        self.with(|inner| inner.refuse = refuse);
    }

    /// Lets the call go on that is held, or the next one that would be.
    pub fn let_go(&self) {
        self.gate.notify_one();
    }

    /// Waits until a held call may go on.
    pub(super) async fn held(&self) {
        self.gate.notified().await;
    }

    /// Takes back every fault and the latency; the counts stay.
    pub fn clear(&self) {
        self.with(|inner| {
            inner.latency_ms = 0;
            inner.refuse = false;
            inner.rules.clear();
        });
    }

    /// How often a model's method was called, failed calls included.
    pub fn calls(&self, model: &str, method: &str) -> u64 {
        self.with(|inner| inner.calls.get(&(model.to_owned(), method.to_owned())).copied().unwrap_or(0))
    }

    /// How often anything was called, failed calls included.
    pub fn calls_total(&self) -> u64 {
        self.with(|inner| inner.calls.values().sum())
    }

    /// Sets every count to zero.
    pub fn reset_counts(&self) {
        self.with(|inner| inner.calls.clear());
    }

    /// Counts a call, and says how long it waits and how it fails.
    pub(super) fn meet(&self, model: &str, method: &str) -> (Duration, Option<Fault>) {
        self.with(|inner| {
            if let Some(count) = inner.calls.get_mut(&(model.to_owned(), method.to_owned())) {
                *count += 1;
            } else if inner.calls.len() < COUNTED_MAX {
                inner.calls.insert((model.to_owned(), method.to_owned()), 1);
            }
            let is_it = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
            let rule = inner.rules.iter_mut().find(|rule| is_it(&rule.model, model) && is_it(&rule.method, method));
            let fault = rule.map(|rule| {
                rule.left -= 1;
                rule.fault
            });
            inner.rules.retain(|rule| rule.left > 0);
            (Duration::from_millis(inner.latency_ms), fault)
        })
    }

    pub(super) fn refuses(&self) -> bool {
        self.with(|inner| inner.refuse)
    }

    fn add(&self, model: Option<&str>, method: Option<&str>, times: u32, fault: Fault) {
        if times > 0 {
            let rule = Rule { model: model.map(str::to_owned), method: method.map(str::to_owned), left: times, fault };
            self.with(|inner| inner.rules.push(rule));
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
