//! Pushing urgent events after their commit, as the add-on's worker does.

use super::{Shared, lock};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Where events are pushed to.
#[derive(Debug, Clone)]
pub(super) struct PushTarget {
    pub(super) url: String,
    pub(super) key: String,
}

/// How often one event is tried; after that it is left to the pull.
const ATTEMPTS_MAX: u32 = 6;
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Pushes until the server stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let client = match client() {
        Ok(client) => client,
        Err(error) => {
            tracing::warn!(%error, "the demo ERP can't push");
            return;
        }
    };
    loop {
        let target = lock(&shared.push).clone();
        let Some(target) = target else {
            // Nobody listens: what was urgent is pulled.
            shared.push_wake.notified().await;
            if lock(&shared.push).is_none() {
                lock(&shared.state).to_push.clear();
            }
            continue;
        };
        let next = lock(&shared.state).to_push.pop_front();
        match next {
            Some(id) => push(&shared, &client, &target, id).await,
            None => shared.push_wake.notified().await,
        }
    }
}

/// A client for plain HTTP: the demo ERP and its receiver are on one machine.
fn client() -> Result<reqwest::Client, Box<dyn std::error::Error + Send + Sync>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).timeout(TIMEOUT).no_proxy().build()?)
}

async fn push(shared: &Shared, client: &reqwest::Client, target: &PushTarget, id: i64) {
    let Some(body) = body(shared, id) else { return };
    for attempt in 0..ATTEMPTS_MAX {
        let request = client
            .post(format!("{}/api/v1/webhooks/receive", target.url))
            .header("x-api-key", &target.key)
            .header("content-type", "application/json")
            .body(body.to_string());
        match request.send().await.map(|response| response.status()) {
            Ok(status) if status.is_success() => return,
            // Another attempt would be refused as well.
            Ok(status) if matches!(status.as_u16(), 400 | 401 | 403 | 404 | 413 | 422) => {
                tracing::warn!(event.id = id, %status, "a pushed event was refused");
                return;
            }
            Ok(_) | Err(_) => tokio::time::sleep(BACKOFF_FIRST * 2_u32.pow(attempt)).await,
        }
    }
    tracing::warn!(event.id = id, "an event could not be pushed and is left to the pull");
}

/// The event as the receiver wants it; `None` if it is gone.
fn body(shared: &Shared, id: i64) -> Option<Value> {
    shared.read(|state| {
        let one = state.view().get(state.schema.find("update.webhook")?, id)?;
        let event = super::addon_methods::event(one);
        Some(json!({
            "model": event["model"],
            "record_id": event["record_id"],
            "event": event["event"],
            "priority": event["priority"],
            "timestamp": event["timestamp"],
            "changed_fields": event["changed_fields"],
            "user_id": event["user_id"],
            "payload": event["payload"],
            "idempotency_key": event["idempotency_key"],
            "_webhook_metadata": {"event_id": id, "epoch": state.epoch, "database": shared.database},
        }))
    })
}
