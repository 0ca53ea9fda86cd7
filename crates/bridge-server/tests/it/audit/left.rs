//! Writes whose caller goes away before they end.

use super::{PATIENCE, entries, told};
use crate::records::{Stage, crud};
use crate::seen::scrape::Scrape;
use crate::support::{Client, Setup, demo_erp_without_addon, eventually, on_both_databases};
use bridge_erp::fake::Fault;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;

on_both_databases!(
    a_write_goes_on_when_its_caller_goes_away,
    a_batch_goes_on_when_its_caller_goes_away,
    a_service_that_stops_waits_for_a_write_that_nobody_waits_for,
);

const CREATE: (&str, &str) = ("res.partner", "create");

async fn stage(setup: Setup) -> Stage {
    Stage::open_with(setup, demo_erp_without_addon().await).await
}

/// Sends a request, and goes away while the ERP holds the write that it makes; ends when the service knows that.
async fn left(stage: &Stage, path: &str, body: Value) {
    let (faults, before) = (stage.erp.faults(), Scrape::of(&stage.app).await.count("writes_left_total"));
    faults.reset_counts();
    faults.fail_method(CREATE.0, CREATE.1, 1, Fault::Held);
    let request = stage.admin.request(Method::POST, path).json(&body);
    let gone = tokio::spawn(request.send());
    eventually("the ERP holds the write", PATIENCE, async || (faults.calls(CREATE.0, CREATE.1) == 1).then_some(()))
        .await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    Scrape::until(&stage.app, "the caller is known to be gone", |seen| seen.count("writes_left_total") == before + 1)
        .await;
}

fn create(data: &Value) -> Value {
    json!({ "action": "create", "model": "res.partner", "data": data })
}

/// The entries of partners, once the newest has an outcome.
async fn settled(admin: &Client) -> Vec<Value> {
    eventually("the outcome is there", PATIENCE, async || {
        let entries = entries(admin, "model=res.partner").await;
        (entries[0]["outcome"] != "unknown").then_some(entries)
    })
    .await
}

async fn ids(stage: &Stage, name: &str) -> Value {
    stage.result(json!({ "action": "search", "model": "res.partner", "domain": [["name", "=", name]] })).await
}

async fn a_write_goes_on_when_its_caller_goes_away(setup: Setup) {
    let stage = stage(setup).await;
    left(&stage, "/api/v1/systems/demo/crud", create(&json!({ "name": "Gone" }))).await;
    let under_way = entries(&stage.admin, "model=res.partner").await;
    assert_eq!(told(&under_way), [["create", "res.partner", "unknown"]]);
    assert_eq!(under_way[0]["code"], Value::Null);
    stage.erp.faults().let_go();
    let done = settled(&stage.admin).await.remove(0);
    assert_eq!((&done["id"], &done["outcome"]), (&under_way[0]["id"], &json!("done")));
    assert_eq!(done["record_ids"], ids(&stage, "Gone").await, "the one record that there is");
    assert_eq!(done["record_ids"].as_array().map(Vec::len), Some(1));
    // What the ERP says no to is told as well.
    left(&stage, "/api/v1/systems/demo/crud", create(&json!({ "email": "nameless@example.com" }))).await;
    stage.erp.faults().let_go();
    let refused = settled(&stage.admin).await.remove(0);
    assert_eq!((&refused["outcome"], &refused["code"]), (&json!("refused"), &json!("ERP_VALIDATION_FAILED")));
    // Who waits is not counted.
    crud(&stage.admin, create(&json!({ "name": "Stayed" }))).await.expect(200);
    assert_eq!(Scrape::of(&stage.app).await.count("writes_left_total"), 2);
    stage.end().await;
}

async fn a_batch_goes_on_when_its_caller_goes_away(setup: Setup) {
    let stage = stage(setup).await;
    let second =
        json!({ "action": "update", "model": "res.partner", "record_id": "$0.id", "data": { "ref": "second" } });
    let operations = json!([create(&json!({ "name": "First" })), second]);
    left(&stage, "/api/v1/batch/execute", json!({ "system_id": "demo", "operations": operations })).await;
    stage.erp.faults().let_go();
    let done = eventually("both are done", PATIENCE, async || {
        let entries = entries(&stage.admin, "model=res.partner&outcome=done").await;
        (entries.len() == 2).then_some(entries)
    })
    .await;
    assert_eq!(told(&done), [["create", "res.partner", "done"], ["update", "res.partner", "done"]]);
    assert_eq!(done[0]["record_ids"], ids(&stage, "First").await);
    stage.end().await;
}

async fn a_service_that_stops_waits_for_a_write_that_nobody_waits_for(setup: Setup) {
    let stage = stage(setup).await;
    left(&stage, "/api/v1/systems/demo/crud", create(&json!({ "name": "Gone" }))).await;
    let address = stage.app.address();
    let stopping = tokio::spawn(stage.app.stop());
    eventually("the service stops", PATIENCE, async || TcpStream::connect(address).await.err()).await;
    stage.erp.faults().let_go();
    let app = stopping.await.unwrap().start().await;
    let entries = entries(&app.admin().await, "model=res.partner").await;
    assert_eq!(told(&entries), [["create", "res.partner", "done"]]);
    app.stop().await;
    stage.erp.stop().await;
}
