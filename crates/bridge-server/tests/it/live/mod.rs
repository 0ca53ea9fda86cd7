//! Changes out, as they happen.

mod accounts;
mod auth;
mod bounds;
mod subscribe;

/// The path of live changes.
pub(crate) const PATH: &str = "/ws/webhooks";
