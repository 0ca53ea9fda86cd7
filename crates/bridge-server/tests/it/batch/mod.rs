//! Several operations in one request.

mod bounds;
mod failures;
mod files;
mod keyed;
mod operations;

use crate::records::Stage;
use crate::support::{Answer, Client};
use serde_json::{Value, json};

async fn execute(client: &Client, body: Value) -> Answer {
    client.post("/api/v1/batch/execute", &body).await
}

impl Stage {
    /// Does these operations in the demo ERP as the admin.
    async fn batch(&self, operations: Value, stop_on_error: bool) -> Value {
        let body = json!({ "system_id": "demo", "operations": operations, "stop_on_error": stop_on_error });
        execute(&self.admin, body).await.expect(200)
    }

    /// The partners whose name begins so, in the order of their making.
    async fn partners(&self, name: &str) -> Vec<Value> {
        let read = json!({
            "action": "read", "model": "res.partner", "domain": [["name", "=like", format!("{name}%")]],
            "fields": ["name"], "order": "id", "limit": 1000,
        });
        self.result(read).await.as_array().unwrap().iter().map(|row| row["name"].clone()).collect()
    }

    fn calls(&self, method: &str) -> u64 {
        self.erp.faults().calls("res.partner", method)
    }
}

fn partner(name: &str) -> Value {
    json!({ "action": "create", "model": "res.partner", "data": { "name": name } })
}

/// The codes of the results, `done` for those that were.
fn codes(answer: &Value) -> Vec<&str> {
    let results = answer["results"].as_array().unwrap();
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["index"], index, "{answer}");
        let status = result["status"].as_str().unwrap();
        assert_eq!(result["success"], status == "done", "{answer}");
        assert_eq!(result["error"].is_object(), status != "done", "{answer}");
        assert_eq!(result["error"]["code"] == "NOT_ATTEMPTED", status == "not_done", "{answer}");
    }
    let count = |status: &str| results.iter().filter(|result| result["status"] == status).count();
    assert_eq!(answer["total"], results.len());
    assert_eq!(answer["successful"], count("done"));
    assert_eq!(answer["failed"], count("failed"));
    assert_eq!(answer["not_done"], count("not_done"));
    results.iter().map(|result| result["error"]["code"].as_str().unwrap_or("done")).collect()
}
