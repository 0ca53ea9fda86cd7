//! Ends requests that take too long.

use crate::config::ms;
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends a request that takes too long: 408 if its body was still being waited for, 503 if it is our own doing.
pub(super) async fn time_out(State(cx): State<Context>, request: Request, next: Next) -> Response {
    let waiting = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| watched(body, Arc::clone(&waiting)));
    let problem = match tokio::time::timeout(ms(cx.config.server.request_timeout_ms), next.run(request)).await {
        Ok(response) => return response,
        Err(_) if waiting.load(Ordering::Relaxed) => {
            Problem::new(ProblemKind::RequestTimeout, "The request's body did not arrive in time")
        }
        Err(_) => Problem::new(ProblemKind::Busy, "The request took too long; try again shortly"),
    };
    problem.into_response()
}

/// The same body; `waiting` is true while whoever reads it waits for the client.
fn watched(body: Body, waiting: Arc<AtomicBool>) -> Body {
    let mut body = body.into_data_stream();
    Body::from_stream(stream::poll_fn(move |task| {
        let next = body.poll_next_unpin(task);
        waiting.store(next.is_pending(), Ordering::Relaxed);
        next
    }))
}
