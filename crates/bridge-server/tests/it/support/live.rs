//! A WebSocket client.

use super::setup::App;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long a message may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// An open WebSocket.
pub(crate) struct Live {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Live {
    /// Connects to a path with the token in the `Authorization` header, where there is one.
    pub(crate) async fn connect(app: &App, path: &str, token: Option<&str>) -> Self {
        Self::try_connect(app, path, token).await.unwrap()
    }

    /// The same; the error is what the server answered instead.
    pub(crate) async fn try_connect(app: &App, path: &str, token: Option<&str>) -> Result<Self, Error> {
        Self::open(app, path, token, None).await
    }

    /// Connects with a request that asks for this language.
    pub(crate) async fn connect_asking(app: &App, path: &str, token: Option<&str>, language: &str) -> Self {
        Self::open(app, path, token, Some(language)).await.unwrap()
    }

    async fn open(app: &App, path: &str, token: Option<&str>, language: Option<&str>) -> Result<Self, Error> {
        let mut request = format!("ws://{}{path}", app.address()).into_client_request()?;
        if let Some(token) = token {
            request.headers_mut().insert("authorization", HeaderValue::from_str(&format!("Bearer {token}"))?);
        }
        if let Some(language) = language {
            request.headers_mut().insert("accept-language", HeaderValue::from_str(language)?);
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self { socket })
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Sends a message to a server that may be closing just now.
    pub(crate) async fn try_send(&mut self, message: Value) {
        let _ = self.socket.send(Message::text(message.to_string())).await;
    }

    /// The next message; pings are answered on the way.
    pub(crate) async fn next(&mut self) -> Value {
        match self.next_frame().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("a message was expected, not {other:?}"),
        }
    }

    /// The next message of this `type`; others on the way are left out.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Reads until the server closes, and answers its code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.next_frame().await {
                let frame = frame.unwrap();
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }

    /// Closes from this side.
    pub(crate) async fn close(mut self) {
        self.socket.close(None).await.unwrap();
    }

    /// The next frame that is not part of the heartbeat.
    async fn next_frame(&mut self) -> Message {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("no message came").expect("the connection ended without a close").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                frame => return frame,
            }
        }
    }
}
