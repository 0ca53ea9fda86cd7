//! The one error shape: `{"error", "message", "code", "details"}`.
//!
//! A problem leaves a handler without words: [`write_out`] puts it into those of the caller's language, on the way out,
//! where that language is known.

use crate::context::Context;
use crate::language::{Language, Message};
use crate::problem::{Problem, ProblemKind};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use tracing::Span;

/// The body of every error.
#[derive(Debug, Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    message: &'a str,
    code: &'a str,
    details: &'a Value,
}

/// A problem on its way out.
#[derive(Debug, Clone)]
struct Outgoing {
    problem: Arc<Problem>,
    /// Whether it was logged where it happened.
    is_logged: bool,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        wordless(self, false)
    }
}

/// The answer to what has been logged where it happened.
pub(super) fn answer_to_logged(problem: Problem) -> Response {
    wordless(problem, true)
}

fn wordless(problem: Problem, is_logged: bool) -> Response {
    let status = StatusCode::from_u16(problem.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = status.into_response();
    response.extensions_mut().insert(Outgoing { problem: Arc::new(problem), is_logged });
    response
}

/// Logs the problem that a response stands for in its request's span, and writes it into the response; others stay as they are.
pub(super) fn write_out(cx: &Context, span: &Span, language: Language, mut response: Response) -> Response {
    let Some(Outgoing { problem, is_logged }) = response.extensions_mut().remove() else { return response };
    if !is_logged {
        span.in_scope(|| log(cx, &problem));
    }
    let body = ErrorBody {
        error: problem.kind.exception(),
        message: &cx.texts.say(language, &problem.message),
        code: problem.kind.code(),
        details: &problem.details,
    };
    let mut response = (response.status(), Json(body)).into_response();
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.code()));
    if let Some(seconds) = problem.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Logs a problem once, here where it is handled, with its whole chain of causes. What a caller did wrong is not an
/// error of ours and stays at debug, without the message: it can quote what they sent, such as a password in a field of
/// the wrong type.
fn log(cx: &Context, problem: &Problem) {
    let causes = problem.causes();
    match problem.kind.status() {
        500 => tracing::error!(code = problem.kind.code(), %causes, "{}", cx.texts.english(&problem.message)),
        501.. => tracing::warn!(code = problem.kind.code(), %causes, "{}", cx.texts.english(&problem.message)),
        _ => {
            let field = problem.details.get("field").and_then(Value::as_str);
            tracing::debug!(code = problem.kind.code(), field, "refused");
        }
    }
}

/// The answer for a path that does not exist.
pub(super) async fn no_such_path(uri: axum::http::Uri) -> Problem {
    Problem::new(ProblemKind::NotFound, Message::no_such_path()).with("path", uri.path())
}

/// The answer for a path that exists but does not take this method.
pub(super) async fn no_such_method(method: axum::http::Method, uri: axum::http::Uri) -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, Message::no_such_method(method)).with("path", uri.path())
}
