use super::device::{Device, EMPTY, positions, records, token_of};
use crate::ingest::pusher::{Pusher, event};
use crate::support::{Setup, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    devices_and_users_do_not_move_each_other,
    a_narrower_pull_has_a_cursor_of_its_own,
    each_app_type_gets_its_models,
    the_state_tells_how_far_each_cursor_has_come,
    an_admin_looks_for_a_user_and_nobody_else_does,
    many_pulls_at_once_of_one_device_skip_nothing,
);

async fn devices_and_users_do_not_move_each_other(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let other_admin = json!({ "username": "second", "password": "a user's password", "role": "admin" });
    admin.post("/api/v1/users", &other_admin).await.expect(201);
    let second = app.login("second", "a user's password").await;
    source.writes("sale.order", 1..=3).await;
    let devices = [Device::new(&admin, "phone-1"), Device::new(&admin, "phone-2"), Device::new(&second, "phone-1")];
    for device in &devices {
        assert_eq!(positions(&device.pull_after("0").await), [1, 2, 3]);
    }
    for (device, token) in devices.iter().zip(["1", "2", "3"]) {
        device.ack(token).await.expect(200);
    }
    for (device, rest) in devices.iter().zip([vec![2, 3], vec![3], vec![]]) {
        assert_eq!(positions(&device.pull(json!({})).await), rest, "{}", device.name);
    }
    app.stop().await;
}

async fn a_narrower_pull_has_a_cursor_of_its_own(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let (shop, depot) = (Pusher::register(&app, &admin, "shop").await, Pusher::register(&app, &admin, "depot").await);
    shop.writes("sale.order", 1..=2).await;
    shop.writes("res.partner", 3..=4).await;
    depot.writes("sale.order", 5..=6).await;
    let all = Device::new(&admin, "phone-1");
    let orders = all.with(&json!({ "models_filter": ["sale.order"] }));
    let from_depot = all.with(&json!({ "system_id": "depot" }));

    let narrow = orders.pull_after("0").await;
    assert_eq!((positions(&narrow), token_of(&narrow)), (vec![1, 2, 5, 6], "6".to_owned()));
    assert_eq!(positions(&from_depot.pull_after("0").await), [5, 6]);
    // Its token was handed out to it, not to the wider pull.
    all.try_pull(json!({ "last_sync_token": "6" })).await.expect_problem(400, "INVALID_SYNC_TOKEN");
    orders.ack("6").await.expect(200);
    from_depot.ack("6").await.expect(200);
    assert_eq!(positions(&all.pull_after("0").await), [1, 2, 3, 4, 5, 6]);
    assert_eq!(positions(&orders.pull(json!({})).await), EMPTY);
    // The filter is a set: its order and repetitions do not matter, and an empty one is none.
    let two = all.with(&json!({ "models_filter": ["res.partner", "sale.order"] }));
    two.pull_after("0").await;
    two.ack("5").await.expect(200);
    let same = all.with(&json!({ "models_filter": ["sale.order", "res.partner", "sale.order"] }));
    assert_eq!(positions(&same.pull(json!({})).await), [6]);
    all.ack("5").await.expect(200);
    assert_eq!(positions(&all.with(&json!({ "models_filter": [] })).pull(json!({})).await), [6]);
    let names: Vec<Value> = from_depot.pull_after("0").await["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["system_id"].clone())
        .collect();
    assert_eq!(names, ["depot", "depot"]);
    app.stop().await;
}

async fn each_app_type_gets_its_models(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let models = ["sale.order", "stock.picking", "res.partner", "account.move", "x_own.model", "product.product"];
    let events: Vec<Value> = (1..).zip(models).map(|(id, model)| event(id, model, id, "write")).collect();
    source.push(&json!(events)).await.expect(200);
    for (app_type, expected) in [
        ("sales_app", vec![1, 3, 6]),
        ("delivery_app", vec![2, 3]),
        ("warehouse_app", vec![2, 6]),
        ("manager_app", vec![1, 4]),
        ("mobile_app", vec![1, 2, 3, 4, 5, 6]),
    ] {
        let answer = Device::new(&admin, "phone-1").with(&json!({ "app_type": app_type })).pull_after("0").await;
        assert_eq!(records(&answer), expected, "{app_type}");
        assert_eq!(token_of(&answer), "6", "{app_type}: a token is the last position that was looked at");
    }
    // A filter narrows the app type; it does not widen it.
    let filtered = json!({ "app_type": "sales_app", "models_filter": ["res.partner", "account.move"] });
    assert_eq!(records(&Device::new(&admin, "phone-1").with(&filtered).pull_after("0").await), [3]);
    app.stop().await;
}

async fn the_state_tells_how_far_each_cursor_has_come(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=3).await;
    let path = "/api/v2/sync/state?device_id=phone-1";
    admin.get(path).await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    let phone = Device::new(&admin, "phone-1");
    phone.pull(json!({})).await;
    let narrow = phone.with(&json!({ "app_type": "sales_app", "models_filter": ["sale.order"], "system_id": "shop" }));
    narrow.pull(json!({ "last_sync_token": "0", "limit": 2 })).await;
    narrow.pull(json!({ "last_sync_token": "1", "limit": 2 })).await;
    let state = admin.get(path).await.expect(200);
    assert_eq!((&state["status"], &state["device_id"]), (&json!("success"), &json!("phone-1")));
    assert_eq!((&state["last_event_id"], &state["sync_count"]), (&json!(1), &json!(2)), "the one used last: {state}");
    let mut states = state["states"].as_array().unwrap().clone();
    states.sort_by_key(|state| state["app_type"].to_string());
    assert_eq!(states.len(), 2);
    let shown = |state: &Value, names: &[&str]| names.iter().map(|name| state[name].clone()).collect::<Vec<_>>();
    let names =
        ["app_type", "system_id", "models_filter", "last_event_id", "last_offered_id", "confirmed_by", "sync_count"];
    assert_eq!(
        json!([shown(&states[0], &names), shown(&states[1], &names)]),
        json!([
            ["mobile_app", null, null, 0, 3, "next_pull", 1],
            ["sales_app", "shop", ["sale.order"], 1, 3, "token", 2]
        ])
    );
    assert_eq!((&states[1]["total_events_synced"], &states[1]["last_event_count"]), (&json!(4), &json!(2)));
    app.stop().await;
}

async fn an_admin_looks_for_a_user_and_nobody_else_does(setup: Setup) {
    let app = setup.start().await;
    let (admin, rival) = (app.admin().await, app.other_tenant("rival").await);
    let source = Pusher::register(&app, &admin, "shop").await;
    let (ann, bob) = (app.user("ann", Some(6)).await, app.user("bob", Some(7)).await);
    let mut ids = Vec::new();
    for user in [&admin, &ann, &bob, &rival] {
        ids.push(user.get("/api/v1/auth/me").await.expect(200)["id"].as_i64().unwrap());
    }
    let [admin_id, ann_id, bob_id, rival_id] = ids[..] else { panic!() };
    // Nothing is in the log yet, so that no ERP has to be asked for rights.
    for (client, user_id, wanted) in [
        (&ann, ann_id, 200),
        (&ann, bob_id, 403),
        (&ann, admin_id, 403),
        (&ann, rival_id, 403),
        (&ann, -1, 403),
        (&ann, i64::MAX, 403),
        (&admin, ann_id, 200),
        (&admin, rival_id, 404),
        (&admin, -1, 404),
    ] {
        let named = json!({ "user_id": user_id });
        let phone = Device::new(client, "phone-1").with(&named);
        for answer in [
            phone.try_pull(json!({})).await,
            phone.ack("0").await,
            client.get(&format!("/api/v2/sync/state?device_id=phone-1&user_id={user_id}")).await,
            client.post(&format!("/api/v2/sync/reset?device_id=phone-1&user_id={user_id}"), &json!({})).await,
        ] {
            match wanted {
                403 => drop(answer.expect_problem(403, "FORBIDDEN")),
                404 => drop(answer.expect_problem(404, "NOT_FOUND")),
                _ => drop(answer.expect(200)),
            }
        }
    }
    // What the admin did for Ann was done to Ann's cursor.
    let states = ann.get("/api/v2/sync/state?device_id=phone-1").await.expect(200);
    assert_eq!(states["user_id"], ann_id);
    admin.get("/api/v2/sync/state?device_id=phone-1").await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    // Acting for a user shows what the user sees: here the ERP can't be asked, so nothing is shown or skipped.
    source.writes("sale.order", 1..=1).await;
    let as_ann = Device::new(&admin, "phone-1").with(&json!({ "user_id": ann_id }));
    as_ann.try_pull(json!({})).await.expect_problem(502, "CONNECTION_REFUSED");
    assert_eq!(positions(&Device::new(&admin, "phone-1").pull(json!({})).await), [1]);
    app.stop().await;
}

async fn many_pulls_at_once_of_one_device_skip_nothing(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=40).await;
    let phone = Device::new(&admin, "phone-1").with(&json!({ "limit": 5 }));
    let mut pulls = tokio::task::JoinSet::new();
    for number in 0..60 {
        let phone = phone.clone();
        pulls.spawn(async move {
            let besides = if number % 2 == 0 { json!({}) } else { json!({ "last_sync_token": "0" }) };
            phone.try_pull(besides).await
        });
    }
    let mut answered = 0;
    while let Some(answer) = pulls.join_next().await {
        let answer = answer.unwrap();
        if answer.status == 409 {
            answer.expect_problem(409, "SYNC_CONFLICT");
            continue;
        }
        // Nothing was confirmed, so that everybody starts at the beginning.
        assert_eq!(positions(&answer.expect(200))[..5], [1, 2, 3, 4, 5]);
        answered += 1;
    }
    assert!(answered > 0);
    let all: Vec<i64> = phone.pull_all_after("0").await.iter().map(|event| event["id"].as_i64().unwrap()).collect();
    assert_eq!(all, (1..=40).collect::<Vec<_>>());
    app.stop().await;
}
