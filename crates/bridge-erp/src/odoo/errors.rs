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
    ErpError { kind, ..named(name, &message.unwrap_or_default().into()) }
}

/// The error of this name with these words.
pub(super) fn named(name: &str, message: &Value) -> ErpError {
    let message = message.as_str().map(str::trim).filter(|text| !text.is_empty());
    let error = ErpError::new(kind_of(name), message.unwrap_or("the system answered with an error that says nothing"));
    if name.is_empty() { error } else { error.named(name.chars().take(NAME_CHARS_MAX).collect::<String>()) }
}

/// A fault of XML-RPC as our error. Odoo sends no name: a code stands for a family of them, and what does not belong
/// to one comes as a traceback, of which only the last exception is kept.
pub(super) fn from_fault(code: &Value, text: &str, model: Option<&str>) -> ErpError {
    let (name, message) = match (code.as_i64(), code.as_str()) {
        (Some(2), _) => (warning(text), text),
        (Some(3), _) | (_, Some("AccessDenied")) => (ACCESS_DENIED.to_owned(), text),
        (Some(4), _) | (_, Some("AccessError")) => ("odoo.exceptions.AccessError".to_owned(), text),
        // The first version of the protocol has the name in its code.
        (_, Some(code)) if code.starts_with("warning -- ") => {
            let (name, message) = code["warning -- ".len()..].split_once('\n').unwrap_or((code, text));
            (format!("odoo.exceptions.{}", name.trim()), message)
        }
        _ => raised(text),
    };
    let error = named(&name, &message.into());
    match error.name.as_deref() {
        Some(KEY_ERROR) if model.is_some_and(|model| error.message == format!("'{model}'")) => {
            ErpError { kind: ErpErrorKind::UnknownModel, ..error }
        }
        _ => error,
    }
}

/// Which of the exceptions with words for the user it is. Odoo says it by the words alone.
fn warning(text: &str) -> String {
    let name = if text.contains("(Record: ") && text.contains(",), User: ") {
        "MissingError"
    } else if text.starts_with("The operation cannot be completed:") {
        "ValidationError"
    } else {
        "UserError"
    };
    format!("odoo.exceptions.{name}")
}

/// The name and the words of the exception with which a traceback ends.
fn raised(text: &str) -> (String, &str) {
    const HEAD: &str = "Traceback (most recent call last):";
    let last = text.rfind(HEAD).map_or(text, |at| &text[at + HEAD.len()..]);
    // Everything that belongs to the traceback itself is indented.
    let mut at = 0;
    for line in last.split_inclusive('\n') {
        let is_exception = line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if is_exception {
            let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(line.len());
            let (name, rest) = last[at..].split_at(end);
            let name = if name.contains('.') { name.to_owned() } else { format!("builtins.{name}") };
            return (name, rest.trim_start_matches(':').trim());
        }
        at += line.len();
    }
    (String::new(), "the system failed inside")
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
/// The name of the refusal of an API key.
pub(super) const UNAUTHORIZED: &str = "werkzeug.exceptions.Unauthorized";
/// The name of the refusal of arguments that a method does not have.
pub(super) const UNPROCESSABLE: &str = "werkzeug.exceptions.UnprocessableEntity";
/// With the kind `Protocol`, the name of an answer that XML-RPC can't carry because it holds a None.
pub(super) const HOLDS_NONE: &str = "builtins.TypeError";
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
        // What we sent was no XML on its way in.
        "xml.parsers.expat.ExpatError" => ErpErrorKind::Protocol,
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
