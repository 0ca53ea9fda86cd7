//! Values that are kept right by a scope: a duration, and how many are inside.

use bridge_model::{Clock, Timestamp};
use prometheus::{Histogram, IntGauge};

/// Measures until it is dropped, so that work that is given up on counts as well.
#[derive(Debug)]
#[must_use = "it measures until it is dropped"]
pub struct Timer<'a> {
    clock: &'a dyn Clock,
    started: Timestamp,
    into: &'a Histogram,
}

impl<'a> Timer<'a> {
    /// Begins to measure.
    pub fn start(clock: &'a dyn Clock, into: &'a Histogram) -> Self {
        Self { clock, started: clock.now(), into }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.into.observe(self.clock.now().since(self.started).as_secs_f64());
    }
}

/// Counts one more until it is dropped.
#[derive(Debug)]
#[must_use = "it counts until it is dropped"]
pub struct Held(IntGauge);

impl Held {
    /// One more.
    pub fn one(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}
