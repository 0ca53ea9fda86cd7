use super::phone::SALES;
use crate::support::{Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use crate::sync::device::{Device, positions, records};
use bridge_erp::fake::DemoErp;
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(changed_records_come_along_as_the_user_may_read_them);

/// Waits until a device sees so many changes.
async fn all_there(device: &Device, count: usize) -> Value {
    eventually("the changes arrive", Duration::from_mins(1), async || {
        let answer = device.pull_after("0").await;
        (positions(&answer).len() == count).then_some(answer)
    })
    .await
}

fn change(erp: &DemoErp) -> (i64, i64, i64) {
    let mut tx = erp.db().begin(2);
    let kept = tx.create("res.partner", json!({ "name": "Kept", "active": false })).unwrap();
    let gone = tx.create("res.partner", json!({ "name": "Gone" })).unwrap();
    tx.write("res.partner", &[kept], json!({ "city": "Fes" })).unwrap();
    let order = erp.db().ids("sale.order")[0];
    tx.write("sale.order", &[order], json!({ "client_order_ref": "R1" })).unwrap();
    tx.commit();
    let mut tx = erp.db().begin(2);
    tx.unlink("res.partner", &[gone]).unwrap();
    tx.commit();
    (kept, gone, order)
}

async fn changed_records_come_along_as_the_user_may_read_them(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let ann = app.user("ann", Some(SALES)).await;
    let (kept, gone, order) = change(&erp);
    let phone = Device::new(&ann, "phone-1").with(&json!({ "app_type": "sales_app" }));
    let plain = all_there(&phone, 5).await;
    assert!(plain.get("records").is_none() && plain.get("include_error").is_none());

    let answer = phone.with(&json!({ "include": true })).pull_after("0").await;
    assert_eq!(positions(&answer), positions(&plain));
    let partners = answer["records"]["res.partner"].as_array().unwrap();
    assert_eq!(partners.len(), 1, "the deleted one is not read: {answer}");
    assert_eq!((&partners[0]["id"], &partners[0]["city"]), (&json!(kept), &json!("Fes")));
    assert_eq!((&partners[0]["active"], &partners[0]["phone"]), (&json!(false), &Value::Null));
    assert_eq!(answer["records"]["sale.order"][0]["client_order_ref"], "R1");
    assert!(answer.get("include_error").is_none(), "{answer}");

    let wish = json!({ "include": { "fields": { "sale.order": ["state"] } }, "compact": true });
    let answer = phone.with(&wish).pull_after("0").await;
    assert_eq!(records(&answer), [kept, order, gone], "{answer}");
    assert_eq!((&answer["new_events_count"], &answer["next_sync_token"]), (&json!(3), &plain["next_sync_token"]));
    assert_eq!(answer["events"][2]["event"], "unlink");
    assert_eq!(answer["records"]["sale.order"][0].as_object().unwrap().len(), 2);
    assert!(answer["records"]["res.partner"][0].as_object().unwrap().len() > 10);

    // A field that is not there leaves that model out, and nothing else.
    let wish = json!({ "include": { "fields": { "sale.order": ["no_such_field"] } } });
    let answer = phone.with(&wish).pull_after("0").await;
    assert_eq!(positions(&answer).len(), 5);
    assert_eq!(answer["include_error"]["models"], json!(["sale.order"]), "{answer}");
    assert!(answer["records"].get("sale.order").is_none() && answer["records"]["res.partner"].is_array());
    assert!(phone.with(&json!({ "include": false })).pull_after("0").await.get("records").is_none());

    // The ERP is down: the changes come all the same.
    erp.stop().await;
    let answer = phone.with(&json!({ "include": true })).pull_after("0").await;
    assert_eq!((positions(&answer), &answer["records"]), (positions(&plain), &json!({})));
    assert_eq!(answer["include_error"]["code"], "CONNECTION_REFUSED");
    assert_eq!(answer["include_error"]["models"], json!(["res.partner", "sale.order"]));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erp_that_hangs_does_not_hold_up_the_changes() {
    let setup = Setup::sqlite().config(|config| config.server.request_timeout_ms = 10_000);
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    change(&erp);
    let phone = Device::new(&admin, "phone-1").with(&json!({ "app_type": "sales_app" }));
    let plain = all_there(&phone, 5).await;
    erp.faults().latency_ms(60_000);
    let answer = phone.with(&json!({ "include": true })).pull_after("0").await;
    assert_eq!(positions(&answer), positions(&plain));
    assert_eq!(answer["include_error"]["code"], "NETWORK_TIMEOUT", "{answer}");
    app.stop().await;
}
