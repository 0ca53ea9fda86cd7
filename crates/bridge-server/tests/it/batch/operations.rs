//! What operations do together.

use super::{codes, execute, partner};
use crate::records::Stage;
use crate::support::{Setup, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    the_documented_request_gets_the_documented_answer,
    neighbours_are_one_call,
    later_operations_use_what_earlier_ones_answered,
    each_action_answers_as_by_itself,
    rights_are_those_of_single_requests,
);

async fn the_documented_request_gets_the_documented_answer(setup: Setup) {
    let stage = Stage::open(setup).await;
    let request = json!({
        "system_id": "demo",
        "operations": [
            { "model": "res.partner", "action": "create", "data": { "name": "Customer 1", "email": "c1@example.com" } },
            { "model": "res.partner", "action": "create", "data": { "name": "Customer 2", "email": "c2@example.com" } }
        ],
        "stop_on_error": false
    });
    stage.erp.faults().reset_counts();
    let answer = execute(&stage.admin, request.clone()).await.expect(200);
    assert_eq!(codes(&answer), ["done", "done"]);
    let first = &answer["results"][0];
    let id = first["result"]["id"].as_i64().unwrap();
    let expected = json!({
        "index": 0, "status": "done", "success": true,
        "result": { "id": id, "name": "Customer 1", "email": "c1@example.com" },
    });
    assert_eq!(first, &expected);
    assert_eq!(answer["results"][1]["result"]["name"], "Customer 2");
    assert_eq!((stage.calls("create"), stage.calls("search_read")), (1, 1), "made in one call and read back in one");
    // The primary system is meant where none is named.
    let mut unnamed = request;
    unnamed.as_object_mut().unwrap().remove("system_id");
    unnamed.as_object_mut().unwrap().remove("stop_on_error");
    assert_eq!(execute(&stage.admin, unnamed).await.expect(200)["successful"], 2);
    stage.end().await;
}

async fn neighbours_are_one_call(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.batch.rows_per_call_max = 40)).await;
    let creates: Vec<Value> = (0..100).map(|number| partner(&format!("Many {number:03}"))).collect();
    stage.erp.faults().reset_counts();
    let made = stage.batch(json!(creates), false).await;
    assert_eq!(codes(&made), ["done"; 100]);
    assert_eq!(stage.calls("create"), 3, "100 in calls of at most 40");
    let ids: Vec<i64> =
        made["results"].as_array().unwrap().iter().map(|one| one["result"]["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted(), "in their order: {ids:?}");

    let read = |id: i64| json!({ "action": "read", "model": "res.partner", "record_id": id, "fields": ["name"] });
    let update = |id: i64| json!({ "action": "update", "model": "res.partner", "record_id": id, "data": { "city": "Fès" }, "fields": ["city"] });
    let delete = |id: i64| json!({ "action": "delete", "model": "res.partner", "record_id": id });
    stage.erp.faults().reset_counts();
    let mut reads: Vec<Value> = ids[..30].iter().rev().map(|id| read(*id)).collect();
    reads[3] = read(999_999);
    reads[4] = reads[5].clone();
    let answer = stage.batch(json!(reads), false).await;
    assert_eq!(stage.calls("search_read"), 1);
    let codes_of_reads = codes(&answer);
    assert_eq!(codes_of_reads[3], "RECORD_NOT_FOUND");
    assert_eq!(codes_of_reads.iter().filter(|code| **code == "done").count(), 29);
    assert_eq!(answer["results"][0]["result"], json!({ "id": ids[29], "name": "Many 029" }));
    assert_eq!(answer["results"][4]["result"], answer["results"][5]["result"]);

    stage.erp.faults().reset_counts();
    let updates: Vec<Value> = ids[..30].iter().map(|id| update(*id)).collect();
    let answer = stage.batch(json!(updates), false).await;
    assert_eq!(codes(&answer), ["done"; 30]);
    assert_eq!(answer["results"][7]["result"], json!({ "id": ids[7], "city": "Fès" }));
    assert_eq!(stage.calls("write"), 1);
    // What differs, or comes between, is a call of its own.
    stage.erp.faults().reset_counts();
    let mut other = update(ids[1]);
    other["data"]["city"] = json!("Oujda");
    let mixed = json!([update(ids[0]), other, update(ids[2]), read(ids[1]), update(ids[3]), update(ids[3])]);
    let answer = stage.batch(mixed, false).await;
    assert_eq!(codes(&answer), ["done"; 6]);
    assert_eq!(stage.calls("write"), 5);

    stage.erp.faults().reset_counts();
    let mut deletes: Vec<Value> = ids[..20].iter().map(|id| delete(*id)).collect();
    deletes.push(delete(ids[0]));
    let answer = stage.batch(json!(deletes), false).await;
    let mut expected = ["done"; 21];
    expected[20] = "RECORD_NOT_FOUND";
    assert_eq!(codes(&answer), expected);
    assert_eq!(answer["results"][0]["message"], "Record deleted successfully");
    assert_eq!(stage.calls("unlink"), 2);
    assert_eq!(stage.partners("Many").await.len(), 80);
    stage.end().await;
}

async fn later_operations_use_what_earlier_ones_answered(setup: Setup) {
    let stage = Stage::open(setup).await;
    let operations = json!([
        partner("Parent"),
        { "action": "create", "model": "res.partner", "data": { "name": "Child", "parent_id": "$0.id" } },
        { "action": "create", "model": "sale.order", "data": {
            "partner_id": "$1.id", "client_order_ref": "$$0.id",
            "order_line": [{ "action": "create", "data": { "product_id": 1, "product_uom_qty": 2 } }],
        } },
        { "action": "call", "model": "sale.order", "record_id": "$2.id", "method": "action_confirm" },
        { "action": "search", "model": "res.partner", "domain": [["parent_id", "=", "$0.id"]] },
        { "action": "read", "model": "res.partner", "record_ids": ["$4[0]", "$0.id"], "fields": ["name", "parent_id"] },
        { "action": "update", "model": "res.partner", "record_id": "$5[0].parent_id", "data": { "ref": "$5[1].name" } },
        { "action": "read", "model": "sale.order", "record_id": "$2.id", "fields": ["state", "client_order_ref"] },
    ]);
    let answer = stage.batch(operations, true).await;
    assert_eq!(codes(&answer), ["done"; 8], "{answer}");
    let result = |index: usize| &answer["results"][index]["result"];
    let (parent, child) = (&result(0)["id"], &result(1)["id"]);
    assert_eq!(&result(1)["parent_id"][0], parent);
    assert_eq!((result(3), result(4)), (&json!(true), &json!([child])));
    assert_eq!(result(6), &json!({ "id": parent, "ref": "Parent" }));
    assert_eq!((&result(7)["state"], &result(7)["client_order_ref"]), (&json!("sale"), &json!("$0.id")));

    // What could not be done takes with it what refers to it, and nothing else.
    let operations = json!([
        { "action": "create", "model": "res.partner", "data": { "email": "without a name" } },
        { "action": "create", "model": "res.partner", "data": { "name": "Orphan", "parent_id": "$0.id" } },
        { "action": "read", "model": "res.partner", "record_id": "$1.id" },
        partner("Alone"),
        { "action": "update", "model": "res.partner", "record_id": "$3.nothing", "data": { "ref": "x" } },
    ]);
    let answer = stage.batch(operations, false).await;
    let expected = ["ERP_VALIDATION_FAILED", "NOT_ATTEMPTED", "NOT_ATTEMPTED", "done", "DATA_VALIDATION_FAILED"];
    assert_eq!(codes(&answer), expected);
    assert_eq!(answer["results"][4]["error"]["details"]["field"], "record_id");
    assert_eq!(stage.partners("Orphan").await, [] as [Value; 0]);
    stage.end().await;
}

async fn each_action_answers_as_by_itself(setup: Setup) {
    let stage = Stage::open(setup).await;
    let operations = [
        json!({ "action": "read", "model": "res.partner", "record_id": 1 }),
        json!({ "action": "read", "model": "res.partner", "record_ids": [3, 2, 3, 999_999], "fields": ["name"] }),
        json!({ "action": "read", "model": "res.partner", "record_ids": [1], "fields": ["name"] }),
        json!({ "action": "read", "model": "res.partner", "domain": [["id", "<", 3]], "fields": ["name"], "limit": 2 }),
        json!({ "action": "search", "model": "res.partner", "limit": 3, "order": "name desc" }),
        json!({ "action": "count", "model": "res.partner" }),
        json!({ "action": "fields", "model": "res.partner", "fields": ["name"], "lang": "en_US" }),
    ];
    let answer = stage.batch(json!(operations), false).await;
    assert_eq!(codes(&answer), ["done"; 7]);
    for (index, operation) in operations.iter().enumerate() {
        assert_eq!(answer["results"][index]["result"], stage.result(operation.clone()).await, "{operation}");
    }
    let two = json!({ "action": "create", "model": "res.partner", "data": [{ "name": "One" }, { "name": "Two" }] });
    let answer = stage.batch(json!([two]), false).await;
    assert_eq!(answer["results"][0]["result"][1]["name"], "Two");
    // In the language of the caller, as everywhere.
    let french = stage.admin.request(reqwest::Method::POST, "/api/v1/batch/execute").header("Accept-Language", "fr");
    let gone = json!({ "system_id": "demo", "operations": [{ "action": "delete", "model": "res.partner", "record_id": 999_999 }] });
    let answer = stage.admin.send(french.json(&gone)).await.expect(200);
    let message = answer["results"][0]["error"]["message"].as_str().unwrap();
    assert!(message.contains("enregistrement"), "{message}");
    stage.end().await;
}

async fn rights_are_those_of_single_requests(setup: Setup) {
    let stage = Stage::new(setup).await;
    stage.allow(json!({ "res.partner": { "operations": ["read"] } })).await;
    let read = json!({ "action": "read", "model": "res.partner", "record_id": 1, "fields": ["name"] });
    let operations = json!([read, partner("Closed"), { "action": "read", "model": "sale.order", "record_id": 1 }]);
    let body = json!({ "system_id": "demo", "operations": operations });
    let user = stage.app.user("amina", None).await;
    let answer = execute(&user, body.clone()).await.expect(200);
    assert_eq!(codes(&answer), ["done", "FORBIDDEN", "FORBIDDEN"]);
    assert_eq!(answer["results"][1]["error"]["details"], json!({ "model": "res.partner", "operation": "create" }));
    // With a credential of their own the ERP judges, and it is they who wrote.
    let id = user.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let link = json!({ "system_id": "demo", "username": "sales", "password": "sales" });
    user.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201);
    let operations = json!([
        partner("Own"), { "action": "delete", "model": "res.partner", "record_id": "$0.id" },
        { "action": "read", "model": "account.move" },
        { "action": "read", "model": "res.partner", "record_id": "$0.id", "fields": ["create_uid"] },
    ]);
    let body = json!({ "system_id": "demo", "operations": operations });
    let answer = execute(&user, body.clone()).await.expect(200);
    assert_eq!(codes(&answer), ["done", "ERP_ACCESS_DENIED", "ERP_ACCESS_DENIED", "done"]);
    assert_eq!(answer["results"][3]["result"]["create_uid"][0], 6);
    // The system is refused once for all.
    let other = stage.app.other_tenant("other-admin").await;
    execute(&other, body.clone()).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    let mut primary = body.clone();
    primary.as_object_mut().unwrap().remove("system_id");
    execute(&other, primary).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    stage.admin.put("/api/v1/systems/demo", &json!({ "is_active": false })).await.expect(200);
    execute(&user, body).await.expect_problem(403, "FORBIDDEN");
    stage.end().await;
}
