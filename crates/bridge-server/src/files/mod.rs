//! Files between apps and the records of business systems.
//!
//! A file lives where its record does, as an attachment there, so that the people who work in that system see it, or the
//! service itself keeps it, as the config says. Either way the system's own rules for the record say who may read it.
//! What comes in is hashed and judged piece by piece, as it arrives.

mod delete;
mod download;
mod file_id;
mod incoming;
mod storage;
mod sweep;
mod upload;

pub use delete::{FileDeleted, delete};
pub use download::{Contents, Found, find};
pub use file_id::FileId;
pub use incoming::{Incoming, NAME_BYTES_MAX, too_large};
pub use storage::{Spool, StorageError, StorageKey, Storages};
pub use sweep::sweep;
pub use upload::{Target, Uploaded, upload};
