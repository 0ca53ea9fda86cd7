//! Sessions: who holds which cookie.

use std::collections::{HashMap, VecDeque};

/// The most sessions at once; the oldest go first.
const SESSIONS_MAX: usize = 1_000;

/// The open sessions.
#[derive(Debug, Default)]
pub(in crate::fake) struct Sessions {
    users: HashMap<String, i64>,
    ages: VecDeque<String>,
}

impl Sessions {
    /// Opens a session for a user.
    pub(in crate::fake) fn open(&mut self, key: String, uid: i64) {
        self.users.insert(key.clone(), uid);
        self.ages.push_back(key);
        while self.ages.len() > SESSIONS_MAX {
            if let Some(oldest) = self.ages.pop_front() {
                self.users.remove(&oldest);
            }
        }
    }

    /// Whose session it is.
    pub(in crate::fake) fn user(&self, key: &str) -> Option<i64> {
        self.users.get(key).copied()
    }

    /// Ends a session.
    pub(in crate::fake) fn close(&mut self, key: &str) {
        self.users.remove(key);
    }

    /// Ends every session.
    pub(in crate::fake) fn clear(&mut self) {
        self.users.clear();
        self.ages.clear();
    }
}
