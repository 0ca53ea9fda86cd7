//! Reading the database's write-ahead log through logical replication.
//!
//! * [`pgoutput`] reads the messages that the database's plugin writes,
//! * [`Stream`] is the connection they come by, and [`Transactions`] makes changes of rows of them,
//! * [`publication`] is the list of tables, [`slot`] the database's promise to keep its log for us,
//! * [`install`] puts into the database what this needs.

mod connection;
mod error;
mod image;
pub mod install;
mod lsn;
pub mod pgoutput;
pub mod publication;
mod slim;
pub mod slot;
mod socket;
mod stream;
#[cfg(test)]
mod tests;
mod transactions;

pub use connection::{AnswerRow, Connection, Target};
pub use lsn::{InvalidLsn, Lsn};
pub use stream::{Piece, Stream};
pub use transactions::Transactions;
