//! What was raised is told, whatever happens to the service or to whom it tells.

use super::receiver::Receiver;
use super::{PATIENCE, telling};
use crate::crash::process::Process;
use crate::ingest::pusher::Pusher;
use crate::support::{Setup, eventually, on_both_databases};
use std::collections::BTreeMap;

on_both_databases!(what_was_raised_before_a_kill_is_told_after_it);

fn variables(receiver: &Receiver) -> Vec<(&'static str, String)> {
    let (url, secret) = (receiver.url(), Receiver::secret());
    let target = format!("[{{name=\"chat\", url=\"{url}\", secret=\"{secret}\", kinds=[\"dead_letters\"]}}]");
    let variable = |name, value: &str| (name, value.to_owned());
    vec![
        ("BRIDGECORE_ALERTS__WEBHOOKS", target),
        variable("BRIDGECORE_ALERTS__LOOK_INTERVAL_MS", "20"),
        variable("BRIDGECORE_ALERTS__RETRY_MIN_MS", "20"),
        variable("BRIDGECORE_ALERTS__RETRY_MAX_MS", "100"),
        variable("BRIDGECORE_ALERTS__SEND_TIMEOUT_MS", "500"),
    ]
}

async fn what_was_raised_before_a_kill_is_told_after_it(setup: Setup) {
    let receiver = Receiver::start().await;
    receiver.answer(503);
    let variables = variables(&receiver);
    let start = async || Process::try_start(&setup, &variables).await.unwrap();
    let process = start().await;
    let key = process.register(&process.admin().await).await;
    let request = process.http.post(format!("{}/api/v1/webhooks/receive", process.base)).header("x-api-key", &key);
    let answer = request.header("content-type", "application/json").body("{").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    // Right after it was answered, and again while it is tried in vain.
    process.kill_9().await;
    let process = start().await;
    eventually("it is tried", PATIENCE, async || (receiver.turned_away() > 0).then_some(())).await;
    process.kill_9().await;
    receiver.answer(200);
    let process = start().await;
    let told = receiver.wait("alert.open", "dead_letters").await;
    assert_eq!(told.body["data"]["times"], 1);
    assert_eq!(told.body["data"]["system_id"], "odoo_main");
    process.kill_9().await;
    // Nothing is told a second time by the next one, which tells of something else.
    let process = start().await;
    let other = process.http.post(format!("{}/api/v1/systems", process.base)).bearer_auth(process.admin().await);
    let body = serde_json::json!({
        "system_id": "second", "system_type": "odoo",
        "connection_config": { "url": "http://127.0.0.1:9", "database": "none", "username": "u", "password": "p" },
    });
    let answer: serde_json::Value = other.json(&body).send().await.unwrap().json().await.unwrap();
    let request = process.http.post(format!("{}/api/v1/webhooks/receive", process.base));
    let request = request.header("x-api-key", answer["push_key"].as_str().unwrap());
    request.header("content-type", "application/json").body("{").send().await.unwrap();
    eventually("the second is told of", PATIENCE, async || {
        receiver.taken().iter().any(|taken| taken.body["data"]["system_id"] == "second").then_some(())
    })
    .await;
    let mut times = BTreeMap::new();
    for taken in receiver.taken() {
        *times.entry(taken.id).or_insert(0) += 1;
    }
    // The kill may have come between the answer and the note of it: then it came twice, with the same id.
    assert_eq!(times.len(), 2, "{times:?}");
    process.kill_9().await;
}

/// Only PostgreSQL lets two nodes in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_tells() {
    const SYSTEMS: usize = 12;
    let receiver = Receiver::start().await;
    let setup = telling(Setup::postgres().await, &receiver).config(|config| {
        config.alerts.webhooks[0].kinds = vec!["dead_letters".to_owned()];
    });
    let (one, other) = (setup.start().await, setup.start().await);
    let admin = one.admin().await;
    for number in 0..SYSTEMS {
        let shop = Pusher::register(&one, &admin, &format!("shop-{number}")).await;
        let there = Pusher::with_key(&other, &shop.key);
        shop.push_bytes("{").await.expect_problem(400, "MALFORMED_JSON");
        there.push_bytes("{").await.expect_problem(400, "MALFORMED_JSON");
    }
    eventually("all are told of", PATIENCE, async || (receiver.taken().len() >= SYSTEMS).then_some(())).await;
    let waiting = async || one.context().store.open_jobs("send_alert").await.unwrap();
    eventually("nothing waits", PATIENCE, async || (waiting().await == 0).then_some(())).await;
    let mut of_systems = BTreeMap::new();
    for taken in receiver.taken() {
        *of_systems.entry(taken.body["data"]["system_id"].to_string()).or_insert(0) += 1;
    }
    assert_eq!(of_systems.len(), SYSTEMS);
    assert!(of_systems.values().all(|times| *times == 1), "{of_systems:?}");
    one.stop().await;
    other.stop().await;
}
