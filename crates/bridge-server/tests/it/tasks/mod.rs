//! Batches that go on after their request is answered.

mod crash;
mod lifecycle;

use crate::support::{Client, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(2);

fn creates(name: &str, count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| {
            json!({ "action": "create", "model": "res.partner", "data": { "name": format!("{name} {number:03}") } })
        })
        .collect()
}

/// Asks for these operations as a task, and answers the task.
async fn begin(client: &Client, operations: &[Value], stop_on_error: bool) -> Value {
    let body = json!({ "system_id": "demo", "operations": operations, "stop_on_error": stop_on_error, "async": true });
    client.post("/api/v1/batch/execute", &body).await.expect(202)
}

async fn task(client: &Client, id: &Value) -> Value {
    client.get(&format!("/api/v1/tasks/{id}")).await.expect(200)
}

/// Waits until the task is as it should be.
async fn until(client: &Client, id: &Value, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    eventually(what, PATIENCE, async || {
        let task = task(client, id).await;
        is_it(&task).then_some(task)
    })
    .await
}

/// Waits for the end of a task.
async fn ended(client: &Client, id: &Value) -> Value {
    until(client, id, "the task ends", |task| !task["finished_at"].is_null()).await
}

/// The codes of a task's results, `done` for those that were done.
fn codes(task: &Value) -> Vec<&str> {
    let results = task["results"].as_array().unwrap();
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["index"], index, "{task}");
    }
    let count = |status: &str| results.iter().filter(|result| result["status"] == status).count();
    assert_eq!(task["successful"], count("done"), "{task}");
    assert_eq!(task["failed"], count("failed"), "{task}");
    assert_eq!(task["not_done"], count("not_done"), "{task}");
    results.iter().map(|result| result["error"]["code"].as_str().unwrap_or("done")).collect()
}
