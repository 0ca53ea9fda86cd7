//! XML-RPC: `/xmlrpc/2/{service}`, and `/xmlrpc/{service}` with faults of the older form.

use super::answers::Reply;
use super::listener::Peer;
use super::services::{self, Request};
use super::through;
use crate::fake::Shared;
use crate::fake::refusal::Refusal;
use crate::xmlrpc::{self, Document};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// The addresses with codes that are numbers.
pub(super) async fn call(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(service): Path<String>,
    body: Bytes,
) -> Response {
    serve(&shared, &peer, &service, &body, fault).await
}

/// The addresses with codes that are texts.
pub(super) async fn first_version(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(service): Path<String>,
    body: Bytes,
) -> Response {
    serve(&shared, &peer, &service, &body, fault_in_words).await
}

async fn serve(
    shared: &Shared,
    peer: &Peer,
    service: &str,
    body: &[u8],
    fault: fn(&Refusal) -> (Value, String),
) -> Response {
    let request = match xmlrpc::read(body) {
        Ok(Document::Call(method, params)) => Request::of_service(service, &method, params),
        _ => Err(Refusal::no_xml("unclosed token: line 1, column 12")),
    };
    let names = request.as_ref().map_or(("", ""), Request::names);
    let names = (names.0.to_owned(), names.1.to_owned());
    through(shared, peer, (&names.0, &names.1), |work| {
        let outcome = match request {
            // There are no sessions here: what does not hold any more is the password.
            Ok(_) if !work => Err(Refusal::denied()),
            Ok(request) => services::serve(shared, request).0,
            Err(refusal) => Err(refusal),
        };
        let answer = outcome.and_then(|result| marshalled(&result.unwrap_or_default()));
        Reply::xml(answer.unwrap_or_else(|refusal| {
            let (code, text) = fault(&refusal);
            xmlrpc::write_fault(&code, &text).unwrap_or_default()
        }))
    })
    .await
}

/// The answer as a document. None can't be written, and Python says so by failing.
fn marshalled(result: &Value) -> Result<String, Refusal> {
    let none = "cannot marshal None unless allow_none is enabled";
    if result.is_null() {
        return Err(Refusal::type_error(none));
    }
    if holds_none(result) {
        return Err(Refusal::type_error(format!("{none}\n  in dump_struct")));
    }
    xmlrpc::write_answer(&without_controls(result.clone())).map_err(|flaw| Refusal::value(flaw.to_string()))
}

fn holds_none(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(holds_none),
        Value::Object(members) => members.values().any(holds_none),
        _ => false,
    }
}

/// Odoo leaves out the characters that XML can't carry.
fn without_controls(value: Value) -> Value {
    match value {
        Value::String(text) => {
            text.chars().filter(|one| *one >= ' ' || matches!(one, '\t' | '\n' | '\r')).collect::<String>().into()
        }
        Value::Array(items) => items.into_iter().map(without_controls).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, without_controls(value))).collect(),
        other => other,
    }
}

fn fault(refusal: &Refusal) -> (Value, String) {
    let message = refusal.message.clone();
    match refusal.name.strip_prefix("odoo.exceptions.") {
        Some("AccessError") => (json!(4), message),
        Some("AccessDenied") => (json!(3), message),
        Some(_) => (json!(2), message),
        None => (json!(1), traceback(refusal)),
    }
}

fn fault_in_words(refusal: &Refusal) -> (Value, String) {
    let message = &refusal.message;
    match refusal.name.strip_prefix("odoo.exceptions.") {
        Some("AccessDenied") => (json!("AccessDenied"), message.clone()),
        Some(name) => (json!(format!("warning -- {name}\n\n{message}")), String::new()),
        None => (json!(message), traceback(refusal)),
    }
}

fn traceback(refusal: &Refusal) -> String {
    let name = refusal.name.strip_prefix("builtins.").unwrap_or(refusal.name);
    let (head, frame) = match refusal.message.split_once("\n  in ") {
        Some((message, frame)) => (message, format!(", in {frame}")),
        None => (refusal.message.as_str(), String::new()),
    };
    // Python writes the key of a KeyError in quotes.
    let quote = if name == "KeyError" && !head.starts_with('\'') { "'" } else { "" };
    format!("Traceback (most recent call last):\n  File \"odoo\"{frame}\n{name}: {quote}{head}{quote}\n")
}
