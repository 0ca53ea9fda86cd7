//! Sources that can't be read.

use super::receiver::Receiver;
use super::{PATIENCE, alerts, telling};
use crate::records::Stage;
use crate::support::{Setup, eventually, on_both_databases, registration};
use bridge_erp::fake::Fault;
use serde_json::json;

on_both_databases!(a_refused_credential_is_told_and_what_passes_is_not);

const WRONG_PASSWORD: &str = "not-the-erps-password-2643";

async fn a_refused_credential_is_told_and_what_passes_is_not(setup: Setup) {
    let receiver = Receiver::start().await;
    let stage = Stage::open(telling(setup, &receiver)).await;
    let failing = async || {
        let status = stage.admin.get("/api/v1/systems/demo/status").await.expect(200);
        (status["reader"]["state"] == "failing").then_some(())
    };
    stage.erp.faults().fail_next(30, Fault::Status(503));
    eventually("reading fails", PATIENCE, failing).await;
    eventually("it has passed", PATIENCE, async || failing().await.is_none().then_some(())).await;
    assert_eq!(receiver.of_kind("source_refused").len(), 0, "it was to pass by itself");

    let mut refused = registration(&stage.erp, "refused");
    let right = refused["connection_config"].clone();
    refused["connection_config"]["password"] = json!(WRONG_PASSWORD);
    stage.admin.post("/api/v1/systems", &refused).await.expect(201);
    let told = receiver.wait("alert.open", "source_refused").await;
    let data = &told.body["data"];
    assert_eq!(data["details"], json!({ "strategy": "addon", "code": "ERP_AUTHENTICATION_FAILED" }));
    assert_eq!(data["title"], "Changes of refused can't be read (addon, ERP_AUTHENTICATION_FAILED)");
    let seen = alerts(&stage.admin, "state=open").await;
    assert!(seen.iter().any(|alert| alert["kind"] == "source_refused" && alert["system_id"] == "refused"), "{seen:?}");
    stage.admin.put("/api/v1/systems/refused", &json!({ "connection_config": right })).await.expect(200);
    receiver.wait("alert.resolved", "source_refused").await;
    for taken in receiver.taken() {
        assert!(!taken.body.to_string().contains(WRONG_PASSWORD), "{taken:?}");
    }
    stage.end().await;
}
