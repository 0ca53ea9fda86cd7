//! What the ERP refuses, and what happens when it is away.

use super::{Stage, crud};
use crate::support::{Setup, on_both_databases};
use bridge_erp::fake::Fault;
use serde_json::json;

on_both_databases!(
    each_refusal_has_its_status_and_code,
    an_erp_that_is_away_is_told_apart,
    a_request_that_takes_too_long_does_not_hide_that_a_write_was_sent,
);

async fn each_refusal_has_its_status_and_code(setup: Setup) {
    let stage = Stage::open(setup).await;
    stage
        .allow(json!({
            "res.partner": { "operations": ["read", "create", "update", "delete"], "methods": ["no_such_method"] },
            "sale.order": { "operations": ["read", "create", "update", "delete"], "methods": ["action_confirm"] },
            "sale.order.line": { "operations": ["create"] },
            "no.such.model": { "operations": ["read", "create"], "methods": ["run"] },
        }))
        .await;
    let missing = json!({ "action": "call", "model": "sale.order", "record_id": 999_999, "method": "action_confirm" });
    for (request, status, code, error_type) in [
        (json!({ "action": "read", "model": "no.such.model" }), 404, "MODEL_NOT_FOUND", "permanent"),
        (
            json!({ "action": "create", "model": "no.such.model", "data": { "a": 1 } }),
            404,
            "MODEL_NOT_FOUND",
            "permanent",
        ),
        (
            json!({ "action": "call", "model": "res.partner", "record_id": 1, "method": "no_such_method" }),
            404,
            "METHOD_NOT_FOUND",
            "permanent",
        ),
        (missing, 404, "RECORD_NOT_FOUND", "business"),
        (
            json!({ "action": "update", "model": "res.partner", "record_id": 999_999, "data": { "name": "x" } }),
            404,
            "RECORD_NOT_FOUND",
            "business",
        ),
        (
            json!({ "action": "create", "model": "res.partner", "data": { "email": "x" } }),
            422,
            "ERP_VALIDATION_FAILED",
            "business",
        ),
        (
            json!({ "action": "update", "model": "res.partner", "record_id": 1, "data": { "parent_id": 1 } }),
            422,
            "ERP_VALIDATION_FAILED",
            "business",
        ),
        (
            json!({ "action": "create", "model": "res.partner", "data": { "name": "x", "type": "nonsense" } }),
            400,
            "DATA_VALIDATION_FAILED",
            "business",
        ),
        (
            json!({ "action": "delete", "model": "res.partner", "record_id": 1 }),
            422,
            "ERP_VALIDATION_FAILED",
            "business",
        ),
    ] {
        let refused = crud(&stage.admin, request.clone()).await.expect_problem(status, code);
        assert_eq!(refused["details"]["error_type"], error_type, "{request}: {refused}");
        assert!(!refused.to_string().contains("Traceback"), "{refused}");
    }
    // What the ERP says to people is passed on as it is.
    let order = json!({ "action": "create", "model": "sale.order", "data": { "partner_id": 1, "order_line": [[0, 0, { "product_id": 1 }]] } });
    let order = stage.result(order).await["id"].clone();
    let confirm = json!({ "action": "call", "model": "sale.order", "record_id": order, "method": "action_confirm" });
    stage.result(confirm.clone()).await;
    let again = crud(&stage.admin, confirm).await.expect_problem(422, "ERP_BUSINESS_RULE");
    assert_eq!(again["details"]["erp_error"], "odoo.exceptions.UserError");
    stage.end().await;
}

async fn an_erp_that_is_away_is_told_apart(setup: Setup) {
    let stage = Stage::open(setup.config(|config| {
        config.erp.call_timeout_ms = 5_000;
        config.erp.circuit_failures_max = 1_000;
    }))
    .await;
    let read = json!({ "action": "read", "model": "res.country", "limit": 1 });
    stage.result(read.clone()).await;
    let faults = stage.erp.faults();
    // Reads are tried again; a write is not.
    faults.fail_method("res.country", "search_read", 2, Fault::Reset);
    stage.result(read.clone()).await;
    let create = json!({ "action": "create", "model": "res.partner", "data": { "name": "Once" } });
    stage.result(create.clone()).await;
    faults.reset_counts();
    faults.fail_method("res.partner", "create", 1, Fault::Hang);
    let late = crud(&stage.admin, create.clone()).await.expect_problem(502, "OUTCOME_UNKNOWN");
    // Nobody may simply send it again.
    let told = (&late["details"]["error_type"], &late["details"]["safe_to_repeat"]);
    assert_eq!(told, (&json!("permanent"), &json!(false)));
    assert_eq!(faults.calls("res.partner", "create"), 1, "a write is sent once");
    faults.fail_method("res.partner", "create", 1, Fault::Status(502));
    crud(&stage.admin, create.clone()).await.expect_problem(502, "OUTCOME_UNKNOWN");
    faults.clear();
    // The work is done and its answer lost: nobody says that it failed, and what to look at is told.
    faults.fail_method("res.partner", "create", 1, Fault::ResetAfterWork);
    let mut lost = create.clone();
    lost["data"]["name"] = json!("Lost answer");
    let lost = crud(&stage.admin, lost).await.expect_problem(502, "OUTCOME_UNKNOWN");
    let found = stage.result(lost["details"]["check"].clone()).await;
    assert_eq!(found[0]["name"], "Lost answer");
    faults.fail_method("res.partner", "write", 1, Fault::CutReply);
    let update = json!({ "action": "update", "model": "res.partner", "record_id": 1, "data": { "city": "Oujda" } });
    let lost = crud(&stage.admin, update).await.expect_problem(502, "OUTCOME_UNKNOWN");
    assert_eq!(stage.result(lost["details"]["check"].clone()).await[0]["city"], "Oujda");
    stage.erp.stop().await;
    // Connections that were open are found to be closed by a read; from then on it is certain that nothing leaves.
    crud(&stage.admin, read.clone()).await.expect_problem(502, "CONNECTION_REFUSED");
    let down = crud(&stage.admin, create).await;
    assert!(down.headers.contains_key("retry-after"));
    down.expect_problem(502, "CONNECTION_REFUSED");
    stage.app.stop().await;
}

async fn a_request_that_takes_too_long_does_not_hide_that_a_write_was_sent(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.server.request_timeout_ms = 6_000)).await;
    let create = json!({ "action": "create", "model": "res.partner", "data": { "name": "Once" } });
    stage.result(create.clone()).await;
    // The system is slower than a request may be, though not slower than a call may be.
    stage.erp.faults().fail_method("res.partner", "create", 1, Fault::Hang);
    crud(&stage.admin, create.clone()).await.expect_problem(502, "OUTCOME_UNKNOWN");
    // What was written is answered without being read back.
    stage.erp.faults().fail_method("res.partner", "search_read", 4, Fault::Hang);
    let made = stage.result(create).await;
    assert!(made["id"].is_i64() && made["name"].is_null(), "{made}");
    stage.end().await;
}
