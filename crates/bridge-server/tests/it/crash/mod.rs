//! What a crash must not take: the binary itself is killed here, and its system calls are looked at.

mod files;
mod kill;
pub(crate) mod process;
mod sync_order;
