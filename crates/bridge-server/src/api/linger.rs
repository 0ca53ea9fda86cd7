//! Lets a client finish sending before it gets its answer.

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::http::header;
use futures_util::{StreamExt, stream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bodies up to this size are left alone, in bytes.
const SMALL_BYTES: usize = 16 * 1024;

/// The most that is read of what nobody wanted, in bytes.
const REST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The longest that is waited for it.
const REST_WAIT: Duration = Duration::from_secs(10);

/// What a handler leaves of a body. A refusal (of a token, of a body that is too large) comes before the client has
/// sent everything; closing on it at that moment, it would see a broken connection in place of the answer.
pub(super) struct Rest(Option<Arc<Mutex<BodyDataStream>>>);

impl Rest {
    /// Lends the body to the handler, where it is large enough to matter.
    pub(super) fn lend(request: Request) -> (Request, Self) {
        // A small body fits into the socket whether it is read or not, and a client that says `Expect` waits until it
        // is asked for the body.
        if request.headers().contains_key(header::EXPECT) || is_small(&request) {
            return (request, Self(None));
        }
        let (parts, body) = request.into_parts();
        let body = Arc::new(Mutex::new(body.into_data_stream()));
        let shared = Arc::clone(&body);
        let lent =
            stream::poll_fn(move |task| shared.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(task));
        (Request::from_parts(parts, Body::from_stream(lent)), Self(Some(body)))
    }

    /// Reads what was left and throws it away, within bounds.
    pub(super) async fn discard(self) {
        let Some(body) = self.0 else { return };
        let mut rest =
            stream::poll_fn(move |task| body.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(task));
        let discard = async {
            let mut discarded = 0;
            while let Some(Ok(chunk)) = rest.next().await {
                discarded += chunk.len();
                if discarded > REST_BYTES_MAX {
                    break;
                }
            }
        };
        // Whoever takes longer sees the connection end, as if nobody had waited.
        let _ = tokio::time::timeout(REST_WAIT, discard).await;
    }
}

/// Whether the request has no body, or one of a known small size.
fn is_small(request: &Request) -> bool {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    match length {
        Some(length) => length <= SMALL_BYTES,
        None => !headers.contains_key(header::TRANSFER_ENCODING),
    }
}
