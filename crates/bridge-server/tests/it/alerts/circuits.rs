//! Circuit breakers that open and close.

use super::receiver::Receiver;
use super::{PATIENCE, alerts, telling};
use crate::ingest::pusher::Pusher;
use crate::records::{Stage, crud};
use crate::support::{Setup, eventually, on_both_databases};
use serde_json::json;

on_both_databases!(
    that_it_opened_and_that_it_closed_is_told_once_each,
    what_is_over_before_anybody_could_be_told_is_told_as_over,
);

/// Lets the system fail until its circuit opens.
async fn open_circuit(stage: &Stage) {
    stage.erp.stop().await;
    eventually("the circuit opens", PATIENCE, async || {
        let read = json!({ "action": "read", "model": "res.country", "limit": 1 });
        (crud(&stage.admin, read).await.body["code"] == "CIRCUIT_OPEN").then_some(())
    })
    .await;
}

async fn that_it_opened_and_that_it_closed_is_told_once_each(setup: Setup) {
    let receiver = Receiver::start().await;
    let stage = Stage::open(telling(setup, &receiver)).await;
    open_circuit(&stage).await;
    let told = receiver.wait("alert.open", "circuit_open").await;
    let data = &told.body["data"];
    assert_eq!((&data["system_id"], &data["state"], &data["times"]), (&json!("demo"), &json!("open"), &json!(1)));
    assert_eq!((&data["tenant_id"], &data["resolved_at"]), (&json!(1), &json!(null)), "{data}");
    assert_eq!(data["title"], "demo does not answer and is left alone for a while");
    assert!(data["details"]["failures"].as_u64().unwrap() >= 5, "{data}");
    assert!(data["raised_at"].as_str().unwrap().ends_with('Z') && told.body["timestamp"].is_string());
    let open = alerts(&stage.admin, "state=open").await;
    let seen = open.iter().find(|alert| alert["kind"] == "circuit_open").unwrap();
    assert_eq!((&seen["id"], &seen["system_id"]), (&data["id"], &json!("demo")));
    assert!(seen["told_at"].is_string() && seen["advice"].as_str().unwrap().contains("doctor"), "{seen}");
    let metrics = stage.app.anonymous().get("/metrics").await.expect(200);
    assert!(metrics.as_str().unwrap().contains("alerts_open{kind=\"circuit_open\"} 1"), "{metrics}");

    stage.erp.restart().await.unwrap();
    let over = receiver.wait("alert.resolved", "circuit_open").await;
    assert_eq!(over.body["data"]["id"], data["id"]);
    assert!(over.body["data"]["resolved_at"].is_string() && over.id != told.id);
    let listed = alerts(&stage.admin, "state=resolved").await;
    assert!(listed.iter().any(|alert| alert["id"] == data["id"] && alert["resolved_at"].is_string()), "{listed:?}");
    // What is told after this shows that nothing more of it was to come.
    let shop = Pusher::register(&stage.app, &stage.admin, "shop").await;
    shop.push_bytes("{").await.expect_problem(400, "MALFORMED_JSON");
    receiver.wait("alert.open", "dead_letters").await;
    let of_demo = |taken: &&super::receiver::Taken| taken.body["data"]["system_id"] == "demo";
    assert_eq!(receiver.taken().iter().filter(of_demo).count(), 2, "{:?}", receiver.taken());
    stage.end().await;
}

async fn what_is_over_before_anybody_could_be_told_is_told_as_over(setup: Setup) {
    let receiver = Receiver::start().await;
    receiver.answer(503);
    let stage = Stage::open(telling(setup, &receiver)).await;
    open_circuit(&stage).await;
    eventually("it is tried to tell", PATIENCE, async || (receiver.turned_away() > 2).then_some(())).await;
    stage.erp.restart().await.unwrap();
    eventually("it is over", PATIENCE, async || {
        let over = alerts(&stage.admin, "state=resolved").await;
        over.iter().any(|alert| alert["kind"] == "circuit_open").then_some(())
    })
    .await;
    receiver.answer(200);
    receiver.wait("alert.resolved", "circuit_open").await;
    assert_eq!(receiver.of_kind("circuit_open").len(), 1, "{:?}", receiver.taken());
    let metrics = stage.app.anonymous().get("/metrics").await.expect(200);
    assert!(metrics.as_str().unwrap().contains("alerts_sent_total{outcome=\"failed\",target=\"chat\"}"), "{metrics}");
    stage.end().await;
}
