//! Capture by trigger, on a real PostgreSQL.

mod install;
mod read;
mod trail;
mod triggers;
