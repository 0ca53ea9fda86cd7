//! Durable work: what must happen though nobody waits for it, and what must happen again and again.
//!
//! A job lives in the store. It is claimed under a lease, done, and marked as done; if the process dies in between,
//! another claims it, so every job is written to run twice.

mod clean_up;
mod renew_key;
mod run;

pub use renew_key::key_end;
pub use run::{run, run_due};
