//! One system that is down or slow takes no more of the service than its share.

use super::{Stage, crud};
use crate::support::{Setup, demo_erp, eventually, manual_clock, on_both_databases, register_demo_system};
use bridge_erp::fake::Fault;
use bridge_model::clock::ManualClock;
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_mins(2);

on_both_databases!(
    a_system_that_does_not_answer_is_left_alone_and_taken_up_again,
    what_a_system_refuses_does_not_open_the_circuit,
    whatever_a_system_fails_by_it_is_left_alone_until_it_answers,
    a_system_that_hangs_takes_no_more_than_its_share,
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

async fn whatever_a_system_fails_by_it_is_left_alone_until_it_answers(setup: Setup) {
    let clock = manual_clock();
    let setup = setup.clock(Arc::<ManualClock>::clone(&clock)).config(|config| config.erp.call_timeout_ms = 2_000);
    let recovery = Duration::from_mins(1);
    let stage = Stage::open(setup).await;
    // Nothing else has to be known for it, so that it is one call.
    let count = json!({ "action": "count", "model": "res.country" });
    let faults = stage.erp.faults();
    let calls = || faults.calls("res.country", "search_count");
    let status = async || stage.admin.get("/api/v1/systems/demo/status").await.expect(200)["circuit_breaker"].clone();
    for (fault, code) in
        [(Fault::Reset, "CONNECTION_REFUSED"), (Fault::Status(500), "ERP_ERROR"), (Fault::Hang, "NETWORK_TIMEOUT")]
    {
        stage.result(count.clone()).await;
        // The background reader fails as well: what succeeds closes the circuit, whoever asked.
        faults.fail_next(1_000_000, fault);
        eventually(&format!("{fault:?} opens the circuit"), PATIENCE, async || {
            (crud(&stage.admin, count.clone()).await.body["code"] == "CIRCUIT_OPEN").then_some(())
        })
        .await;
        assert_eq!(status().await["state"], "open", "{fault:?}");
        let before = calls();
        for _ in 0..3 {
            let refused = crud(&stage.admin, count.clone()).await;
            assert_eq!(refused.headers["retry-after"], "60");
            refused.expect_problem(503, "CIRCUIT_OPEN");
        }
        assert_eq!(calls(), before, "nobody is let through");
        clock.advance(recovery);
        assert_eq!(status().await["state"], "half_open", "{fault:?}");
        // One tries; as long as it does not answer, it is left alone for another while.
        assert_eq!(crud(&stage.admin, count.clone()).await.body["code"], code);
        let tried = calls();
        assert!(tried > before, "{fault:?}");
        crud(&stage.admin, count.clone()).await.expect_problem(503, "CIRCUIT_OPEN");
        assert_eq!(calls(), tried);
        faults.clear();
        clock.advance(recovery);
        stage.result(count.clone()).await;
        assert_eq!(status().await, json!({ "state": "closed", "failures": 0, "opened_at": null, "retry_at": null }));
    }
    stage.end().await;
}

async fn a_system_that_hangs_takes_no_more_than_its_share(setup: Setup) {
    let setup = setup.config(|config| {
        config.erp.calls_at_once_max = 2;
        config.erp.calls_waiting_max = 4;
        // Nothing ends by itself before the test is over.
        config.erp.call_timeout_ms = 600_000;
        config.erp.calls_wait_ms = 600_000;
        config.server.request_timeout_ms = 600_000;
    });
    let stage = Stage::open(setup).await;
    let quick = demo_erp().await;
    register_demo_system(&stage.admin, &quick, "quick").await;
    let other = stage.app.other_tenant("other-admin").await;
    register_demo_system(&other, &quick, "demo").await;
    let create = json!({ "action": "create", "model": "res.partner", "data": { "name": "Waiting" } });
    stage.result(create.clone()).await;
    let faults = stage.erp.faults();
    faults.reset_counts();
    faults.fail_method("res.partner", "create", 1_000, Fault::Hang);
    let mut asking = JoinSet::new();
    for _ in 0..20 {
        let (admin, create) = (stage.admin.clone(), create.clone());
        asking.spawn(async move { crud(&admin, create).await });
    }
    // Two under way, four that wait, and the rest turned away.
    for _ in 0..14 {
        let busy = asking.join_next().await.unwrap().unwrap();
        assert!(busy.headers.contains_key("retry-after"));
        busy.expect_problem(503, "SERVICE_UNAVAILABLE");
    }
    eventually("two calls are under way", PATIENCE, async || {
        (faults.calls("res.partner", "create") == 2).then_some(())
    })
    .await;
    crud(&stage.admin, create).await.expect_problem(503, "SERVICE_UNAVAILABLE");
    // Another system is none the worse for it, nor is another tenant.
    let read = json!({ "action": "read", "model": "res.partner", "limit": 1 });
    for (client, path) in [(&stage.admin, "/api/v1/systems/quick/crud"), (&other, "/api/v1/systems/demo/crud")] {
        for _ in 0..20 {
            let request = client.request(Method::POST, path).header("cache-control", "no-store");
            client.send(request.json(&read)).await.expect(200);
        }
    }
    assert!(asking.try_join_next().is_none(), "all the while they wait");
    assert_eq!(faults.calls("res.partner", "create"), 2);
    stage.erp.stop().await;
    let mut unknown = 0;
    while let Some(answer) = asking.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 502, "{}", answer.body);
        unknown += i32::from(answer.body["code"] == "OUTCOME_UNKNOWN");
    }
    assert!(unknown >= 2, "{unknown}: what was under way may have been done");
    quick.stop().await;
    stage.app.stop().await;
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
