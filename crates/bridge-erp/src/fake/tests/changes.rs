//! Events: commit order, gaps, epochs, pushes.

use super::*;
use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;

#[tokio::test]
async fn events_are_seen_in_commit_order_and_rollbacks_leave_gaps() {
    let stage = stage().await;
    let db = stage.erp.db();
    let (mut early, mut never, mut late) = (db.begin(6), db.begin(6), db.begin(7));
    let first = early.create("res.partner", json!({"name": "first"})).unwrap();
    never.create("res.partner", json!({"name": "never"})).unwrap();
    late.write("res.partner", &[8], json!({"city": "Fès", "phone": "5"})).unwrap();
    assert_eq!(stage.event_ids().await, [0_i64; 0], "nothing is committed");
    late.commit();
    assert_eq!(stage.event_ids().await, [3]);
    never.rollback();
    early.unlink("res.partner", &[first]).unwrap();
    stage.clock.advance(Duration::from_millis(2500));
    let info = stage.call("update.webhook", "bridgecore_info", json!([]), json!({})).await;
    assert_eq!((&info["max_id"], &info["oldest_transaction_ms"]), (&json!(3), &json!(2500)));
    early.commit();
    assert_eq!(stage.event_ids().await, [1, 3, 4]);
    let truth: Vec<_> = db.events_committed().into_iter().map(|one| (one.id, one.record_id, one.event)).collect();
    assert_eq!(truth, [(3, 8, "write".into()), (1, first, "create".into()), (4, first, "unlink".into())]);
    assert_eq!(db.last_event_id(), 4);
    let info = stage.call("update.webhook", "bridgecore_info", json!([]), json!({})).await;
    assert_eq!((&info["max_id"], &info["oldest_transaction_ms"]), (&json!(4), &json!(0)));
    let known = stage.call("update.webhook", "events_by_ids", json!([[1, 2, 3]]), json!({})).await;
    assert_eq!((known["events"].as_array().unwrap().len(), &known["missing"]), (2, &json!([2])));
    let row = &known["events"][1];
    assert_eq!((&row["changed_fields"], &row["user_id"]), (&json!(["city", "phone"]), &json!(7)));
    assert_eq!(row["timestamp"], "2026-11-22T10:00:00Z");
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes_and_keeps_those_of_others() {
    let stage = stage().await;
    let db = stage.erp.db();
    let mut open = db.begin(2);
    open.write("res.partner", &[8], json!({"city": "mine"})).unwrap();
    let mut line = db.begin(2);
    line.write("res.partner", &[8], json!({"phone": "theirs"})).unwrap();
    line.commit();
    let seen = open.call("res.partner", "read", vec![json!([8]), json!(["city"])]).unwrap();
    assert_eq!(seen[0]["city"], "mine");
    open.commit();
    let read = stage.call("res.partner", "read", json!([[8], ["city", "phone"]]), json!({})).await;
    assert_eq!((&read[0]["city"], &read[0]["phone"]), (&json!("mine"), &json!("theirs")));
    // Dropped without a word: rolled back.
    db.begin(2).create("res.partner", json!({"name": "gone"})).unwrap();
    assert_eq!(stage.call("res.partner", "search_count", json!([[["name", "=", "gone"]]]), json!({})).await, 0);
}

#[tokio::test]
async fn many_transactions_in_a_shuffled_order_lose_nothing_and_a_plain_cursor_does() {
    let stage = stage().await;
    let db = stage.erp.db();
    let mut open = Vec::new();
    for number in 0..200_i64 {
        let mut transaction = db.begin(6);
        transaction.write("res.partner", &[7 + number % 10], json!({"phone": number.to_string()})).unwrap();
        open.push((number * 7919 % 200, transaction));
    }
    open.sort_by_key(|(turn, _)| *turn);
    let (mut cursor, mut plain) = (0, BTreeSet::new());
    for (turn, transaction) in open {
        if turn % 10 == 3 {
            transaction.rollback();
        } else {
            transaction.commit();
        }
        let pulled = stage.call("update.webhook", "pull_events", json!([cursor]), json!({})).await;
        cursor = pulled["last_event_id"].as_i64().unwrap();
        plain.extend(pulled["events"].as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()));
    }
    let truth: Vec<i64> = db.events_committed().iter().map(|one| one.id).collect();
    assert_eq!(truth.len(), 180);
    assert!(!truth.is_sorted(), "the commits have another order than the ids");
    assert_eq!(stage.event_ids().await, truth.iter().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
    assert!(plain.len() < truth.len(), "a cursor that only asks for higher ids must lose some here");
}

#[tokio::test]
async fn what_an_order_does_is_tracked() {
    let stage = stage().await;
    let lines = json!([[0, 0, {"product_id": 1}]]);
    let id = stage.call("sale.order", "create", json!([{"partner_id": 8, "order_line": lines}]), json!({})).await;
    let key = json!({"context": {"bridgecore_idempotency_key": "k-1"}});
    stage.call("sale.order", "action_confirm", json!([[id]]), key).await;
    let fields = json!({"fields": ["model", "event", "priority", "idempotency_key"], "order": "id"});
    let rows = stage.call("update.webhook", "search_read", json!([[["user_id", "=", 2]]]), fields).await;
    let rows: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {} {} {}", row["model"], row["event"], row["priority"], row["idempotency_key"]))
        .collect();
    assert_eq!(
        rows.join("\n").replace('"', ""),
        "sale.order.line create medium false\nsale.order create high false\nsale.order write high k-1\n\
         stock.move create medium k-1\nstock.picking create high k-1"
    );
    let template = stage.call("product.product", "create", json!([{"name": "New", "list_price": 5}]), json!({})).await;
    stage.call("product.product", "unlink", json!([[template]]), json!({})).await;
    let truth = stage.erp.db().events_committed();
    let last: Vec<String> = truth.iter().rev().take(4).map(|one| format!("{} {}", one.model, one.event)).collect();
    assert_eq!(
        last,
        ["product.template unlink", "product.product unlink", "product.product create", "product.template create"]
    );
}

/// The events of one model above an id, each with the fields that it names.
async fn named_in(stage: &Stage, above: i64, model: &str) -> Vec<(String, Vec<String>)> {
    let domain = json!([["id", ">", above], ["model", "=", model]]);
    let fields = json!({"fields": ["event", "changed_fields"], "order": "id"});
    let rows = stage.call("update.webhook", "search_read", json!([domain]), fields).await;
    let names = |row: &Value| serde_json::from_value(row["changed_fields"].clone()).unwrap_or_default();
    rows.as_array().unwrap().iter().map(|row| (row["event"].as_str().unwrap().to_owned(), names(row))).collect()
}

#[tokio::test]
async fn an_order_whose_total_changes_with_a_line_has_an_event_of_its_own() {
    let stage = stage().await;
    let db = stage.erp.db();
    for (orders, quantity) in [("sale.order", "product_uom_qty"), ("purchase.order", "product_qty")] {
        let lines = format!("{orders}.line");
        let order = stage.call(orders, "create", json!([{"partner_id": 8}]), json!({})).await;
        let line = json!([{"order_id": order, "product_id": 1, "price_unit": 5, quantity: 2}]);
        let computed = ("write".to_owned(), vec!["amount_total".to_owned(), "amount_untaxed".to_owned()]);

        let above = db.last_event_id();
        let line = stage.call(&lines, "create", line, json!({})).await;
        assert_eq!(named_in(&stage, above, orders).await, std::slice::from_ref(&computed), "{orders}");
        let truth: Vec<_> = db.events_committed().into_iter().filter(|one| one.id > above).collect();
        let models: Vec<&str> = truth.iter().map(|one| one.model.as_str()).collect();
        assert_eq!(models, [lines.as_str(), orders], "the line's own event comes first");

        // What does not change the total says nothing of the order.
        let above = db.last_event_id();
        stage.call(&lines, "write", json!([[line], {"name": "other words"}]), json!({})).await;
        assert_eq!(named_in(&stage, above, orders).await, []);

        // Twice in one transaction is one event, and so is a write of the order before.
        let above = db.last_event_id();
        let mut transaction = db.begin(2);
        let (line_id, order_id) = (line.as_i64().unwrap(), order.as_i64().unwrap());
        transaction.write(&lines, &[line_id], json!({quantity: 3})).unwrap();
        transaction.write(&lines, &[line_id], json!({quantity: 4})).unwrap();
        transaction.commit();
        assert_eq!(named_in(&stage, above, orders).await, std::slice::from_ref(&computed));
        let above = db.last_event_id();
        let mut transaction = db.begin(2);
        transaction.write(orders, &[order_id], json!({"partner_id": 9})).unwrap();
        transaction.write(&lines, &[line_id], json!({quantity: 5})).unwrap();
        transaction.commit();
        let all = ("write".to_owned(), ["amount_total", "amount_untaxed", "partner_id"].map(str::to_owned).to_vec());
        assert_eq!(named_in(&stage, above, orders).await, [all]);

        // Lines that are written through the order belong to the order's own write.
        let above = db.last_event_id();
        let through = json!([[order], {"order_line": [[1, line, {quantity: 6}]]}]);
        stage.call(orders, "write", through, json!({})).await;
        let all = ("write".to_owned(), ["amount_total", "amount_untaxed", "order_line"].map(str::to_owned).to_vec());
        assert_eq!(named_in(&stage, above, orders).await, [all]);

        let above = db.last_event_id();
        stage.call(&lines, "unlink", json!([[line]]), json!({})).await;
        assert_eq!(named_in(&stage, above, orders).await, [computed]);
        // A new order says it all.
        let above = db.last_event_id();
        let with_lines = json!([{"partner_id": 8, "order_line": [[0, 0, {"product_id": 1, quantity: 1}]]}]);
        stage.call(orders, "create", with_lines, json!({})).await;
        let events: Vec<_> = named_in(&stage, above, orders).await.into_iter().map(|(event, _)| event).collect();
        assert_eq!(events, ["create"]);
    }
}

#[tokio::test]
async fn another_life_starts_the_ids_over_under_another_epoch() {
    let stage = stage().await;
    stage.call("res.partner", "write", json!([[8], {"city": "x"}]), json!({})).await;
    let before = stage.call("update.webhook", "bridgecore_info", json!([]), json!({})).await;
    stage.erp.new_life();
    stage.call("res.partner", "write", json!([[8], {"city": "y"}]), json!({})).await;
    let after = stage.call("update.webhook", "bridgecore_info", json!([]), json!({})).await;
    assert_eq!((&before["max_id"], &after["max_id"]), (&json!(1), &json!(1)));
    assert_ne!(before["epoch"], after["epoch"]);
    assert_ne!(before["database_uuid"], after["database_uuid"]);
}

#[tokio::test]
async fn the_public_add_on_has_fewer_fields_and_none_of_our_methods() {
    let stage = stage_with(Addon::AutoWebhook).await;
    let (name, message) = stage.refused("update.webhook", "bridgecore_info", json!([]), json!({})).await;
    assert_eq!(name, "builtins.AttributeError");
    assert_eq!(message, "The method 'update.webhook.bridgecore_info' does not exist");
    let fields = json!([["changed_fields", "idempotency_key", "priority"], ["type"]]);
    let fields = stage.call("update.webhook", "fields_get", fields, json!({})).await;
    assert_eq!(fields, json!({"priority": {"type": "selection"}}));
    stage.call("res.partner", "write", json!([[8], {"city": "x"}]), json!({})).await;
    assert_eq!(stage.event_ids().await, [1]);
    let without = stage_with(Addon::None).await;
    without.call("res.partner", "write", json!([[8], {"city": "x"}]), json!({})).await;
    let (name, message) = without.refused("update.webhook", "search", json!([[]]), json!({})).await;
    assert_eq!((name.as_str(), message.as_str()), ("odoo.exceptions.UserError", "Object update.webhook doesn't exist"));
}

#[tokio::test]
async fn urgent_events_are_pushed_after_commit_and_again_if_they_are_not_taken() {
    let stage = stage().await;
    let (sender, mut received) = mpsc::unbounded_channel();
    let app = Router::new().route(
        "/api/v1/webhooks/receive",
        post(async move |headers: HeaderMap, body: axum::Json<Value>| {
            let key = headers["x-api-key"].to_str().unwrap().to_owned();
            let is_first = sender.send((key, body.0)).is_ok() && sender.strong_count() == 0;
            if is_first { axum::http::StatusCode::OK } else { axum::http::StatusCode::SERVICE_UNAVAILABLE }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    stage.erp.push_to(&url, "k1");
    let mut open = stage.erp.db().begin(6);
    open.write("res.partner", &[8], json!({"city": "not urgent"})).unwrap();
    let order = open.create("sale.order", json!({"partner_id": 8})).unwrap();
    open.commit();
    let next = async |received: &mut mpsc::UnboundedReceiver<(String, Value)>| {
        tokio::time::timeout(Duration::from_secs(10), received.recv()).await.unwrap().unwrap()
    };
    let (key, body) = next(&mut received).await;
    let info = stage.call("update.webhook", "bridgecore_info", json!([]), json!({})).await;
    assert_eq!(key, "k1");
    assert_eq!(
        (&body["model"], &body["record_id"], &body["event"]),
        (&json!("sale.order"), &json!(order), &json!("create"))
    );
    assert_eq!(body["_webhook_metadata"], json!({"event_id": 2, "epoch": info["epoch"], "database": "demo"}));
    // It was answered 503, so it comes again, and is the same event.
    assert_eq!(next(&mut received).await.1, body);
}

#[tokio::test]
async fn life_goes_on_by_the_seed() {
    let (one, other) = (stage().await, stage().await);
    let lived = |stage: &Stage| -> Vec<&'static str> { (0..40).map(|_| stage.erp.happen()).collect() };
    let story = lived(&one);
    assert_eq!(story, lived(&other));
    assert_eq!(one.erp.db().events_committed(), other.erp.db().events_committed());
    assert!(story.iter().collect::<BTreeSet<_>>().len() >= 5 && !story.contains(&"nothing"), "{story:?}");
}

#[tokio::test]
async fn life_goes_on_by_itself_until_the_server_stops() {
    let life_interval = Some(Duration::from_millis(5));
    let erp = DemoErp::start(Options { life_interval, ..Options::default() }).await.unwrap();
    let db = erp.db();
    tokio::time::timeout(Duration::from_secs(10), async {
        while db.events_count() < 5 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    // The task has ended when `stop` returns, so nothing can come after it.
    erp.stop().await;
    let events = db.events_count();
    assert!(tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await.is_err());
    assert_eq!(db.events_count(), events);
}
