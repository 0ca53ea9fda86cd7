//! The event tables of both add-ons.

use super::*;
use crate::FeedKind;
use crate::odoo::normalise::feed_event;
use bridge_model::{Event, Priority, RecordId};
use proptest::prelude::*;

fn row(id: i64) -> Value {
    json!({
        "id": id, "model": "sale.order", "record_id": 40 + id, "event": "write", "timestamp": "2026-11-22 10:00:00",
        "user_id": [2, "Mitchell Admin"], "priority": "high", "payload": {"state": "sale"},
        "changed_fields": ["state", "date_order"], "idempotency_key": "key-1",
    })
}

/// The fields of a row other than its id.
const OUR_ROW: [&str; 9] =
    ["model", "record_id", "event", "timestamp", "user_id", "priority", "payload", "changed_fields", "idempotency_key"];

fn info() -> Value {
    json!({
        "addon": "bridgecore", "version": "1.0.0", "epoch": "e-1/16384/17001", "database_uuid": "d-1",
        "event_id_max": 9, "event_id_last": 11, "event_id_cleaned_to": 2, "transaction_age_max_s": 1.4995,
    })
}

/// An Odoo with our add-on, whose table answers so.
fn with_ours(table: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> impl Fn(&Request) -> Answer + Send + Sync {
    odoo(move |request| match request.called().1.as_str() {
        "bridgecore_info" => result(info()),
        _ => table(request),
    })
}

fn kwarg<'a>(request: &'a Request, name: &str) -> &'a Value {
    &request.params()["kwargs"][name]
}

#[tokio::test]
async fn our_add_on_says_all_of_itself() {
    let server = Server::start(with_ours(|request| {
        assert_eq!(request.called(), ("update.webhook".into(), "search_read".into()));
        assert_eq!(*kwarg(request, "domain"), json!([["id", ">", 3]]));
        assert_eq!((kwarg(request, "order"), kwarg(request, "limit")), (&json!("id asc"), &json!(50)));
        result(json!([row(4), row(7)]))
    }))
    .await;
    let adapter = adapter(&server);
    let info = adapter.feed_info().await.unwrap().unwrap();
    assert_eq!(info.kind, FeedKind::Bridgecore { version: "1.0.0".into() });
    assert_eq!((info.identity.as_str(), info.oldest_transaction_ms), ("e-1/16384/17001", Some(1500)));
    assert_eq!((info.newest_id, info.cleaned_to), (11, 2));

    let events = adapter.feed_after(3, 50).await.unwrap();
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [4, 7], "gaps are left to the caller");
    let event = events[0].event.as_ref().unwrap();
    assert_eq!(event.source_id.as_ref().unwrap().as_number(), Some(4));
    assert_eq!((event.model.as_str(), &event.record_id), ("sale.order", &RecordId::Number(44)));
    assert_eq!((event.event, event.priority), (Event::Write, Priority::High));
    assert_eq!(event.occurred_at.to_string(), "2026-11-22T10:00:00Z");
    assert_eq!(event.changed_fields.as_ref().unwrap(), &["state", "date_order"]);
    assert_eq!(event.payload, Some(json!({"state": "sale"})));
    assert_eq!((event.erp_user_id, event.idempotency_key.as_deref()), (Some(2), Some("key-1")));
    assert_eq!(events[0].raw, row(4));
}

#[tokio::test]
async fn a_row_that_cannot_be_understood_does_not_hold_up_the_others() {
    let with = |name: &str, value: Value| {
        let mut row = row(1);
        row[name] = value;
        row
    };
    let good = [
        (with("changed_fields", json!(false)), "empty values are false"),
        (with("changed_fields", json!("[\"state\"]")), "a list as text"),
        (with("changed_fields", json!("state, name")), "names with commas"),
        (with("priority", json!("urgent")), "an unknown priority"),
        (with("user_id", json!(false)), "no user"),
        (with("payload", json!(false)), "no payload"),
        (with("timestamp", json!("2026-11-22 10:00:00.250000")), "a fraction"),
        (with("event", json!("unlink")), "a deletion"),
    ];
    let bad = [
        with("event", json!("explode")),
        with("event", json!("reset")),
        with("event", json!(false)),
        with("model", json!("no model; --")),
        with("model", json!(false)),
        with("record_id", json!(0)),
        with("record_id", json!(false)),
        with("timestamp", json!("yesterday")),
        with("timestamp", json!(false)),
    ];
    let mut rows: Vec<Value> = good.iter().map(|(row, _)| row.clone()).chain(bad.iter().cloned()).collect();
    for (row, id) in rows.iter_mut().zip(1..) {
        row["id"] = json!(id);
    }
    let answer = rows.clone();
    let server = Server::start(with_ours(move |_| result(json!(answer)))).await;
    let events = adapter(&server).feed_after(0, 100).await.unwrap();
    assert_eq!(events.len(), rows.len());
    for (at, event) in events.iter().enumerate() {
        match good.get(at) {
            Some((_, what)) => assert!(event.event.is_ok(), "{what}: {:?}", event.event),
            None => assert!(!event.event.as_ref().unwrap_err().is_empty(), "{:?}", event.raw),
        }
        assert_eq!(event.raw, rows[at]);
    }
    let changed = |at: usize| events[at].event.as_ref().unwrap().changed_fields.clone();
    assert_eq!(changed(0), None);
    assert_eq!(changed(1), Some(vec!["state".to_owned()]));
    assert_eq!(changed(2), Some(vec!["state".to_owned(), "name".to_owned()]));
    let event = |at: usize| events[at].event.as_ref().unwrap();
    assert_eq!((event(3).priority, event(4).erp_user_id, &event(5).payload), (Priority::Medium, None, &None));
}

#[tokio::test]
async fn ids_are_asked_for_again_by_themselves_archived_ones_too() {
    let server = Server::start(with_ours(|request| {
        // Not by a search, which may be answered from a copy that lags behind.
        assert_eq!(request.called().1, "events_by_ids");
        assert_eq!(request.params()["args"], json!([[5, 8]]));
        result(json!({"events": [row(5)], "missing": [8], "count": 1}))
    }))
    .await;
    let adapter = adapter(&server);
    let events = adapter.feed_by_ids(&[5, 8]).await.unwrap();
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [5]);
    let so_far = server.requests().len();
    assert!(adapter.feed_by_ids(&[]).await.unwrap().is_empty());
    assert_eq!(server.requests().len(), so_far, "nothing needs to be asked about no ids");
}

#[tokio::test]
async fn rows_too_large_for_one_reply_come_in_parts_and_at_last_without_payload() {
    let server = Server::start(with_ours(|request| {
        let numbers = |ids: &Value| ids.as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
        let named = request.called().1 == "events_by_ids";
        let all: Vec<i64> = match &kwarg(request, "domain")[0] {
            _ if named => numbers(&request.params()["args"][0]),
            after if after[1] == ">" => (after[2].as_i64().unwrap() + 1..=6).collect(),
            ids => numbers(&ids[2]),
        };
        let limit = if named { 100 } else { usize::try_from(kwarg(request, "limit").as_u64().unwrap()).unwrap() };
        let with_payload = named || kwarg(request, "fields").as_array().unwrap().contains(&json!("payload"));
        let rows: Vec<Value> = all
            .into_iter()
            .take(limit)
            .map(|id| {
                let mut row = row(id);
                // The fourth is too large by itself.
                let bytes = if id == 4 { 50_000 } else { 3_000 };
                row["payload"] = if with_payload { json!("x".repeat(bytes)) } else { Value::Null };
                row
            })
            .collect();
        result(if named { json!({"events": rows}) } else { json!(rows) })
    }))
    .await;
    let options = ClientOptions { reply_bytes_max: 10_000, ..options() };
    let adapter = connect("odoo", &connection(&server), &options, Arc::new(SystemClock)).unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&6) {
        let events = adapter.feed_after(seen.last().copied().unwrap_or(0), 100).await.unwrap();
        assert!(!events.is_empty(), "the feed has come to a stop after {seen:?}");
        seen.extend(events.iter().map(|event| event.id));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    let again = adapter.feed_by_ids(&[6, 1, 4, 2]).await.unwrap();
    assert_eq!(again.iter().map(|event| event.id).collect::<Vec<_>>(), [1, 2, 4, 6]);
    assert_eq!(again[2].event.as_ref().unwrap().payload, None);
}

#[tokio::test]
async fn the_public_add_on_is_known_by_what_it_lacks() {
    let server = Server::start(odoo(|request| {
        let (model, method) = request.called();
        match (model.as_str(), method.as_str()) {
            (_, "bridgecore_info") => error("builtins.AttributeError"),
            ("update.webhook", "fields_get") => result(json!({})),
            ("ir.config_parameter", _) => result(json!([{"id": 1, "value": "d-1"}])),
            ("ir.model", _) => result(json!([{"id": 777}])),
            ("update.webhook", "search_read") if *kwarg(request, "order") == "id desc" => result(json!([{"id": 30}])),
            ("update.webhook", "search_read") => {
                let fields = kwarg(request, "fields").as_array().unwrap();
                assert!(!fields.contains(&json!("changed_fields")), "it has no such field");
                let mut row = row(30);
                row.as_object_mut().unwrap().retain(|name, _| fields.contains(&json!(name)));
                result(json!([row]))
            }
            other => panic!("{other:?}"),
        }
    }))
    .await;
    let adapter = adapter(&server);
    let events = adapter.feed_after(0, 10).await.unwrap();
    assert_eq!(events[0].event.as_ref().unwrap().changed_fields, None);
    let info = adapter.feed_info().await.unwrap().unwrap();
    assert_eq!((info.kind, info.identity.as_str(), info.newest_id), (FeedKind::AutoWebhook, "d-1/777", 30));
    assert_eq!(info.oldest_transaction_ms, None);
}

#[tokio::test]
async fn a_fault_inside_our_add_on_does_not_make_it_the_other_one() {
    let server = Server::start(odoo(|request| match request.called().1.as_str() {
        "fields_get" => result(json!({"changed_fields": {"type": "json"}})),
        _ => error("builtins.AttributeError"),
    }))
    .await;
    assert_eq!(adapter(&server).feed_info().await.unwrap_err().kind, ErpErrorKind::UnknownMethod);
}

#[tokio::test]
async fn a_system_without_an_event_table_says_so() {
    let server = Server::start(odoo(|request| match request.path.as_str() {
        "/web/session/get_session_info" => result(json!({"uid": 2})),
        _ => error("werkzeug.exceptions.NotFound"),
    }))
    .await;
    let adapter = adapter(&server);
    assert_eq!(adapter.feed_info().await.unwrap(), None);
    assert_eq!(adapter.feed_after(0, 10).await.unwrap_err().kind, ErpErrorKind::UnknownModel);
}

#[tokio::test]
async fn reading_the_feed_survives_errors_that_pass() {
    let server = Server::start(with_ours(|request| match request.earlier_on_this_path {
        0 => Answer::Bytes(b"HTTP/1.0 200 OK\r\n\r\n{\"jsonrpc\": \"2.0\", \"result\": [{\"id\": 4".to_vec()),
        1 => Answer::http("HTTP/1.1 502 Bad Gateway", b""),
        _ => result(json!([row(4)])),
    }))
    .await;
    assert_eq!(adapter(&server).feed_after(0, 10).await.unwrap().len(), 1);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,30}".prop_map(Value::from),
        Just(json!("2026-11-22 10:00:00")),
        Just(json!("write")),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| proptest::collection::vec(inner, 0..4).prop_map(Value::from))
}

proptest! {
    #[test]
    fn no_row_whatever_is_in_it_is_lost_or_brings_the_reader_down(
        id in any::<i64>(),
        values in proptest::collection::vec((0..OUR_ROW.len(), any_json()), 0..10),
    ) {
        let mut row = row(1);
        row["id"] = json!(id);
        for (at, value) in values {
            row[OUR_ROW[at]] = value;
        }
        let event = feed_event(row.clone()).unwrap();
        prop_assert_eq!((event.id, &event.raw), (id, &row));
        if let Ok(event) = event.event {
            prop_assert!(matches!(event.record_id, RecordId::Number(id) if id > 0));
            prop_assert_eq!(Some(event.model.as_str()), row["model"].as_str());
        }
    }
}
