//! Answers that are sent for long: they keep their place until they have been sent.

use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Sleep, sleep, timeout};

/// The same answer, which keeps its place until it was sent, or for so long; what was not sent by then is cut off.
pub(super) fn keep(place: OwnedSemaphorePermit, time_max: Duration, response: Response) -> Response {
    if response.body().is_end_stream() {
        return response;
    }
    let (sent, waiting) = oneshot::channel();
    // Nobody looks at a body that its client does not take, so that the place is watched from elsewhere.
    tokio::spawn(async move {
        let _ = timeout(time_max, waiting).await;
        drop(place);
    });
    response.map(|body| Body::new(Sending { body, ends: Box::pin(sleep(time_max)), _sent: sent }))
}

/// A body that ends in time.
struct Sending {
    body: Body,
    ends: Pin<Box<Sleep>>,
    /// Tells when it goes away that it was sent, or that nobody wants it any more.
    _sent: oneshot::Sender<Infallible>,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.ends.as_mut().poll(task).is_ready() {
            return Poll::Ready(Some(Err(Error::new(TooSlow))));
        }
        Pin::new(&mut self.body).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the client took too long to take the answer")]
struct TooSlow;
