//! The numbers: each moves by what it counts and by nothing else.

use super::scrape::{Scrape, pusher};
use crate::support::{App, Client, Live, Setup, demo_erp, on_both_databases, register_demo_system};
use bridge_server::metrics::{DESCRIBED, MODELS_MAX};
use bridge_store::NewJob;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

on_both_databases!(
    events_and_pulls_are_counted,
    requests_are_counted_by_the_pattern_of_their_path,
    the_readers_tell_how_far_they_are,
    names_from_outside_make_a_bounded_number_of_lines,
);

const RECEIVE: &str = "/api/v1/webhooks/receive";

fn event(id: i64, model: &str, event: &str) -> Value {
    json!({ "model": model, "record_id": id, "event": event, "_webhook_metadata": { "event_id": id } })
}

async fn pull(client: &Client, token: &str) -> crate::support::Answer {
    let body = json!({ "device_id": "phone-1", "app_type": "mobile_app", "last_sync_token": token });
    client.post("/api/v2/sync/pull", &body).await
}

async fn events_and_pulls_are_counted(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let erp = pusher(&app, &admin, "odoo_main").await;
    let events =
        json!([event(1, "sale.order", "create"), event(2, "sale.order", "create"), event(3, "res.partner", "write")]);
    erp.post(RECEIVE, &events).await.expect(200);
    erp.post(RECEIVE, &events).await.expect(200);
    erp.post(RECEIVE, &json!({ "model": "res.partner", "event": "explode" })).await.expect(400);
    let first = pull(&admin, "0").await.expect(200);
    assert_eq!(first["new_events_count"], 3);
    pull(&admin, first["next_sync_token"].as_str().unwrap()).await.expect(200);
    pull(&admin, "999").await.expect_problem(400, "INVALID_SYNC_TOKEN");

    let seen = Scrape::until(&app, "the dead letter is there", |seen| seen.count("dead_letters") == 1).await;
    for (series, expected) in [
        (r#"webhook_received_total{model="sale.order",operation="create"}"#, 2),
        (r#"webhook_received_total{model="res.partner",operation="write"}"#, 1),
        (r#"webhook_received_total{model="res.partner",operation="create"}"#, 0),
        ("webhook_duplicates_total", 3),
        ("webhook_rejected_total", 1),
        ("webhook_processing_seconds_count", 3),
        ("webhook_queue_size", 0),
        (r#"db_query_duration_seconds_count{operation="append"}"#, 3),
        ("sync_requests_total", 3),
        ("sync_events_returned_total", 3),
        (r#"sync_errors_total{code="INVALID_SYNC_TOKEN"}"#, 1),
        ("sync_duration_seconds_count", 3),
        (r#"sync_response_bytes_count{operation="pull"}"#, 2),
        (r#"log_head{tenant="1"}"#, 3),
        (r#"panics_total{task="request"}"#, 0),
        ("metrics_sample_failures_total", 0),
    ] {
        assert_eq!(seen.count(series), expected, "{series}");
    }
    assert!(seen.count(r#"db_query_duration_seconds_count{operation="read_log"}"#) >= 1);
    assert!(seen.get(r#"sync_response_bytes_sum{operation="pull"}"#).unwrap() > 500.0);
    assert!(seen.count("store_commits_total") >= 3 && seen.count("store_writes_total") >= 3);
    assert_eq!(seen.label_values("bridgecore_build_info", "version").len(), 1);
    app.stop().await;
}

async fn requests_are_counted_by_the_pattern_of_their_path(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    for secret in ["one", "two"] {
        admin.get(&format!("/api/v1/systems/{secret}")).await.expect(404);
        admin.get(&format!("/no/such/{secret}?token={secret}")).await.expect(404);
    }
    admin.delete("/api/v2/sync/pull").await.expect(405);
    let made_up = Method::from_bytes(b"BREW").unwrap();
    app.anonymous().send(app.anonymous().request(made_up, "/health")).await.expect(405);
    let seen = Scrape::of(&app).await;
    for (series, expected) in [
        (r#"http_requests_total{endpoint="/api/v1/systems/{system_id}",method="GET",status="404"}"#, 2),
        (r#"http_requests_total{endpoint="none",method="GET",status="404"}"#, 2),
        (r#"http_requests_total{endpoint="/api/v2/sync/pull",method="DELETE",status="405"}"#, 1),
        (r#"http_requests_total{endpoint="/health",method="other",status="405"}"#, 1),
        (r#"http_request_duration_seconds_count{endpoint="/api/v1/systems/{system_id}",method="GET"}"#, 2),
        (r#"http_requests_total{endpoint="/api/v1/auth/login",method="POST",status="200"}"#, 1),
    ] {
        assert_eq!(seen.count(series), expected, "{series}");
    }
    app.stop().await;
}

async fn the_readers_tell_how_far_they_are(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    let lag = r#"source_lag_seconds{strategy="addon",system="demo",tenant="1"}"#;
    let up = r#"source_up{strategy="addon",system="demo",tenant="1"}"#;
    let seen = Scrape::until(&app, "the reader runs", |seen| seen.get(up) == Some(1.0)).await;
    assert!(seen.get(lag).unwrap() < 10.0, "{seen:?}");
    assert_eq!(seen.get(r#"source_open_gaps{strategy="addon",system="demo",tenant="1"}"#), Some(0.0));
    assert_eq!(seen.get(r#"active_connections{system_type="odoo"}"#), Some(1.0));
    erp.stop().await;
    let seen = Scrape::until(&app, "the reader fails", |seen| seen.get(up) == Some(0.0)).await;
    assert_eq!(seen.get(r#"active_connections{system_type="odoo"}"#), Some(0.0));
    let before = seen.get(lag).unwrap();
    Scrape::until(&app, "the lag grows", |seen| seen.get(lag).unwrap() > before).await;
    // A system that is gone leaves no line behind.
    admin.delete("/api/v1/systems/demo").await;
    Scrape::until(&app, "the line goes", |seen| seen.get(up).is_none() && seen.get(lag).is_none()).await;
    app.stop().await;
}

async fn names_from_outside_make_a_bounded_number_of_lines(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let erp = pusher(&app, &admin, "odoo_main").await;
    let events: Vec<Value> = (1..=250).map(|id| event(id, &format!("x.model{id}"), "write")).collect();
    erp.post(RECEIVE, &Value::from(events)).await.expect(200);
    let seen = Scrape::of(&app).await;
    assert_eq!(seen.label_values("webhook_received_total", "model").len(), MODELS_MAX + 1);
    let other = r#"webhook_received_total{model="other",operation="write"}"#;
    assert_eq!(seen.count(other), 250 - u64::try_from(MODELS_MAX).unwrap());
    // The models that have a line keep it.
    erp.post(RECEIVE, &event(251, "x.model1", "write")).await.expect(200);
    let seen = Scrape::of(&app).await;
    assert_eq!(seen.count(r#"webhook_received_total{model="x.model1",operation="write"}"#), 2);
    assert_eq!(seen.count(other), 50);
    app.stop().await;
}

#[tokio::test]
async fn jobs_are_counted_by_how_they_ended() {
    let app = Setup::sqlite().start().await;
    let store = &app.context().store;
    let run_at = app.context().clock.now();
    let kind = "clean_up".to_owned();
    let job = NewJob { tenant: None, kind, payload: json!({}), run_at, attempts_max: 1, unique_key: None };
    store.enqueue(job.clone()).await.unwrap();
    // Nobody does what no version knows, and nobody does what is not due.
    store.enqueue(NewJob { kind: "unheard_of".to_owned(), ..job.clone() }).await.unwrap();
    store.enqueue(NewJob { run_at: run_at.plus(Duration::from_hours(1)), ..job }).await.unwrap();
    let done = r#"jobs_done_total{kind="clean_up",outcome="done"}"#;
    let queued = r#"jobs{state="queued"}"#;
    let seen = Scrape::until(&app, "the job is done", |seen| seen.count(done) == 1 && seen.count(queued) == 2).await;
    assert_eq!(seen.count(r#"job_duration_seconds_count{kind="clean_up"}"#), 1);
    assert_eq!((seen.count(r#"jobs{state="failed"}"#), seen.count(r#"panics_total{task="job"}"#)), (0, 0));
    app.stop().await;
}

#[tokio::test]
async fn open_connections_are_counted_while_they_are_open() {
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    let open = |scrape: &Scrape| scrape.count("websocket_connections_active");
    assert_eq!(open(&Scrape::of(&app).await), 0);
    let mut one = Live::connect(&app, "/ws/webhooks", Some(admin.token())).await;
    let mut two = Live::connect(&app, "/ws/webhooks", Some(admin.token())).await;
    one.next_of("authenticated").await;
    two.next_of("authenticated").await;
    assert_eq!(open(&Scrape::of(&app).await), 2);
    one.close().await;
    Scrape::until(&app, "one is left", |seen| open(seen) == 1).await;
    drop(two);
    Scrape::until(&app, "none is left", |seen| open(seen) == 0).await;
    app.stop().await;
}

#[tokio::test]
async fn the_queue_is_what_waits_for_the_database() {
    let setup = Setup::postgres().await;
    let app = setup.start().await;
    let admin = app.admin().await;
    let erp = pusher(&app, &admin, "odoo_main").await;
    let url = setup.environment().into_iter().find(|(name, _)| *name == "BRIDGECORE_STORE__URL").unwrap().1;
    let (locker, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    locker.batch_execute("BEGIN; LOCK TABLE changes IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let pushing = tokio::spawn(async move { erp.post(RECEIVE, &event(1, "sale.order", "write")).await });
    Scrape::until(&app, "the push waits", |seen| seen.count("webhook_queue_size") == 1).await;
    locker.batch_execute("COMMIT").await.unwrap();
    pushing.await.unwrap().expect(200);
    assert_eq!(Scrape::of(&app).await.count("webhook_queue_size"), 0);
    drop(locker);
    connection.await.unwrap().unwrap();
    app.stop().await;
}

#[tokio::test]
async fn a_token_guards_the_metrics_where_one_is_set() {
    let guarded =
        Setup::sqlite().config(|config| "a token for the scraper".clone_into(&mut config.server.metrics_token));
    let app = guarded.start().await;
    app.anonymous().get("/metrics").await.expect_problem(401, "AUTHENTICATION_FAILED");
    for wrong in ["a token for the scrape", "a token for the scraper!", app.admin().await.token()] {
        app.anonymous().with_token(wrong).get("/metrics").await.expect_problem(401, "AUTHENTICATION_FAILED");
    }
    let text = app.anonymous().with_token("a token for the scraper").get("/metrics").await.expect(200);
    assert!(text.as_str().unwrap().contains("sync_requests_total"), "{text}");
    app.stop().await;
}

#[tokio::test]
async fn the_metrics_are_answered_when_there_are_too_many_requests() {
    let app = Setup::sqlite().config(|config| config.server.requests_at_once_max = 1).start().await;
    // A request that never ends: the service asks for its body, so that it has been let in.
    let mut endless = TcpStream::connect(app.address()).await.unwrap();
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: bridgecore\r\ncontent-type: application/json\r\n\
                expect: 100-continue\r\ncontent-length: 100\r\n\r\n";
    endless.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 25];
    endless.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    app.anonymous().get("/api/v1/auth/me").await.expect_problem(503, "SERVICE_UNAVAILABLE");
    let seen = Scrape::of(&app).await;
    assert_eq!(seen.count(r#"http_requests_total{endpoint="/api/v1/auth/me",method="GET",status="503"}"#), 1);
    drop(endless);
    app.stop().await;
}

#[tokio::test]
async fn two_services_in_one_process_share_nothing() {
    let (one, two) = (Setup::sqlite().start().await, Setup::sqlite().start().await);
    pull(&one.admin().await, "0").await.expect(200);
    assert_eq!(sync_requests(&one).await, 1);
    assert_eq!(sync_requests(&two).await, 0);
    one.stop().await;
    two.stop().await;
}

async fn sync_requests(app: &App) -> u64 {
    Scrape::of(app).await.count("sync_requests_total")
}

#[tokio::test]
async fn every_metric_is_in_the_list_with_its_type() {
    let app = Setup::sqlite().start().await;
    pull(&app.admin().await, "0").await.expect(200);
    let seen = Scrape::of(&app).await;
    assert!(seen.types.len() >= 15, "{:?}", seen.types);
    for (name, kind) in &seen.types {
        let line = DESCRIBED.iter().find(|line| line.name == name).unwrap_or_else(|| panic!("{name} is not listed"));
        assert_eq!(line.kind, kind, "{name}");
    }
    app.stop().await;
}
