use crate::ingest::pusher::{Pusher, event};
use crate::support::{Client, Setup, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(admins_page_through_what_was_not_understood);

pub(super) async fn letters(admin: &Client, query: &str) -> Value {
    admin.get(&format!("/api/v1/webhooks/dead-letters?{query}")).await.expect(200)
}

async fn admins_page_through_what_was_not_understood(setup: Setup) {
    let app = setup.start().await;
    let (admin, rival) = (app.admin().await, app.other_tenant("rival").await);
    assert_eq!(letters(&admin, "").await, json!({ "items": [], "next_cursor": null }));
    let shop = Pusher::register(&app, &admin, "shop").await;
    let depot = Pusher::register(&app, &admin, "depot").await;
    let bad = event(7, "sale.order", 1, "explode").to_string();
    shop.push_bytes(bad.clone()).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    depot.push_bytes(b"\xff\xfe{".to_vec()).await.expect_problem(400, "MALFORMED_JSON");
    let long = format!("é{}", "x".repeat(70_000));
    shop.push_bytes(long).await.expect_problem(400, "MALFORMED_JSON");
    for _ in 0..12 {
        depot.push_bytes("{").await.expect_problem(400, "MALFORMED_JSON");
    }

    let all = letters(&admin, "").await;
    let items = all["items"].as_array().unwrap();
    assert_eq!((items.len(), &all["next_cursor"]), (15, &Value::Null));
    let first = &items[0];
    let expected = json!({
        "id": first["id"], "system_id": "shop", "origin": "push", "source_id": null,
        "reason": "event must be create, write, unlink or manual, not \"explode\"",
        "body": bad, "body_encoding": "text", "body_bytes": bad.len(), "body_truncated": false,
        "received_at": first["received_at"], "attempts": 0, "last_attempt_at": null,
    });
    assert_eq!(first, &expected);
    assert_eq!((&items[1]["body"], &items[1]["body_encoding"]), (&json!("//57"), &json!("base64")));
    assert_eq!((&items[2]["body_bytes"], &items[2]["body_truncated"]), (&json!(70_002), &json!(true)));
    assert_eq!(items[2]["body"].as_str().unwrap().len(), 65_536);

    let all_ids: Vec<i64> = items.iter().map(|letter| letter["id"].as_i64().unwrap()).collect();
    for limit in [1, 4, 7, 14, 15, 16] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = letters(&admin, &format!("limit={limit}{cursor}")).await;
            let ids = page["items"].as_array().unwrap().iter().map(|letter| letter["id"].as_i64().unwrap());
            found.extend(ids);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, all_ids, "limit {limit}");
    }
    for (query, count) in [
        ("system_id=shop", 2),
        ("system_id=depot", 13),
        ("reason_contains=explode", 1),
        ("reason_contains=not%20JSON&system_id=depot", 13),
        ("reason_contains=%25", 0),
    ] {
        assert_eq!(letters(&admin, query).await["items"].as_array().unwrap().len(), count, "{query}");
    }
    // A system that is gone keeps its name here.
    admin.delete("/api/v1/systems/depot").await.expect(200);
    assert_eq!(letters(&admin, "limit=2").await["items"][1]["system_id"], "depot");

    assert_eq!(letters(&rival, "").await["items"], json!([]));
    let ann = app.user("ann", Some(6)).await;
    ann.get("/api/v1/webhooks/dead-letters").await.expect_problem(403, "FORBIDDEN");
    app.stop().await;
}

#[tokio::test]
async fn a_page_of_large_letters_ends_early_and_none_is_lost() {
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    let shop = Pusher::register(&app, &admin, "shop").await;
    for _ in 0..40 {
        shop.push_bytes("x".repeat(65_536)).await.expect_problem(400, "MALFORMED_JSON");
    }
    let first = letters(&admin, "limit=200").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 32, "two megabytes of bodies");
    let rest = letters(&admin, &format!("limit=200&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (8, &Value::Null));
    app.stop().await;
}
