//! How much one request may do, and requests that can't be understood.

use super::{codes, execute, partner};
use crate::records::Stage;
use crate::support::{Setup, on_both_databases};
use bridge_erp::fake::Fault;
use serde_json::{Value, json};

on_both_databases!(each_mistake_is_named, an_answer_has_its_largest_size, a_request_has_its_time,);

async fn each_mistake_is_named(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.batch.operations_max = 3)).await;
    let read = json!({ "action": "read", "model": "res.partner", "record_id": 1 });
    for (body, field) in [
        (json!({}), "operations"),
        (json!({ "operations": [] }), "operations"),
        (json!({ "operations": [read, read, read, read] }), "operations"),
        (json!({ "operations": read }), "operations"),
        (json!({ "operations": [{ "action": "fly", "model": "res.partner" }] }), "operations[0].action"),
        (json!({ "operations": [read, { "action": "read" }] }), "operations[1].model"),
        (json!({ "operations": [{ "action": "read", "model": "res.partner", "x": 1 }] }), "operations[0].x"),
        (json!({ "operations": [read], "stop_on_eror": true }), "stop_on_eror"),
        (json!({ "operations": [read], "stop_on_error": "no" }), "stop_on_error"),
        (json!({ "operations": [read], "system_id": "no such" }), "system_id"),
        (
            json!({ "operations": [{ "action": "read", "model": "res.partner", "record_id": "$0.id" }] }),
            "operations[0]",
        ),
        (
            json!({ "operations": [read, { "action": "create", "model": "a.b", "data": { "x": [["$7.id"]] } }] }),
            "operations[1]",
        ),
    ] {
        let refused = execute(&stage.admin, body.clone()).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(refused["details"]["field"], field, "{body}: {refused}");
    }
    let elsewhere = json!({ "operations": [read], "system_id": "no-such" });
    execute(&stage.admin, elsewhere).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    stage.end().await;
}

async fn an_answer_has_its_largest_size(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.batch.answer_bytes_max = 2_000)).await;
    let read =
        json!({ "action": "read", "model": "res.partner", "domain": [], "fields": ["name", "email"], "limit": 15 });
    let operations: Vec<&Value> = vec![&read; 20];
    let answer = stage.batch(json!(operations), false).await;
    let codes = codes(&answer);
    let done = codes.iter().take_while(|code| **code == "done").count();
    assert!((1..10).contains(&done), "{codes:?}");
    assert!(codes[done..].iter().all(|code| *code == "NOT_ATTEMPTED"), "{codes:?}");
    stage.end().await;
}

async fn a_request_has_its_time(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.server.request_timeout_ms = 6_000)).await;
    stage.batch(json!([partner("Before")]), false).await;
    let faults = stage.erp.faults();
    faults.fail_method("res.partner", "create", 1, Fault::Hang);
    let answer =
        stage.batch(json!([partner("Late"), partner("Late"), { "action": "count", "model": "res.partner" }]), false);
    assert_eq!(codes(&answer.await), ["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN", "NOT_ATTEMPTED"]);
    faults.clear();
    faults.fail_method("res.country", "search_count", 10, Fault::Hang);
    let count = json!({ "action": "count", "model": "res.country" });
    let answer = stage.batch(json!([count, partner("Later")]), false).await;
    assert_eq!(codes(&answer), ["SERVICE_UNAVAILABLE", "NOT_ATTEMPTED"]);
    assert_eq!(stage.partners("Late").await, [] as [Value; 0]);
    stage.end().await;
}
