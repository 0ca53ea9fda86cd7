//! What Odoo's errors mean: the one table from the names on the wire to our kinds.

use crate::{ErpError, ErpErrorKind};
use serde_json::Value;

/// The `error` member of a JSON-RPC reply as our error. Its `debug` traceback is not looked at and never kept.
///
/// `model` is the model that was called, if one was: a `KeyError` about exactly its name is how Odoo up to 18 says
/// that it has no such model.
pub(super) fn from_wire(error: &Value, model: Option<&str>) -> ErpError {
    let data = &error["data"];
    let name = data["name"].as_str().unwrap_or_default();
    let names_the_model = model.is_some() && data["arguments"][0].as_str() == model;
    let kind = match kind_of(name) {
        _ if name == KEY_ERROR && names_the_model => ErpErrorKind::UnknownModel,
        // Only a call of a model can fail for want of the model; elsewhere it is the address that is wrong.
        ErpErrorKind::UnknownModel if model.is_none() => ErpErrorKind::Protocol,
        kind => kind,
    };
    let texts = [&data["message"], &error["message"], error];
    let message = texts.into_iter().filter_map(Value::as_str).map(str::trim).find(|text| !text.is_empty());
    let error = ErpError::new(kind, message.unwrap_or("the system answered with an error that says nothing"));
    if name.is_empty() { error } else { error.named(name.chars().take(NAME_CHARS_MAX).collect::<String>()) }
}

/// The name that an unknown model has on the wire; with several databases a lost session has it too.
pub(super) const NOT_FOUND: &str = "werkzeug.exceptions.NotFound";
/// The name of the error with which Odoo refuses a credential.
pub(super) const ACCESS_DENIED: &str = "odoo.exceptions.AccessDenied";
/// The name of the error with which PostgreSQL's driver says that there is no connection or no such database.
pub(super) const OPERATIONAL_ERROR: &str = "psycopg2.OperationalError";
/// The name of an error with words for the user; over `/jsonrpc` an unknown model has it too.
pub(super) const USER_ERROR: &str = "odoo.exceptions.UserError";
/// The name that we give to the HTTP status 404.
pub(super) const HTTP_NOT_FOUND: &str = "HTTP 404";
const KEY_ERROR: &str = "builtins.KeyError";

/// The longest name that is kept, in characters.
const NAME_CHARS_MAX: usize = 120;

/// The table. Names that are not in it are failures inside Odoo.
pub(super) fn kind_of(name: &str) -> ErpErrorKind {
    match name {
        "odoo.exceptions.AccessDenied" => ErpErrorKind::Authentication,
        "odoo.http.SessionExpiredException" | "odoo.http.AuthenticationError" => ErpErrorKind::SessionExpired,
        "odoo.exceptions.AccessError" | "werkzeug.exceptions.Forbidden" | "werkzeug.exceptions.Unauthorized" => {
            ErpErrorKind::AccessDenied
        }
        "odoo.exceptions.MissingError" => ErpErrorKind::MissingRecord,
        "odoo.exceptions.ValidationError"
        | "psycopg2.IntegrityError"
        | "psycopg2.errors.NotNullViolation"
        | "psycopg2.errors.UniqueViolation"
        | "psycopg2.errors.ForeignKeyViolation"
        | "psycopg2.errors.CheckViolation"
        | "psycopg2.errors.ExclusionViolation"
        | "psycopg2.errors.RestrictViolation" => ErpErrorKind::Validation,
        "odoo.exceptions.UserError"
        | "odoo.exceptions.RedirectWarning"
        | "odoo.exceptions.Warning"
        | "odoo.exceptions.except_orm" => ErpErrorKind::Business,
        NOT_FOUND => ErpErrorKind::UnknownModel,
        "builtins.AttributeError" | "builtins.NameError" => ErpErrorKind::UnknownMethod,
        "builtins.KeyError"
        | "builtins.ValueError"
        | "builtins.TypeError"
        | "builtins.IndexError"
        | "builtins.AssertionError"
        | "builtins.OverflowError"
        | "builtins.UnicodeDecodeError"
        | "builtins.UnicodeEncodeError"
        | "binascii.Error"
        | "psycopg2.DataError"
        | "psycopg2.ProgrammingError"
        | "werkzeug.exceptions.BadRequest"
        | "werkzeug.exceptions.RequestEntityTooLarge"
        | "werkzeug.exceptions.UnprocessableEntity" => ErpErrorKind::InvalidRequest,
        // A lock that was not got, a serialisation failure or a database that is away or full of connections.
        "odoo.exceptions.ConcurrencyError"
        | "odoo.exceptions.LockError"
        | "odoo.sql_db.PoolError"
        | "psycopg2.pool.PoolError"
        | "psycopg2.InterfaceError"
        | OPERATIONAL_ERROR
        | "psycopg2.extensions.QueryCanceledError"
        | "psycopg2.extensions.TransactionRollbackError"
        | "psycopg2.errors.AdminShutdown"
        | "psycopg2.errors.CannotConnectNow"
        | "psycopg2.errors.CrashShutdown"
        | "psycopg2.errors.DeadlockDetected"
        | "psycopg2.errors.IdleInTransactionSessionTimeout"
        | "psycopg2.errors.LockNotAvailable"
        | "psycopg2.errors.OutOfMemory"
        | "psycopg2.errors.QueryCanceled"
        | "psycopg2.errors.ReadOnlySqlTransaction"
        | "psycopg2.errors.SerializationFailure"
        | "psycopg2.errors.TooManyConnections"
        | "werkzeug.exceptions.ServiceUnavailable"
        | "werkzeug.exceptions.TooManyRequests" => ErpErrorKind::Unavailable,
        // What PostgreSQL says of a query that the request led to: a wrong type, a negative limit, a number too large.
        other if other.starts_with("psycopg2.errors.") => ErpErrorKind::InvalidRequest,
        _ => ErpErrorKind::Internal,
    }
}

/// What an HTTP status means when no JSON-RPC reply came with it; `None` for 200.
pub(super) fn kind_of_status(status: u16) -> Option<ErpErrorKind> {
    match status {
        200 => None,
        401 => Some(ErpErrorKind::Authentication),
        403 => Some(ErpErrorKind::AccessDenied),
        408 => Some(ErpErrorKind::Timeout),
        413 => Some(ErpErrorKind::InvalidRequest),
        // 520 to 527 are what a proxy in front says of a server that it can't reach.
        429 | 502..=504 | 520..=527 => Some(ErpErrorKind::Unavailable),
        500..=599 => Some(ErpErrorKind::Internal),
        _ => Some(ErpErrorKind::Protocol),
    }
}
