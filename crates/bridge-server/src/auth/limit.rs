//! How often a name may be tried at log-in.

use crate::problem::{Problem, ProblemKind};
use bridge_model::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The length of a window.
const WINDOW: Duration = Duration::from_mins(1);

/// The most names that are counted in one window. The password checks of one machine do not reach it; further names
/// are answered `Busy` until a window ends.
const NAMES_MAX: usize = 20_000;

/// Counts the tries of each name, whether it exists or not, in windows of a minute. By name and not by address: an
/// attacker changes addresses at will, and the phones of a company share one.
#[derive(Debug)]
pub(super) struct LoginLimit {
    tries_max: u32,
    /// By the hash of the name, so that long names take no more memory than short ones.
    windows: Mutex<HashMap<[u8; 32], Window>>,
}

#[derive(Debug)]
struct Window {
    started: Timestamp,
    tries: u32,
}

impl LoginLimit {
    pub(super) fn new(tries_max: u32) -> Self {
        Self { tries_max, windows: Mutex::default() }
    }

    /// Counts a try; `RateLimited` if the name was tried too often.
    pub(super) fn admit(&self, username: &str, now: Timestamp) -> Result<(), Problem> {
        let name = Sha256::digest(username).into();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= NAMES_MAX && !windows.contains_key(&name) {
            windows.retain(|_, window| now.since(window.started) < WINDOW);
            if windows.len() >= NAMES_MAX {
                return Err(Problem::new(ProblemKind::Busy, "Too many log-ins at this moment; try again shortly"));
            }
        }
        let window = windows.entry(name).or_insert(Window { started: now, tries: 0 });
        if now.since(window.started) >= WINDOW {
            *window = Window { started: now, tries: 0 };
        }
        if window.tries >= self.tries_max {
            let wait = WINDOW.saturating_sub(now.since(window.started));
            let mut problem =
                Problem::new(ProblemKind::RateLimited, "Too many log-ins with this name; try again later");
            problem.retry_after_s = Some(wait.as_secs().max(1));
            return Err(problem);
        }
        window.tries += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_refuses_new_names_until_windows_end_and_still_counts_the_old() {
        let limit = LoginLimit::new(2);
        let start = Timestamp::from_micros(0);
        for name in 0..NAMES_MAX {
            limit.admit(&name.to_string(), start).unwrap();
        }
        assert_eq!(limit.admit("one more", start).unwrap_err().kind, ProblemKind::Busy);
        limit.admit("7", start).unwrap();
        let refused = limit.admit("7", start.plus(Duration::from_secs(20))).unwrap_err();
        assert_eq!((refused.kind, refused.retry_after_s), (ProblemKind::RateLimited, Some(40)));
        limit.admit("one more", start.plus(WINDOW)).unwrap();
        assert_eq!(limit.windows.lock().unwrap().len(), 1);
    }
}
