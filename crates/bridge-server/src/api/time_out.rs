//! Ends requests that take too long.

use super::entrance::into_response;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll};
use std::time::Duration;

/// Whether whoever reads a request's body waits for the client now.
pub(super) struct Waiting(Arc<AtomicBool>);

impl Waiting {
    /// The same request, with a body that says when it is waited for.
    pub(super) fn watch(request: Request) -> (Request, Self) {
        let waiting = Arc::new(AtomicBool::new(false));
        let watched = |body: Body| {
            if body.is_end_stream() { body } else { Body::new(Watched { body, waiting: Arc::clone(&waiting) }) }
        };
        (request.map(watched), Self(waiting))
    }

    /// Ends a request that takes too long: 408 if its body was still being waited for, 503 if it is our own doing.
    pub(super) async fn in_time(
        self,
        timeout: Duration,
        answer: impl Future<Output = Result<Response, Infallible>>,
    ) -> Response {
        let problem = match tokio::time::timeout(timeout, answer).await {
            Ok(answer) => return into_response(answer),
            Err(_) if self.0.load(Ordering::Relaxed) => Problem::new(ProblemKind::RequestTimeout, Message::body_late()),
            Err(_) => Problem::new(ProblemKind::Busy, Message::request_too_slow()),
        };
        problem.into_response()
    }
}

/// A body that says when it is waited for.
struct Watched {
    body: Body,
    waiting: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(task);
        self.waiting.store(next.is_pending(), Ordering::Relaxed);
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
