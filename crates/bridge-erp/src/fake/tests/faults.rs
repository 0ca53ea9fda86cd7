//! What goes wrong on purpose.

use super::super::Fault;
use super::*;
use std::time::{Duration, Instant};

async fn version(stage: &Stage) -> reqwest::Result<(u16, String)> {
    let params = json!({"service": "common", "method": "version", "args": []});
    let response =
        stage.client.post(format!("{}/jsonrpc", stage.erp.url())).json(&json!({"params": params})).send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

async fn create(stage: &Stage) -> reqwest::Result<String> {
    let args = json!(["demo", 2, "admin", "res.partner", "create", [{"name": "made"}]]);
    let params = json!({"service": "object", "method": "execute_kw", "args": args});
    let response =
        stage.client.post(format!("{}/jsonrpc", stage.erp.url())).json(&json!({"params": params})).send().await?;
    response.text().await
}

#[tokio::test]
async fn faults_happen_as_often_as_asked_and_where_asked() {
    let stage = stage().await;
    let faults = stage.erp.faults();
    faults.fail_next(2, Fault::Status(503));
    faults.fail_method("common", "version", 1, Fault::Reset);
    assert_eq!(version(&stage).await.unwrap().0, 503);
    assert_eq!(version(&stage).await.unwrap().0, 503);
    assert!(version(&stage).await.unwrap_err().is_request());
    assert_eq!(version(&stage).await.unwrap().0, 200);
    faults.fail_model("res.partner", 1, Fault::SessionExpired);
    assert_eq!(version(&stage).await.unwrap().0, 200);
    assert!(create(&stage).await.unwrap().contains("SessionExpiredException"));
    assert_eq!((faults.calls("common", "version"), faults.calls("res.partner", "create")), (5, 1));
    assert_eq!(faults.calls_total(), 6);
}

#[tokio::test]
async fn a_reply_can_be_lost_after_the_work_is_done() {
    let stage = stage().await;
    let before = stage.erp.db().count("res.partner");
    for (fault, done) in [(Fault::Reset, 0), (Fault::ResetAfterWork, 1), (Fault::CutReply, 2)] {
        stage.erp.faults().fail_next(1, fault);
        assert!(create(&stage).await.is_err(), "{fault:?}");
        assert_eq!(stage.erp.db().count("res.partner"), before + done, "{fault:?}");
    }
    // The status of a cut reply has come through; only the body breaks off.
    stage.erp.faults().fail_next(1, Fault::CutReply);
    let error = version(&stage).await.unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test measures real waiting")]
async fn answers_can_be_late_or_never_come() {
    let stage = stage().await;
    stage.erp.faults().latency_ms(150);
    let start = Instant::now();
    version(&stage).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(150));
    stage.erp.faults().clear();
    stage.erp.faults().fail_next(1, Fault::Hang);
    assert!(tokio::time::timeout(Duration::from_millis(300), version(&stage)).await.is_err());
    version(&stage).await.unwrap();
}

#[tokio::test]
async fn the_server_stops_and_starts_on_its_port_with_its_data() {
    let stage = stage().await;
    let url = stage.erp.url();
    create(&stage).await.unwrap();
    let (partners, events) = (stage.erp.db().count("res.partner"), stage.event_ids().await);
    stage.erp.faults().fail_next(1, Fault::Hang);
    let ended = tokio::join!(version(&stage), async {
        while stage.erp.faults().calls("common", "version") == 0 {
            tokio::task::yield_now().await;
        }
        stage.erp.stop().await;
    });
    assert!(ended.0.is_err(), "a call that was under way is broken off");
    assert!(version(&stage).await.unwrap_err().is_connect());
    // The database goes on without its web server, as PostgreSQL does.
    stage.erp.db().begin(2).create("res.partner", json!({"name": "offline"})).unwrap();
    stage.erp.restart().await.unwrap();
    assert_eq!(stage.erp.url(), url);
    assert_eq!((stage.erp.db().count("res.partner"), stage.event_ids().await), (partners, events));
    stage.erp.faults().refuse_connections(true);
    assert!(reqwest::Client::clone(&client()).get(format!("{url}/web/health")).send().await.is_err());
    stage.erp.faults().clear();
    let health: Value = client().get(format!("{url}/web/health")).send().await.unwrap().json().await.unwrap();
    assert_eq!(health, json!({"status": "pass"}));
}
