//! Commands beside the service itself, which may be running: none of them writes into its database.

pub mod capture;
pub mod doctor;
pub mod wal;
