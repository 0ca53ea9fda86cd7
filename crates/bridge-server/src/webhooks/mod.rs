//! Webhooks v1: the log as a list for people and scripts, what could not be understood, and trying that again.
//!
//! What ERPs send comes in by `ingest`; here is what is asked about it afterwards. Who may see which change is decided
//! by `sync`, as for devices.

mod check_updates;
mod dead_letters;
mod events;
mod health;
mod retry;
mod retry_bulk;
mod since;
mod statistics;
mod visible;

pub use check_updates::{CheckUpdates, Updates, check_updates};
pub use dead_letters::{DeadLetterPage, DeadLetterView, ListDeadLetters, dead_letters};
pub use events::{EventPage, EventView, ListEvents, events};
pub use health::{Health, health};
pub use retry::{Outcome, Retried, RetryRequest, retry};
pub use retry_bulk::{RetriedAll, RetryBulkRequest, retry_bulk};
pub use statistics::{Source, Statistics, StatisticsRequest, statistics};
