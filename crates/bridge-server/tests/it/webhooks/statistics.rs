use crate::ingest::pusher::{Pusher, event};
use crate::support::{Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(kinds_are_counted_and_sources_tell_how_they_are);

async fn kinds_are_counted_and_sources_tell_how_they_are(setup: Setup) {
    let small = |config: &mut bridge_server::config::Config| {
        (config.sync.limit_default, config.sync.limit_max, config.sync.scan_max) = (6, 6, 6);
    };
    let (app, erp) = (setup.config(small).start().await, demo_erp().await);
    let admin = app.admin().await;
    let stats = async |query: &str| admin.get(&format!("/api/v1/webhooks/statistics{query}")).await.expect(200);
    let empty = stats("").await;
    assert_eq!((&empty["total_events"], &empty["by_model"], &empty["sources"]), (&json!(0), &json!({}), &json!([])));

    let source = Pusher::register(&app, &admin, "shop").await;
    let kinds = [
        ("sale.order", "create", "high"),
        ("sale.order", "write", "low"),
        ("res.partner", "write", "low"),
        ("sale.order", "write", "medium"),
    ];
    for (id, (model, word, priority)) in (1..).zip(kinds) {
        let mut event = event(id, model, id, word);
        event["priority"] = json!(priority);
        source.push(&event).await.expect(200);
    }
    source.push_bytes("nonsense").await.expect_problem(400, "MALFORMED_JSON");
    let counted = stats("").await;
    assert_eq!(counted["total_events"], 4);
    assert_eq!(counted["by_model"], json!({ "sale.order": 3, "res.partner": 1 }));
    assert_eq!(counted["by_event"], json!({ "create": 1, "write": 3 }));
    assert_eq!(counted["by_priority"], json!({ "high": 1, "low": 2, "medium": 1 }));
    assert_eq!(counted["by_origin"], json!({ "push": 4 }));
    assert_eq!((&counted["other_models"], &counted["dead_letters"]), (&json!(0), &json!(1)));
    assert_eq!((&counted["from_event_id"], &counted["to_event_id"]), (&json!(0), &json!(4)));
    assert_eq!(stats("?since=3").await["by_model"], json!({ "sale.order": 1 }));
    assert_eq!(stats("?since=9999-01-01T00:00:00Z").await["total_events"], 0);
    assert_eq!(stats("?since=77").await["total_events"], 0);

    // The readers: one that works and one whose address nobody listens at.
    register_demo_system(&admin, &erp, "main").await;
    let partner = erp.db().ids("res.partner")[0];
    for city in ["Fes", "Safi", "Taza"] {
        let mut tx = erp.db().begin(2);
        tx.write("res.partner", &[partner], json!({ "city": city })).unwrap();
        tx.commit();
    }
    let counted: Value = eventually("the changes arrive by the reader", Duration::from_mins(1), async || {
        let counted = stats("").await;
        (counted["by_origin"]["pull"] == 3 && counted["sources"][1]["reader"]["lag_seconds"].is_number())
            .then_some(counted)
    })
    .await;
    // The newest six of seven.
    assert_eq!((&counted["total_events"], &counted["complete"]), (&json!(6), &json!(false)));
    assert_eq!((&counted["from_event_id"], &counted["by_event"]), (&json!(1), &json!({ "write": 6 })));
    assert_eq!(stats("?since=1").await["complete"], true);
    let sources = counted["sources"].as_array().unwrap();
    assert_eq!((&sources[0]["system_id"], &sources[1]["system_id"]), (&json!("shop"), &json!("main")));
    assert_eq!((&sources[1]["reader"]["read_to"], &sources[1]["is_active"]), (&json!(3), &json!(true)));
    app.stop().await;
    erp.stop().await;
}

#[tokio::test]
async fn health_needs_no_token() {
    let app = Setup::sqlite().start().await;
    let health = app.anonymous().get("/api/v1/webhooks/health").await.expect(200);
    assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("webhooks")));
    app.context().store.close().await;
    app.anonymous().get("/api/v1/webhooks/health").await.expect_problem(503, "SERVICE_UNAVAILABLE");
    app.stop().await;
}
