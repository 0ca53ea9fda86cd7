//! API keys of a real Odoo: made, used, renewed and removed.

use super::server::Odoo;
use crate::support::{Setup, eventually};
use bridge_erp::{Adapter, ClientOptions, Connection, ErpErrorKind};
use bridge_model::clock::SystemClock;
use bridge_model::{Clock as _, Timestamp};
use bridge_store::NewJob;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

fn connect(connection: &Connection) -> Arc<dyn Adapter> {
    bridge_erp::connect("odoo", connection, &ClientOptions::default(), Arc::new(SystemClock)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_ends_soon_is_renewed() {
    let odoo = Odoo::start("keys").await;
    let made = connect(&odoo.connection()).make_key("by hand").await.unwrap();
    let by_hand = Connection { api_key: Some(made.key.clone()), ..odoo.connection() };
    // Keys live for 90 days, so that this one is about to end.
    let app = Setup::sqlite().config(|config| config.erp.key_renewal_days = 100).start().await;
    let admin = app.admin().await;
    let registration = json!({
        "system_id": "odoo_main", "system_type": "odoo", "name": "Odoo", "connection_config": by_hand,
    });
    admin.post("/api/v1/systems", &registration).await.expect(201);
    let cx = app.context();
    let job = NewJob {
        tenant: None,
        kind: "look_at_keys".to_owned(),
        payload: json!({}),
        run_at: cx.clock.now(),
        attempts_max: 1,
        unique_key: None,
    };
    cx.store.enqueue(job).await.unwrap();
    let renewed = eventually("the key is another", PATIENCE, async || {
        bridge_server::jobs::run_due(cx, "test").await.unwrap();
        let systems = cx.store.all_systems().await.unwrap();
        let key = systems[0].connection["api_key"].as_str().unwrap().to_owned();
        (key != made.key).then_some(key)
    })
    .await;
    let status = admin.get("/api/v1/systems/odoo_main/status").await.expect(200);
    assert_eq!((&status["reachable"], &status["protocol"]), (&json!(true), &json!("json2")), "{status}");
    let end = Timestamp::parse_rfc3339(status["credential_expires_at"].as_str().unwrap()).unwrap();
    assert!(end > SystemClock.now().plus(Duration::from_hours(24 * 85)), "{status}");
    let names = odoo.call("res.users.apikeys", "search_read", json!([[], ["name"]])).await;
    let ours = names.as_array().unwrap().iter().filter_map(|row| row["name"].as_str());
    let ours: Vec<&str> = ours.filter(|name| name.starts_with("BridgeCore odoo_main ")).collect();
    assert_eq!(ours.len(), 1, "{names}");
    app.stop().await;

    // In a session of its own Odoo wants to know again who is asking.
    let new = Connection { api_key: Some(renewed), ..odoo.connection() };
    connect(&new).authenticate().await.unwrap();
    connect(&odoo.connection()).remove_keys(ours[0]).await.unwrap();
    let refused = connect(&Connection { username: String::new(), password: String::new(), ..new }).authenticate().await;
    assert_eq!(refused.unwrap_err().kind, ErpErrorKind::Authentication);
    connect(&by_hand).authenticate().await.unwrap();
}
