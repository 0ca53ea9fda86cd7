//! Capture by trigger: every committed change of a row is written into an outbox inside Odoo's own transaction, and
//! taken from there.
//!
//! * [`install`], [`uninstall`] and [`status`] put it into a database, take it out and look at it,
//! * [`outbox`] reads it.

mod install;
mod objects;
pub mod outbox;
mod present;
mod status;
mod uninstall;

pub use install::{Installed, install, plan};
pub use status::{CaptureStatus, TableState, TableStatus, status};
pub use uninstall::{plan_uninstall, uninstall};

use std::time::Duration;

/// What to capture, and how.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    /// Only these tables; empty: all that hold something of a model and are not left out below. `*` stands for any
    /// rest.
    pub tables: Vec<String>,
    /// Only the tables of these models; empty: as above.
    pub models: Vec<String>,
    /// Models whose tables are left out unless they are named above.
    pub left_out: Vec<String>,
    /// Whether an update also says which columns have other values now.
    pub changed_columns: bool,
    /// How large a row may be, in bytes of its JSON, to be written down as it was and as it is; 0: never.
    pub row_image_bytes_max: u32,
    /// Whether a change of a row also says who wrote it and when the transaction began, and the role may read what
    /// Odoo itself notes of changes.
    pub trail: bool,
    /// Whether a commit wakes the reader by NOTIFY, which makes commits wait for each other.
    pub notify: bool,
    /// The role that reads the outbox; made if it does not exist.
    pub role: String,
    /// Its password, if it has to be made.
    pub role_password: String,
    /// The name of a new life of the outbox, used if it has to be made: something that was never used before.
    pub incarnation: String,
}

/// A step of an installation or a removal: statements that are one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is for, in words.
    pub purpose: String,
    /// The statements.
    pub statements: Vec<String>,
}

/// How locks on Odoo's tables are waited for: while one waits, whoever wants the table waits behind it.
#[derive(Debug, Clone, Copy)]
pub struct LockPatience {
    /// How long one attempt waits for a lock.
    pub attempt: Duration,
    /// The pause between two attempts, in which Odoo gets its turn.
    pub pause: Duration,
    /// How many attempts there are for each table.
    pub attempts_max: u32,
}

impl Default for LockPatience {
    fn default() -> Self {
        Self { attempt: Duration::from_millis(500), pause: Duration::from_secs(2), attempts_max: 30 }
    }
}

/// The key of the lock that keeps two installations from running at once.
const ADVISORY_LOCK: &str = "SELECT pg_try_advisory_lock(hashtext('bridgecore capture'))";

/// Whether `text` is `pattern`, or begins with what stands before its trailing `*`.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => pattern == text,
    }
}
