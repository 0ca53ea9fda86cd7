//! The demo ERP over its real socket, held to recordings of a real Odoo 19.

mod calls;
mod changes;
mod faults;
mod recordings;

use super::{Addon, DemoErp, Options};
use bridge_model::Timestamp;
use bridge_model::clock::ManualClock;
use serde_json::{Value, json};
use std::sync::Arc;

/// A demo ERP whose clock stands still, and a client.
struct Stage {
    erp: DemoErp,
    clock: Arc<ManualClock>,
    client: reqwest::Client,
}

async fn stage() -> Stage {
    stage_with(Addon::Bridgecore).await
}

async fn stage_with(addon: Addon) -> Stage {
    let clock = Arc::new(ManualClock::new(Timestamp::parse_rfc3339("2026-11-22T10:00:00Z").unwrap()));
    let erp = DemoErp::start(Options { addon, clock: clock.clone(), ..Options::default() }).await.unwrap();
    Stage { erp, clock, client: client() }
}

fn client() -> reqwest::Client {
    // Another test of this binary may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Stage {
    /// A request body to a route, and the JSON that comes back.
    async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.erp.url());
        let response = self.client.post(url).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// The whole answer to a call over `/jsonrpc`.
    async fn answer(&self, user: (i64, &str), model: &str, method: &str, args: Value, kwargs: Value) -> Value {
        let args = json!(["demo", user.0, user.1, model, method, args, kwargs]);
        let params = json!({"service": "object", "method": "execute_kw", "args": args});
        self.post("/jsonrpc", json!({"jsonrpc": "2.0", "method": "call", "id": 7, "params": params})).await
    }

    /// What a call of the administrator answers.
    async fn call(&self, model: &str, method: &str, args: Value, kwargs: Value) -> Value {
        let mut answer = self.answer((2, "admin"), model, method, args, kwargs).await;
        assert!(answer.get("error").is_none(), "{model}.{method}: {}", answer["error"]);
        answer.get_mut("result").map_or(Value::Null, Value::take)
    }

    /// The name and message of the error that a call of the administrator meets.
    async fn refused(&self, model: &str, method: &str, args: Value, kwargs: Value) -> (String, String) {
        let answer = self.answer((2, "admin"), model, method, args, kwargs).await;
        let data = &answer["error"]["data"];
        let text = |name: &str| data[name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        (text("name"), text("message"))
    }

    /// The ids of the events that can be read now.
    async fn event_ids(&self) -> Vec<i64> {
        let kwargs = json!({"domain": [], "fields": ["id"], "order": "id", "limit": 0});
        let rows = self.call("update.webhook", "search_read", json!([]), kwargs).await;
        rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
    }
}
