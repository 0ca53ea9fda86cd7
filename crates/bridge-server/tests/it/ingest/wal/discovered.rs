//! Models whose tables are published are handed over to the reading of the log by themselves.

use super::database::{ErpDatabase, PATIENCE, log_when, quick, running};
use crate::support::{Setup, eventually, on_both_databases, registration};
use bridge_erp::fake::{Addon, DemoErp, Options};
use bridge_model::Event;
use serde_json::{Value, json};

on_both_databases!(a_published_table_is_read_through_the_log);

async fn a_published_table_is_read_through_the_log(setup: Setup) {
    let database = ErpDatabase::create().await;
    let erp = DemoErp::start(Options { addon: Addon::None, ..Options::default() }).await.unwrap();
    let setup = quick(setup).config(|config| {
        config.detection.enabled = true;
        config.detection.watch_interval_ms = 50;
        config.detection.poll.share_percent = 100.0;
    });
    let app = setup.start().await;
    let admin = app.admin().await;
    let mut body = registration(&erp, "main");
    body["connection_config"]["postgres_url"] = json!(database.url());
    admin.post("/api/v1/systems", &body).await.expect(201);
    let model = async |name: &str| -> Option<Value> {
        let page = admin.get("/api/v1/systems/main/models?limit=1000").await.expect(200);
        page["items"].as_array().unwrap().iter().find(|item| item["model"] == name).cloned()
    };
    let partner = eventually("the log owns the partners", PATIENCE, async || {
        model("res.partner").await.filter(|found| found["owner"] == "wal" && found["successor"].is_null())
    })
    .await;
    assert_eq!((&partner["table"], &partner["available"]), (&json!("res_partner"), &json!(["wal", "poll"])));
    let country = model("res.country").await.unwrap();
    assert_eq!((&country["owner"], &country["available"]), (&json!("poll"), &json!(["poll"])), "it is not published");
    // What was committed before the reading began is told of by a reset.
    running(&admin).await;
    database.sql("INSERT INTO res_partner (name) VALUES ('Dar Al Noor')").await;
    log_when(&app, &admin, "what was committed is in the log", |log| {
        log.iter().any(|change| change.body.model.as_str() == "res.partner" && change.body.event == Event::Create)
    })
    .await;
    app.stop().await;
    database.drop_slots().await;
    erp.stop().await;
}
