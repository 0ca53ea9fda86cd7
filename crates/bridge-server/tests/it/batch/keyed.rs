//! Batches with an `Idempotency-Key`.

use super::{codes, partner};
use crate::crash::process::Process;
use crate::records::keyed::{KEYED, is_replayed};
use crate::records::{Stage, result};
use crate::support::{
    Answer, Client, Setup, demo_erp, demo_erp_without_addon, eventually, on_both_databases, register_demo_system,
};
use bridge_erp::fake::{DemoErp, Fault};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(
    the_same_batch_gets_the_same_answer,
    a_key_stands_for_one_batch,
    a_lost_answer_is_found_where_the_system_keeps_it,
    a_lost_answer_is_told_as_such_where_nobody_keeps_it,
    a_batch_that_was_killed_is_done_once,
    a_batch_that_was_killed_tells_what_nobody_knows,
    what_was_refused_takes_nothing_along_the_next_time,
    a_task_is_made_once,
);

const PATIENCE: Duration = Duration::from_mins(1);

async fn keyed(client: &Client, key: &str, body: &Value) -> Answer {
    let request = client.request(Method::POST, "/api/v1/batch/execute").header("Idempotency-Key", key);
    client.send(request.json(body)).await
}

fn batch(operations: &Value) -> Value {
    json!({ "system_id": "demo", "operations": operations })
}

fn update(id: impl Into<Value>, name: &str) -> Value {
    json!({ "action": "update", "model": "res.partner", "record_id": id.into(), "data": { "ref": name } })
}

async fn the_same_batch_gets_the_same_answer(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.retention.kept_answer_bytes_max = 2_000)).await;
    let nameless = json!({ "action": "create", "model": "res.partner", "data": { "name": null } });
    let count = json!({ "action": "count", "model": "res.partner", "domain": [["name", "=like", "Same%"]] });
    let body = batch(&json!([partner("Same 1"), partner("Same 2"), nameless, update("$0.id", "x"), count]));
    stage.erp.faults().reset_counts();
    let first = keyed(&stage.admin, "batch-0001", &body).await;
    assert!(!is_replayed(&first));
    let first = first.expect(200);
    assert_eq!(codes(&first), ["done", "done", "ERP_VALIDATION_FAILED", "done", "done"]);
    stage.result(partner("Same 3")).await;
    let again = keyed(&stage.admin, "batch-0001", &body).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(200), first, "as it was, whatever has become of the records");
    assert_eq!(stage.partners("Same").await, ["Same 1", "Same 2", "Same 3"]);
    // A change bears the key of the batch.
    let path = format!("/api/v1/webhooks/events?model=res.partner&record_id={}", first["results"][0]["result"]["id"]);
    let event = eventually("the change is in the log", PATIENCE, async || {
        stage.admin.get(&path).await.expect(200)["items"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(event["idempotency_key"], "batch-0001", "{event}");
    // Of a long answer the ids are kept.
    let many: Vec<Value> = (0..40).map(|number| partner(&format!("Long {number:02}"))).collect();
    let long = batch(&json!(many));
    let made = keyed(&stage.admin, "batch-0002", &long).await.expect(200);
    let kept = keyed(&stage.admin, "batch-0002", &long).await.expect(200);
    assert_eq!(kept["successful"], 40);
    assert_eq!(kept["results"][39]["result"], json!({ "id": made["results"][39]["result"]["id"] }));
    // It outlives the service.
    let app = stage.app.stop().await.start().await;
    let again = keyed(&app.admin().await, "batch-0001", &body).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(200), first);
    app.stop().await;
    stage.erp.stop().await;
}

async fn a_key_stands_for_one_batch(setup: Setup) {
    let stage = Stage::open(setup).await;
    let body = batch(&json!([partner("One")]));
    keyed(&stage.admin, "batch-0001", &body).await.expect(200);
    let mut stopping = body.clone();
    stopping["stop_on_error"] = json!(true);
    let mut later = body.clone();
    later["async"] = json!(true);
    for other in [batch(&json!([partner("Other")])), stopping, later] {
        let refused = keyed(&stage.admin, "batch-0001", &other).await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(refused["details"]["field"], "Idempotency-Key");
    }
    // Nor does it stand for a request of another kind.
    let crud = stage.admin.request(Method::POST, "/api/v1/systems/demo/crud").header("Idempotency-Key", "batch-0001");
    stage.admin.send(crud.json(&partner("Other"))).await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    let crud = stage.admin.request(Method::POST, "/api/v1/systems/demo/crud").header("Idempotency-Key", "order-0001");
    stage.admin.send(crud.json(&partner("Crud"))).await.expect(200);
    keyed(&stage.admin, "order-0001", &body).await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    keyed(&stage.admin, "with blank", &body).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    // What is refused as a whole leaves its key free, and others have keys of their own.
    let nowhere = json!({ "system_id": "nowhere", "operations": [partner("One")] });
    keyed(&stage.admin, "batch-0002", &nowhere).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    assert!(!is_replayed(&keyed(&stage.admin, "batch-0002", &body).await));
    let user = stage.app.user("amina", None).await;
    assert!(!is_replayed(&keyed(&user, "batch-0001", &body).await));
    assert_eq!(stage.partners("One").await.len(), 3);
    assert_eq!(stage.partners("Other").await, [] as [Value; 0]);
    stage.end().await;
}

async fn a_lost_answer_is_found_where_the_system_keeps_it(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.erp.circuit_failures_max = 1_000)).await;
    let body = batch(&json!([partner("Lost 1"), partner("Lost 2"), update("$0.id", "x"), update(1, "y")]));
    stage.erp.faults().fail_method(KEYED.0, KEYED.1, 4, Fault::ResetAfterWork);
    let lost = keyed(&stage.admin, "batch-0001", &body).await.expect(200);
    let unknown = "OUTCOME_UNKNOWN";
    assert_eq!(codes(&lost), [unknown, unknown, "NOT_ATTEMPTED", "done"]);
    let details = &lost["results"][0]["error"]["details"];
    assert_eq!((&details["safe_to_repeat"], &details["check"]["model"]), (&json!(true), &json!("res.partner")));
    let found = keyed(&stage.admin, "batch-0001", &body).await;
    assert!(!is_replayed(&found), "it was not known");
    let found = found.expect(200);
    assert_eq!(codes(&found), ["done"; 4]);
    assert_eq!(found["results"][1]["result"]["name"], "Lost 2");
    assert_eq!(stage.partners("Lost").await, ["Lost 1", "Lost 2"]);
    let again = keyed(&stage.admin, "batch-0001", &body).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(200), found);
    stage.end().await;
}

async fn a_lost_answer_is_told_as_such_where_nobody_keeps_it(setup: Setup) {
    let stage = Stage::open_with(setup, demo_erp_without_addon().await).await;
    stage.result(partner("Before")).await;
    stage.erp.faults().reset_counts();
    stage.erp.faults().fail_method("res.partner", "create", 1, Fault::ResetAfterWork);
    let body = batch(&json!([partner("Lost 1"), partner("Lost 2"), update(1, "y")]));
    let lost = keyed(&stage.admin, "batch-0001", &body).await.expect(200);
    assert_eq!(codes(&lost), ["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN", "done"]);
    let details = &lost["results"][1]["error"]["details"];
    assert_eq!((&details["safe_to_repeat"], &details["error_type"]), (&json!(false), &json!("permanent")));
    assert_eq!(stage.result(details["check"].clone()).await[0]["name"], "Lost 2");
    let again = keyed(&stage.admin, "batch-0001", &body).await;
    assert!(is_replayed(&again), "nobody will ever know more");
    assert_eq!(again.expect(200), lost);
    assert_eq!(stage.calls("create"), 1, "it is sent once");
    stage.end().await;
}

/// The binary on the setup's database.
async fn start(setup: &Setup, rows_per_call_max: u32, request_timeout_ms: u32) -> (Process, Client) {
    let variables = [
        ("BRIDGECORE_BATCH__ROWS_PER_CALL_MAX", rows_per_call_max.to_string()),
        ("BRIDGECORE_SERVER__REQUEST_TIMEOUT_MS", request_timeout_ms.to_string()),
        ("BRIDGECORE_ERP__CALL_TIMEOUT_MS", "60000".to_owned()),
    ];
    let process = Process::try_start(setup, &variables).await.expect("the service ended before it listened");
    let client = process.client().await;
    (process, client)
}

async fn open(client: &Client, erp: &DemoErp) {
    register_demo_system(client, erp, "demo").await;
    let models = json!({ "models": {
        "res.partner": { "operations": ["read", "create", "update"] }, "res.country": { "operations": ["read"] },
    } });
    client.put("/api/v1/systems/demo/allowed", &models).await.expect(200);
}

/// The answer to a batch whose key another process may still hold.
async fn when_free(client: &Client, key: &str, body: &Value) -> Value {
    eventually("the key is free", PATIENCE, async || {
        let answer = keyed(client, key, body).await;
        if answer.status == 409 {
            answer.expect_problem(409, "IDEMPOTENCY_KEY_IN_USE");
            return None;
        }
        Some(answer.expect(200))
    })
    .await
}

/// Sends a batch until it has led to this call of the ERP, which hangs, and kills the service then.
async fn killed_at(process: Process, client: &Client, body: &Value, erp: &DemoErp, call: (&str, &str)) {
    let asked = eventually("the call hangs", PATIENCE, async || {
        let request = client.request(Method::POST, "/api/v1/batch/execute").header("Idempotency-Key", "batch-0001");
        let asked = tokio::spawn(request.json(body).send());
        eventually("the key is in use or the call hangs", PATIENCE, async || {
            (asked.is_finished() || erp.faults().calls(call.0, call.1) > 0).then_some(())
        })
        .await;
        if erp.faults().calls(call.0, call.1) > 0 {
            return Some(asked);
        }
        assert_eq!(asked.await.unwrap().unwrap().status(), 409);
        None
    })
    .await;
    process.kill_9().await;
    asked.await.unwrap().unwrap_err();
}

async fn names(client: &Client, beginning: &str) -> Vec<Value> {
    let read = json!({
        "action": "read", "model": "res.partner", "domain": [["name", "=like", format!("{beginning}%")]],
        "fields": ["name"], "order": "name", "limit": 1000,
    });
    result(client, read).await.as_array().unwrap().iter().map(|row| row["name"].clone()).collect()
}

const COUNT: (&str, &str) = ("res.country", "search_count");

async fn a_batch_that_was_killed_is_done_once(setup: Setup) {
    let erp = demo_erp().await;
    let (process, client) = start(&setup, 3, 2_000).await;
    open(&client, &erp).await;
    let expected: Vec<Value> = (0..9).map(|number| json!(format!("Killed {number}"))).collect();
    let mut operations: Vec<Value> = expected.iter().map(|name| partner(name.as_str().unwrap())).collect();
    operations.insert(4, json!({ "action": "count", "model": "res.country" }));
    let body = batch(&json!(operations));

    // First while nothing is open: two calls are done.
    erp.faults().fail_method(COUNT.0, COUNT.1, 1, Fault::Hang);
    killed_at(process, &client, &body, &erp, COUNT).await;
    // Then in the middle of a write, by a service that would make other calls of the same operations.
    let (process, client) = start(&setup, 2, 2_000).await;
    assert_eq!(names(&client, "Killed").await, expected[..4]);
    erp.faults().reset_counts();
    erp.faults().fail_method(KEYED.0, KEYED.1, 1, Fault::HangAfterWork);
    killed_at(process, &client, &body, &erp, KEYED).await;
    let (process, client) = start(&setup, 5, 60_000).await;
    assert_eq!(names(&client, "Killed").await, expected[..6]);
    let answer = when_free(&client, "batch-0001", &body).await;
    assert_eq!(codes(&answer), ["done"; 10]);
    assert_eq!(names(&client, "Killed").await, expected);
    for (index, name) in (0..4).chain(5..10).zip(&expected) {
        assert_eq!(answer["results"][index]["result"]["name"], *name);
    }
    let again = keyed(&client, "batch-0001", &body).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(200), answer);
    process.kill_9().await;
    erp.stop().await;
}

async fn a_batch_that_was_killed_tells_what_nobody_knows(setup: Setup) {
    let erp = demo_erp_without_addon().await;
    let (process, client) = start(&setup, 3, 2_000).await;
    open(&client, &erp).await;
    let body = batch(&json!([partner("Killed 0"), partner("Killed 1"), update(1, "x"), partner("Killed 2")]));
    erp.faults().fail_method("res.partner", "write", 1, Fault::HangAfterWork);
    killed_at(process, &client, &body, &erp, ("res.partner", "write")).await;
    let (process, client) = start(&setup, 5, 60_000).await;
    let answer = when_free(&client, "batch-0001", &body).await;
    assert_eq!(codes(&answer), ["done", "done", "OUTCOME_UNKNOWN", "done"]);
    let details = &answer["results"][2]["error"]["details"];
    assert_eq!(details["safe_to_repeat"], false);
    assert_eq!(details["check"], json!({ "action": "read", "model": "res.partner", "record_ids": [1] }));
    assert_eq!(names(&client, "Killed").await, ["Killed 0", "Killed 1", "Killed 2"]);
    assert_eq!(erp.faults().calls("res.partner", "write"), 1, "it is sent once");
    process.kill_9().await;
    erp.stop().await;
}

async fn what_was_refused_takes_nothing_along_the_next_time(setup: Setup) {
    let erp = demo_erp().await;
    let (process, client) = start(&setup, 10, 2_000).await;
    open(&client, &erp).await;
    let newest = erp.db().ids("res.partner").into_iter().max().unwrap();
    let child = |name: &str, parent: i64| json!({ "action": "create", "model": "res.partner", "data": { "name": name, "parent_id": parent } });
    // The first has no parent yet, so that the two become two calls.
    let count = json!({ "action": "count", "model": "res.country" });
    let body = batch(&json!([child("Orphan", newest + 5), child("Child", 1), count]));
    erp.faults().fail_method(COUNT.0, COUNT.1, 1, Fault::Hang);
    killed_at(process, &client, &body, &erp, COUNT).await;
    let (process, client) = start(&setup, 10, 60_000).await;
    while !erp.db().ids("res.partner").contains(&(newest + 5)) {
        result(&client, partner("Between")).await;
    }
    let answer = when_free(&client, "batch-0001", &body).await;
    assert_eq!(codes(&answer), ["done"; 3]);
    assert_eq!((names(&client, "Orphan").await.len(), names(&client, "Child").await.len()), (1, 1));
    process.kill_9().await;
    erp.stop().await;
}

async fn a_task_is_made_once(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.tasks.open_max = 2)).await;
    let mut body = batch(&json!([partner("Task 1"), partner("Task 2")]));
    body["async"] = json!(true);
    let first = keyed(&stage.admin, "task-0001", &body).await;
    assert!(!is_replayed(&first));
    let id = first.expect(202)["id"].clone();
    let again = keyed(&stage.admin, "task-0001", &body).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(202)["id"], id);
    let task = eventually("the task ends", PATIENCE, async || {
        let task = stage.admin.get(&format!("/api/v1/tasks/{id}")).await.expect(200);
        (!task["finished_at"].is_null()).then_some(task)
    })
    .await;
    assert_eq!(task["successful"], 2);
    let now = keyed(&stage.admin, "task-0001", &body).await.expect(202);
    assert_eq!((&now["id"], &now["status"]), (&id, &json!("completed")));
    assert_eq!(stage.partners("Task").await, ["Task 1", "Task 2"]);
    body["operations"] = json!([partner("Other")]);
    keyed(&stage.admin, "task-0001", &body).await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    // One that is refused leaves its key free.
    stage.erp.faults().fail_next(1_000_000, Fault::Hang);
    for key in ["task-0002", "task-0003"] {
        keyed(&stage.admin, key, &body).await.expect(202);
    }
    keyed(&stage.admin, "task-0004", &body).await.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    let open = stage.admin.get("/api/v1/tasks").await.expect(200)["items"].clone();
    for task in open.as_array().unwrap().iter().filter(|task| task["finished_at"].is_null()) {
        stage.admin.delete(&format!("/api/v1/tasks/{}", task["id"])).await.expect(200);
    }
    stage.erp.faults().clear();
    eventually("there is room for a task", PATIENCE, async || {
        (keyed(&stage.admin, "task-0004", &body).await.status == 202).then_some(())
    })
    .await;
    stage.end().await;
}
