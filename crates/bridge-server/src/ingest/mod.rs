//! Changes in: whatever a system's changes come by, they leave here as one shape, into one pipeline.
//!
//! * [`push`] takes what the ERP sends,
//! * [`pull`] reads the add-on's event table in the background,
//! * `capture` reads an outbox in the ERP's database,
//! * [`poll`] compares records, where nothing better sees a model's changes,
//! * [`watch`] sees to it that each model is owned by the best of these that works,
//! * [`wal`] reads the log of the ERP's database,
//! * `trail` completes what the last three have seen with what the ERP itself has noted,
//! * [`pipeline`] puts all of it into the log, or into the dead letters with a reason.

mod capture;
mod gaps;
mod leader;
mod life;
pub mod pipeline;
mod poll;
mod pull;
pub mod push;
mod status;
mod trail;
mod wal;
mod watch;

pub use capture::answered_errors as answered_capture_errors;
pub use leader::run;
pub use status::{
    PollStatus, ReaderState, ReaderStatus, Readers, RefusedModel, poll_status, reader_status, reader_statuses,
};
pub use wal::{WalReaders, WalState, WalStatus};
