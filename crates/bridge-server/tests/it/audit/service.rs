//! Changes of the service itself, and what it does with many records at once.

use super::{LOGIN, create, entries, newest, told};
use crate::files::folder::{hello, in_folder};
use crate::ingest::pusher::{Pusher, event};
use crate::records::Stage;
use crate::support::{Setup, demo_erp, on_both_databases, register_demo_system};
use crate::webhooks::retry::keep;
use serde_json::{Value, json};

on_both_databases!(
    changes_of_the_service_itself_are_told,
    a_dead_letter_that_is_tried_again_is_told,
    a_migration_is_told_even_if_it_is_refused_early,
    files_that_the_service_keeps_are_told,
    a_task_that_is_to_end_is_told,
);

async fn changes_of_the_service_itself_are_told(setup: Setup) {
    let stage = Stage::new(setup).await;
    let admin = &stage.admin;
    let id = admin
        .post("/api/v1/users", &json!({ "username": "omar", "password": "omar's password" }))
        .await
        .expect(201)["id"]
        .clone();
    admin
        .put(&format!("/api/v1/users/{id}"), &json!({ "role": "admin", "password": "another password" }))
        .await
        .expect(200);
    let entry = newest(admin).await;
    assert_eq!(
        (&entry["values"]["before"]["role"], &entry["values"]["after"]),
        (&json!("user"), &json!({ "role": "admin" }))
    );
    assert_eq!((&entry["record_ids"], &entry["values"]["left_out"]), (&json!([id]), &json!(["password"])));
    let link = json!({ "system_id": "demo", "username": "sales", "password": "sales" });
    admin.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201);
    admin.delete(&format!("/api/v1/users/{id}/links/demo")).await.expect(200);
    admin.delete(&format!("/api/v1/users/{id}")).await.expect(200);
    assert_eq!(newest(admin).await["values"]["before"]["username"], "omar", "who it was");
    admin.put("/api/v1/systems/demo", &json!({ "name": "Renamed", "rotate_push_key": true })).await.expect(200);
    let values = newest(admin).await["values"].clone();
    assert_eq!((&values["after"], &values["left_out"]), (&json!({ "name": "Renamed" }), &json!(["push_key"])));
    assert_eq!(values["before"]["connection"]["username"], "admin");
    admin.put("/api/v1/systems/demo/allowed", &json!({ "models": {} })).await.expect(200);
    admin.put("/api/v1/systems/demo/detection", &json!({ "default": "poll" })).await.expect(200);
    let mapping = json!({ "fields": { "postal_code": null, "post_office": "zip" } });
    admin.put("/api/v1/mappings/contact?system_id=demo", &mapping).await.expect(200);
    admin.delete("/api/v1/mappings/contact?system_id=demo").await.expect(200);
    assert!(!newest(admin).await["values"]["before"]["fields"]["post_office"].is_null());
    admin.delete("/api/v1/cache").await.expect(200);
    admin.put("/api/v1/auth/me", &json!({ "language": "fr" })).await.expect(200);
    assert_eq!(newest(admin).await["values"], json!({ "before": { "language": null }, "after": { "language": "fr" } }));
    admin.delete("/api/v1/devices/no-such-device").await.expect_problem(404, "SYNC_STATE_NOT_FOUND");
    admin.delete("/api/v1/systems/demo").await.expect(200);
    admin.delete("/api/v1/systems/demo").await.expect_problem(404, "SYSTEM_NOT_FOUND");
    let expected = [
        LOGIN,
        ["create", "bridgecore.system", "done"],
        ["create", "bridgecore.user", "done"],
        ["update", "bridgecore.user", "done"],
        ["create", "bridgecore.link", "done"],
        ["delete", "bridgecore.link", "done"],
        ["delete", "bridgecore.user", "done"],
        ["update", "bridgecore.system", "done"],
        ["update", "bridgecore.allowed", "done"],
        ["update", "bridgecore.detection", "done"],
        ["update", "bridgecore.mapping", "done"],
        ["delete", "bridgecore.mapping", "done"],
        ["clear", "bridgecore.cache", "done"],
        ["update", "bridgecore.user", "done"],
        ["delete", "bridgecore.device", "refused"],
        ["delete", "bridgecore.system", "done"],
        ["delete", "bridgecore.system", "refused"],
    ];
    assert_eq!(told(&entries(admin, "").await), expected);
    stage.end().await;
}

async fn a_dead_letter_that_is_tried_again_is_told(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    Pusher::register(&app, &admin, "shop").await;
    let bodies = [event(8, "a.b", 2, "create"), event(7, "sale.order", 1, "explode")];
    let ids = keep(&app, &admin, "shop", &bodies).await;
    let retry = "/api/v1/webhooks/retry";
    admin.post(retry, &json!({ "dead_letter_id": ids[0] })).await.expect(200);
    admin.post(&format!("{retry}/bulk"), &json!({ "ids": [ids[1]] })).await.expect(200);
    let told_of = entries(&admin, "action=retry").await;
    assert_eq!(
        told(&told_of),
        [["retry", "bridgecore.dead_letter", "done"], ["retry", "bridgecore.dead_letter", "refused"]]
    );
    assert_eq!((&told_of[1]["record_ids"], &told_of[1]["system_id"]), (&json!([ids[0]]), &json!("shop")));
    assert_eq!((&told_of[0]["record_ids"], &told_of[0]["code"]), (&json!([ids[1]]), &json!("DATA_VALIDATION_FAILED")));
    app.stop().await;
}

async fn a_migration_is_told_even_if_it_is_refused_early(setup: Setup) {
    let stage = Stage::open(setup).await;
    let second = demo_erp().await;
    register_demo_system(&stage.admin, &second, "second").await;
    let user = stage.app.user("amina", None).await;
    let path = "/api/v1/systems/demo/migrate";
    let mut body = json!({
        "model": "res.partner", "from_version": "19.0", "to_version": "19.0", "record_ids": [1], "fields": ["name"],
    });
    stage.admin.post(path, &body).await.expect(200);
    let of_migrations = async || entries(&stage.admin, "model=bridgecore.migration").await;
    assert!(of_migrations().await.is_empty(), "it writes nothing");
    body["target_system_id"] = json!("second");
    user.post(path, &body).await.expect_problem(403, "FORBIDDEN");
    stage.admin.post(path, &body).await.expect_problem(403, "FORBIDDEN");
    let open = json!({ "models": { "res.partner": { "operations": ["create", "update"] } } });
    stage.admin.put("/api/v1/systems/second/allowed", &open).await.expect(200);
    second.stop().await;
    let down = stage.admin.post(path, &body).await;
    assert!(down.status >= 500, "{}", down.body);
    let told_of = of_migrations().await;
    let facts: Vec<_> =
        told_of.iter().rev().map(|entry| (&entry["username"], &entry["outcome"], &entry["code"])).collect();
    let (admin, code) = (&told_of[0]["username"], &down.body["code"]);
    let (refused, forbidden) = (json!("refused"), json!("FORBIDDEN"));
    assert_eq!(
        facts,
        [(&json!("amina"), &refused, &forbidden), (admin, &refused, &forbidden), (admin, &json!("unknown"), code)]
    );
    assert_eq!(
        (&told_of[2]["system_id"], &told_of[2]["values"]["after"]["system_id"]),
        (&json!("second"), &json!("demo"))
    );
    assert!(entries(&stage.admin, "action=load").await.is_empty());
    stage.end().await;
}

async fn files_that_the_service_keeps_are_told(setup: Setup) {
    let (setup, _folder) = in_folder(setup);
    let stage = Stage::open(setup).await;
    let kept = hello(&stage.admin).await;
    stage.allow(json!({ "res.partner": { "operations": ["read"] } })).await;
    let user = stage.app.user("amina", None).await;
    user.delete(&format!("/api/v1/files/{kept}")).await.expect_problem(403, "FORBIDDEN");
    stage.allow(json!({ "res.partner": { "operations": ["read", "update"] } })).await;
    user.delete(&format!("/api/v1/files/{kept}")).await.expect(200);
    let told_of = entries(&stage.admin, "model=bridgecore.file").await;
    let expected = [
        ["create", "bridgecore.file", "done"],
        ["delete", "bridgecore.file", "refused"],
        ["delete", "bridgecore.file", "done"],
    ];
    assert_eq!(told(&told_of), expected);
    for entry in &told_of {
        assert_eq!(entry["record_ids"], told_of[2]["record_ids"]);
        assert!(kept.contains(entry["record_ids"][0].as_str().unwrap()), "{entry}");
    }
    let values: Vec<&Value> = vec![&told_of[2]["values"]["after"], &told_of[0]["values"]["before"]];
    for value in values {
        assert_eq!((&value["name"], &value["size"], &value["res_id"]), (&json!("a.txt"), &json!(5), &json!(1)));
    }
    stage.end().await;
}

async fn a_task_that_is_to_end_is_told(setup: Setup) {
    let stage = Stage::open(setup).await;
    let batch = json!({ "system_id": "demo", "operations": [create("Task")], "async": true });
    let task = stage.admin.post("/api/v1/batch/execute", &batch).await.expect(202)["id"].clone();
    stage.admin.delete(&format!("/api/v1/tasks/{task}")).await.expect(200);
    let told_of = entries(&stage.admin, "model=bridgecore.task").await;
    assert_eq!(told(&told_of), [["cancel", "bridgecore.task", "done"]]);
    assert_eq!((&told_of[0]["record_ids"], &told_of[0]["system_id"]), (&json!([task]), &json!("demo")));
    stage.end().await;
}
