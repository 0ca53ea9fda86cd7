//! What became of a write is found out after its answer was lost, or is not.

use super::{PATIENCE, entries, told};
use crate::records::keyed::{KEYED, create, keyed, killed_in_the_middle};
use crate::records::{Stage, result};
use crate::support::{Answer, Client, Setup, demo_erp, demo_erp_without_addon, eventually, on_both_databases};
use bridge_erp::fake::Fault;
use serde_json::{Value, json};

on_both_databases!(
    a_lost_answer_that_is_found_is_told,
    what_was_done_is_not_read_as_what_was_before,
    a_write_that_was_cut_off_is_settled_by_its_key,
    a_write_that_was_cut_off_stays_unknown_where_nobody_keeps_answers,
);

async fn a_lost_answer_that_is_found_is_told(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.erp.circuit_failures_max = 1_000)).await;
    stage.erp.faults().fail_method(KEYED.0, KEYED.1, 4, Fault::ResetAfterWork);
    keyed(&stage.admin, "order-0001", &create("Lost")).await.expect_problem(502, "OUTCOME_UNKNOWN");
    let entry = entries(&stage.admin, "model=res.partner").await.remove(0);
    assert_eq!((&entry["outcome"], &entry["code"]), (&json!("unknown"), &json!("OUTCOME_UNKNOWN")));
    // What goes wrong now says nothing of what was done then.
    stage.allow(json!({ "res.partner": { "operations": ["read"] } })).await;
    keyed(&stage.admin, "order-0001", &create("Lost")).await.expect_problem(502, "OUTCOME_UNKNOWN");
    assert_eq!(entries(&stage.admin, "model=res.partner").await, std::slice::from_ref(&entry));
    stage.allow(json!({ "res.partner": { "operations": ["read", "create"] } })).await;
    let id = keyed(&stage.admin, "order-0001", &create("Lost")).await.expect(200)["result"]["id"].clone();
    let mut found = entry;
    found["outcome"] = json!("done");
    found["code"] = Value::Null;
    found["record_ids"] = json!([id]);
    assert_eq!(entries(&stage.admin, "model=res.partner").await, [found], "one write, one entry");
    stage.end().await;
}

async fn what_was_done_is_not_read_as_what_was_before(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.erp.circuit_failures_max = 1_000)).await;
    let update =
        |text: &str| json!({ "action": "update", "model": "res.partner", "record_id": 1, "data": { "ref": text } });
    result(&stage.admin, update("before")).await;
    stage.erp.faults().fail_method(KEYED.0, KEYED.1, 4, Fault::ResetAfterWork);
    keyed(&stage.admin, "order-0001", &update("after")).await.expect_problem(502, "OUTCOME_UNKNOWN");
    keyed(&stage.admin, "order-0001", &update("after")).await.expect(200);
    let entry = entries(&stage.admin, "model=res.partner").await.remove(0);
    assert_eq!((&entry["outcome"], &entry["idempotency_key"]), (&json!("done"), &json!("order-0001")));
    assert_eq!(entry["values"], json!({ "before": [{ "id": 1, "ref": "before" }], "after": { "ref": "after" } }));
    stage.end().await;
}

/// Comes with the key again until nobody is at work on its write any more.
async fn again(admin: &Client) -> Answer {
    eventually("the key is free", PATIENCE, async || {
        let answer = keyed(admin, "order-0001", &create("Killed")).await;
        (answer.status != 409).then_some(answer)
    })
    .await
}

async fn a_write_that_was_cut_off_is_settled_by_its_key(setup: Setup) {
    let (setup, erp, _) = killed_in_the_middle(setup, demo_erp().await, KEYED).await;
    let app = setup.start().await;
    let admin = app.admin().await;
    let cut_off = entries(&admin, "model=res.partner").await;
    assert_eq!(told(&cut_off), [["create", "res.partner", "unknown"]]);
    assert_eq!((&cut_off[0]["code"], &cut_off[0]["record_ids"]), (&Value::Null, &json!([])));
    let id = again(&admin).await.expect(200)["result"]["id"].clone();
    let settled = entries(&admin, "model=res.partner").await;
    assert_eq!(told(&settled), [["create", "res.partner", "done"]]);
    assert_eq!((&settled[0]["id"], &settled[0]["record_ids"]), (&cut_off[0]["id"], &json!([id])));
    app.stop().await;
    erp.stop().await;
}

async fn a_write_that_was_cut_off_stays_unknown_where_nobody_keeps_answers(setup: Setup) {
    let bare = demo_erp_without_addon().await;
    let (setup, erp, _) = killed_in_the_middle(setup, bare, ("res.partner", "create")).await;
    let app = setup.start().await;
    let admin = app.admin().await;
    again(&admin).await.expect_problem(502, "OUTCOME_UNKNOWN");
    let unknown = entries(&admin, "model=res.partner").await;
    assert_eq!(told(&unknown), [["create", "res.partner", "unknown"]]);
    assert_eq!(unknown[0]["values"]["after"]["name"], "Killed");
    app.stop().await;
    erp.stop().await;
}
