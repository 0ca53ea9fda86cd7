use crate::support::{Setup, demo_erp, on_both_databases, register_demo_system, registration};
use serde_json::{Value, json};

on_both_databases!(
    a_registration_answers_the_documented_fields_and_the_push_key,
    a_system_is_changed_in_parts_and_survives_a_restart,
    one_system_of_a_tenant_is_primary,
    secrets_do_not_come_back,
    users_see_systems_without_connection_and_change_nothing,
    systems_of_another_tenant_do_not_exist,
    a_deleted_system_frees_its_name,
);

async fn a_registration_answers_the_documented_fields_and_the_push_key(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let body = json!({
        "system_id": "odoo_main",
        "system_type": "odoo",
        "system_version": "19.0",
        "name": "Odoo Production",
        "description": "Main Odoo instance",
        "connection_config": erp.connection(),
    });
    let system = admin.post("/api/v1/systems", &body).await.expect(201);
    assert!(system["id"].is_i64() && system["created_at"].as_str().unwrap().ends_with('Z'));
    for field in ["system_id", "system_type", "system_version", "name", "description"] {
        assert_eq!(system[field], body[field], "{field}");
    }
    assert_eq!((&system["is_active"], &system["is_primary"]), (&json!(true), &json!(true)));
    assert!(system["push_key"].as_str().unwrap().starts_with("bcpk_"));
    let shown = json!({ "url": erp.url(), "database": "demo", "username": "admin" });
    assert_eq!(system["connection"], shown);

    let taken = admin.post("/api/v1/systems", &body).await.expect_problem(409, "CONFLICT");
    assert_eq!(taken["details"]["field"], "system_id");
    let listed = admin.get("/api/v1/systems").await.expect(200);
    assert_eq!(listed["next_cursor"], Value::Null);
    let [listed] = listed["items"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    // The same but for the push key, which is shown once.
    let mut again = system.clone();
    again.as_object_mut().unwrap().remove("push_key");
    assert_eq!(listed, &again);
    assert_eq!(admin.get("/api/v1/systems/odoo_main").await.expect(200), again);
    app.stop().await;
    erp.stop().await;
}

async fn a_system_is_changed_in_parts_and_survives_a_restart(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    let change = json!({ "name": "الشركة", "description": "two\nlines", "system_version": null });
    let changed = admin.put("/api/v1/systems/demo", &change).await.expect(200);
    assert_eq!((&changed["name"], &changed["description"]), (&json!("الشركة"), &json!("two\nlines")));
    assert_eq!(changed["system_version"], Value::Null);
    assert_eq!(changed["connection"]["username"], "admin");

    // The connection is replaced as a whole, so that an old password never goes to a new address.
    let partly =
        json!({ "connection_config": { "url": "http://127.0.0.1:9", "database": "demo", "username": "admin" } });
    let refused = admin.put("/api/v1/systems/demo", &partly).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(refused["details"]["field"], "connection_config.password");
    let other = json!({ "connection_config": erp.connection_as("sales", "sales") });
    let changed = admin.put("/api/v1/systems/demo", &other).await.expect(200);
    assert_eq!(changed["connection"]["username"], "sales");

    let app = app.stop().await.start().await;
    assert_eq!(app.admin().await.get("/api/v1/systems/demo").await.expect(200), changed);
    app.stop().await;
    erp.stop().await;
}

async fn one_system_of_a_tenant_is_primary(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let first = register_demo_system(&admin, &erp, "first").await;
    let second = register_demo_system(&admin, &erp, "second").await;
    assert_eq!((&first["is_primary"], &second["is_primary"]), (&json!(true), &json!(false)));
    admin.put("/api/v1/systems/second", &json!({ "is_primary": true })).await.expect(200);
    let listed = admin.get("/api/v1/systems").await.expect(200);
    let primary: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|system| system["is_primary"].as_bool().unwrap()).collect();
    assert_eq!(primary, [false, true]);

    // One of them always is.
    let refused = admin.put("/api/v1/systems/second", &json!({ "is_primary": false, "name": "X" })).await;
    let refused = refused.expect_problem(409, "CONFLICT");
    assert!(refused["message"].as_str().unwrap().contains("make another one primary first"), "{refused}");
    admin.delete("/api/v1/systems/second").await.expect_problem(409, "CONFLICT");
    let second = admin.get("/api/v1/systems/second").await.expect(200);
    assert_eq!((&second["is_primary"], &second["name"]), (&json!(true), &json!("Demo ERP")));
    admin.put("/api/v1/systems/first", &json!({ "is_primary": false })).await.expect(200);
    admin.put("/api/v1/systems/first", &json!({ "is_primary": true })).await.expect(200);
    admin.delete("/api/v1/systems/second").await.expect(200);
    // The last one may go.
    admin.delete("/api/v1/systems/first").await.expect(200);
    app.stop().await;
    erp.stop().await;
}

async fn secrets_do_not_come_back(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let mut body = registration(&erp, "demo");
    body["connection_config"]["password"] = json!("hush-password");
    body["connection_config"]["api_key"] = json!("hush-key");
    let system = admin.post("/api/v1/systems", &body).await.expect(201);
    let push_key = system["push_key"].as_str().unwrap();
    let answers = [
        admin.get("/api/v1/systems").await,
        admin.get("/api/v1/systems/demo").await,
        admin.put("/api/v1/systems/demo", &json!({ "name": "Demo" })).await,
        admin.post("/api/v1/systems/demo/test", &json!({})).await,
        admin.get("/api/v1/systems/demo/status").await,
        admin.post("/api/v1/systems", &body).await,
        admin.delete("/api/v1/systems/demo").await,
    ];
    assert!(!system.to_string().contains("hush"), "{system}");
    for answer in answers {
        let text = answer.body.to_string();
        assert!(!text.contains("hush") && !text.contains(push_key), "{text}");
    }
    // Nor does a refusal quote what it refuses.
    body["connection_config"]["url"] = json!("http://admin:hush-hush@127.0.0.1/");
    let refused = admin.post("/api/v1/systems", &body).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert!(!refused.to_string().contains("hush"), "{refused}");
    app.stop().await;
    erp.stop().await;
}

async fn users_see_systems_without_connection_and_change_nothing(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let (admin, sara) = (app.admin().await, app.user("sara", None).await);
    register_demo_system(&admin, &erp, "demo").await;
    let seen = sara.get("/api/v1/systems/demo").await.expect(200);
    assert_eq!((&seen["name"], &seen["connection"]), (&json!("Demo ERP"), &Value::Null));
    let listed = sara.get("/api/v1/systems").await.expect(200);
    assert_eq!(listed["items"], json!([seen]));
    assert_eq!(sara.get("/api/v1/systems/demo/status").await.expect(200)["reachable"], true);
    for answer in [
        sara.post("/api/v1/systems", &registration(&erp, "mine")).await,
        sara.put("/api/v1/systems/demo", &json!({ "name": "Mine" })).await,
        sara.post("/api/v1/systems/demo/test", &json!({})).await,
        sara.delete("/api/v1/systems/demo").await,
    ] {
        answer.expect_problem(403, "FORBIDDEN");
    }
    app.stop().await;
    erp.stop().await;
}

async fn systems_of_another_tenant_do_not_exist(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let (ours, theirs) = (app.admin().await, app.other_tenant("rival").await);
    register_demo_system(&ours, &erp, "demo").await;
    for answer in [
        theirs.get("/api/v1/systems/demo").await,
        theirs.get("/api/v1/systems/demo/status").await,
        theirs.post("/api/v1/systems/demo/test", &json!({})).await,
        theirs.put("/api/v1/systems/demo", &json!({ "rotate_push_key": true })).await,
        theirs.delete("/api/v1/systems/demo").await,
    ] {
        answer.expect_problem(404, "SYSTEM_NOT_FOUND");
    }
    assert_eq!(theirs.get("/api/v1/systems").await.expect(200)["items"], json!([]));
    ours.get("/api/v1/systems/demo").await.expect(200);
    app.stop().await;
    erp.stop().await;
}

async fn a_deleted_system_frees_its_name(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let first = register_demo_system(&admin, &erp, "demo").await;
    admin.delete("/api/v1/systems/demo").await.expect(200);
    for answer in [admin.get("/api/v1/systems/demo").await, admin.delete("/api/v1/systems/demo").await] {
        answer.expect_problem(404, "SYSTEM_NOT_FOUND");
    }
    assert_eq!(admin.get("/api/v1/systems").await.expect(200)["items"], json!([]));
    let second = register_demo_system(&admin, &erp, "demo").await;
    assert_ne!(first["id"], second["id"]);
    assert_ne!(first["push_key"], second["push_key"]);
    app.stop().await;
    erp.stop().await;
}
