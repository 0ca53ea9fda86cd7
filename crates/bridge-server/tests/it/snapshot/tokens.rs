use super::phone::{SALES, SNAPSHOT};
use crate::support::{Setup, demo_erp, manual_clock, register_demo_system};
use serde_json::{Value, json};
use std::time::Duration;

fn with(wish: &Value, key: &str, value: impl Into<Value>) -> Value {
    let mut wish = wish.clone();
    wish[key] = value.into();
    wish
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_token_is_good_for_its_own_snapshot_alone() {
    let clock = manual_clock();
    let (app, erp) = (Setup::sqlite().clock(clock.clone()).start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let ann = app.user("ann", Some(SALES)).await;
    let bob = app.user("bob", Some(SALES)).await;
    let wish = json!({ "device_id": "phone-1", "app_type": "sales_app", "limit": 3 });
    let page = ann.post(SNAPSHOT, &wish).await.expect(200);
    let token = page["next_page_token"].as_str().unwrap();
    let next = with(&wish, "page_token", token);
    let second = ann.post(SNAPSHOT, &next).await.expect(200);
    // A page whose answer was lost can be asked for again, also in another size.
    assert_eq!(ann.post(SNAPSHOT, &next).await.expect(200)["records"], second["records"]);
    let wider = ann.post(SNAPSHOT, &with(&next, "limit", 5)).await.expect(200);
    assert_eq!(wider["records"].as_array().unwrap()[..3], second["records"].as_array().unwrap()[..]);

    let refused = async |client: &crate::support::Client, body: Value| {
        let problem = client.post(SNAPSHOT, &body).await.expect_problem(400, "INVALID_SYNC_TOKEN");
        assert_eq!(problem["details"]["field"], "page_token");
    };
    refused(&bob, next.clone()).await;
    refused(&admin, next.clone()).await;
    refused(&ann, with(&next, "device_id", "phone-2")).await;
    refused(&ann, with(&next, "app_type", "delivery_app")).await;
    refused(&ann, with(&next, "models_filter", json!(["res.partner"]))).await;
    refused(&ann, with(&next, "system_id", "main")).await;
    let parts: Vec<&str> = token.split('.').collect();
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    let other =
        page["next_page_token"].as_str().unwrap().replace(parts[2], &parts[2].chars().rev().collect::<String>());
    let claims = second["next_page_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let swapped = format!("{}.{claims}.{}", parts[0], parts[2]);
    for forged in ["", "x", "0", "a.b.c", &unsigned, &other, &swapped, ann.token(), &"x".repeat(100_000)] {
        refused(&ann, with(&wish, "page_token", forged)).await;
    }
    // Nor does a page token open a door that another token opens.
    ann.with_token(token).post(SNAPSHOT, &wish).await.expect_problem(401, "AUTHENTICATION_FAILED");
    clock.advance(Duration::from_hours(24));
    let ann = app.login("ann", "a user's password").await;
    refused(&ann, next).await;
    app.stop().await;
    erp.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_with_the_fields_name() {
    let (app, erp) = (Setup::sqlite().start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let wish = json!({ "device_id": "phone-1", "app_type": "sales_app" });
    app.anonymous().post(SNAPSHOT, &wish).await.expect_problem(401, "AUTHENTICATION_FAILED");
    for (key, value) in [
        ("limit", json!(0)),
        ("limit", json!(1_001)),
        ("limit", json!(-1)),
        ("limit", json!("5")),
        ("device_id", json!("x")),
        ("app_type", json!("no_app")),
        ("page_token", json!(7)),
        ("models_filter", json!("res.partner")),
        ("fields", json!({ "product.product": ["no_such_field"] })),
        ("fields", json!({ "product.product": "name" })),
        ("fields", json!(["name"])),
    ] {
        admin.post(SNAPSHOT, &with(&wish, key, value)).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    admin.post(SNAPSHOT, &with(&wish, "system_id", "none")).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    for (key, value) in [
        ("compact", json!("yes")),
        ("include", json!("yes")),
        ("include", json!({ "field": {} })),
        ("include", json!({ "fields": { "Bad Model": [] } })),
        ("wait_s", json!(-1)),
        ("wait_s", json!(1.5)),
    ] {
        let answer = admin.post("/api/v2/sync/pull", &with(&wish, key, value)).await;
        answer.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    app.stop().await;
    erp.stop().await;
}
