//! Who changed what, as `GET /api/v1/audit` tells it.

mod found_out;
mod left;
mod service;
mod sessions;

use crate::crash::process::Process;
use crate::files::form;
use crate::records::{Stage, crud};
use crate::support::{
    Client, Setup, demo_erp, demo_erp_without_addon, eventually, manual_clock, on_both_databases, register_demo_system,
};
use bridge_erp::fake::Fault;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

on_both_databases!(
    a_write_is_told_with_what_was_before,
    every_kind_of_write_leaves_its_entry,
    what_was_refused_is_told,
    secrets_are_not_kept,
    a_lost_answer_is_unknown,
    a_service_that_is_killed_leaves_what_it_was_about_to_do,
    what_cannot_be_read_before_hinders_nothing,
    what_is_hidden_is_not_read_before_it_goes,
    only_the_admins_of_the_tenant_see_it,
    entries_are_filtered_and_paged,
    old_entries_go,
);

const PATIENCE: Duration = Duration::from_mins(1);

/// How it is told that somebody has come in.
const LOGIN: [&str; 3] = ["login", "bridgecore.session", "done"];

async fn entries(client: &Client, query: &str) -> Vec<Value> {
    let page = client.get(&format!("/api/v1/audit?limit=200&{query}")).await.expect(200);
    assert_eq!(page["next_cursor"], Value::Null);
    page["items"].as_array().unwrap().clone()
}

/// The newest entry.
async fn newest(client: &Client) -> Value {
    client.get("/api/v1/audit?limit=1").await.expect(200)["items"][0].clone()
}

/// The action, the model and the outcome of each, the oldest first.
fn told(entries: &[Value]) -> Vec<[&str; 3]> {
    entries.iter().rev().map(|entry| ["action", "model", "outcome"].map(|name| entry[name].as_str().unwrap())).collect()
}

fn create(name: &str) -> Value {
    json!({ "action": "create", "model": "res.partner", "data": { "name": name, "email": "before@example.com" } })
}

async fn a_write_is_told_with_what_was_before(setup: Setup) {
    let stage = Stage::open(setup).await;
    let me = stage.admin.get("/api/v1/auth/me").await.expect(200);
    let id = stage.result(create("Told")).await["id"].clone();
    let request = stage.admin.request(Method::POST, "/api/v1/systems/demo/crud");
    let request = request.header("Idempotency-Key", "order-0001").header("x-request-id", "request-0001");
    let update = json!({
        "action": "update", "model": "res.partner", "record_id": id,
        "data": { "email": "after@example.com", "category_id": [1, 2], "comment": "x".repeat(600) },
    });
    stage.admin.send(request.json(&update)).await.expect(200);
    let entry = newest(&stage.admin).await;
    let comment = format!("{}…", "x".repeat(500));
    let expected = json!({
        "id": entry["id"], "at": entry["at"], "user_id": me["id"], "username": me["username"], "acting_as": "system",
        "system_id": "demo", "model": "res.partner", "record_ids": [id], "action": "update", "outcome": "done",
        "code": null, "request_id": "request-0001", "idempotency_key": "order-0001", "address": "127.0.0.1",
        "values": {
            "before": [{ "id": id, "email": "before@example.com", "category_id": [], "comment": entry["values"]["before"][0]["comment"] }],
            "after": { "email": "after@example.com", "category_id": [[6, 0, [1, 2]]], "comment": comment },
        },
    });
    assert_eq!(entry, expected);
    let delete = json!({ "action": "delete", "model": "res.partner", "record_id": id });
    crud(&stage.admin, delete).await.expect(200);
    let entry = newest(&stage.admin).await;
    assert_eq!((&entry["action"], &entry["record_ids"]), (&json!("delete"), &json!([id])));
    let before = &entry["values"]["before"][0];
    assert_eq!((&before["id"], &before["name"], &before["email"]), (&id, &json!("Told"), &json!("after@example.com")));
    // A repeated answer is no further write.
    let again = stage.admin.request(Method::POST, "/api/v1/systems/demo/crud").header("Idempotency-Key", "order-0001");
    stage.admin.send(again.json(&update)).await.expect(200);
    assert_eq!(newest(&stage.admin).await["action"], "delete");
    // What was there before is read only if it is wanted.
    let setup = stage.app.stop().await.config(|config| config.audit.before = false);
    let app = setup.start().await;
    let admin = app.admin().await;
    let update = json!({ "action": "update", "model": "res.partner", "record_id": 1, "data": { "ref": "x" } });
    crate::records::result(&admin, update).await;
    assert_eq!(newest(&admin).await["values"], json!({ "after": { "ref": "x" } }));
    app.stop().await;
    stage.erp.stop().await;
}

async fn every_kind_of_write_leaves_its_entry(setup: Setup) {
    let stage = Stage::open(setup).await;
    let second = demo_erp().await;
    register_demo_system(&stage.admin, &second, "second").await;
    let open = json!({ "models": { "res.partner": { "operations": ["create", "update"] } } });
    stage.admin.put("/api/v1/systems/second/allowed", &open).await.expect(200);
    let since = newest(&stage.admin).await["id"].as_i64().unwrap();
    let new = async || -> Vec<Value> {
        entries(&stage.admin, "").await.into_iter().filter(|entry| entry["id"].as_i64().unwrap() > since).collect()
    };
    let id = stage.result(create("Kinds")).await["id"].clone();
    let order = json!({ "action": "create", "model": "sale.order", "data": { "partner_id": 1, "order_line": [[0, 0, { "product_id": 1 }]] } });
    let order = stage.result(order).await["id"].clone();
    stage
        .result(json!({ "action": "call", "model": "sale.order", "record_id": order, "method": "action_confirm" }))
        .await;
    let contact = json!({ "action": "update", "record_id": id, "data": { "name": "Renamed" } });
    stage.admin.post("/api/v1/systems/demo/entities/contact/crud", &contact).await.expect(200);
    let mut batch = json!({ "system_id": "demo", "operations": [create("Batch 1"), create("Batch 2")] });
    stage.admin.post("/api/v1/batch/execute", &batch).await.expect(200);
    batch["async"] = json!(true);
    let request = stage.admin.request(Method::POST, "/api/v1/batch/execute").header("x-request-id", "request-of-task");
    let task = stage.admin.send(request.json(&batch)).await.expect(202)["id"].clone();
    eventually("the task ends", PATIENCE, async || {
        let task = stage.admin.get(&format!("/api/v1/tasks/{task}")).await.expect(200);
        (!task["finished_at"].is_null()).then_some(())
    })
    .await;
    let place = [("system_id", "demo"), ("model", "res.partner"), ("record_id", "1")];
    let file = form(Some(("a.txt", "text/plain", b"hello")), &place);
    let upload = file.sent_with(stage.admin.request(Method::POST, "/api/v1/files/upload"));
    stage.admin.send(upload).await.expect(200);
    let migrate = json!({
        "model": "res.partner", "from_version": "19.0", "to_version": "19.0", "record_ids": [1, 3],
        "fields": ["name", "email"], "target_system_id": "second",
    });
    let moved = stage.admin.post("/api/v1/systems/demo/migrate", &migrate).await.expect(200);
    let new = new().await;
    let expected = [
        ["create", "res.partner", "done"],
        ["create", "sale.order", "done"],
        ["call", "sale.order", "done"],
        ["update", "res.partner", "done"],
        ["create", "res.partner", "done"],
        ["create", "res.partner", "done"],
        ["create", "ir.attachment", "done"],
        ["write", "bridgecore.migration", "done"],
        ["load", "res.partner", "done"],
    ];
    assert_eq!(told(&new), expected);
    let of = |index: usize| &new[new.len() - 1 - index];
    assert_eq!(of(0)["record_ids"], json!([id]));
    assert_eq!(of(1)["values"]["after"], json!({ "partner_id": 1 }), "no values of lines");
    assert_eq!(of(1)["values"]["left_out"], json!(["order_line"]));
    assert_eq!((&of(2)["record_ids"], &of(2)["values"]), (&json!([order]), &json!({ "method": "action_confirm" })));
    assert_eq!(of(3)["values"]["before"][0]["name"], "Kinds");
    assert_eq!(of(4)["record_ids"].as_array().unwrap().len(), 2, "one call, one entry");
    assert_eq!(of(4)["values"]["after"][1]["name"], "Batch 2");
    assert_eq!((&of(5)["request_id"], &of(5)["address"]), (&json!("request-of-task"), &json!("127.0.0.1")));
    assert_eq!(
        of(6)["values"]["after"],
        json!({ "name": "a.txt", "mimetype": "text/plain", "res_model": "res.partner", "res_id": 1 })
    );
    assert_eq!(of(6)["values"]["left_out"], json!(["datas"]));
    assert_eq!((&of(7)["system_id"], &of(7)["values"]["after"]["record_ids"]), (&json!("second"), &json!([1, 3])));
    let of_load = &of(8)["values"];
    assert_eq!(
        (&of(8)["system_id"], &of_load["external_ids"][1]),
        (&json!("second"), &json!("bridgecore_demo.res_partner_3"))
    );
    assert!(of_load["after"][0]["name"].is_string() && of_load["after"][1]["email"].is_string(), "{of_load}");
    let written: Vec<&Value> = moved["written"].as_array().unwrap().iter().map(|one| &one["target_id"]).collect();
    assert_eq!(of(8)["record_ids"], json!(written));
    second.stop().await;
    stage.end().await;
}

async fn what_was_refused_is_told(setup: Setup) {
    let stage = Stage::open(setup).await;
    let user = stage.app.user("amina", None).await;
    let hidden = json!({ "action": "update", "model": "res.users", "record_id": 2, "data": { "login": "x" } });
    crud(&user, hidden).await.expect_problem(403, "FORBIDDEN");
    let entry = newest(&stage.admin).await;
    assert_eq!((&entry["username"], &entry["outcome"]), (&json!("amina"), &json!("refused")));
    assert_eq!((&entry["code"], &entry["record_ids"]), (&json!("FORBIDDEN"), &json!([2])));
    assert_eq!(entry["values"], json!({ "fields": ["login"] }));
    let nameless = json!({ "action": "create", "model": "res.partner", "data": { "email": "x@example.com" } });
    crud(&user, nameless).await.expect_problem(422, "ERP_VALIDATION_FAILED");
    let entry = newest(&stage.admin).await;
    assert_eq!(
        (&entry["code"], &entry["values"]["after"]),
        (&json!("ERP_VALIDATION_FAILED"), &json!({ "email": "x@example.com" }))
    );
    let refused = entries(&stage.admin, "outcome=refused").await;
    assert_eq!(refused.len(), 2, "each once: {refused:?}");
    // Reads are no changes.
    let read = json!({ "action": "read", "model": "hr.employee", "record_id": 1 });
    crud(&user, read).await.expect_problem(403, "FORBIDDEN");
    assert_eq!(entries(&stage.admin, "outcome=refused").await.len(), 2);
    stage.end().await;
}

const SECRET: &str = "hush-hush-4711";

/// All that the database keeps in the audit, and for SQLite all that is in its files.
async fn bytes_of_audit(setup: &Setup) -> Vec<u8> {
    let url = setup.store_url();
    if let Some(path) = url.strip_prefix("sqlite://") {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.extend(std::fs::read(format!("{path}-wal")).unwrap_or_default());
        return bytes;
    }
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let rows = client.query_one("SELECT COALESCE(string_agg(audit::text, ' '), '') FROM audit", &[]).await.unwrap();
    let bytes = rows.get::<_, String>(0).into_bytes();
    drop(client);
    connection.await.unwrap().unwrap();
    bytes
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

async fn secrets_are_not_kept(setup: Setup) {
    let stage = Stage::open(setup).await;
    stage.allow(json!({
        "res.users": { "operations": ["read", "create", "update"] }, "res.partner": { "operations": ["read", "create", "update"] },
    }))
    .await;
    let update = json!({ "action": "update", "model": "res.users", "record_id": 2, "data": { "password": SECRET } });
    crud(&stage.admin, update).await;
    let entry = newest(&stage.admin).await;
    assert_eq!((&entry["model"], &entry["values"]["left_out"]), (&json!("res.users"), &json!(["password"])));
    let kept = json!({ "action": "update", "model": "res.partner", "record_id": 1, "data": { "ref": "shown-4711" } });
    stage.result(kept).await;
    assert_eq!(newest(&stage.admin).await["values"]["after"]["ref"], "shown-4711");
    let user = json!({ "username": "omar", "password": SECRET });
    let id = stage.admin.post("/api/v1/users", &user).await.expect(201)["id"].clone();
    stage.admin.put(&format!("/api/v1/users/{id}"), &json!({ "password": SECRET })).await.expect(200);
    let link = json!({ "system_id": "demo", "username": "sales", "password": SECRET });
    stage.admin.post(&format!("/api/v1/users/{id}/links"), &link).await.expect_problem(403, "ERP_LINK_REFUSED");
    let mut system = crate::support::registration(&stage.erp, "other");
    system["connection_config"]["password"] = json!(SECRET);
    stage.admin.post("/api/v1/systems", &system).await.expect(201);
    let place = [("system_id", "demo"), ("model", "res.partner"), ("record_id", "1")];
    let file = form(Some(("a.txt", "text/plain", SECRET.as_bytes())), &place);
    let upload = file.sent_with(stage.admin.request(Method::POST, "/api/v1/files/upload"));
    stage.admin.send(upload).await.expect(200);
    let all = json!(entries(&stage.admin, "").await).to_string();
    assert!(all.contains("shown-4711") && !all.contains(SECRET));
    // What is kept is encrypted.
    let bytes = bytes_of_audit(stage.app.setup()).await;
    assert!(contains(&bytes, "res.partner"), "the audit was looked at");
    assert!(!contains(&bytes, "shown-4711") && !contains(&bytes, SECRET));
    stage.end().await;
}

async fn a_lost_answer_is_unknown(setup: Setup) {
    let stage = Stage::open_with(setup, demo_erp_without_addon().await).await;
    stage.result(create("Before")).await;
    stage.erp.faults().fail_method("res.partner", "create", 1, Fault::ResetAfterWork);
    crud(&stage.admin, create("Lost")).await.expect_problem(502, "OUTCOME_UNKNOWN");
    let unknown = entries(&stage.admin, "outcome=unknown").await;
    assert_eq!(told(&unknown), [["create", "res.partner", "unknown"]]);
    assert_eq!(
        (&unknown[0]["values"]["after"]["name"], &unknown[0]["code"]),
        (&json!("Lost"), &json!("OUTCOME_UNKNOWN"))
    );
    stage.end().await;
}

async fn a_service_that_is_killed_leaves_what_it_was_about_to_do(setup: Setup) {
    let erp = demo_erp_without_addon().await;
    let process = Process::start(&setup).await;
    let client = Client::of(process.base.trim_start_matches("http://")).with_token(&process.admin().await);
    register_demo_system(&client, &erp, "demo").await;
    let models = json!({ "models": { "res.partner": { "operations": ["read", "create"] } } });
    client.put("/api/v1/systems/demo/allowed", &models).await.expect(200);
    erp.faults().fail_method("res.partner", "create", 1, Fault::HangAfterWork);
    let request = client.request(Method::POST, "/api/v1/systems/demo/crud").json(&create("Killed"));
    let lost = tokio::spawn(request.send());
    eventually("the write is done", PATIENCE, async || {
        (erp.faults().calls("res.partner", "create") == 1).then_some(())
    })
    .await;
    process.kill_9().await;
    lost.await.unwrap().unwrap_err();
    let app = setup.start().await;
    let unknown = entries(&app.admin().await, "outcome=unknown").await;
    assert_eq!(told(&unknown), [["create", "res.partner", "unknown"]]);
    assert_eq!((&unknown[0]["values"]["after"]["name"], &unknown[0]["code"]), (&json!("Killed"), &Value::Null));
    app.stop().await;
    erp.stop().await;
}

async fn what_cannot_be_read_before_hinders_nothing(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.server.request_timeout_ms = 8_000)).await;
    let update =
        |text: &str| json!({ "action": "update", "model": "res.partner", "record_id": 1, "data": { "ref": text } });
    stage.result(update("first")).await;
    stage.erp.faults().fail_method("res.partner", "search_read", 1, Fault::Hang);
    assert_eq!(stage.result(update("second")).await["ref"], "second");
    let entry = newest(&stage.admin).await;
    assert_eq!((&entry["outcome"], &entry["values"]), (&json!("done"), &json!({ "after": { "ref": "second" } })));
    stage.result(update("third")).await;
    assert_eq!(newest(&stage.admin).await["values"]["before"], json!([{ "id": 1, "ref": "second" }]));
    stage.end().await;
}

async fn what_is_hidden_is_not_read_before_it_goes(setup: Setup) {
    let stage = Stage::open(setup.config(|config| {
        config.audit.hidden_models = vec!["res.partner.*".to_owned()];
        config.audit.hidden_fields = vec!["ref".to_owned()];
    }))
    .await;
    let data = json!({ "name": "Hidden in part", "ref": SECRET });
    let id = stage.result(json!({ "action": "create", "model": "res.partner", "data": data })).await["id"].clone();
    let update = json!({ "action": "update", "model": "res.partner", "record_id": id, "data": { "ref": SECRET } });
    stage.result(update).await;
    assert_eq!(newest(&stage.admin).await["values"], json!({ "after": {}, "left_out": ["ref"] }));
    crud(&stage.admin, json!({ "action": "delete", "model": "res.partner", "record_id": id })).await.expect(200);
    assert_eq!(newest(&stage.admin).await["values"]["before"][0]["name"], "Hidden in part");
    let tag = json!({ "action": "create", "model": "res.partner.category", "data": { "name": SECRET } });
    let tag = stage.result(tag).await["id"].clone();
    crud(&stage.admin, json!({ "action": "delete", "model": "res.partner.category", "record_id": tag }))
        .await
        .expect(200);
    let entry = newest(&stage.admin).await;
    assert_eq!((&entry["action"], &entry["values"]), (&json!("delete"), &json!({})));
    assert!(!json!(entries(&stage.admin, "").await).to_string().contains(SECRET));
    stage.end().await;
}

async fn only_the_admins_of_the_tenant_see_it(setup: Setup) {
    let stage = Stage::open(setup).await;
    stage.result(create("Ours")).await;
    let user = stage.app.user("amina", None).await;
    user.get("/api/v1/audit").await.expect_problem(403, "FORBIDDEN");
    user.anonymous().get("/api/v1/audit").await.expect_problem(401, "AUTHENTICATION_FAILED");
    let other = stage.app.other_tenant("other-admin").await;
    assert_eq!(told(&entries(&other, "").await), [LOGIN], "their own");
    assert!(!entries(&stage.admin, "").await.is_empty());
    stage.end().await;
}

async fn entries_are_filtered_and_paged(setup: Setup) {
    let stage = Stage::open(setup).await;
    let user = stage.app.user("amina", None).await;
    let user_id = user.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let mine = stage.result(create("Mine")).await["id"].clone();
    let theirs = crate::records::result(&user, create("Theirs")).await["id"].clone();
    let update = json!({ "action": "update", "model": "res.partner", "record_id": mine, "data": { "ref": "x" } });
    stage.result(update).await;
    let at = newest(&stage.admin).await["at"].as_str().unwrap().to_owned();
    let all = entries(&stage.admin, "").await;
    for (query, expected) in [
        (format!("user_id={user_id}"), 2),
        (format!("user_id={user_id}&model=bridgecore.session"), 1),
        (format!("record_id={mine}"), 2),
        (format!("record_id={theirs}&model=res.partner"), 1),
        ("record_id=%25".to_owned(), 0),
        ("model=res.partner".to_owned(), 3),
        ("model=sale.order".to_owned(), 0),
        ("action=update&model=res.partner".to_owned(), 1),
        ("system_id=demo&outcome=done&model=res.partner".to_owned(), 3),
        ("system_id=other".to_owned(), 0),
    ] {
        let found = entries(&stage.admin, &query).await;
        assert_eq!(found.len(), expected, "{query}: {found:?}");
    }
    // The newest was begun at that time, and others perhaps in the same moment.
    let (since, until) =
        (entries(&stage.admin, &format!("since={at}")).await, entries(&stage.admin, &format!("until={at}")).await);
    assert!(since.contains(&all[0]) && !until.contains(&all[0]));
    assert_eq!(since.len() + until.len(), all.len());
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = stage.admin.get(&format!("/api/v1/audit?limit=2{cursor}")).await.expect(200);
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all);
    for (query, field) in
        [("limit=0", "limit"), ("limit=201", "limit"), ("outcome=maybe", "outcome"), ("since=now", "since")]
    {
        let refused = stage.admin.get(&format!("/api/v1/audit?{query}")).await;
        let refused = refused.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(refused["details"]["field"], field, "{refused}");
    }
    stage.end().await;
}

async fn old_entries_go(setup: Setup) {
    let clock = manual_clock();
    let stage = Stage::open(setup.clock(Arc::clone(&clock) as _)).await;
    stage.result(create("Old")).await;
    clock.advance(Duration::from_hours(24 * 200));
    let admin = stage.app.admin().await;
    admin.delete("/api/v1/cache").await.expect(200);
    clock.advance(Duration::from_hours(24 * 200));
    let admin = stage.app.admin().await;
    eventually("the old ones are gone", PATIENCE, async || {
        bridge_server::jobs::run_due(stage.app.context(), "test").await.unwrap();
        entries(&admin, "model=res.partner").await.is_empty().then_some(())
    })
    .await;
    assert_eq!(told(&entries(&admin, "").await), [LOGIN, ["clear", "bridgecore.cache", "done"], LOGIN]);
    stage.end().await;
}
