//! What can go wrong between us and Odoo's database, by kind and not by text.

use std::fmt;
use tokio_postgres::error::SqlState;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseErrorKind {
    /// The address is not one, or asks for something that is not offered.
    InvalidUrl,
    /// The address is one that may not be connected to; nothing was sent.
    AddressRefused,
    /// No connection could be made, or it was cut.
    Unreachable,
    /// The server is there but says that it can't answer now: it starts, stops, or has no connection left.
    Unavailable,
    /// The role or its password is refused, or the database does not exist.
    Refused,
    /// The role may not do this.
    Denied,
    /// No answer within the time-out, or a lock was held for too long by somebody else.
    Timeout,
    /// What is asked for does not exist there: a table, a function, a schema.
    Missing,
    /// Anything else that the server says, or an answer of another form than it should have.
    Failed,
}

/// An error of Odoo's database. The address and its password are never part of it.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub struct DatabaseError {
    /// What went wrong.
    pub kind: DatabaseErrorKind,
    /// What was being done, or what is wrong, in words.
    pub message: String,
    /// The five letters of the server's own code, where it gave one.
    pub sql_state: Option<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl DatabaseError {
    /// An error of our own finding.
    pub fn new(kind: DatabaseErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), sql_state: None, source: None }
    }

    /// What the server said, with its code.
    pub(super) fn told(code: &str, message: String) -> Self {
        let kind = kind_of(&SqlState::from_code(code));
        Self { kind, message, sql_state: Some(code.to_owned()), source: None }
    }

    /// The same with its cause.
    pub fn caused_by(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(cause));
        self
    }

    /// What was being done, as the beginning of the message: "install the triggers".
    pub fn doing(mut self, what: &str) -> Self {
        self.message = if self.message.is_empty() { what.to_owned() } else { format!("{what}: {}", self.message) };
        self
    }

    /// Whether the same may work a little later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            DatabaseErrorKind::Unreachable | DatabaseErrorKind::Unavailable | DatabaseErrorKind::Timeout
        )
    }

    fn text(&self) -> impl fmt::Display {
        match &self.sql_state {
            Some(code) => format!("{} ({code})", self.message),
            None => self.message.clone(),
        }
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(told) = error.as_db_error() else {
            // Without words of the server's own it is the connection, or an answer that does not fit.
            let kind = if error.is_closed() || is_io(&error) {
                DatabaseErrorKind::Unreachable
            } else {
                DatabaseErrorKind::Failed
            };
            let message = match kind {
                DatabaseErrorKind::Unreachable => "the database can't be reached",
                _ => "the database answered something unexpected",
            };
            return Self::new(kind, message).caused_by(error);
        };
        let kind = kind_of(told.code());
        let (message, sql_state) = (told.message().to_owned(), Some(told.code().code().to_owned()));
        Self { kind, message, sql_state, source: Some(Box::new(error)) }
    }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.is::<std::io::Error>() {
            return true;
        }
        cause = inner.source();
    }
    false
}

fn kind_of(code: &SqlState) -> DatabaseErrorKind {
    match code.code() {
        "42501" => DatabaseErrorKind::Denied,
        "42P01" | "42883" | "3F000" | "42703" | "42704" => DatabaseErrorKind::Missing,
        "3D000" => DatabaseErrorKind::Refused,
        // Cancelled by a time-out, a lock that was not had in time, a dead end between two sessions.
        "57014" | "55P03" | "40P01" => DatabaseErrorKind::Timeout,
        code if code.starts_with("28") => DatabaseErrorKind::Refused,
        code if code.starts_with("08") => DatabaseErrorKind::Unreachable,
        // Shutting down, starting up, out of connections or memory.
        code if code.starts_with("57P") || code.starts_with("53") => DatabaseErrorKind::Unavailable,
        _ => DatabaseErrorKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_codes_become_kinds() {
        for (code, expected) in [
            ("28P01", DatabaseErrorKind::Refused),
            ("3D000", DatabaseErrorKind::Refused),
            ("42501", DatabaseErrorKind::Denied),
            ("55P03", DatabaseErrorKind::Timeout),
            ("57P01", DatabaseErrorKind::Unavailable),
            ("57014", DatabaseErrorKind::Timeout),
            ("42P01", DatabaseErrorKind::Missing),
            ("23505", DatabaseErrorKind::Failed),
        ] {
            assert_eq!(kind_of(&SqlState::from_code(code)), expected, "{code}");
        }
    }

    #[test]
    fn what_was_being_done_stands_before_what_went_wrong() {
        let error = DatabaseError::new(DatabaseErrorKind::Denied, "permission denied").doing("read the outbox");
        assert_eq!(error.to_string(), "read the outbox: permission denied");
    }
}
