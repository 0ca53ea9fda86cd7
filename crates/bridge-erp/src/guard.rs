//! What stands between the service and one system, for all who call it: a bound on the calls under way, a bound on those
//! that wait, and a circuit breaker, so that a system which hangs or is down takes no more of the service than its
//! share.
//!
//! Every exchange with the system is reported here, whoever asked for it. Whoever acts for a person enters first, and
//! is turned away at once while the circuit is open. Background readers don't: each has a pause of its own that grows
//! with its failures, and the first of their calls that succeeds closes the circuit.

use crate::{ErpError, ErpErrorKind};
use bridge_model::{Clock, Timestamp};
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// The bounds of a [`Guard`].
#[derive(Debug, Clone)]
pub struct GuardOptions {
    /// The most exchanges under way at once; further ones wait.
    pub calls_at_once_max: usize,
    /// The most callers that are let in beyond those; more are turned away.
    pub calls_waiting_max: usize,
    /// The longest wait for a free exchange, in milliseconds.
    pub calls_wait_ms: u64,
    /// After how many failures in a row the circuit opens.
    pub failures_max: u32,
    /// How long an open circuit turns callers away, in milliseconds; then one of them tries.
    pub recovery_ms: u64,
}

/// The guard of one system.
#[derive(Debug)]
pub struct Guard {
    exchanges: Semaphore,
    callers: Arc<Semaphore>,
    options: GuardOptions,
    circuit: Mutex<Circuit>,
    clock: Arc<dyn Clock>,
}

/// The states of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// Calls go through.
    Closed,
    /// Calls are turned away.
    Open,
    /// One call is let through, to see whether the system answers again.
    HalfOpen,
}

/// A circuit breaker as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CircuitStatus {
    /// Its state.
    pub state: CircuitState,
    /// How many calls in a row have failed.
    pub failures: u32,
    /// When it opened; `null` while it is closed.
    pub opened_at: Option<Timestamp>,
    /// From when on a call is let through again; `null` while it is closed.
    pub retry_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Circuit {
    failures: u32,
    open: Option<Open>,
    /// When it last opened, also if it has closed since.
    last_opened_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    opened_at: Timestamp,
    retry_at: Timestamp,
    /// Whether somebody is trying at this moment.
    is_tried: bool,
}

/// Somebody who was let in. Dropping it makes room.
#[derive(Debug)]
pub struct Entered {
    guard: Arc<Guard>,
    tries: bool,
    _place: OwnedSemaphorePermit,
}

impl Guard {
    /// A guard whose circuit is closed.
    pub fn new(options: GuardOptions, clock: Arc<dyn Clock>) -> Self {
        let at_once = options.calls_at_once_max.clamp(1, Semaphore::MAX_PERMITS);
        let callers = at_once.saturating_add(options.calls_waiting_max).min(Semaphore::MAX_PERMITS);
        Self {
            exchanges: Semaphore::new(at_once),
            callers: Arc::new(Semaphore::new(callers)),
            options,
            circuit: Mutex::default(),
            clock,
        }
    }

    /// Lets a caller in. `CircuitOpen` if the system has not answered for a while, `Saturated` if too many are in.
    pub fn enter(self: &Arc<Self>) -> Result<Entered, ErpError> {
        let Ok(place) = Arc::clone(&self.callers).try_acquire_owned() else {
            return Err(ErpError::new(ErpErrorKind::Saturated, "too many calls to this system are under way"));
        };
        let now = self.clock.now();
        let tries = match &mut self.circuit().open {
            None => false,
            Some(open) if !open.is_tried && open.retry_at <= now => {
                open.is_tried = true;
                true
            }
            Some(open) => {
                let seconds = open.retry_at.since(now).as_secs().max(1);
                let message = "the system has failed to answer several times and is left alone for a while";
                return Err(ErpError::new(ErpErrorKind::CircuitOpen, message).after(seconds));
            }
        };
        Ok(Entered { guard: Arc::clone(self), tries, _place: place })
    }

    /// The circuit as it is now.
    pub fn circuit_status(&self) -> CircuitStatus {
        let now = self.clock.now();
        let circuit = self.circuit();
        let state = match circuit.open {
            None => CircuitState::Closed,
            Some(open) if open.is_tried || open.retry_at <= now => CircuitState::HalfOpen,
            Some(_) => CircuitState::Open,
        };
        CircuitStatus {
            state,
            failures: circuit.failures,
            opened_at: circuit.open.map(|open| open.opened_at),
            retry_at: circuit.open.map(|open| open.retry_at),
        }
    }

    /// When the circuit last opened, whether or not it has closed since.
    pub fn last_opened_at(&self) -> Option<Timestamp> {
        self.circuit().last_opened_at
    }

    /// Waits for a free exchange, within the bound.
    pub(crate) async fn exchange(&self) -> Result<SemaphorePermit<'_>, ErpError> {
        if let Ok(permit) = self.exchanges.try_acquire() {
            return Ok(permit);
        }
        let wait = Duration::from_millis(self.options.calls_wait_ms);
        match tokio::time::timeout(wait, self.exchanges.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(ErpError::new(ErpErrorKind::Saturated, "too many calls to this system are under way")),
        }
    }

    /// Takes note that the system has answered, whatever it said.
    pub(crate) fn answered(&self) {
        let mut circuit = self.circuit();
        *circuit = Circuit { last_opened_at: circuit.last_opened_at, ..Circuit::default() };
    }

    /// Takes note that the system has not answered, or only what stands in front of it has.
    pub(crate) fn failed(&self) {
        let now = self.clock.now();
        let retry_at = now.plus(Duration::from_millis(self.options.recovery_ms));
        let mut circuit = self.circuit();
        circuit.failures = circuit.failures.saturating_add(1);
        let is_enough = circuit.failures >= self.options.failures_max;
        match &mut circuit.open {
            Some(open) if open.is_tried => *open = Open { retry_at, is_tried: false, ..*open },
            None if is_enough => {
                circuit.open = Some(Open { opened_at: now, retry_at, is_tried: false });
                circuit.last_opened_at = Some(now);
            }
            // What fails in the background while it is open says nothing new.
            _ => {}
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Whoever tried and went away without an outcome leaves the trying to the next.
        if self.tries
            && let Some(open) = &mut self.guard.circuit().open
        {
            open.is_tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_model::clock::ManualClock;

    fn guard(failures_max: u32) -> (Arc<Guard>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::parse_rfc3339("2026-03-02T09:00:00Z").unwrap()));
        let options = GuardOptions {
            calls_at_once_max: 1,
            calls_waiting_max: 1,
            calls_wait_ms: 1,
            failures_max,
            recovery_ms: 60_000,
        };
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        (Arc::new(Guard::new(options, shared)), clock)
    }

    fn state(guard: &Guard) -> CircuitState {
        guard.circuit_status().state
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_try_closes_it() {
        let (guard, clock) = guard(5);
        for _ in 0..4 {
            guard.failed();
        }
        guard.answered();
        for _ in 0..4 {
            guard.failed();
            assert_eq!(state(&guard), CircuitState::Closed);
        }
        guard.failed();
        assert_eq!(state(&guard), CircuitState::Open);
        clock.advance(Duration::from_secs(20));
        let refused = guard.enter().unwrap_err();
        assert_eq!((refused.kind, refused.retry_after_s), (ErpErrorKind::CircuitOpen, Some(40)));
        clock.advance(Duration::from_secs(40));
        assert_eq!(state(&guard), CircuitState::HalfOpen);
        let trying = guard.enter().unwrap();
        assert_eq!(guard.enter().unwrap_err().kind, ErpErrorKind::CircuitOpen, "one tries at a time");
        guard.failed();
        drop(trying);
        assert_eq!(state(&guard), CircuitState::Open, "for another while");
        assert_eq!(guard.enter().unwrap_err().retry_after_s, Some(60));
        clock.advance(Duration::from_mins(1));
        let trying = guard.enter().unwrap();
        guard.answered();
        drop(trying);
        assert_eq!(
            guard.circuit_status(),
            CircuitStatus { state: CircuitState::Closed, failures: 0, opened_at: None, retry_at: None }
        );
    }

    #[test]
    fn whoever_tries_and_goes_away_leaves_it_to_the_next() {
        let (guard, clock) = guard(1);
        guard.failed();
        clock.advance(Duration::from_mins(1));
        drop(guard.enter().unwrap());
        drop(guard.enter().unwrap());
        assert_eq!(state(&guard), CircuitState::HalfOpen);
    }

    #[test]
    fn what_answers_in_the_background_closes_it_and_what_fails_there_does_not_prolong_it() {
        let (guard, clock) = guard(1);
        guard.failed();
        clock.advance(Duration::from_secs(59));
        guard.failed();
        clock.advance(Duration::from_secs(1));
        assert_eq!(state(&guard), CircuitState::HalfOpen);
        let opened_at = guard.circuit_status().opened_at;
        guard.answered();
        assert_eq!(state(&guard), CircuitState::Closed);
        assert!(opened_at.is_some() && guard.last_opened_at() == opened_at, "it is known that it was open");
    }

    #[tokio::test]
    async fn callers_and_exchanges_are_bounded() {
        let (guard, _) = guard(1);
        let places = [guard.enter().unwrap(), guard.enter().unwrap()];
        assert_eq!(guard.enter().unwrap_err().kind, ErpErrorKind::Saturated);
        let exchange = guard.exchange().await.unwrap();
        assert_eq!(guard.exchange().await.unwrap_err().kind, ErpErrorKind::Saturated);
        drop(exchange);
        drop(guard.exchange().await.unwrap());
        drop(places);
        guard.enter().unwrap();
    }
}
