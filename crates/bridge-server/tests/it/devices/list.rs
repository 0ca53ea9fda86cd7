use super::{DEVICES, name, names};
use crate::ingest::pusher::Pusher;
use crate::support::{Client, Setup, on_both_databases};
use crate::sync::device::{Device, positions};
use serde_json::{Value, json};

on_both_databases!(devices_are_listed_with_their_apps, a_device_is_forgotten_whole, bad_requests_are_refused);

async fn id_of(client: &Client) -> i64 {
    client.get("/api/v1/auth/me").await.expect(200)["id"].as_i64().unwrap()
}

async fn devices_are_listed_with_their_apps(setup: Setup) {
    let app = setup.start().await;
    let (admin, rival) = (app.admin().await, app.other_tenant("rival").await);
    assert_eq!(admin.get(DEVICES).await.expect(200), json!({ "items": [], "next_cursor": null }));
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    let phone = Device::new(&admin, "phone-1");
    phone.pull_after("0").await;
    phone.ack("2").await.expect(200);
    phone.with(&json!({ "models_filter": ["sale.order"] })).pull_after("0").await;
    phone.with(&json!({ "app_type": "sales_app" })).pull_after("0").await;
    for device in ["tablet-1", "watch-1"] {
        Device::new(&admin, device).pull_after("0").await;
    }
    Device::new(&rival, "phone-1").pull_after("0").await;

    let page = admin.get(DEVICES).await.expect(200);
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.iter().map(name).collect::<Vec<_>>(), ["phone-1", "tablet-1", "watch-1"]);
    let first = &items[0];
    assert_eq!(first["user_id"], id_of(&admin).await);
    for field in ["created_at", "last_sync_time", "last_used_at"] {
        assert!(first[field].is_string(), "{field}: {first}");
    }
    let apps: Vec<_> =
        first["apps"].as_array().unwrap().iter().map(|app| (app["app_type"].clone(), app["states"].clone())).collect();
    assert_eq!(apps, [(json!("mobile_app"), json!(2)), (json!("sales_app"), json!(1))]);
    let mobile = &first["apps"][0];
    // The narrower state has confirmed nothing; both were handed three changes.
    assert_eq!((&mobile["last_event_id"], &mobile["total_events_synced"]), (&json!(0), &json!(6)));
    assert_eq!(mobile["sync_count"], 2);

    for limit in 1..=4 {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = admin.get(&format!("{DEVICES}?limit={limit}{cursor}")).await.expect(200);
            found.extend(page["items"].as_array().unwrap().iter().map(name));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, ["phone-1", "tablet-1", "watch-1"], "limit {limit}");
    }

    // One's own, and for admins those of any user of the tenant.
    let bob = app.user("bob", Some(6)).await;
    assert_eq!(names(&bob, "").await, [""; 0]);
    let admin_id = id_of(&admin).await;
    bob.get(&format!("{DEVICES}?user_id={admin_id}")).await.expect_problem(403, "FORBIDDEN");
    let bob_id = id_of(&bob).await;
    Device::new(&admin, "bobs-1").with(&json!({ "user_id": bob_id, "app_type": "delivery_app" })).pull_after("0").await;
    assert_eq!(names(&bob, "").await, ["bobs-1"]);
    assert_eq!(names(&bob, &format!("?user_id={bob_id}")).await, ["bobs-1"]);
    assert_eq!(names(&admin, &format!("?user_id={bob_id}")).await, ["bobs-1"]);
    assert_eq!(names(&admin, "").await.len(), 3);
    assert_eq!(names(&rival, "").await, ["phone-1"]);
    rival.get(&format!("{DEVICES}?user_id={bob_id}")).await.expect_problem(404, "NOT_FOUND");
    app.stop().await;
}

async fn a_device_is_forgotten_whole(setup: Setup) {
    let app = setup.start().await;
    let (admin, rival) = (app.admin().await, app.other_tenant("rival").await);
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    let phone = Device::new(&admin, "phone-1");
    phone.pull_after("0").await;
    phone.ack("3").await.expect(200);
    phone.with(&json!({ "app_type": "sales_app" })).pull_after("0").await;
    let bob = app.user("bob", Some(6)).await;
    let bob_id = id_of(&bob).await;
    Device::new(&admin, "phone-1")
        .with(&json!({ "user_id": bob_id, "app_type": "delivery_app" }))
        .pull_after("0")
        .await;
    Device::new(&rival, "phone-1").pull_after("0").await;

    let path = format!("{DEVICES}/phone-1");
    bob.delete(&format!("{path}?user_id={}", id_of(&admin).await)).await.expect_problem(403, "FORBIDDEN");
    rival.delete(&format!("{path}?user_id={bob_id}")).await.expect_problem(404, "NOT_FOUND");
    assert_eq!(names(&admin, "").await, ["phone-1"]);
    let forgotten = admin.delete(&path).await.expect(200);
    assert_eq!(forgotten, json!({ "success": true, "device_id": "phone-1", "states": 2 }));
    assert_eq!(names(&admin, "").await, [""; 0]);
    let gone = admin.delete(&path).await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    assert_eq!(gone["details"]["device_id"], "phone-1");
    admin.get("/api/v2/sync/state?device_id=phone-1").await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    phone.ack("3").await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    // It comes back as a new device.
    assert_eq!(positions(&phone.pull(json!({})).await), [1, 2, 3]);
    // Devices of that name are others with other users and in other tenants.
    assert_eq!((names(&bob, "").await, names(&rival, "").await), (vec!["phone-1".into()], vec!["phone-1".into()]));
    admin.delete(&format!("{path}?user_id={bob_id}")).await.expect(200);
    assert_eq!(names(&bob, "").await, [""; 0]);
    app.stop().await;
}

async fn bad_requests_are_refused(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    Device::new(&admin, "phone-1").pull_after("0").await;
    for query in [
        "?limit=0",
        "?limit=501",
        "?limit=x",
        "?limit=-1",
        "?cursor=",
        "?cursor=ab",
        "?cursor=a%20b%20c",
        "?cursor=%00%00%00",
        "?user_id=x",
        "?user_id=",
        "?user_id=9223372036854775808",
    ] {
        let answer = admin.get(&format!("{DEVICES}{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        answer.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    for device in ["ab", "a%20b%20c", "%ff%fe%fd", "%00%00%00", &"x".repeat(129), "phone-1?user_id=x"] {
        let answer = admin.delete(&format!("{DEVICES}/{device}")).await;
        assert_eq!(answer.status, 400, "{device}: {}", answer.body);
        answer.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    admin.delete(&format!("{DEVICES}/phone-1?user_id=-1")).await.expect_problem(404, "NOT_FOUND");
    admin.delete(&format!("{DEVICES}/phone-2")).await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    admin.post(DEVICES, &json!({})).await.expect_problem(405, "METHOD_NOT_ALLOWED");
    admin.get(&format!("{DEVICES}/phone-1")).await.expect_problem(405, "METHOD_NOT_ALLOWED");
    for client in [app.anonymous(), app.anonymous().with_token("x")] {
        client.get(DEVICES).await.expect_problem(401, "AUTHENTICATION_FAILED");
        client.delete(&format!("{DEVICES}/phone-1")).await.expect_problem(401, "AUTHENTICATION_FAILED");
    }
    let page: Value = admin.get(DEVICES).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "nothing was changed");
    app.stop().await;
}
