//! An ERP that pushes, and what the log then holds.

use crate::support::{Answer, App, Client};
use bridge_model::{Change, Position, TenantId};
use bridge_store::{LogQuery, LogRead};
use reqwest::Method;
use serde_json::{Value, json};

/// The path that ERPs push to.
pub(crate) const RECEIVE: &str = "/api/v1/webhooks/receive";

/// A system whose address nobody listens at: all that is known of it is what it pushes.
pub(crate) struct Pusher {
    client: Client,
    pub(crate) key: String,
}

impl Pusher {
    pub(crate) async fn register(app: &App, admin: &Client, system_id: &str) -> Self {
        let body = json!({
            "system_id": system_id,
            "system_type": "odoo",
            "connection_config": { "url": "http://127.0.0.1:9", "database": "none", "username": "u", "password": "p" },
        });
        let system = admin.post("/api/v1/systems", &body).await.expect(201);
        Self::with_key(app, system["push_key"].as_str().unwrap())
    }

    pub(crate) fn with_key(app: &App, key: &str) -> Self {
        Self { client: app.anonymous().with_token(key), key: key.to_owned() }
    }

    pub(crate) async fn push(&self, body: &Value) -> Answer {
        self.client.post(RECEIVE, body).await
    }

    pub(crate) async fn push_bytes(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.client.send_bytes(Method::POST, RECEIVE, body.into()).await
    }

    /// Pushes a write of each of these records; the record's number is the event's id as well.
    pub(crate) async fn writes(&self, model: &str, records: impl IntoIterator<Item = i64>) {
        let events: Vec<Value> = records.into_iter().map(|record| event(record, model, record, "write")).collect();
        let received = self.push(&Value::from(events.clone())).await.expect(200);
        assert_eq!(received["accepted"], events.len(), "{received}");
    }
}

/// An event with its id in the ERP.
pub(crate) fn event(id: i64, model: &str, record_id: i64, event: &str) -> Value {
    json!({
        "model": model,
        "record_id": record_id,
        "event": event,
        "timestamp": "2026-03-02T08:59:00Z",
        "_webhook_metadata": { "event_id": id },
    })
}

/// The whole log of the tenant that the admin belongs to.
pub(crate) async fn log_of(app: &App, admin: &Client) -> Vec<Change> {
    let tenant = tenant_of(admin).await;
    let mut log = Vec::new();
    let mut after = Position::START;
    loop {
        let query = LogQuery { after, models: None, system: None, limit: 1_000, scan_max: 1_000, contents: true };
        let LogRead::Page(page) = app.context().store.read(tenant, &query).await.unwrap() else {
            panic!("the log is not whole");
        };
        log.extend(page.changes);
        if page.scanned_to >= page.head {
            return log;
        }
        after = page.scanned_to;
    }
}

/// The tenant that a user belongs to.
pub(crate) async fn tenant_of(user: &Client) -> TenantId {
    TenantId(user.get("/api/v1/auth/me").await.expect(200)["tenant_id"].as_i64().unwrap())
}

/// The reasons and bytes of the tenant's dead letters, in the order of their arrival.
pub(crate) async fn dead_letters(app: &App, admin: &Client) -> Vec<(String, String)> {
    let letters = app.context().store.dead_letters(tenant_of(admin).await, None, 1_000).await.unwrap();
    letters.into_iter().map(|letter| (letter.reason, String::from_utf8_lossy(&letter.body).into_owned())).collect()
}
