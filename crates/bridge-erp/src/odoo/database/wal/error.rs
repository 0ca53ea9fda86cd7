//! The errors of a replication connection, as those of the database.

use super::pgoutput::Malformed;
use crate::odoo::database::{DatabaseError, DatabaseErrorKind};
use std::io;

/// The connection can't be made, or was cut.
pub(super) fn cut(error: io::Error) -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::Unreachable, "the database can't be reached").caused_by(error)
}

/// The server or somebody in between closed the connection.
pub(super) fn closed() -> DatabaseError {
    cut(io::Error::from(io::ErrorKind::UnexpectedEof))
}

pub(super) fn too_slow() -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::Timeout, "the database did not answer in time")
}

pub(super) fn address(message: &str) -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::InvalidUrl, message)
}

/// Bytes that the protocol crate can't read.
pub(super) fn unreadable(error: io::Error) -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::Failed, "the database can't be understood").caused_by(error)
}

impl From<Malformed> for DatabaseError {
    fn from(malformed: Malformed) -> Self {
        Self::new(DatabaseErrorKind::Failed, "the database's log can't be understood").caused_by(malformed)
    }
}
