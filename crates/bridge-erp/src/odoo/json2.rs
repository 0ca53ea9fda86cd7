//! JSON-2, Odoo 19 and later: one address for each method, an API key, arguments by name, real statuses.

use super::calls::Call;
use super::client::{Client, Incoming, Outgoing, status_error};
use super::errors;
use super::names::names_of;
use crate::{ErpError, ErpErrorKind};
use reqwest::header::{AUTHORIZATION, HeaderName};
use serde_json::{Map, Value};

/// The arguments of a call by name, ready to be sent.
#[derive(Debug)]
pub(super) struct Named {
    arguments: Map<String, Value>,
    /// Whether it was only guessed that the one argument is the records to work on.
    pub(super) guessed: bool,
}

/// The arguments of a call by name; `None` if the names of those that came by place are not known.
pub(super) fn named(call: &Call<'_>) -> Option<Named> {
    let mut arguments = call.kwargs.clone();
    if call.args.is_empty() {
        // What a method calls `ids` itself can't be said apart from the records that it works on.
        let misread = names_of(call.model, call.method).is_none() && arguments.contains_key("ids");
        return (!misread).then_some(Named { arguments, guessed: false });
    }
    let Some(names) = names_of(call.model, call.method) else {
        let [ids] = call.args.as_slice() else { return None };
        let is_ids = ids.is_i64() || ids.as_array().is_some_and(|ids| ids.iter().all(Value::is_i64));
        if !is_ids || arguments.contains_key("ids") {
            return None;
        }
        arguments.insert("ids".into(), as_list(ids));
        return Some(Named { arguments, guessed: true });
    };
    if call.args.len() > names.len() {
        return None;
    }
    for (name, value) in names.iter().zip(&call.args) {
        let value = if *name == "ids" { as_list(value) } else { value.clone() };
        if arguments.insert((*name).to_owned(), value).is_some() {
            return None;
        }
    }
    Some(Named { arguments, guessed: false })
}

fn as_list(ids: &Value) -> Value {
    if ids.is_array() { ids.clone() } else { Value::Array(vec![ids.clone()]) }
}

/// Calls a method. What it answers has the form that the other protocols give it.
pub(super) async fn send(
    client: &Client,
    database: &str,
    key: &str,
    call: &Call<'_>,
    named: Named,
) -> Result<Value, ErpError> {
    let path = format!("/json/2/{}/{}", call.model, call.method);
    let mut headers = vec![(AUTHORIZATION, format!("bearer {key}"))];
    if !database.is_empty() {
        headers.push((HeaderName::from_static("x-odoo-database"), database.to_owned()));
    }
    let body = Some(("application/json", Value::Object(named.arguments).to_string().into_bytes()));
    let incoming = client.fetch(Outgoing { path: &path, body, headers, refusal_has_body: true }).await?;
    let answer = decode(&incoming, call)?;
    // Here alone, creating one record answers a list.
    let is_one = call.method == "create" && call.args.first().is_some_and(Value::is_object);
    Ok(match answer {
        Value::Array(ids) if is_one && ids.len() == 1 => ids.into_iter().next().unwrap_or_default(),
        answer => answer,
    })
}

fn decode(incoming: &Incoming, call: &Call<'_>) -> Result<Value, ErpError> {
    let parsed = serde_json::from_slice::<Value>(&incoming.body);
    let Some(kind) = errors::kind_of_status(incoming.status) else {
        return parsed.map_err(|error| {
            if error.is_eof() {
                return ErpError::new(ErpErrorKind::Unreachable, "the reply ended too early").caused_by(error);
            }
            ErpError::new(ErpErrorKind::Protocol, "the answer is not JSON").caused_by(error)
        });
    };
    match parsed {
        Ok(refusal) if refusal["name"].is_string() => Err(refused(&refusal, call)),
        // A page of the web server or of a proxy in front of it.
        _ => Err(status_error(kind, incoming.status, &incoming.headers)),
    }
}

/// The body of a refusal as our error. Its `debug` traceback is not looked at and never kept.
fn refused(refusal: &Value, call: &Call<'_>) -> ErpError {
    let mut error = errors::named(refusal["name"].as_str().unwrap_or_default(), &refusal["message"]);
    let about = |text: &str| error.message.contains(&format!("'{text}'"));
    error.kind = match error.name.as_deref() {
        Some(errors::UNAUTHORIZED) => ErpErrorKind::Authentication,
        // Model, method and address have one name on the wire; what is missing stands in quotes.
        Some(errors::NOT_FOUND) if about(&format!("{}.{}", call.model, call.method)) => ErpErrorKind::UnknownMethod,
        Some(errors::NOT_FOUND) if about(call.model) => ErpErrorKind::UnknownModel,
        Some(errors::NOT_FOUND) => ErpErrorKind::Protocol,
        _ => error.kind,
    };
    error
}
