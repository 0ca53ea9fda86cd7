//! Transport: decode, call one function, encode. Nothing in the service imports this.

pub mod error;
mod explain;
pub mod extract;
mod linger;
mod openapi;
mod rest;
mod time_out;
mod ws;

use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use crate::supervise::caught;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

/// Every path of the service.
pub fn router(cx: &Context) -> Router {
    let permits = Arc::new(Semaphore::new(cx.config.server.requests_at_once_max));
    let (rest, _) = described();
    let rest = rest
        .layer(middleware::from_fn_with_state(cx.clone(), time_out::time_out))
        .layer(middleware::from_fn_with_state(permits, admit));
    let (metrics, _) = rest::metrics_routes().split_for_parts();
    Router::new()
        .merge(rest)
        .merge(metrics)
        // Open connections have bounds of their own.
        .merge(ws::routes(cx))
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(DefaultBodyLimit::max(cx.config.server.body_bytes_max))
        .layer(middleware::from_fn(linger::take_in_the_rest))
        .layer(middleware::from_fn_with_state(cx.clone(), survive))
        .layer(middleware::from_fn_with_state(cx.clone(), accompany))
        .with_state(cx.clone())
}

/// The routes of the REST API, without the metrics, and the description of all of them.
fn described() -> (Router<Context>, serde_json::Value) {
    let (rest, mut description) = rest::routes().split_for_parts();
    let (pages, of_pages) = rest::description_routes().split_for_parts();
    description.merge(of_pages);
    description.merge(rest::metrics_routes().into_openapi());
    let description = openapi::describe(description);
    let pages = pages.layer(Extension(rest::Pages::new(&description)));
    (rest.merge(pages), description)
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const API_VERSION: HeaderName = HeaderName::from_static("x-api-version");

/// Gives each request its id, its span and its place in the metrics, and each answer its headers.
async fn accompany(State(cx): State<Context>, request: Request, next: Next) -> Response {
    let given = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| is_request_id(id));
    let id = given.map_or_else(|| cx.entropy.hex(16), str::to_owned);
    // The path only: a query can hold a token.
    let span = tracing::info_span!(
        "request",
        request.id = %id,
        http.method = %request.method(),
        http.path = request.uri().path(),
        http.status = tracing::field::Empty,
        duration_ms = tracing::field::Empty,
    );
    let version = if request.uri().path().starts_with("/api/v2/") { "2" } else { "1" };
    let method = known_method(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let started = cx.clock.now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let duration = cx.clock.now().since(started);
    span.record("http.status", response.status().as_u16());
    span.record("duration_ms", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    // Never the path itself: there is no end to the paths that somebody can ask for.
    let endpoint = matched.as_ref().map_or("none", MatchedPath::as_str);
    let bytes = response.body().size_hint().exact();
    cx.metrics.answered(method, endpoint, response.status().as_str(), duration.as_secs_f64(), bytes);
    span.in_scope(|| tracing::debug!("answered"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static(version));
    response
}

/// The method as a label: one that is made up is `other`.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Answers for a handler that panicked. The panic was logged where it happened, in the request's span.
async fn survive(State(cx): State<Context>, request: Request, next: Next) -> Response {
    match caught(&cx.metrics, "request", next.run(request)).await {
        Some(response) => response,
        None => error::answer(&Problem::new(ProblemKind::Internal, "Something failed inside the service")),
    }
}

/// An id from outside is taken over only if it can't spoil a log line.
fn is_request_id(id: &str) -> bool {
    (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Lets a bounded number of requests in at once.
async fn admit(State(permits): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Problem::new(ProblemKind::Busy, "Too many requests at once; try again shortly").into_response(),
    }
}
