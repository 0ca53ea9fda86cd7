//! JSON-RPC: the envelope in which requests under `/jsonrpc` and `/web` go and come back.

use super::client::{Client, Outgoing};
use super::errors;
use crate::{ErpError, ErpErrorKind};
use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The good end of an exchange.
#[derive(Debug)]
pub(super) struct Reply {
    /// What was answered; null if the method returned nothing.
    pub(super) result: Value,
    /// The session that the reply sets, if it sets one.
    pub(super) session_id: Option<String>,
}

/// Sends one request and reads its reply. `model` is the model that is called, if one is.
pub(super) async fn send(
    client: &Client,
    path: &str,
    params: &impl Serialize,
    session_id: Option<&str>,
    model: Option<&str>,
) -> Result<Reply, ErpError> {
    let request = Request { id: client.next_id(), jsonrpc: "2.0", method: "call", params };
    let body = serde_json::to_vec(&request).map_err(|error| {
        ErpError::new(ErpErrorKind::InvalidRequest, "the call can't be written as JSON").caused_by(error)
    })?;
    let headers = session_id.map(|session_id| (COOKIE, format!("session_id={session_id}"))).into_iter().collect();
    let body = Some(("application/json", body));
    let incoming = client.fetch(Outgoing { path, body, headers, refusal_has_body: false }).await?;
    let result = parse(&incoming.body, model)?;
    Ok(Reply { result, session_id: session_id_in(&incoming.headers) })
}

fn session_id_in(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let mut values = cookies.filter_map(|cookie| cookie.split(';').next()?.trim().strip_prefix("session_id="));
    values.find(|value| !value.is_empty()).map(str::to_owned)
}

#[derive(Serialize)]
struct Request<'a, P> {
    id: u64,
    jsonrpc: &'a str,
    method: &'a str,
    params: &'a P,
}

#[derive(Deserialize)]
struct Envelope {
    // Its presence tells a JSON-RPC reply without `result` (a method that returned nothing) from any other JSON.
    #[serde(rename = "jsonrpc")]
    _jsonrpc: String,
    result: Option<Value>,
    error: Option<Value>,
}

fn parse(body: &[u8], model: Option<&str>) -> Result<Value, ErpError> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    match serde_json::from_slice::<Envelope>(body) {
        Ok(Envelope { error: Some(error), .. }) => Err(errors::from_wire(&error, model)),
        Ok(Envelope { result, .. }) if is_object => Ok(result.unwrap_or_default()),
        // A reply without a length that ends too early can only be seen here.
        Err(error) if error.is_eof() && (is_object || body.trim_ascii().is_empty()) => {
            Err(ErpError::new(ErpErrorKind::Unreachable, "the reply ended too early").caused_by(error))
        }
        // A value in it is nested too deeply to be read. Asking for less, as for a reply that is too large, finds the
        // rows that can be read.
        Err(error) if error.to_string().contains("recursion limit") => {
            Err(ErpError::new(ErpErrorKind::TooLarge, "the reply is nested too deeply").caused_by(error))
        }
        Err(error) => {
            let what = if body.trim_ascii_start().starts_with(b"<") { "a web page" } else { "something else" };
            let message = format!("the answer is {what}, not a JSON-RPC reply");
            Err(ErpError::new(ErpErrorKind::Protocol, message).caused_by(error))
        }
        Ok(_) => Err(ErpError::new(ErpErrorKind::Protocol, "the answer is not a JSON-RPC reply")),
    }
}
