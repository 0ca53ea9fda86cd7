//! Changes in.

mod cleaned;
mod feed;
mod nodes;
mod order;
mod push;
pub(crate) mod pusher;
mod refusals;
mod turns;
mod wal;
