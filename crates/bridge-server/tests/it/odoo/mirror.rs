//! What a user of Odoo sees of their devices.

use super::server::Odoo;
use crate::support::{Setup, eventually};
use crate::sync::device::Device;
use bridge_erp::SearchRead;
use bridge_model::ModelName;
use bridge_model::clock::SystemClock;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_sees_their_device_in_odoo() {
    let odoo = Odoo::start("mirror").await;
    let internal = odoo.reference("base", "group_user").await;
    let values =
        json!({ "name": "Seller", "login": "seller", "password": "seller-pw-1", "group_ids": [[6, 0, [internal]]] });
    let user = odoo.create("res.users", values).await;
    let app = Setup::sqlite().config(|config| config.mirror.interval_ms = 100).start().await;
    let admin = app.admin().await;
    let registration = json!({
        "system_id": "odoo_main", "system_type": "odoo", "name": "Odoo", "connection_config": odoo.connection(),
    });
    admin.post("/api/v1/systems", &registration).await.expect(201);
    let seller = app.user("seller", Some(user)).await;
    let partner = odoo.create("res.partner", json!({ "name": "Shown" })).await;
    let phone = Device::new(&seller, "seller-phone");
    let found = eventually("the partner is there", PATIENCE, async || {
        let answer = phone.pull_after("0").await;
        let last = answer["events"].as_array().unwrap().last().cloned();
        last.filter(|event| event["record_id"] == partner).map(|_| answer)
    })
    .await;
    phone.ack(found["next_sync_token"].as_str().unwrap()).await.expect(200);
    let ids = odoo.call("update.webhook", "search", json!([[["model", "=", "res.partner"]]])).await;
    let newest = ids.as_array().unwrap().iter().filter_map(Value::as_i64).max().unwrap();

    // As that user, with the rights that users have.
    let adapter = bridge_erp::connect(
        "odoo",
        &odoo.connection_as("seller", "seller-pw-1"),
        &bridge_erp::ClientOptions::default(),
        Arc::new(SystemClock),
    )
    .unwrap();
    let query = SearchRead {
        model: ModelName::parse("user.sync.state").unwrap(),
        domain: json!([]),
        fields: ["user_id", "device_id", "app_type", "last_event_id", "last_sync_time", "is_active"]
            .map(str::to_owned)
            .to_vec(),
        offset: 0,
        limit: 10,
        order: String::new(),
        context: Map::new(),
    };
    let rows = eventually("the confirmation is shown", PATIENCE, async || {
        let rows = adapter.search_read(&query).await.unwrap();
        rows.first().is_some_and(|row| row["last_event_id"] == newest).then_some(rows)
    })
    .await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["user_id"][0], &rows[0]["device_id"]), (&json!(user), &json!("seller-phone")));
    assert_eq!((&rows[0]["app_type"], &rows[0]["is_active"]), (&json!("mobile_app"), &json!(true)));
    assert!(rows[0]["last_sync_time"].is_string(), "{rows:?}");

    seller.post("/api/v2/sync/reset?device_id=seller-phone", &json!({})).await.expect(200);
    seller.delete("/api/v1/devices/seller-phone").await.expect(200);
    eventually("the device is gone", PATIENCE, async || {
        let rows = adapter.search_read(&query).await.unwrap();
        (rows[0]["is_active"] == false).then_some(())
    })
    .await;
    app.stop().await;
}
