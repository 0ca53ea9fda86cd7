//! People who are told when something needs them.

mod certificate;
mod circuits;
mod command;
mod dead_letters;
mod encrypted;
mod jobs;
mod kept;
mod mail_server;
mod mails;
pub(crate) mod receiver;
mod sources;

use crate::support::{Client, Setup};
use bridge_server::config::WebhookTarget;
use receiver::Receiver;
use serde_json::Value;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

/// With alerts posted to this receiver, soon and again soon.
pub(crate) fn telling(setup: Setup, receiver: &Receiver) -> Setup {
    let target = receiver.target("chat");
    telling_all(setup, vec![target])
}

fn telling_all(setup: Setup, webhooks: Vec<WebhookTarget>) -> Setup {
    setup.config(|config| {
        config.wal.backoff_max_ms = 500;
        let alerts = &mut config.alerts;
        (alerts.look_interval_ms, alerts.settle_ms) = (20, 500);
        (alerts.retry_min_ms, alerts.retry_max_ms) = (20, 100);
        alerts.webhooks = webhooks;
    })
}

/// The admin's alerts.
async fn alerts(admin: &Client, query: &str) -> Vec<Value> {
    admin.get(&format!("/api/v1/alerts?{query}")).await.expect(200)["items"].as_array().unwrap().clone()
}
