//! The front door: HTTP as Odoo 19 speaks it. What comes in becomes a [`Request`], by whichever protocol it came.

mod answers;
mod json2;
pub(super) mod listener;
mod services;
pub(super) mod sessions;
mod xml;

use super::Shared;
use super::faults::Fault;
use super::refusal::{Refusal, SESSION_EXPIRED};
use answers::{Reply, json_answer, page, text};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use listener::Peer;
use serde_json::{Value, json};
use services::Request;
use std::sync::Arc;
use std::time::Duration;

/// The largest request that is read, in bytes.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The longest that a call hangs if the caller does not go away.
const HANG_MAX: Duration = Duration::from_mins(10);

/// The routes of the demo ERP.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/web/version", get(version))
        .route("/json/version", get(version))
        .route("/web/health", get(health))
        .route("/jsonrpc", any(rpc))
        .route("/web/session/{action}", any(rpc))
        .route("/web/dataset/call_kw", any(rpc))
        .route("/web/dataset/call_kw/{*path}", any(rpc))
        .route("/web/dataset/call_button", any(rpc))
        .route("/web/dataset/call_button/{*path}", any(rpc))
        .route("/web/webclient/version_info", any(rpc))
        .route("/web/database/list", any(rpc))
        .route("/json/2/{*path}", any(json2::call))
        .route("/xmlrpc/{service}", post(xml::first_version))
        .route("/xmlrpc/2/{service}", post(xml::call))
        .method_not_allowed_fallback(async || {
            let page = page(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            ([(header::ALLOW, "OPTIONS, POST")], page)
        })
        .fallback(async || page(StatusCode::NOT_FOUND, "Page not found"))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(map_response_with_state(Arc::clone(&shared), dated))
        .with_state(shared)
}

/// The answers bear the date of the ERP's own clock.
async fn dated(State(shared): State<Arc<Shared>>, mut response: Response) -> Response {
    if let Ok(date) = HeaderValue::from_str(&shared.clock.now().to_http()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

async fn version() -> Response {
    json_answer(&json!({"version_info": services::version_info(), "version": services::VERSION}))
}

async fn health(OriginalUri(uri): OriginalUri) -> Response {
    let mut answer = json!({"status": "pass"});
    if uri.query().is_some_and(|query| query.contains("db_server_status")) {
        answer["db_server_status"] = json!(true);
    }
    json_answer(&answer)
}

/// Every JSON-RPC route: decode, meet the faults, work, encode.
async fn rpc(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let envelope = match decode(&method, uri.path(), &headers, &body) {
        Ok(envelope) => envelope,
        Err(refused) => return *refused,
    };
    let id = envelope.get("id").cloned().unwrap_or(Value::Null);
    let request = Request::read(uri.path(), &headers, envelope);
    let names = request.as_ref().map_or(("", ""), Request::names);
    let names = (names.0.to_owned(), names.1.to_owned());
    let expired = || envelope_of(&id, Err(Refusal::session_expired()));
    through(&shared, &peer, (&names.0, &names.1), |work| {
        if !work {
            return Reply::json(StatusCode::OK, &expired());
        }
        let (outcome, cookie) = match request {
            Ok(request) => services::serve(&shared, request),
            Err(refusal) => (Err(refusal), None),
        };
        Reply { cookie, ..Reply::json(StatusCode::OK, &envelope_of(&id, outcome)) }
    })
    .await
}

/// Lets a request meet the faults. `act` does the work and encodes what came of it; told not to work, it answers
/// that the session or the credential does not hold any more.
async fn through(
    shared: &Shared,
    peer: &Peer,
    (model, method): (&str, &str),
    act: impl FnOnce(bool) -> Reply,
) -> Response {
    let (latency, fault) = shared.faults.meet(model, method);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match fault {
        None => act(true).into_response(),
        Some(Fault::CutReply) => act(true).cut(),
        Some(Fault::ResetAfterWork) => {
            act(true);
            peer.reset();
            text(StatusCode::OK, "")
        }
        Some(Fault::Reset) => {
            peer.reset();
            text(StatusCode::OK, "")
        }
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            page(status, status.canonical_reason().unwrap_or("Error"))
        }
        Some(fault @ (Fault::Hang | Fault::HangAfterWork)) => {
            if fault == Fault::HangAfterWork {
                act(true);
            }
            tokio::time::sleep(HANG_MAX).await;
            page(StatusCode::GATEWAY_TIMEOUT, "Gateway Timeout")
        }
        Some(Fault::SessionExpired) => act(false).into_response(),
        Some(Fault::Held) => {
            shared.faults.held().await;
            act(true).into_response()
        }
    }
}

/// The request's JSON object, or Odoo's answer to what is none.
fn decode(method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Value, Box<Response>> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if method != Method::POST || !matches!(kind, "application/json" | "application/json-rpc") {
        return Err(Box::new(answers::wrong_type(path, "jsonrpc")));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(envelope)) => Ok(Value::Object(envelope)),
        Ok(_) => Err(Box::new(text(StatusCode::BAD_REQUEST, "Invalid JSON-RPC data"))),
        Err(_) => Err(Box::new(text(StatusCode::BAD_REQUEST, "Invalid JSON data"))),
    }
}

fn envelope_of(id: &Value, outcome: super::call::Outcome) -> Value {
    let mut envelope = json!({"jsonrpc": "2.0", "id": id});
    match outcome {
        Ok(Some(result)) => envelope["result"] = result,
        // Neither a result nor an error: this is how a method without a result answers.
        Ok(None) => {}
        Err(refusal) => {
            // A session is looked for before the request is read, so that answer does not know its id.
            if refusal.name == SESSION_EXPIRED {
                envelope["id"] = Value::Null;
            }
            envelope["error"] = refusal.to_json();
        }
    }
    envelope
}
