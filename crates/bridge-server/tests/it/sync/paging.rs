use super::device::{Device, positions, token_of};
use crate::ingest::pusher::{Pusher, event};
use crate::support::{Setup, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(pages_hold_everything_once_and_in_order, what_matches_nothing_still_gets_on);

async fn pages_hold_everything_once_and_in_order(setup: Setup) {
    let app = setup
        .config(|config| {
            config.sync.limit_default = 40;
            config.sync.limit_max = 100;
        })
        .start()
        .await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let models = ["sale.order", "res.partner", "stock.quant"];
    let events: Vec<Value> =
        (1..=250).zip(models.iter().cycle().skip(1)).map(|(id, model)| event(id, model, 1_000 - id, "write")).collect();
    source.push(&json!(events)).await.expect(200);
    let phone = Device::new(&admin, "phone-1");
    for bad in [json!(0), json!(101), json!(-1), json!(1.5), json!("7"), json!(5_000_000_000_u64)] {
        let answer = phone.try_pull(json!({ "limit": bad })).await;
        answer.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    for (limit, expected) in [(json!(null), 40), (json!(1), 1), (json!(100), 100)] {
        let answer = phone.pull(json!({ "limit": limit, "last_sync_token": "0" })).await;
        assert_eq!(positions(&answer).len(), expected);
        assert_eq!(answer["has_more"], true);
        assert_eq!(token_of(&answer), expected.to_string());
    }
    for limit in [7, 50, 83, 100] {
        let phone = phone.with(&json!({ "limit": limit }));
        let all = phone.pull_all_after("0").await;
        assert_eq!(all.iter().map(|e| e["id"].as_i64().unwrap()).collect::<Vec<_>>(), (1..=250).collect::<Vec<_>>());
        assert_eq!(
            all.iter().map(|e| e["record_id"].as_i64().unwrap()).collect::<Vec<_>>(),
            (750..1_000).rev().collect::<Vec<_>>()
        );
        let partners = phone.with(&json!({ "models_filter": ["res.partner"] })).pull_all_after("0").await;
        assert_eq!(
            partners.iter().map(|e| e["id"].as_i64().unwrap()).collect::<Vec<_>>(),
            (1..=250).filter(|id| id % 3 == 1).collect::<Vec<_>>()
        );
    }
    app.stop().await;
}

async fn what_matches_nothing_still_gets_on(setup: Setup) {
    let app = setup
        .config(|config| {
            config.sync.limit_default = 5;
            config.sync.limit_max = 10;
            config.sync.scan_max = 10;
        })
        .start()
        .await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("stock.quant", 1..=250).await;
    source.writes("res.partner", 251..=252).await;
    let partners = Device::new(&admin, "phone-1").with(&json!({ "models_filter": ["res.partner"] }));
    // One answer looks at a bounded part of the log, says so, and its token is where it stopped.
    let first = partners.pull_after("0").await;
    assert_eq!((positions(&first), token_of(&first)), (vec![], "100".to_owned()));
    assert_eq!((&first["has_more"], &first["has_updates"]), (&json!(true), &json!(false)));
    let all = partners.pull_all_after("0").await;
    assert_eq!(all.iter().map(|e| e["id"].as_i64().unwrap()).collect::<Vec<_>>(), [251, 252]);
    // A client without tokens gets there too: an empty answer needs no confirmation.
    let old = Device::new(&admin, "old-app").with(&json!({ "models_filter": ["res.partner"] }));
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(positions(&old.pull(json!({})).await));
    }
    assert_eq!(seen, [vec![], vec![], vec![251, 252]]);
    app.stop().await;
}
