//! Several operations in one request to a real Odoo, at once and as a task.

use super::server::Odoo;
use super::stage::Stage;
use crate::support::eventually;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

/// A picture of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Whether the request waits for what comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    AtOnce,
    AsTask,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_does_in_a_real_odoo_what_single_requests_do() {
    let all = json!({ "operations": ["read", "create", "update", "delete"], "methods": ["action_confirm"] });
    let models = json!({
        "res.partner": all, "product.product": all, "sale.order": all, "sale.order.line": all, "ir.attachment": all,
    });
    let stage = Stage::open(Odoo::start_bare("batch").await, models).await;
    let product = stage.create("product.product", json!({ "name": "Chair", "list_price": 10 })).await["id"].clone();
    for way in [Way::AtOnce, Way::AsTask] {
        an_order_for_somebody_new(&stage, way, &product).await;
        what_follows_a_failure_is_left(&stage, way).await;
        what_odoo_refuses_as_a_whole_is_done_in_parts(&stage, way).await;
        files_go_along(&stage, way).await;
    }
    stage.app.stop().await;
}

/// What came of each operation.
async fn results(stage: &Stage, way: Way, operations: &Value, stop_on_error: bool) -> Vec<Value> {
    let is_task = way == Way::AsTask;
    let body = json!({
        "system_id": "odoo", "operations": operations, "stop_on_error": stop_on_error, "async": is_task,
    });
    let asked = stage.admin.post("/api/v1/batch/execute", &body).await;
    let answer = if is_task {
        let id = asked.expect(202)["id"].clone();
        eventually("the task ends", PATIENCE, async || {
            let task = stage.admin.get(&format!("/api/v1/tasks/{id}")).await.expect(200);
            (!task["finished_at"].is_null()).then_some(task)
        })
        .await
    } else {
        asked.expect(200)
    };
    let results = answer["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), operations.as_array().unwrap().len(), "{answer}");
    results
}

/// The codes of the results, `done` for those that were.
fn codes(results: &[Value]) -> Vec<&str> {
    results.iter().map(|result| result["error"]["code"].as_str().unwrap_or("done")).collect()
}

fn partner(name: &Value) -> Value {
    json!({ "action": "create", "model": "res.partner", "data": { "name": name } })
}

/// The partners whose name begins so, by name.
async fn named(stage: &Stage, start: &str) -> Value {
    let domain = json!([["name", "=like", format!("{start}%")]]);
    let read =
        json!({ "action": "read", "model": "res.partner", "domain": domain, "fields": ["name"], "order": "name" });
    stage.result(read).await.as_array().unwrap().iter().map(|row| row["name"].clone()).collect()
}

async fn an_order_for_somebody_new(stage: &Stage, way: Way, product: &Value) {
    let line =
        json!({ "action": "create", "data": { "product_id": product, "product_uom_qty": 2, "price_unit": 12.5 } });
    let operations = json!([
        partner(&json!("Batch Customer")),
        { "action": "create", "model": "res.partner", "data": {
            "name": "Batch Contact", "parent_id": "$0.id", "type": "other",
        } },
        { "action": "create", "model": "sale.order", "data": {
            "partner_id": "$0.id", "partner_shipping_id": "$1.id", "client_order_ref": "$$0.id", "order_line": [line],
        } },
        { "action": "call", "model": "sale.order", "record_id": "$2.id", "method": "action_confirm" },
        { "action": "read", "model": "sale.order", "record_id": "$2.id",
          "fields": ["state", "amount_untaxed", "partner_shipping_id", "client_order_ref"] },
        { "action": "search", "model": "res.partner", "domain": [["parent_id", "=", "$0.id"]] },
        { "action": "update", "model": "res.partner", "record_id": "$5[0]", "data": { "function": "Buyer" } },
        { "action": "count", "model": "sale.order.line", "domain": [["order_id", "=", "$2.id"]] },
        // What is confirmed is not deleted, and that is the end.
        { "action": "delete", "model": "sale.order", "record_id": "$2.id" },
        { "action": "delete", "model": "res.partner", "record_id": "$1.id" },
    ]);
    let results = results(stage, way, &operations, true).await;
    let mut expected = ["done"; 10];
    (expected[8], expected[9]) = ("ERP_BUSINESS_RULE", "NOT_ATTEMPTED");
    assert_eq!(codes(&results), expected, "{results:?}");
    let result = |index: usize| &results[index]["result"];
    let contact = &result(1)["id"];
    assert_eq!(result(1)["parent_id"], json!([result(0)["id"], "Batch Customer"]));
    let order = result(4);
    assert_eq!(
        (&order["state"], &order["amount_untaxed"], &order["client_order_ref"]),
        (&json!("sale"), &json!(25.0), &json!("$0.id"))
    );
    assert_eq!((&order["partner_shipping_id"][0], result(5)), (contact, &json!([contact])));
    assert_eq!((&result(6)["function"], result(7)), (&json!("Buyer"), &json!(1)));
    assert_eq!(results[8]["error"]["details"]["erp_error"], "odoo.exceptions.UserError");
    assert_eq!(stage.read("sale.order", &result(2)["id"], &["state"]).await["state"], "sale");
}

async fn what_follows_a_failure_is_left(stage: &Stage, way: Way) {
    let name = format!("Stop {way:?}");
    // All three may be one call, which Odoo refuses as a whole.
    let operations =
        json!([partner(&json!(format!("{name} 1"))), partner(&Value::Null), partner(&json!(format!("{name} 3")))]);
    let stopped = results(stage, way, &operations, true).await;
    assert_eq!(codes(&stopped), ["done", "ERP_VALIDATION_FAILED", "NOT_ATTEMPTED"]);
    assert_eq!(named(stage, &name).await, json!([format!("{name} 1")]));
    let gone_on = results(stage, way, &operations, false).await;
    assert_eq!(codes(&gone_on), ["done", "ERP_VALIDATION_FAILED", "done"]);
    assert_eq!(named(stage, &name).await, json!([format!("{name} 1"), format!("{name} 1"), format!("{name} 3")]));
}

async fn what_odoo_refuses_as_a_whole_is_done_in_parts(stage: &Stage, way: Way) {
    let name = format!("Parts {way:?}");
    let creates: Vec<Value> = (0..12)
        .map(|number| partner(&if number == 7 { Value::Null } else { json!(format!("{name} {number:02}")) }))
        .collect();
    let made = results(stage, way, &json!(creates), false).await;
    let failed: Vec<usize> = (0..12).filter(|index| codes(&made)[*index] != "done").collect();
    assert_eq!((failed, codes(&made)[7]), (vec![7], "ERP_VALIDATION_FAILED"));
    let names: Value =
        (0..12).filter(|number| *number != 7).map(|number| json!(format!("{name} {number:02}"))).collect();
    assert_eq!(named(stage, &name).await, names, "each once");
    let ids: Vec<&Value> = made.iter().map(|result| &result["result"]["id"]).filter(|id| id.is_i64()).collect();
    // One record that is not there makes Odoo write none of them, and delete none of them.
    let missing = json!(99_999_999);
    let of = |ids: &[&Value], action: &str, rest: Value| -> Vec<Value> {
        let mut operations = Vec::new();
        for id in ids {
            let mut operation = rest.clone();
            operation["action"] = json!(action);
            operation["model"] = json!("res.partner");
            operation["record_id"] = (*id).clone();
            operations.push(operation);
        }
        operations
    };
    let some = [ids[0], ids[1], &missing, ids[2], ids[3]];
    let found = ["done", "done", "RECORD_NOT_FOUND", "done", "done"];
    let updates = of(&some, "update", json!({ "data": { "city": "Fes" } }));
    let written = results(stage, way, &json!(updates), false).await;
    assert_eq!(codes(&written), found);
    assert_eq!(written[4]["result"], json!({ "id": ids[3], "city": "Fes" }));
    let count =
        json!({ "action": "count", "model": "res.partner", "domain": [["id", "in", ids], ["city", "=", "Fes"]] });
    assert_eq!(stage.result(count).await, 4);
    let deletes = of(&some, "delete", json!({}));
    assert_eq!(codes(&results(stage, way, &json!(deletes), false).await), found);
    assert_eq!(named(stage, &name).await.as_array().unwrap().len(), 7);
}

async fn files_go_along(stage: &Stage, way: Way) {
    let name = format!("Pictures {way:?}");
    let with = |number: usize, image: &str| {
        let data = json!({ "name": format!("{name} {number}"), "image_1920": image });
        json!({ "action": "create", "model": "res.partner", "data": data })
    };
    // Base64 of what is no picture.
    let operations = json!([
        with(0, PIXEL), with(1, "bm90IGFuIGltYWdl"), with(2, PIXEL),
        { "action": "read", "model": "res.partner", "record_id": "$2.id", "fields": ["image_1920"] },
        { "action": "create", "model": "ir.attachment", "data": { "name": "a.bin", "datas": "AAECAwT/" } },
        { "action": "read", "model": "ir.attachment", "record_id": "$4.id", "fields": ["datas", "file_size"] },
    ]);
    let results = results(stage, way, &operations, false).await;
    assert_eq!(codes(&results), ["done", "ERP_BUSINESS_RULE", "done", "done", "done", "done"], "{results:?}");
    assert!(results[0]["result"].get("image_1920").is_none(), "a file is not sent back: {results:?}");
    assert!(results[3]["result"]["image_1920"].as_str().unwrap().starts_with("iVBOR"));
    let attachment = &results[5]["result"];
    assert_eq!((&attachment["datas"], &attachment["file_size"]), (&json!("AAECAwT/"), &json!(6)));
    assert_eq!(named(stage, &name).await, json!([format!("{name} 0"), format!("{name} 2")]));
}
