//! Commands beside the service itself, which may be running. None of them writes into its database but `tenants plan` and
//! `encryption renew`, which SQLite does not allow while the service runs.

pub mod alerts;
pub mod capture;
mod database;
pub mod doctor;
pub mod encryption;
mod own_store;
pub mod tenants;
pub mod wal;
mod words;

use bridge_erp::odoo::database::DatabaseError;

/// An error of a database for people, who need what the server said no more than once.
#[expect(clippy::needless_pass_by_value, reason = "this is what `map_err` hands over")]
fn plain(error: DatabaseError) -> anyhow::Error {
    anyhow::Error::msg(words::trouble(&error))
}
