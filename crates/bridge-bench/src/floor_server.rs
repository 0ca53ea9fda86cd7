//! The floor of HTTP and of WebSockets: the same framework, the same bodies, and handlers that do nothing with them.

use anyhow::Context as _;
use axum::body::Bytes;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// Takes an event, parses it, answers.
pub(crate) const RECEIVE: &str = "/receive";
/// Passes an event on to every open connection.
pub(crate) const PUBLISH: &str = "/publish";
/// Opens a connection.
pub(crate) const CONNECT: &str = "/connect";

/// Parses a pull and answers so many bytes.
pub(crate) fn answer_path(bytes: usize) -> String {
    format!("/answer/{bytes}")
}

/// The fields of a pushed event that the service reads.
#[derive(Deserialize)]
#[expect(dead_code, reason = "what is measured is that they are parsed")]
struct Event<'a> {
    model: String,
    record_id: i64,
    #[serde(rename = "event")]
    what: String,
    priority: Option<String>,
    timestamp: Option<String>,
    changed_fields: Option<Vec<String>>,
    user_id: Option<i64>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(rename = "_webhook_metadata")]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is measured is that they are parsed")]
struct Metadata {
    event_id: Option<i64>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is measured is that they are parsed")]
struct Pull {
    device_id: String,
    app_type: String,
    limit: Option<u32>,
    last_sync_token: Option<String>,
}

/// How many messages may wait for a slow connection.
const WAITING_MAX: usize = 4_096;

/// Serves on a free port, prints the address, and goes on until the process is ended.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let (events, _) = broadcast::channel(WAITING_MAX);
    let router = Router::new()
        .route(RECEIVE, post(receive))
        .route("/answer/{bytes}", post(answer))
        .route(PUBLISH, post(publish))
        .route(CONNECT, get(connect))
        .with_state(events);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen")?;
    println!("http://{}", listener.local_addr().context("find the address")?);
    // Small messages go out at once and don't wait for the one before to be acknowledged.
    let listener = listener.tap_io(|stream| {
        // A connection that is gone already says so when it is read.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.context("serve")
}

async fn receive(body: Bytes) -> Result<Json<Value>, StatusCode> {
    let _: Event<'_> = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Json(json!({
        "success": true, "message": "Event queued for processing", "accepted": 1, "duplicates": 0, "deferred": 0,
        "ignored": 0, "rejected": [],
    })))
}

async fn answer(Path(bytes): Path<usize>, body: Bytes) -> Result<Response, StatusCode> {
    let _: Pull = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], vec![b' '; bytes]).into_response())
}

async fn publish(State(events): State<broadcast::Sender<Utf8Bytes>>, body: Bytes) -> Result<Json<Value>, StatusCode> {
    let _: Event<'_> = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let body = std::str::from_utf8(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let message = format!(r#"{{"type":"notification","channel":"events","data":{body}}}"#);
    // Without connections there is nobody to tell.
    let _ = events.send(message.into());
    Ok(Json(json!({ "success": true })))
}

async fn connect(State(events): State<broadcast::Sender<Utf8Bytes>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.write_buffer_size(0).on_upgrade(move |socket| pass_on(socket, events.subscribe()))
}

async fn pass_on(mut socket: WebSocket, mut events: broadcast::Receiver<Utf8Bytes>) {
    // The first message is what the client wants to hear; the answer says that it hears it from now on.
    if socket.recv().await.is_none() || socket.send(Message::text(r#"{"type":"live"}"#)).await.is_err() {
        return;
    }
    while let Ok(message) = events.recv().await {
        if socket.send(Message::Text(message)).await.is_err() {
            return;
        }
    }
}
