use super::{EVENTS, NONE, ids};
use crate::ingest::pusher::{Pusher, event};
use crate::support::{Client, Setup, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    the_newest_come_first_and_every_filter_chooses,
    pages_by_offset_and_by_cursor_hold_everything_once,
    a_long_log_is_put_in_order_stretch_by_stretch,
    late_arrivals_stand_where_they_happened,
);

/// Pushes an event that happened in this minute after nine, and bears its record's number.
async fn push(source: &Pusher, record: i64, model: &str, word: &str, minute: i64) {
    let mut event = event(record, model, record, word);
    event["timestamp"] = json!(format!("2026-03-02T09:{minute:02}:00Z"));
    source.push(&event).await.expect(200);
}

async fn list(client: &Client, query: &str) -> Value {
    client.get(&format!("{EVENTS}?{query}")).await.expect(200)
}

async fn the_newest_come_first_and_every_filter_chooses(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    assert_eq!(list(&admin, "").await, json!({ "items": [], "limit": 100, "offset": 0, "next_cursor": null }));
    let shop = Pusher::register(&app, &admin, "shop").await;
    let depot = Pusher::register(&app, &admin, "depot").await;
    push(&shop, 1, "sale.order", "create", 1).await;
    push(&shop, 2, "res.partner", "write", 2).await;
    push(&shop, 3, "sale.order", "write", 3).await;
    push(&depot, 3, "sale.order", "unlink", 4).await;
    let mut text = event(9, "sale.order", 0, "write");
    text["record_id"] = json!("3");
    shop.push(&text).await.expect(200);

    let page = list(&admin, "").await;
    // The last one carries the time of an hour before.
    assert_eq!(ids(&page), [4, 3, 2, 1, 5]);
    let newest = &page["items"][0];
    let fields = json!({
        "id": 4, "system_id": "depot", "model": "sale.order", "record_id": 3, "event": "unlink", "priority": "medium",
        "timestamp": "2026-03-02T09:04:00Z", "occurred_at": "2026-03-02T09:04:00Z", "origin": "push",
        "changed_fields": null, "user_id": null, "idempotency_key": null,
        "payload": null, "old_data": null, "new_data": null, "received_at": newest["received_at"],
    });
    assert_eq!(newest, &fields);
    for (query, expected) in [
        ("model=sale.order", vec![4, 3, 1, 5]),
        ("model=no.model", vec![]),
        ("record_id=3", vec![4, 3, 5]),
        ("record_id=33", vec![]),
        ("event=create", vec![1]),
        ("event=write", vec![3, 2, 5]),
        ("system_id=depot", vec![4]),
        ("since=3", vec![4, 5]),
        ("since=5", vec![]),
        ("since=999", vec![]),
        ("since=2026-03-02T09:02:00Z", vec![4, 3, 2]),
        ("since=2026-03-02T11:03:00%2B02:00", vec![4, 3]),
        ("model=sale.order&record_id=3&event=write&system_id=shop", vec![3, 5]),
        ("limit=2", vec![4, 3]),
        ("offset=3", vec![1, 5]),
        ("offset=5", vec![]),
        ("limit=1&offset=1&model=sale.order", vec![3]),
    ] {
        assert_eq!(ids(&list(&admin, query).await), expected, "{query}");
    }
    app.stop().await;
}

async fn pages_by_offset_and_by_cursor_hold_everything_once(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=7).await;
    // All of the same time: the one that arrived later comes first.
    let all = [7, 6, 5, 4, 3, 2, 1];
    for limit in 1..=8 {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(&admin, &format!("limit={limit}{cursor}")).await;
            found.extend(ids(&page));
            // What arrives meanwhile does not move what was there.
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, all, "limit {limit}");
    }
    let first = list(&admin, "limit=3").await;
    source.writes("sale.order", 8..=9).await;
    let next = first["next_cursor"].as_str().unwrap();
    assert_eq!(ids(&list(&admin, &format!("limit=3&cursor={next}")).await), [4, 3, 2]);
    assert_eq!(ids(&list(&admin, "limit=3&offset=3").await), [6, 5, 4]);
    app.stop().await;
}

async fn a_long_log_is_put_in_order_stretch_by_stretch(setup: Setup) {
    let small = |config: &mut bridge_server::config::Config| {
        (config.sync.limit_default, config.sync.limit_max, config.sync.scan_max) = (4, 4, 4);
    };
    let app = setup.config(small).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("res.partner", 1..=1).await;
    source.writes("sale.order", 2..=30).await;
    source.writes("res.partner", 31..=31).await;
    // A page is filled from as many stretches as it needs, within reason.
    assert_eq!(ids(&list(&admin, "limit=10").await), (22..=31).rev().collect::<Vec<_>>());
    assert_eq!(ids(&list(&admin, "limit=5&offset=9").await), (18..=22).rev().collect::<Vec<_>>());
    assert_eq!(ids(&list(&admin, "limit=2&offset=4").await), [27, 26], "at the edge of a stretch");
    // What is rare is found in the end; a page may be short without being the last.
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = list(&admin, &format!("model=res.partner{cursor}")).await;
        found.extend(ids(&page));
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((found, pages), (vec![31, 1], 2));
    let all = list(&admin, "limit=1000").await;
    assert_eq!(ids(&all), (12..=31).rev().collect::<Vec<_>>(), "five stretches in one request");
    let rest = list(&admin, &format!("limit=1000&cursor={}", all["next_cursor"].as_str().unwrap())).await;
    assert_eq!((ids(&rest), &rest["next_cursor"]), ((1..=11).rev().collect(), &Value::Null));
    // Since a position, nothing before it is looked at.
    let since = list(&admin, "since=28&limit=1000").await;
    assert_eq!((ids(&since), &since["next_cursor"]), (vec![31, 30, 29], &Value::Null));
    app.stop().await;
}

async fn late_arrivals_stand_where_they_happened(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    for (record, minute) in [(1, 10), (2, 30), (3, 20), (4, 30), (5, 5)] {
        push(&source, record, "sale.order", "write", minute).await;
    }
    assert_eq!(ids(&list(&admin, "").await), [4, 2, 3, 1, 5]);
    assert_eq!(ids(&list(&admin, "since=2026-03-02T09:20:00Z").await), [4, 2, 3]);
    let mut cursor = String::new();
    for expected in [4, 2, 3, 1, 5] {
        let page = list(&admin, &format!("limit=1{cursor}")).await;
        assert_eq!(ids(&page), [expected]);
        cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap_or_default());
    }
    assert_eq!(cursor, "&cursor=", "the last page says that it is the last");
    assert_eq!(ids(&list(&admin, "since=2026-03-02T10:00:00Z").await), NONE);
    app.stop().await;
}
