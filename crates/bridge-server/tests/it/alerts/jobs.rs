//! Work of the service that fails.

use super::receiver::Receiver;
use super::{alerts, telling};
use crate::support::{Setup, on_both_databases};
use bridge_store::NewJob;
use serde_json::json;

on_both_databases!(work_of_the_service_that_fails_for_good_is_told);

async fn work_of_the_service_that_fails_for_good_is_told(setup: Setup) {
    let receiver = Receiver::start().await;
    let app = telling(setup, &receiver).start().await;
    let admin = app.admin().await;
    // It is about no system, so that it can't be done.
    let job = NewJob {
        tenant: None,
        kind: "renew_key".to_owned(),
        payload: json!({}),
        run_at: app.context().clock.now(),
        attempts_max: 1,
        unique_key: None,
    };
    app.context().store.enqueue(job).await.unwrap();
    let told = receiver.wait("alert.open", "job_failed").await;
    let data = &told.body["data"];
    assert_eq!((&data["details"], &data["system_id"]), (&json!({ "job": "renew_key" }), &json!(null)), "{data}");
    // It is the service's own, and no tenant's.
    let seen = alerts(&admin, "").await;
    assert!(seen.iter().all(|alert| alert["kind"] != "job_failed"), "{seen:?}");
    app.stop().await;
}
