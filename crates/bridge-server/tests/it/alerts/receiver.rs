//! Somebody who takes webhooks as Standard Webhooks has it, on a real socket.

use crate::support::eventually;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bridge_server::config::WebhookTarget;
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// What both sides know, without its `whsec_`.
const SECRET: &str = "dGhlIHJlY2VpdmVycyBzZWNyZXQgbnVtYmVyIDU4OTc=";

/// A part of the address that is a secret as well, as with some chats.
pub(crate) const PATH: &str = "/hooks/the-path-is-a-secret-9323";

/// A message that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) id: String,
    pub(crate) body: Value,
}

impl Taken {
    pub(crate) fn is(&self, event: &str, kind: &str) -> bool {
        self.body["type"] == event && self.body["data"]["kind"] == kind
    }
}

#[derive(Debug)]
struct Inner {
    status: AtomicU16,
    turned_away: AtomicUsize,
    taken: Mutex<Vec<Taken>>,
}

/// A receiver, whose socket stays open until the test ends.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: std::net::SocketAddr,
    inner: Arc<Inner>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let inner =
            Arc::new(Inner { status: AtomicU16::new(204), turned_away: AtomicUsize::new(0), taken: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route(PATH, post(take)).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, inner }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    pub(crate) fn secret() -> String {
        format!("whsec_{SECRET}")
    }

    /// What stands in the config.
    pub(crate) fn target(&self, name: &str) -> WebhookTarget {
        let (name, url) = (name.to_owned(), self.url());
        WebhookTarget { name, url, secret: Self::secret(), ..WebhookTarget::default() }
    }

    /// Answers everything with this status from now on; what is no 2xx is not taken.
    pub(crate) fn answer(&self, status: u16) {
        self.inner.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn turned_away(&self) -> usize {
        self.inner.turned_away.load(Ordering::SeqCst)
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.inner.taken.lock().unwrap().clone()
    }

    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Taken> {
        self.taken().into_iter().filter(|taken| taken.body["data"]["kind"] == kind).collect()
    }

    /// Waits for a message.
    pub(crate) async fn wait(&self, event: &str, kind: &str) -> Taken {
        eventually(&format!("{event} of {kind}"), super::PATIENCE, async || {
            self.taken().into_iter().find(|taken| taken.is(event, kind))
        })
        .await
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(SECRET).unwrap()).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&body);
    let signature = header("webhook-signature").strip_prefix("v1,").unwrap();
    if mac.verify_slice(&STANDARD.decode(signature).unwrap()).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    assert!(timestamp.parse::<i64>().unwrap() > 0);
    assert_eq!(header("content-type"), "application/json");
    let status = StatusCode::from_u16(inner.status.load(Ordering::SeqCst)).unwrap();
    if status.is_success() {
        let body = serde_json::from_slice(&body).unwrap();
        inner.taken.lock().unwrap().push(Taken { id: id.to_owned(), body });
    } else {
        inner.turned_away.fetch_add(1, Ordering::SeqCst);
    }
    status
}
