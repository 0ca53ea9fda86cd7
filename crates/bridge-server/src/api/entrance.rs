//! What every request passes on its way in and every answer on its way out: a request id and a span, a place in the
//! metrics, bounds of time, size and number, and an answer also when a handler panics.
//!
//! It is one service, and not a chain of them: each link of a chain is copied for every request, with all that
//! follows it.

use super::error;
use super::learned::Learned;
use super::limited;
use super::linger::Rest;
use super::time_out::Waiting;
use super::transfer;
use crate::audit::RequestId;
use crate::config::ms;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::supervise::caught;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use bridge_model::Timestamp;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::{Layer, Service};
use tracing::{Instrument as _, Level, Span};

/// What a form may have around its file, in bytes.
const FORM_BYTES: usize = 64 * 1024;

/// Puts routes behind the entrance.
#[derive(Debug, Clone)]
pub(super) struct Entrance {
    cx: Context,
    /// How many requests may be inside at once; `None` where they are bounded otherwise. What is counted is also
    /// bounded in time.
    places: Option<Arc<Semaphore>>,
    timeout: Duration,
    body_bytes_max: usize,
    /// Whether an answer keeps its place until it has been sent.
    is_transfer: bool,
}

impl Entrance {
    /// For what has bounds of its own: open connections, and the metrics, which are answered also when there are too
    /// many requests.
    pub(super) fn new(cx: &Context) -> Self {
        let server = &cx.config.server;
        Self {
            cx: cx.clone(),
            places: None,
            timeout: ms(server.request_timeout_ms),
            body_bytes_max: server.body_bytes_max,
            is_transfer: false,
        }
    }

    /// For requests that are bounded in number and in time, as the config says.
    pub(super) fn bounded(cx: &Context) -> Self {
        Self { places: Some(Arc::new(Semaphore::new(cx.config.server.requests_at_once_max))), ..Self::new(cx) }
    }

    /// For files, which take longer and are larger than other requests, and must not take the places of those.
    pub(super) fn for_files(cx: &Context) -> Self {
        let files = &cx.config.files;
        Self {
            cx: cx.clone(),
            places: Some(Arc::new(Semaphore::new(files.transfers_at_once_max))),
            timeout: ms(files.transfer_timeout_ms),
            body_bytes_max: files.bytes_max.saturating_add(FORM_BYTES),
            is_transfer: true,
        }
    }
}

impl<S> Layer<S> for Entrance {
    type Service = Inside<S>;

    fn layer(&self, routes: S) -> Inside<S> {
        Inside { entrance: self.clone(), routes }
    }
}

/// Routes behind the entrance.
#[derive(Debug, Clone)]
pub(super) struct Inside<S> {
    entrance: Entrance,
    routes: S,
}

impl<S> Service<Request> for Inside<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, task: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        self.routes.poll_ready(task)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let Entrance { cx, places, timeout, body_bytes_max, is_transfer } = self.entrance.clone();
        let visit = Visit::begin(&cx, &request);
        let span = visit.span.clone();
        request.extensions_mut().insert(visit.learned.clone());
        request.extensions_mut().insert(visit.id.clone());
        DefaultBodyLimit::max(body_bytes_max).apply(&mut request);
        let (request, rest) = Rest::lend(request);
        let (request, waiting) = Waiting::watch(request);
        // Nothing runs before it is polled, so that it can still be refused, and a panic is caught.
        let answer = self.routes.call(request);
        Box::pin(async move {
            let handled = async {
                let response = match places {
                    None => into_response(answer.await),
                    Some(places) => match places.try_acquire_owned() {
                        Ok(place) => {
                            let response = waiting.in_time(timeout, answer).await;
                            if is_transfer { transfer::keep(place, timeout, response) } else { response }
                        }
                        Err(_) => busy(),
                    },
                };
                rest.discard().await;
                response
            };
            let answered = async {
                // A panic was logged where it happened, in the request's span.
                caught(&cx.metrics, "request", handled).await.unwrap_or_else(panicked)
            };
            let response = answered.instrument(span).await;
            Ok(visit.end(&cx, response))
        })
    }
}

/// The answer of a service that cannot fail.
pub(super) fn into_response(answer: Result<Response, Infallible>) -> Response {
    match answer {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn busy() -> Response {
    Problem::new(ProblemKind::Busy, Message::too_many_requests()).into_response()
}

fn panicked() -> Response {
    error::answer_to_logged(Problem::new(ProblemKind::Internal, Message::internal()))
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const API_VERSION: HeaderName = HeaderName::from_static("x-api-version");

/// A request from its arrival to its answer.
struct Visit {
    id: RequestId,
    span: Span,
    learned: Learned,
    method: &'static str,
    matched: Option<MatchedPath>,
    version: HeaderValue,
    started: Timestamp,
}

impl Visit {
    fn begin(cx: &Context, request: &Request) -> Self {
        let id = RequestId::from(given_id(request.headers()).unwrap_or_else(|| cx.entropy.hex(16)));
        // The path only: a query can hold a token.
        let path = request.uri().path();
        let span = tracing::info_span!(
            "request",
            request.id = id.as_str(),
            http.method = request.method().as_str(),
            http.path = path,
            http.status = tracing::field::Empty,
            duration_ms = tracing::field::Empty,
        );
        Self {
            span,
            learned: Learned::of(request.headers()),
            method: known_method(request.method()),
            matched: request.extensions().get::<MatchedPath>().cloned(),
            version: HeaderValue::from_static(if path.starts_with("/api/v2/") { "2" } else { "1" }),
            started: cx.clock.now(),
            id,
        }
    }

    fn end(self, cx: &Context, response: Response) -> Response {
        let mut response = error::write_out(cx, &self.span, self.learned.language(), response);
        let duration = cx.clock.now().since(self.started);
        // The span's fields are written into lines, and this is its last one.
        if tracing::enabled!(Level::DEBUG) {
            self.span.record("http.status", response.status().as_u16());
            self.span.record("duration_ms", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
            self.span.in_scope(|| tracing::debug!("answered"));
        }
        // Never the path itself: there is no end to the paths that somebody can ask for.
        let endpoint = self.matched.as_ref().map_or("none", MatchedPath::as_str);
        let bytes = response.body().size_hint().exact();
        cx.metrics.answered(self.method, endpoint, response.status().as_str(), duration.as_secs_f64(), bytes);
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(self.id.as_str()) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(API_VERSION, self.version);
        if let Some(allowance) = self.learned.noted().allowance() {
            limited::tell(headers, allowance);
        }
        response
    }
}

/// The id that the request brings. One from outside is taken over only if it can't spoil a log line.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(&REQUEST_ID)?.to_str().ok()?;
    let fits = (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    fits.then(|| id.to_owned())
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
