//! A task from its beginning to its end.

use super::{begin, codes, creates, ended, task, until};
use crate::records::Stage;
use crate::support::{Setup, demo_erp_without_addon, on_both_databases};
use bridge_erp::fake::Fault;
use serde_json::{Value, json};

on_both_databases!(
    a_batch_becomes_a_task_with_the_same_results,
    a_task_is_cancelled,
    a_task_is_its_owners,
    a_tenant_has_so_many_tasks,
    a_task_of_someone_who_left_goes_no_further,
    a_task_goes_on_after_a_restart,
);

async fn a_batch_becomes_a_task_with_the_same_results(setup: Setup) {
    let stage = Stage::open(setup).await;
    let mut operations = creates("Task", 5);
    operations.push(json!({ "action": "create", "model": "res.partner", "data": { "email": "without a name" } }));
    operations.push(json!({ "action": "read", "model": "res.partner", "record_id": "$5.id" }));
    operations
        .push(json!({ "action": "update", "model": "res.partner", "record_id": "$1.id", "data": { "city": "Fès" } }));
    let begun = begin(&stage.admin, &operations, false).await;
    assert_eq!((&begun["kind"], &begun["system_id"], &begun["total"]), (&json!("batch"), &json!("demo"), &json!(8)));
    assert_eq!((&begun["status"], &begun["progress"]), (&json!("queued"), &json!(0)));
    let task = ended(&stage.admin, &begun["id"]).await;
    assert_eq!((&task["status"], &task["progress"], &task["finished"]), (&json!("completed"), &json!(100), &json!(8)));
    let done = "done";
    let expected = [done, done, done, done, done, "ERP_VALIDATION_FAILED", "NOT_ATTEMPTED", done];
    assert_eq!(codes(&task), expected);
    let id = &task["results"][1]["result"]["id"];
    assert_eq!(task["results"][7]["result"], json!({ "id": id, "city": "Fès" }));
    let by_itself = json!({ "system_id": "demo", "operations": operations });
    let by_itself = stage.admin.post("/api/v1/batch/execute", &by_itself).await.expect(200);
    assert_eq!(by_itself["results"][5], task["results"][5]);
    assert_eq!(by_itself["results"][6], task["results"][6]);
    // What stops is left, and the task has gone through all the same.
    let mut stops = creates("Stops", 2);
    stops.insert(0, operations.remove(5));
    let begun = begin(&stage.admin, &stops, true).await;
    let task = ended(&stage.admin, &begun["id"]).await;
    assert_eq!(task["status"], "completed");
    assert_eq!(codes(&task), ["ERP_VALIDATION_FAILED", "NOT_ATTEMPTED", "NOT_ATTEMPTED"]);
    // What can't be begun is refused at once.
    let unknown = json!({ "system_id": "no-such", "operations": creates("x", 1), "async": true });
    stage.admin.post("/api/v1/batch/execute", &unknown).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    let nothing = json!({ "system_id": "demo", "operations": [], "async": true });
    stage.admin.post("/api/v1/batch/execute", &nothing).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    stage.end().await;
}

async fn a_task_is_cancelled(setup: Setup) {
    let setup = setup.config(|config| {
        config.batch.rows_per_call_max = 2;
        config.erp.call_timeout_ms = 8_000;
    });
    let stage = Stage::open_with(setup, demo_erp_without_addon().await).await;
    stage.batch_of_one("Before").await;
    stage.erp.faults().fail_method("res.partner", "create", 1, Fault::Hang);
    let running = begin(&stage.admin, &creates("Cancelled", 8), false).await["id"].clone();
    let queued = begin(&stage.admin, &creates("Never", 3), false).await["id"].clone();
    until(&stage.admin, &running, "it has begun", |task| task["status"] == "running").await;
    let delete = async |id: &Value| stage.admin.delete(&format!("/api/v1/tasks/{id}")).await.expect(200);
    let never = delete(&queued).await;
    assert_eq!((&never["status"], &never["not_done"]), (&json!("cancelled"), &json!(3)));
    assert_eq!(codes(&task(&stage.admin, &queued).await), ["NOT_ATTEMPTED"; 3]);
    assert_eq!(delete(&running).await["status"], "cancelling");
    let ended = ended(&stage.admin, &running).await;
    assert_eq!((&ended["status"], &ended["progress"]), (&json!("cancelled"), &json!(25)));
    let (unknown, left) = ("OUTCOME_UNKNOWN", "NOT_ATTEMPTED");
    assert_eq!(codes(&ended), [unknown, unknown, left, left, left, left, left, left]);
    let again = delete(&running).await;
    assert_eq!((&again["status"], &again["finished_at"]), (&ended["status"], &ended["finished_at"]));
    let names = json!({ "action": "count", "model": "res.partner", "domain": [["name", "=like", "Never%"]] });
    assert_eq!(stage.result(names).await, 0);
    stage.end().await;
}

async fn a_task_is_its_owners(setup: Setup) {
    let stage = Stage::open(setup).await;
    let (amina, omar) = (stage.app.user("amina", None).await, stage.app.user("omar", None).await);
    let other = stage.app.other_tenant("other-admin").await;
    let first = begin(&amina, &creates("Hers", 1), false).await;
    let second = begin(&stage.admin, &creates("The admin's", 1), false).await;
    let id = &first["id"];
    ended(&amina, id).await;
    ended(&stage.admin, &second["id"]).await;
    let path = format!("/api/v1/tasks/{id}");
    for stranger in [&omar, &other] {
        stranger.get(&path).await.expect_problem(404, "NOT_FOUND");
        stranger.delete(&path).await.expect_problem(404, "NOT_FOUND");
        assert_eq!(stranger.get("/api/v1/tasks").await.expect(200), json!({ "items": [], "next_cursor": null }));
    }
    let ids = async |client: &crate::support::Client, query: &str| {
        let page = client.get(&format!("/api/v1/tasks{query}")).await.expect(200);
        let ids: Vec<Value> = page["items"].as_array().unwrap().iter().map(|task| task["id"].clone()).collect();
        (ids, page["next_cursor"].clone())
    };
    assert_eq!(ids(&amina, "").await, (vec![id.clone()], Value::Null));
    assert_eq!(ids(&stage.admin, "").await, (vec![second["id"].clone(), id.clone()], Value::Null));
    let (page, next) = ids(&stage.admin, "?limit=1").await;
    assert_eq!(page, std::slice::from_ref(&second["id"]));
    let next = format!("?limit=1&cursor={}", next.as_str().unwrap());
    assert_eq!(ids(&stage.admin, &next).await, (vec![id.clone()], Value::Null));
    let hers = format!("?user_id={}", first["user_id"]);
    assert_eq!(ids(&stage.admin, &hers).await.0, std::slice::from_ref(id));
    assert_eq!(task(&stage.admin, id).await["user_id"], first["user_id"]);
    omar.get(&format!("/api/v1/tasks{hers}")).await.expect_problem(403, "FORBIDDEN");
    for (path, status) in [("?limit=0", 400), ("?limit=201", 400), ("?cursor=x", 400), ("/x", 400), ("/999999", 404)] {
        let answer = stage.admin.get(&format!("/api/v1/tasks{path}")).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    stage.end().await;
}

async fn a_tenant_has_so_many_tasks(setup: Setup) {
    let stage =
        Stage::open_with(setup.config(|config| config.tasks.open_max = 2), demo_erp_without_addon().await).await;
    stage.batch_of_one("Before").await;
    stage.erp.faults().fail_method("res.partner", "create", 1, Fault::Hang);
    let body = json!({ "system_id": "demo", "operations": creates("Many", 1), "async": true });
    for _ in 0..2 {
        stage.admin.post("/api/v1/batch/execute", &body).await.expect(202);
    }
    let refused = stage.admin.post("/api/v1/batch/execute", &body).await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    stage.app.stop().await;
    stage.erp.stop().await;
}

async fn a_task_of_someone_who_left_goes_no_further(setup: Setup) {
    let stage =
        Stage::open_with(setup.config(|config| config.erp.call_timeout_ms = 8_000), demo_erp_without_addon().await)
            .await;
    stage.batch_of_one("Before").await;
    stage.erp.faults().fail_method("res.partner", "create", 1, Fault::Hang);
    let holding = begin(&stage.admin, &creates("Holding", 1), false).await["id"].clone();
    until(&stage.admin, &holding, "it has begun", |task| task["status"] == "running").await;
    let amina = stage.app.user("amina", None).await;
    let hers = begin(&amina, &creates("Hers", 2), false).await;
    let user = format!("/api/v1/users/{}", hers["user_id"]);
    stage.admin.put(&user, &json!({ "is_active": false })).await.expect(200);
    let task = ended(&stage.admin, &hers["id"]).await;
    assert_eq!((&task["status"], &task["error"]["code"]), (&json!("failed"), &json!("FORBIDDEN")));
    assert_eq!(codes(&task), ["NOT_ATTEMPTED"; 2]);
    stage.end().await;
}

async fn a_task_goes_on_after_a_restart(setup: Setup) {
    let setup = setup.config(|config| {
        config.batch.rows_per_call_max = 1;
        config.tasks.lease_ms = 5_000;
    });
    let stage = Stage::open(setup).await;
    stage.erp.faults().latency_ms(20);
    let id = begin(&stage.admin, &creates("Restart", 30), false).await["id"].clone();
    until(&stage.admin, &id, "a part is done", |task| task["finished"].as_u64().unwrap() >= 3).await;
    // A stop in good order comes between two calls.
    let app = stage.app.stop().await.start().await;
    let admin = app.admin().await;
    let task = ended(&admin, &id).await;
    assert_eq!((&task["status"], codes(&task)), (&json!("completed"), vec!["done"; 30]));
    let names = json!({
        "action": "read", "model": "res.partner", "domain": [["name", "=like", "Restart%"]], "fields": ["name"],
        "order": "id",
    });
    let rows = crate::records::result(&admin, names).await;
    let names: Vec<Value> = rows.as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    let expected: Vec<Value> = (0..30).map(|number| json!(format!("Restart {number:03}"))).collect();
    assert_eq!(names, expected);
    app.stop().await;
    stage.erp.stop().await;
}

impl Stage {
    /// A first write, so that nothing has to be learned of the model afterwards.
    async fn batch_of_one(&self, name: &str) {
        self.result(creates(name, 1).remove(0)).await;
    }
}
