//! Commands beside the service itself. None of them opens the service's database, which may be in use.

pub mod capture;
pub mod wal;
