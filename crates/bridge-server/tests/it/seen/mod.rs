//! What is seen of the service from outside: its metrics, its log, and what it does when something in it panics.

mod log;
mod metrics;
mod panics;
mod process;
pub(crate) mod scrape;
