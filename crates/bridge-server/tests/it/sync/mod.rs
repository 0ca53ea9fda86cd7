//! Changes out, by pulling.

mod bad_input;
mod cursors;
pub(crate) mod device;
mod links;
mod paging;
mod resync;
mod tail;
mod tokens;
mod visibility;
