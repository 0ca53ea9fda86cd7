//! Trying systems out, in every state that they can be in.

use crate::support::{Client, Setup, demo_erp, eventually, on_both_databases, register_demo_system, registration};
use bridge_erp::fake::{Addon, DemoErp, Options};
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(
    a_system_that_works_passes_the_test,
    what_is_wrong_with_a_system_is_a_fact_in_the_answer,
    a_mended_system_passes_at_once,
    the_status_tells_how_far_the_reader_is,
    the_status_of_a_stopped_system_says_so,
);

/// The id of the demo ERP's admin there.
const ERP_ADMIN: i64 = 2;

async fn a_system_that_works_passes_the_test(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    let found = test(&admin, "demo").await;
    assert_eq!((&found["success"], &found["error"]), (&json!(true), &Value::Null), "{found}");
    assert_eq!((&found["reachable"], &found["authenticated"]), (&json!(true), &json!(true)));
    assert!(found["version"].as_str().unwrap().starts_with("19"), "{found}");
    assert!(found["protocol"].is_string() && found["erp_user_id"].is_i64(), "{found}");
    assert!(found["addon"]["bridgecore"]["version"].is_string(), "{found}");

    // Without an add-on a system works as well, and only pushes bring changes.
    let bare = DemoErp::start(Options { addon: Addon::None, ..Options::default() }).await.unwrap();
    register_demo_system(&admin, &bare, "bare").await;
    let found = test(&admin, "bare").await;
    assert_eq!((&found["success"], &found["addon"]), (&json!(true), &Value::Null), "{found}");
    app.stop().await;
    bare.stop().await;
    erp.stop().await;
}

async fn what_is_wrong_with_a_system_is_a_fact_in_the_answer(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    for (system_id, field, value, code) in [
        ("password", "password", "wrong", "ERP_AUTHENTICATION_FAILED"),
        ("user", "username", "nobody", "ERP_AUTHENTICATION_FAILED"),
        ("database", "database", "nowhere", "ERP_AUTHENTICATION_FAILED"),
    ] {
        let mut body = registration(&erp, system_id);
        body["connection_config"][field] = json!(value);
        admin.post("/api/v1/systems", &body).await.expect(201);
        let found = test(&admin, system_id).await;
        assert_eq!((&found["success"], &found["authenticated"]), (&json!(false), &json!(false)), "{found}");
        assert_eq!((&found["reachable"], &found["error"]["code"]), (&json!(true), &json!(code)), "{found}");
        for part in ["error", "message", "code", "details"] {
            assert!(found["error"].get(part).is_some(), "{found}");
        }
    }
    register_demo_system(&admin, &erp, "stopped").await;
    erp.stop().await;
    let found = test(&admin, "stopped").await;
    assert_eq!((&found["success"], &found["reachable"]), (&json!(false), &json!(false)), "{found}");
    assert_eq!(found["error"]["code"], "CONNECTION_REFUSED", "{found}");
    assert_eq!((&found["version"], &found["authenticated"]), (&Value::Null, &json!(false)), "{found}");
    app.stop().await;
}

async fn a_mended_system_passes_at_once(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let mut body = registration(&erp, "demo");
    body["connection_config"]["password"] = json!("wrong");
    admin.post("/api/v1/systems", &body).await.expect(201);
    assert_eq!(test(&admin, "demo").await["success"], false);
    assert_eq!(status(&admin, "demo").await["error"]["code"], "ERP_AUTHENTICATION_FAILED");
    // Mended there: what is remembered of the refusal does not count for a person who tries it out.
    set_password(&erp, "wrong");
    assert_eq!(test(&admin, "demo").await["success"], true);
    // Mended here.
    set_password(&erp, "right");
    assert_eq!(test(&admin, "demo").await["success"], false);
    admin
        .put("/api/v1/systems/demo", &json!({ "connection_config": erp.connection_as("admin", "right") }))
        .await
        .expect(200);
    assert_eq!(test(&admin, "demo").await["success"], true);
    erp.stop().await;
    assert_eq!(test(&admin, "demo").await["success"], false);
    erp.restart().await.unwrap();
    assert_eq!(test(&admin, "demo").await["success"], true);
    app.stop().await;
    erp.stop().await;
}

async fn the_status_tells_how_far_the_reader_is(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    erp.happen();
    let newest = erp.db().last_event_id();
    let status = eventually("the reader has read all", Duration::from_mins(1), async || {
        let status = status(&admin, "demo").await;
        (status["reader"]["read_to"] == newest).then_some(status)
    })
    .await;
    assert_eq!((&status["reachable"], &status["error"]), (&json!(true), &Value::Null), "{status}");
    assert_eq!((&status["is_active"], &status["detection"]), (&json!(true), &json!("addon")), "{status}");
    assert!(status["version"].is_string() && status["protocol"].is_string(), "{status}");
    app.stop().await;
    erp.stop().await;
}

async fn the_status_of_a_stopped_system_says_so(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    assert_eq!(status(&admin, "demo").await["reachable"], true);
    erp.stop().await;
    let stopped = status(&admin, "demo").await;
    assert_eq!(
        (&stopped["reachable"], &stopped["error"]["code"]),
        (&json!(false), &json!("CONNECTION_REFUSED")),
        "{stopped}"
    );
    assert_eq!(stopped["detection"], Value::Null);
    erp.restart().await.unwrap();
    assert_eq!(status(&admin, "demo").await["reachable"], true);
    app.stop().await;
    erp.stop().await;
}

/// Gives the ERP's admin another password.
fn set_password(erp: &DemoErp, password: &str) {
    let mut transaction = erp.db().begin(ERP_ADMIN);
    transaction.write("res.users", &[ERP_ADMIN], json!({ "password": password })).unwrap();
    transaction.commit();
}

async fn test(admin: &Client, system_id: &str) -> Value {
    admin.post(&format!("/api/v1/systems/{system_id}/test"), &json!({})).await.expect(200)
}

async fn status(client: &Client, system_id: &str) -> Value {
    client.get(&format!("/api/v1/systems/{system_id}/status")).await.expect(200)
}
