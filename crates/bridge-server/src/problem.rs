//! What can go wrong for a caller, in the words of the public API.
//!
//! Every part of the service answers a [`Problem`]; `api/error.rs` makes the one JSON shape of it. The exception
//! names come from the documented hierarchy, the codes from the documented error types.

pub(crate) mod decoding;

use crate::language::{Message, Reason};
use bridge_erp::odoo::database::{DatabaseError, DatabaseErrorKind};
use bridge_erp::{AddressKind, AddressRefused, ErpError, ErpErrorClass, ErpErrorKind};
use bridge_model::migration::{UnknownVersion, Version};
use bridge_model::{InvalidId, SystemId};
use bridge_store::StoreError;
use serde_json::{Value, json};

macro_rules! problem_kinds {
    ($(#[doc = $meaning:literal] $kind:ident = $status:literal $exception:literal $code:literal;)+) => {
        /// The kinds of problem, each with its HTTP status, its exception name and its code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemKind { $(#[doc = $meaning] $kind),+ }

        impl ProblemKind {
            /// Every kind, for documentation and tests.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The HTTP status.
            pub fn status(self) -> u16 { match self { $(Self::$kind => $status),+ } }

            /// What it means, as a sentence for developers.
            pub fn meaning(self) -> &'static str { match self { $(Self::$kind => $meaning.trim_ascii()),+ } }

            /// The exception name, the `error` of the answer.
            pub fn exception(self) -> &'static str { match self { $(Self::$kind => $exception),+ } }

            /// The machine-readable `code` of the answer.
            pub fn code(self) -> &'static str { match self { $(Self::$kind => $code),+ } }
        }
    };
}

problem_kinds! {
    /// The body is not JSON.
    MalformedJson = 400 "ValidationException" "MALFORMED_JSON";
    /// A field is missing or has a wrong type or value.
    Invalid = 400 "ValidationException" "DATA_VALIDATION_FAILED";
    /// A sync token was never handed out.
    InvalidSyncToken = 400 "InvalidSyncTokenException" "INVALID_SYNC_TOKEN";
    /// No credential, or one that does not hold.
    Unauthenticated = 401 "AuthenticationException" "AUTHENTICATION_FAILED";
    /// A wrong name or password at log-in.
    InvalidCredentials = 401 "AuthenticationException" "INVALID_CREDENTIALS";
    /// The credential is good but may not do this.
    Forbidden = 403 "ForbiddenException" "FORBIDDEN";
    /// The key may not be used from the address that the request comes from.
    AddressNotAllowed = 403 "ForbiddenException" "ADDRESS_NOT_ALLOWED";
    /// The user has no link to an ERP user, so that nobody can say what they may see.
    ErpUserNotLinked = 403 "ForbiddenException" "ERP_USER_NOT_LINKED";
    /// The ERP does not let the acting user do this.
    ErpAccessDenied = 403 "OdooAccessException" "ERP_ACCESS_DENIED";
    /// The ERP refuses the user's own credential; a new one mends it.
    ErpLinkRefused = 403 "OdooAuthenticationException" "ERP_LINK_REFUSED";
    /// No such path or thing.
    NotFound = 404 "NotFoundException" "NOT_FOUND";
    /// No system of this name.
    SystemNotFound = 404 "SystemNotFoundException" "SYSTEM_NOT_FOUND";
    /// The ERP has no such record, or not any more, or does not show it to the acting user.
    RecordNotFound = 404 "RecordNotFoundException" "RECORD_NOT_FOUND";
    /// The ERP has no such model.
    ModelNotFound = 404 "ModelNotFoundException" "MODEL_NOT_FOUND";
    /// The model has no public method of this name.
    MethodNotFound = 404 "MethodNotFoundException" "METHOD_NOT_FOUND";
    /// The device has not synced yet.
    SyncStateNotFound = 404 "SyncStateNotFoundException" "SYNC_STATE_NOT_FOUND";
    /// The path does not take this method.
    MethodNotAllowed = 405 "MethodNotAllowedException" "METHOD_NOT_ALLOWED";
    /// The request's body did not arrive in time.
    RequestTimeout = 408 "RequestTimeoutException" "REQUEST_TIMEOUT";
    /// Something of this name exists already.
    Conflict = 409 "ConflictException" "CONFLICT";
    /// A request with this `Idempotency-Key` is being worked on.
    IdempotencyKeyInUse = 409 "ConflictException" "IDEMPOTENCY_KEY_IN_USE";
    /// Other requests of the same device were faster, again and again.
    SyncConflict = 409 "SyncConflictException" "SYNC_CONFLICT";
    /// The body is larger than the limit.
    PayloadTooLarge = 413 "PayloadTooLargeException" "PAYLOAD_TOO_LARGE";
    /// The body is not said to be of the type that it should be, or a file in it is of a type that is not taken.
    UnsupportedMediaType = 415 "UnsupportedMediaTypeException" "UNSUPPORTED_MEDIA_TYPE";
    /// The file ends before the range that is asked for.
    RangeNotSatisfiable = 416 "RangeNotSatisfiableException" "RANGE_NOT_SATISFIABLE";
    /// The ERP's rules for the data refuse it.
    ErpValidation = 422 "OdooValidationException" "ERP_VALIDATION_FAILED";
    /// The ERP's business logic says no.
    ErpRefused = 422 "OdooUserException" "ERP_BUSINESS_RULE";
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused = 422 "ValidationException" "IDEMPOTENCY_KEY_REUSED";
    /// An operation of a batch was not begun: an earlier one failed, or a limit was reached.
    NotAttempted = 424 "NotAttemptedException" "NOT_ATTEMPTED";
    /// Too many requests.
    RateLimited = 429 "RateLimitException" "RATE_LIMIT_EXCEEDED";
    /// A failure of ours.
    Internal = 500 "InternalException" "INTERNAL_ERROR";
    /// The ERP can't be reached.
    ErpUnreachable = 502 "OdooConnectionException" "CONNECTION_REFUSED";
    /// The ERP's address is one that the service may not connect to.
    ErpAddressRefused = 502 "OdooConnectionException" "ADDRESS_REFUSED";
    /// The ERP refuses the system's credential.
    ErpAuthentication = 502 "OdooAuthenticationException" "ERP_AUTHENTICATION_FAILED";
    /// The ERP answered in a way that we can't use.
    ErpFailed = 502 "OdooException" "ERP_ERROR";
    /// A limit of ours is reached; try again.
    Busy = 503 "ServiceUnavailableException" "SERVICE_UNAVAILABLE";
    /// Whether the ERP has done it is not known: its answer was lost.
    OutcomeUnknown = 502 "OutcomeUnknownException" "OUTCOME_UNKNOWN";
    /// The ERP has failed to answer several times and is left alone for a while.
    CircuitOpen = 503 "CircuitBreakerOpenException" "CIRCUIT_OPEN";
    /// The ERP did not answer in time.
    ErpTimeout = 504 "OdooTimeoutException" "NETWORK_TIMEOUT";
}

/// A problem, as the caller is told of it, with the cause that only the log sees.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", kind.code())]
pub struct Problem {
    /// What kind it is.
    pub kind: ProblemKind,
    /// What a person is told, in their language.
    pub message: Message,
    /// Facts for a program, as an object.
    pub details: Value,
    /// After how many seconds a repetition makes sense, where it does.
    pub retry_after_s: Option<u64>,
    /// The cause, for the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Problem {
    /// A problem with its message.
    pub fn new(kind: ProblemKind, message: Message) -> Self {
        let retry_after_s = matches!(kind, ProblemKind::Busy | ProblemKind::ErpUnreachable | ProblemKind::ErpTimeout)
            .then_some(RETRY_AFTER_S);
        Self { kind, message, details: json!({}), retry_after_s, source: None }
    }

    /// That a system is at an address which may not be connected to. The address itself is not told: who asks may know only
    /// the system's name.
    fn address_refused(refused: AddressRefused) -> Self {
        let kind = refused.kind.as_str();
        let message = match refused.kind {
            AddressKind::Private => Message::erp_address_private(),
            _ => Message::erp_address_refused(kind),
        };
        Self::new(ProblemKind::ErpAddressRefused, message).with("address_kind", kind)
    }

    /// A field of the request that is missing or wrong.
    pub fn field(field: &str, reason: Reason) -> Self {
        Self::new(ProblemKind::Invalid, Message::about(field, reason)).with("field", field)
    }

    /// That the tenant has no system of this name.
    pub fn no_such_system(system_id: &SystemId) -> Self {
        Self::new(ProblemKind::SystemNotFound, Message::no_such_system(system_id)).with("system_id", system_id.as_str())
    }

    /// A field of the request that names a version of Odoo which is not known.
    pub fn version(field: &str, unknown: UnknownVersion) -> Self {
        let known = Version::ALL.map(Version::as_str).join(", ");
        Self::field(field, Reason::one_of(known)).caused_by(unknown)
    }

    /// The same with one more fact in its details.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(details) = &mut self.details {
            details.insert(key.to_owned(), value.into());
        }
        self
    }

    /// The causes, outermost first, in one line for the log.
    pub fn causes(&self) -> String {
        let mut causes = Vec::new();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes.join(": ")
    }

    /// The same with its cause.
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// What a caller is told to wait when something is down or full, in seconds.
const RETRY_AFTER_S: u64 = 2;

impl From<InvalidId> for Problem {
    fn from(invalid: InvalidId) -> Self {
        Self::field(invalid.field, decoding::id_form(&invalid))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::new(ProblemKind::Busy, Message::busy()),
            StoreError::Unavailable { .. } => Self::new(ProblemKind::Busy, Message::database_away()).caused_by(error),
            StoreError::Invalid { .. } => {
                Self::new(ProblemKind::Invalid, Message::value_not_storable()).caused_by(error)
            }
            StoreError::Conflict(what) => Self::new(ProblemKind::Conflict, Message::taken(what)).with("field", what),
            other => Self::new(ProblemKind::Internal, Message::internal()).caused_by(other),
        }
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        if let Some(refused) = AddressRefused::among(&error) {
            return Self::address_refused(*refused).caused_by(error);
        }
        let kind = match error.kind {
            DatabaseErrorKind::Unreachable | DatabaseErrorKind::Unavailable => ProblemKind::ErpUnreachable,
            DatabaseErrorKind::Timeout => ProblemKind::ErpTimeout,
            DatabaseErrorKind::Refused => ProblemKind::ErpAuthentication,
            _ => ProblemKind::ErpFailed,
        };
        Self::new(kind, Message::erp_database(error.to_string())).caused_by(error)
    }
}

impl From<ErpError> for Problem {
    fn from(error: ErpError) -> Self {
        if let Some(refused) = AddressRefused::among(&error) {
            return Self::address_refused(*refused).with("error_type", "permanent").caused_by(error);
        }
        // What the system said is passed on in its own language, which is that of the user that we are there.
        let said = &error.message;
        let (kind, message) = match error.kind {
            ErpErrorKind::Unreachable | ErpErrorKind::Unavailable => {
                (ProblemKind::ErpUnreachable, Message::erp_unreachable(said))
            }
            ErpErrorKind::Timeout => (ProblemKind::ErpTimeout, Message::erp_too_slow(said)),
            ErpErrorKind::Saturated => (ProblemKind::Busy, Message::erp_saturated()),
            ErpErrorKind::CircuitOpen => (ProblemKind::CircuitOpen, Message::circuit_open()),
            ErpErrorKind::Authentication | ErpErrorKind::UnknownDatabase => {
                (ProblemKind::ErpAuthentication, Message::erp_refused_credential(said))
            }
            ErpErrorKind::Validation | ErpErrorKind::Business => (ProblemKind::ErpFailed, Message::erp_said(said)),
            _ => (ProblemKind::ErpFailed, Message::erp_failed(said)),
        };
        Self::of_erp(kind, message, error)
    }
}

impl Problem {
    /// The problem that an error of an ERP is, with its name on the wire and how it should be met.
    pub(crate) fn of_erp(kind: ProblemKind, message: Message, error: ErpError) -> Self {
        let error_type = match error.kind.class() {
            ErpErrorClass::Transient => "transient",
            ErpErrorClass::Permanent => "permanent",
            ErpErrorClass::Business => "business",
        };
        let mut problem = Self::new(kind, message).with("error_type", error_type);
        if let Some(name) = error.name.clone() {
            problem = problem.with("erp_error", name);
        }
        problem.retry_after_s = error.retry_after_s.or(problem.retry_after_s);
        problem.caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_documented_errors_are_all_that_there_are() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/API.md");
        let page = std::fs::read_to_string(path).unwrap();
        let table = page.split("| status | `error` | `code` |").nth(1).unwrap();
        let mut documented = BTreeSet::new();
        for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            for code in cells[3].split('`').skip(1).step_by(2) {
                documented.insert((cells[1].to_owned(), cells[2].trim_matches('`').to_owned(), code.to_owned()));
            }
        }
        let known =
            |kind: &ProblemKind| (kind.status().to_string(), kind.exception().to_owned(), kind.code().to_owned());
        assert_eq!(documented, ProblemKind::ALL.iter().map(known).collect());
    }
}
