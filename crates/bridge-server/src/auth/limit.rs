//! How often a name may be tried in vain at log-in.

use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The length of a window.
const WINDOW: Duration = Duration::from_mins(1);

/// The most windows that are kept; beyond, the oldest go. The password checks of one machine do not fill it within a
/// window's length.
const WINDOWS_MAX: usize = 20_000;

/// Counts failed log-ins in windows of a minute, for each name, whether it exists or not, together with the address
/// they come from: who does not know the password can keep themself out, and nobody who is elsewhere.
#[derive(Debug)]
pub(super) struct LoginLimit {
    failures_max: u32,
    windows: Mutex<Windows>,
}

/// Who is counted: the hash of name and address, so that long names take no more memory than short ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tried([u8; 32]);

impl Tried {
    /// A name that is tried from an address; `None` is this process itself.
    pub(super) fn new(username: &str, peer: Option<IpAddr>) -> Self {
        let mut hash = Sha256::new().chain_update(username).chain_update([0]);
        match peer.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => hash.update(ip.octets()),
            // A network of this size is one customer's, who can take any address in it.
            Some(IpAddr::V6(ip)) => hash.update(&ip.octets()[..8]),
            None => {}
        }
        Self(hash.finalize().into())
    }
}

#[derive(Debug, Default)]
struct Windows {
    open: HashMap<Tried, Window>,
    /// In the order in which they began; every open window is in here once.
    begun: VecDeque<Tried>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Timestamp,
    failures: u32,
}

impl LoginLimit {
    pub(super) fn new(failures_max: u32) -> Self {
        Self { failures_max, windows: Mutex::default() }
    }

    /// `RateLimited` if there were too many failures.
    pub(super) fn check(&self, tried: Tried, now: Timestamp) -> Result<(), Problem> {
        self.windows().check(tried, self.failures_max, now)
    }

    /// Counts a try whose outcome only somebody else's answer tells as a failure in advance, so that of many at once no
    /// more than the limit are under way; `RateLimited` if there were too many.
    pub(super) fn begin(&self, tried: Tried, now: Timestamp) -> Result<(), Problem> {
        let mut windows = self.windows();
        windows.check(tried, self.failures_max, now)?;
        windows.count(tried, now);
        Ok(())
    }

    /// Takes a try back that was counted in advance and was no failure.
    pub(super) fn take_back(&self, tried: Tried) {
        if let Some(window) = self.windows().open.get_mut(&tried) {
            window.failures = window.failures.saturating_sub(1);
        }
    }

    /// Counts a failure.
    pub(super) fn failed(&self, tried: Tried, now: Timestamp) {
        self.windows().count(tried, now);
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Windows {
    fn check(&self, tried: Tried, failures_max: u32, now: Timestamp) -> Result<(), Problem> {
        let Some(window) = self.open.get(&tried) else { return Ok(()) };
        let passed = now.since(window.began);
        if passed >= WINDOW || window.failures < failures_max {
            return Ok(());
        }
        let mut problem = Problem::new(ProblemKind::RateLimited, Message::too_many_failed_logins());
        problem.retry_after_s = Some(WINDOW.saturating_sub(passed).as_secs().max(1));
        Err(problem)
    }

    fn count(&mut self, tried: Tried, now: Timestamp) {
        self.end_old(now);
        if let Some(window) = self.open.get_mut(&tried) {
            window.failures = window.failures.saturating_add(1);
            return;
        }
        if self.begun.len() >= WINDOWS_MAX {
            self.end_oldest();
        }
        self.begun.push_back(tried);
        self.open.insert(tried, Window { began: now, failures: 1 });
    }

    fn end_old(&mut self, now: Timestamp) {
        while let Some(oldest) = self.begun.front()
            && self.open.get(oldest).is_none_or(|window| now.since(window.began) >= WINDOW)
        {
            self.end_oldest();
        }
    }

    fn end_oldest(&mut self) {
        if let Some(oldest) = self.begun.pop_front() {
            self.open.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Tried {
        Tried::new(name, None)
    }

    #[test]
    fn a_full_table_forgets_the_oldest_and_refuses_nobody_else() {
        let limit = LoginLimit::new(1);
        let start = Timestamp::from_micros(0);
        for number in 0..WINDOWS_MAX {
            limit.failed(name(&number.to_string()), start);
        }
        limit.failed(name("one more"), start);
        limit.check(name("0"), start).unwrap();
        limit.check(name("another"), start).unwrap();
        let refused = limit.check(name("one more"), start.plus(Duration::from_secs(20))).unwrap_err();
        assert_eq!((refused.kind, refused.retry_after_s), (ProblemKind::RateLimited, Some(40)));
        assert_eq!(limit.check(name("1"), start).unwrap_err().kind, ProblemKind::RateLimited);
        let kept = || {
            let windows = limit.windows();
            (windows.open.len(), windows.begun.len())
        };
        assert_eq!(kept(), (WINDOWS_MAX, WINDOWS_MAX));

        limit.failed(name("later"), start.plus(WINDOW));
        assert_eq!(kept(), (1, 1));
    }

    #[test]
    fn a_name_is_counted_for_each_address_it_is_tried_from() {
        let limit = LoginLimit::new(1);
        let now = Timestamp::from_micros(0);
        let from = |ip: &str| Tried::new("admin", Some(ip.parse().unwrap()));
        limit.failed(from("192.0.2.1"), now);
        limit.failed(from("2001:db8:0:1::1"), now);
        for same in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8:0:1:ffff::7"] {
            assert!(limit.check(from(same), now).is_err(), "{same}");
        }
        for other in ["192.0.2.2", "2001:db8:0:2::1"] {
            limit.check(from(other), now).unwrap();
        }
        limit.check(name("admin"), now).unwrap();
    }
}
