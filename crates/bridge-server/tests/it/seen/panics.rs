//! A mistake of ours ends one request or one attempt, not the service, and never in silence.

use super::scrape::Scrape;
use crate::support::{Setup, demo_erp, eventually, register_demo_system};
use bridge_model::Entropy;
use bridge_model::entropy::OsEntropy;
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Panics once when asked for this many bytes, to stand for any mistake in whoever asks.
#[derive(Debug)]
struct Trap {
    entropy: OsEntropy,
    bytes: AtomicUsize,
}

/// What a handler asks for when it opens a session.
const SESSION_ID_BYTES: usize = 16;

/// What a reader asks for when it chooses how long to wait after a failure.
const FRACTION_BYTES: usize = 4;

impl Trap {
    fn new() -> Arc<Self> {
        Arc::new(Self { entropy: OsEntropy::new().unwrap(), bytes: AtomicUsize::new(0) })
    }

    fn set(&self, bytes: usize) {
        self.bytes.store(bytes, Ordering::SeqCst);
    }
}

impl Entropy for Trap {
    fn fill(&self, bytes: &mut [u8]) {
        let sprung = self.bytes.compare_exchange(bytes.len(), 0, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        assert!(!sprung, "the trap is sprung: this panic belongs to the test");
        self.entropy.fill(bytes);
    }
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_in_the_one_shape() {
    let trap = Trap::new();
    let app = Setup::sqlite().entropy(trap.clone()).start().await;
    let admin = app.admin().await;
    let login = json!({ "username": "admin", "password": crate::support::ADMIN_PASSWORD });
    let request =
        app.anonymous().request(Method::POST, "/api/v1/auth/login").header("x-request-id", "a-given-id").json(&login);
    trap.set(SESSION_ID_BYTES);
    let answer = app.anonymous().send(request).await;
    assert_eq!(answer.headers["x-request-id"], "a-given-id");
    let body = answer.expect_problem(500, "INTERNAL_ERROR");
    assert!(!body.to_string().contains("trap"), "the cause is for the log alone: {body}");

    let seen = Scrape::of(&app).await;
    assert_eq!(seen.count(r#"panics_total{task="request"}"#), 1);
    let failed = r#"http_requests_total{endpoint="/api/v1/auth/login",method="POST",status="500"}"#;
    assert_eq!(seen.count(failed), 1);
    // The service goes on as if nothing had been.
    app.anonymous().post("/api/v1/auth/login", &login).await.expect(200);
    admin.get("/api/v1/auth/me").await.expect(200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_panics_reads_on() {
    let trap = Trap::new();
    let (app, erp) = (Setup::sqlite().entropy(trap.clone()).start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    let up = r#"source_up{strategy="addon",system="demo",tenant="1"}"#;
    Scrape::until(&app, "the reader runs", |seen| seen.get(up) == Some(1.0)).await;
    trap.set(FRACTION_BYTES);
    erp.stop().await;
    Scrape::until(&app, "the reader panics", |seen| seen.count(r#"panics_total{task="reader"}"#) == 1).await;
    erp.restart().await.unwrap();
    erp.happen();
    let newest = erp.db().last_event_id();
    eventually("the reader has read all", Duration::from_secs(30), async || {
        let status = admin.get("/api/v1/systems/demo/status").await.expect(200);
        (status["reader"]["read_to"] == newest).then_some(())
    })
    .await;
    app.stop().await;
    erp.stop().await;
}
