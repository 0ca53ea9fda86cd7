//! Odoo's own PostgreSQL database, for what can't be had over RPC: every committed change of a row, whoever made it.
//!
//! * [`Database`] is a connection with bounds on everything it waits for,
//! * [`RowChange`] is a committed change of a row, in whatever way it was seen,
//! * [`TableMap`] says which models it is about,
//! * [`Standing`] says what the server is and what our role may do there,
//! * [`trail`] is what Odoo itself has noted of them,
//! * [`capture`] is the way by triggers,
//! * [`wal`] reads them from the database's write-ahead log.

pub mod capture;
mod connect;
mod error;
mod places;
mod role;
mod row_change;
pub mod standing;
mod steps;
mod tables;
mod tls;
pub mod trail;
pub mod wal;

pub use connect::{Database, DatabaseOptions, check_url};
pub use error::{DatabaseError, DatabaseErrorKind};
pub use places::refusal;
pub use row_change::{RowChange, RowKey, RowOperation};
pub use standing::Standing;
pub use steps::{LockPatience, Step};
pub use tables::{Table, TableKind, TableMap, Told};
