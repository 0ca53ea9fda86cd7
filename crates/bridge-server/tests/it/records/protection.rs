//! One system that is down or slow takes no more of the service than its share.

use super::{Stage, crud};
use crate::support::{Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use bridge_erp::fake::Fault;
use futures_util::future::join_all;
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

on_both_databases!(
    a_system_that_does_not_answer_is_left_alone_and_taken_up_again,
    what_a_system_refuses_does_not_open_the_circuit,
    a_slow_system_turns_away_what_is_too_much,
    operations_are_counted,
);

async fn a_system_that_does_not_answer_is_left_alone_and_taken_up_again(setup: Setup) {
    let stage = Stage::open(setup).await;
    let read = json!({ "action": "read", "model": "res.country", "limit": 1 });
    stage.result(read.clone()).await;
    let status = stage.admin.get("/api/v1/systems/demo/status").await.expect(200);
    let closed = json!({ "state": "closed", "failures": 0, "opened_at": null, "retry_at": null });
    assert_eq!(status["circuit_breaker"], closed);
    stage.erp.stop().await;
    // A read tries four times, and the background reader fails as well.
    let opened = eventually("the circuit opens", PATIENCE, async || {
        let answer = crud(&stage.admin, read.clone()).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    let wait: u64 = opened.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let opened = opened.expect_problem(503, "CIRCUIT_OPEN");
    assert_eq!(opened["details"]["error_type"], "transient");
    let status = stage.admin.get("/api/v1/systems/demo/status").await.expect(200);
    assert_eq!(status["circuit_breaker"]["state"], "open", "{status}");
    assert!(status["circuit_breaker"]["failures"].as_u64().unwrap() >= 5, "{status}");
    let metrics = stage.app.anonymous().get("/metrics").await.expect(200);
    let line = format!("circuit_breaker_state{{system_id=\"demo\",tenant=\"{}\"}} 2", 1);
    assert!(metrics.as_str().unwrap().contains(&line), "{metrics}");
    // Nobody waits for a minute: the background reader finds out that the system is back.
    stage.erp.restart().await.unwrap();
    eventually("the circuit closes", PATIENCE, async || {
        (crud(&stage.admin, read.clone()).await.status == 200).then_some(())
    })
    .await;
    let status = stage.admin.get("/api/v1/systems/demo/status").await.expect(200);
    assert_eq!(status["circuit_breaker"], closed);
    stage.end().await;
}

async fn what_a_system_refuses_does_not_open_the_circuit(setup: Setup) {
    let stage = Stage::open(setup).await;
    for _ in 0..10 {
        let wrong = json!({ "action": "create", "model": "res.partner", "data": { "email": "x" } });
        crud(&stage.admin, wrong).await.expect_problem(422, "ERP_VALIDATION_FAILED");
    }
    stage.result(json!({ "action": "count", "model": "res.partner" })).await;
    stage.end().await;
}

async fn a_slow_system_turns_away_what_is_too_much(setup: Setup) {
    let setup = setup.config(|config| {
        config.erp.calls_at_once_max = 2;
        config.erp.calls_waiting_max = 2;
        config.erp.call_timeout_ms = 1_000;
        config.erp.calls_wait_ms = 10_000;
    });
    let stage = Stage::open(setup).await;
    let quick = demo_erp().await;
    register_demo_system(&stage.admin, &quick, "quick").await;
    let create = json!({ "action": "create", "model": "res.partner", "data": { "name": "Waiting" } });
    stage.result(create.clone()).await;
    stage.erp.faults().fail_method("res.partner", "create", 100, Fault::Hang);
    let answers = join_all((0..10).map(|_| crud(&stage.admin, create.clone()))).await;
    let (busy, tried): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 503);
    assert_eq!((busy.len(), tried.len()), (6, 4), "two under way, two that wait, and the rest turned away");
    for answer in busy {
        assert!(answer.headers.contains_key("retry-after"));
        answer.expect_problem(503, "SERVICE_UNAVAILABLE");
    }
    for answer in tried {
        answer.expect_problem(502, "OUTCOME_UNKNOWN");
    }
    // Another system is none the worse for it.
    let read = json!({ "action": "read", "model": "res.partner", "limit": 1 });
    let hanging = async { join_all((0..4).map(|_| crud(&stage.admin, create.clone()))).await };
    let working = async {
        for _ in 0..20 {
            stage.admin.post("/api/v1/systems/quick/crud", &read).await.expect(200);
        }
    };
    tokio::join!(hanging, working);
    stage.erp.faults().clear();
    quick.stop().await;
    stage.end().await;
}

async fn operations_are_counted(setup: Setup) {
    let stage = Stage::open(setup).await;
    stage.result(json!({ "action": "count", "model": "res.partner" })).await;
    let wrong = json!({ "action": "create", "model": "res.partner", "data": { "email": "x" } });
    crud(&stage.admin, wrong).await.expect_problem(422, "ERP_VALIDATION_FAILED");
    crud(&stage.admin, json!({ "action": "count", "model": "made.up" })).await.expect_problem(404, "MODEL_NOT_FOUND");
    let metrics = stage.app.anonymous().get("/metrics").await.expect(200);
    for line in [
        r#"api_operations_total{model="res.partner",operation="count",status="ok",system_type="odoo"} 1"#,
        r#"api_operations_total{model="res.partner",operation="create",status="ERP_VALIDATION_FAILED",system_type="odoo"} 1"#,
        r#"api_operations_total{model="other",operation="count",status="MODEL_NOT_FOUND",system_type="odoo"} 1"#,
    ] {
        assert!(metrics.as_str().unwrap().contains(line), "{line} in {metrics}");
    }
    stage.end().await;
}
