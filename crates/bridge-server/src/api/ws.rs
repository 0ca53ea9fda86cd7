//! `/ws/webhooks`: changes as they happen.
//!
//! A connection reads the log from its own place, just as a pull does; it is only woken sooner. What it has sent and
//! the client has not read is bounded by the sockets: when a send does not come through in time, the connection is
//! closed with a reason, and the device goes on from its last position when it comes back.

mod messages;
mod session;

use crate::api::extract::bearer;
use crate::api::learned::Learned;
use crate::auth;
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::limits::{self, Class, Who};
use crate::metrics::Held;
use crate::problem::{Problem, ProblemKind};
use crate::supervise::caught;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;
use axum::routing::get;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The path of live changes.
pub(super) fn routes(cx: &Context) -> Router<Context> {
    let places = Arc::new(Semaphore::new(cx.config.live.connections_max));
    Router::new().route("/ws/webhooks", get(move |state, request| connect(state, places, request)))
}

/// The subprotocol that carries a token: `Sec-WebSocket-Protocol: bearer, <token>`.
const BEARER_PROTOCOL: &str = "bearer";

async fn connect(State(cx): State<Context>, places: Arc<Semaphore>, request: Request) -> Result<Response, Problem> {
    // The token decides before the connection is opened, where there is one; otherwise the first message must bring it.
    let learned = Learned::with(request.extensions());
    let asked = learned.asked();
    let caller = match token(&cx, request.headers(), request.uri())? {
        Some(token) => Some(auth::caller(&cx, &token, asked).await?),
        None => None,
    };
    if let Some(caller) = &caller {
        learned.note(caller);
        limits::count(&cx, learned.noted(), Who::from(caller), Class::Reads).await?;
    }
    let Ok(place) = places.try_acquire_owned() else {
        return Err(Problem::new(ProblemKind::Busy, Message::too_many_connections()));
    };
    let (mut parts, _body) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &cx).await.map_err(|rejection| {
        Problem::new(ProblemKind::Invalid, Message::websocket_expected()).with("reason", rejection.body_text())
    })?;
    let bytes_max = cx.config.live.message_bytes_max;
    let upgrade = upgrade
        .protocols([BEARER_PROTOCOL])
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        // Frames go to the socket together, and never more than a few wait in memory.
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX);
    let counted = cx.hub.session();
    Ok(upgrade.on_upgrade(move |socket| async move {
        let open = Held::one(&cx.metrics.websocket_connections);
        let metrics = Arc::clone(&cx.metrics);
        caught(&metrics, "connection", Box::pin(session::run(cx, socket, caller, asked))).await;
        drop((place, counted, open));
    }))
}

/// From how many bytes on the frames of a batch go to the socket before it is whole.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// The most bytes of a connection that wait in memory for its socket: one message is far smaller.
const WRITE_BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;

fn token(cx: &Context, headers: &HeaderMap, uri: &Uri) -> Result<Option<String>, Problem> {
    if let Some(token) = bearer(headers) {
        return Ok(Some(token.to_owned()));
    }
    if let Some(protocols) = headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok()) {
        let mut parts = protocols.split(',').map(str::trim);
        if parts.next() == Some(BEARER_PROTOCOL) {
            return Ok(parts.next().map(str::to_owned));
        }
    }
    let in_query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find_map(|(key, value)| (key == "token").then(|| value.into_owned()));
    match in_query {
        Some(_) if !cx.config.live.token_in_query => Err(Problem::field("token", Reason::not_in_address())),
        token => Ok(token),
    }
}
