//! What can go wrong between us and a business system, by kind and not by text.

use std::fmt;

/// How an error should be met (the taxonomy of the API's error types).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErpErrorClass {
    /// May pass by itself: worth repeating, if the call is safe to repeat.
    Transient,
    /// Needs a person who runs the connection.
    Permanent,
    /// Needs the person who made the request.
    Business,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErpErrorKind {
    /// No connection could be made, or it was cut before the answer was whole.
    Unreachable,
    /// No answer within the time-out.
    Timeout,
    /// The system is there but says that it can't answer now (HTTP 429, 502, 503, 504; a serialisation failure).
    Unavailable,
    /// The system's address is one that may not be connected to; nothing was sent.
    AddressRefused,
    /// As many calls as may be are under way; nothing was sent.
    Saturated,
    /// The system has failed to answer several times and is left alone for a while; nothing was sent.
    CircuitOpen,
    /// An answer that the protocol does not allow.
    Protocol,
    /// The answer is larger than the limit.
    TooLarge,
    /// The credential is refused.
    Authentication,
    /// The session is over; a new log-in mends it.
    SessionExpired,
    /// The credential is good but may not do this.
    AccessDenied,
    /// The record does not exist, or not any more.
    MissingRecord,
    /// The model does not exist there.
    UnknownModel,
    /// The method does not exist there, or is private.
    UnknownMethod,
    /// The field does not exist there, or the domain or the values have a form that the system can't take.
    InvalidRequest,
    /// The system's own rules refuse the data.
    Validation,
    /// The system's business logic says no, with words for the user.
    Business,
    /// The database that the connection names does not exist or can't be opened.
    UnknownDatabase,
    /// The system failed inside.
    Internal,
}

impl ErpErrorKind {
    /// How an error of this kind should be met.
    pub fn class(self) -> ErpErrorClass {
        match self {
            Self::Unreachable
            | Self::Timeout
            | Self::Unavailable
            | Self::Saturated
            | Self::CircuitOpen
            | Self::SessionExpired => ErpErrorClass::Transient,
            Self::MissingRecord | Self::Validation | Self::Business | Self::AccessDenied | Self::InvalidRequest => {
                ErpErrorClass::Business
            }
            Self::Protocol
            | Self::TooLarge
            | Self::Authentication
            | Self::UnknownModel
            | Self::UnknownMethod
            | Self::UnknownDatabase
            | Self::AddressRefused
            | Self::Internal => ErpErrorClass::Permanent,
        }
    }
}

/// An error of a call to a business system.
#[derive(Debug, thiserror::Error)]
pub struct ErpError {
    /// What went wrong.
    pub kind: ErpErrorKind,
    /// The error's name on the wire (`odoo.exceptions.UserError`), where there is one.
    pub name: Option<String>,
    /// What the system said, bounded in length and without tracebacks.
    pub message: String,
    /// After how many seconds another try makes sense, where that is known.
    pub retry_after_s: Option<u64>,
    /// Whether it is certain that the call never left, so that it has had no effect.
    pub is_unsent: bool,
    /// The cause on our side (of the HTTP client, of the parser), if any.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The longest message that is kept, in characters.
const MESSAGE_CHARS_MAX: usize = 2_000;

impl ErpError {
    /// An error without a name on the wire and without a cause.
    pub fn new(kind: ErpErrorKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
            message.truncate(end);
        }
        let is_unsent =
            matches!(kind, ErpErrorKind::Saturated | ErpErrorKind::CircuitOpen | ErpErrorKind::AddressRefused);
        Self { kind, name: None, message, retry_after_s: None, is_unsent, source: None }
    }

    /// The same, of a call that never left.
    pub fn unsent(mut self) -> Self {
        self.is_unsent = true;
        self
    }

    /// Whether a write may have been done although it ended with this error: it left, and nothing that the system itself
    /// said came back. What the system refuses or fails at, it undoes.
    pub fn may_be_done(&self) -> bool {
        let is_silent = matches!(
            self.kind,
            ErpErrorKind::Unreachable
                | ErpErrorKind::Timeout
                | ErpErrorKind::Unavailable
                | ErpErrorKind::TooLarge
                | ErpErrorKind::Internal
                | ErpErrorKind::Protocol
        );
        // The answer of a method that returns nothing is an error of the protocol, by this name, after the work.
        let is_unsaid = self.name.is_none() || self.kind == ErpErrorKind::Protocol;
        is_silent && is_unsaid && !self.is_unsent
    }

    /// The same with the time after which another try makes sense, in seconds.
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The same with the name that it had on the wire.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same with its cause.
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for ErpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}
