//! Files between apps and the records of business systems.
//!
//! A file lives where its record does, as an attachment there, so that the people who work in that system see it and its
//! own rules say who else may. What comes in is encoded and hashed piece by piece, as it arrives.

mod download;
mod file_id;
mod incoming;
mod upload;

pub use download::{Contents, Found, find};
pub use file_id::FileId;
pub use incoming::{Incoming, NAME_BYTES_MAX, too_large};
pub use upload::{Target, Uploaded, upload};
