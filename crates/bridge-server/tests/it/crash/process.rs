//! The binary as a process of its own.

use crate::support::{Client, Setup};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_bridgecore");

/// A running `bridgecore serve`. It is killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
}

impl Process {
    /// Starts the binary on the setup's database.
    pub(crate) async fn start(setup: &Setup) -> Self {
        Self::try_start(setup, &[]).await.expect("the service ended before it listened")
    }

    /// The same with further variables; `None` if it ended before it listened.
    pub(crate) async fn try_start(setup: &Setup, variables: &[(&str, String)]) -> Option<Self> {
        let mut command = Command::new(BINARY);
        command.arg("serve").stdout(Stdio::piped()).kill_on_drop(true);
        let further = variables.iter().map(|(name, value)| (*name, value.clone()));
        for (name, value) in setup.environment().into_iter().chain(further) {
            command.env(name, value);
        }
        let mut child = command.env("BRIDGECORE_LOG__LEVEL", "error").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = loop {
            let line = lines.next_line().await.unwrap()?;
            if let Some((_, base)) = line.split_once("listens on ") {
                break base.to_owned();
            }
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        Some(Self { child, base, http: reqwest::Client::builder().no_proxy().build().unwrap() })
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Ends it as a power cut would end the process: at once and without a word.
    pub(crate) async fn kill_9(mut self) {
        self.child.kill().await.unwrap();
    }

    /// The admin's access token.
    pub(crate) async fn admin(&self) -> String {
        let body = json!({ "username": "admin", "password": crate::support::ADMIN_PASSWORD });
        let answer = self.http.post(format!("{}/api/v1/auth/login", self.base)).json(&body).send().await.unwrap();
        let tokens: Value = answer.json().await.unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    /// A client of the admin.
    pub(crate) async fn client(&self) -> Client {
        Client::of(self.base.trim_start_matches("http://")).with_token(&self.admin().await)
    }

    /// Registers a system that answers nothing, and gives back its push key.
    pub(crate) async fn register(&self, token: &str) -> String {
        let body = json!({
            "system_id": "odoo_main",
            "system_type": "odoo",
            "name": "Only pushes",
            // Nothing listens on port 9 here: changes arrive by push alone.
            "connection_config": {
                "url": "http://127.0.0.1:9", "database": "none", "username": "nobody", "password": "none",
            },
        });
        let request = self.http.post(format!("{}/api/v1/systems", self.base)).bearer_auth(token).json(&body);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["push_key"].as_str().unwrap_or_else(|| panic!("no push key: {answer}")).to_owned()
    }

    /// Pushes one event and says whether it got a 2xx. An error means that the service is gone.
    pub(crate) async fn push(&self, key: &str, event_id: i64) -> Result<bool, reqwest::Error> {
        push(&self.http, &self.base, key, event_id).await
    }

    /// Every record id in the log, in the order of positions.
    pub(crate) async fn log(&self, token: &str) -> Vec<i64> {
        let mut records = Vec::new();
        let mut last_sync_token = "0".to_owned();
        loop {
            let body = json!({
                "device_id": "log-reader", "app_type": "mobile_app", "limit": 1000, "last_sync_token": last_sync_token,
            });
            let request = self.http.post(format!("{}/api/v2/sync/pull", self.base)).bearer_auth(token).json(&body);
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            let events = answer["events"].as_array().unwrap_or_else(|| panic!("no events: {answer}"));
            records.extend(events.iter().map(|event| event["record_id"].as_i64().unwrap()));
            answer["next_sync_token"].as_str().unwrap().clone_into(&mut last_sync_token);
            if !answer["has_more"].as_bool().unwrap() {
                return records;
            }
        }
    }
}

/// Pushes one event, whose record has the same number as the event.
pub(crate) async fn push(http: &reqwest::Client, base: &str, key: &str, event_id: i64) -> Result<bool, reqwest::Error> {
    let body = json!({
        "model": "res.partner", "record_id": event_id, "event": "write",
        "_webhook_metadata": { "event_id": event_id },
    });
    let request = http.post(format!("{base}/api/v1/webhooks/receive")).header("x-api-key", key).json(&body);
    Ok(request.send().await?.status().is_success())
}
