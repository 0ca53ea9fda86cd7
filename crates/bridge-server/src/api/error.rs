//! The one error shape: `{"error", "message", "code", "details"}`.

use crate::problem::{Problem, ProblemKind};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

/// The body of every error.
#[derive(Debug, Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    message: &'a str,
    code: &'a str,
    details: &'a Value,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        log(&self);
        answer(&self)
    }
}

/// The answer alone, for what has been logged where it happened.
pub(super) fn answer(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = ErrorBody {
        error: problem.kind.exception(),
        message: &problem.message,
        code: problem.kind.code(),
        details: &problem.details,
    };
    let mut response = (status, Json(body)).into_response();
    if let Some(seconds) = problem.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Logs a problem once, here where it is handled, with its whole chain of causes. What a caller did wrong is not an
/// error of ours and stays at debug, without the message: it can quote what they sent, such as a password in a field of
/// the wrong type.
fn log(problem: &Problem) {
    let causes = problem.causes();
    match problem.kind.status() {
        500 => tracing::error!(code = problem.kind.code(), %causes, "{}", problem.message),
        501.. => tracing::warn!(code = problem.kind.code(), %causes, "{}", problem.message),
        _ => {
            let field = problem.details.get("field").and_then(Value::as_str);
            tracing::debug!(code = problem.kind.code(), field, "refused");
        }
    }
}

/// The answer for a path that does not exist.
pub(super) async fn no_such_path(uri: axum::http::Uri) -> Problem {
    Problem::new(ProblemKind::NotFound, "There is no such path").with("path", uri.path())
}

/// The answer for a path that exists but does not take this method.
pub(super) async fn no_such_method(method: axum::http::Method, uri: axum::http::Uri) -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, format!("This path does not take {method}")).with("path", uri.path())
}
