//! What the demo ERP answers when it does not do what it was asked: Odoo's exceptions, by their names on the wire.

use serde_json::{Value, json};

/// An exception as Odoo would raise it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct Refusal {
    /// The exception's name on the wire, `odoo.exceptions.UserError`.
    pub name: &'static str,
    /// What it says.
    pub message: String,
}

/// The name by which a session that is over is told.
pub(super) const SESSION_EXPIRED: &str = "odoo.http.SessionExpiredException";

macro_rules! refusals {
    ($($function:ident = $name:literal),+ $(,)?) => {
        $(pub(super) fn $function(message: impl Into<String>) -> Self {
            Self { name: $name, message: message.into() }
        })+
    };
}

impl Refusal {
    refusals! {
        access = "odoo.exceptions.AccessError",
        user = "odoo.exceptions.UserError",
        validation = "odoo.exceptions.ValidationError",
        value = "builtins.ValueError",
        key = "builtins.KeyError",
        type_error = "builtins.TypeError",
        attribute = "builtins.AttributeError",
        index = "builtins.IndexError",
        name_error = "builtins.NameError",
        exception = "builtins.Exception",
        no_xml = "xml.parsers.expat.ExpatError",
        operational = "psycopg2.OperationalError",
        bad_text = "psycopg2.errors.InvalidTextRepresentation",
        bad_limit = "psycopg2.errors.InvalidRowCountInLimitClause",
        bad_offset = "psycopg2.errors.InvalidRowCountInResultOffsetClause",
    }

    pub(super) fn denied() -> Self {
        Self { name: "odoo.exceptions.AccessDenied", message: "Access Denied".to_owned() }
    }

    pub(super) fn session_expired() -> Self {
        Self { name: SESSION_EXPIRED, message: "Session expired".to_owned() }
    }

    pub(super) fn missing(model: &str, id: i64, uid: i64) -> Self {
        Self {
            name: "odoo.exceptions.MissingError",
            message: format!("Record does not exist or has been deleted.\n(Record: {model}({id},), User: {uid})"),
        }
    }

    /// The `error` member of a JSON-RPC answer, as Odoo 19 writes it.
    pub(super) fn to_json(&self) -> Value {
        let (code, message) =
            if self.name == SESSION_EXPIRED { (100, "Odoo Session Expired") } else { (0, "Odoo Server Error") };
        let short = self.name.strip_prefix("builtins.").unwrap_or(self.name);
        json!({
            "code": code,
            "message": message,
            "data": {
                "name": self.name,
                "message": self.message,
                "arguments": [self.message],
                "context": {},
                "debug": format!("Traceback (most recent call last):\n  ...\n{short}: {}", self.message),
            },
        })
    }
}
