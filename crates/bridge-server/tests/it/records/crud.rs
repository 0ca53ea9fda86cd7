//! What each action does and answers.

use super::{Stage, crud};
use crate::support::{Setup, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    the_documented_requests_get_the_documented_answers,
    several_records_at_once,
    pages_orders_and_counts,
    fields_are_described,
    methods_are_called,
    values_have_one_form,
);

async fn the_documented_requests_get_the_documented_answers(setup: Setup) {
    let stage = Stage::open(setup).await;
    let created = crud(
        &stage.admin,
        json!({
            "action": "create", "model": "res.partner",
            "data": {
                "name": "Ahmed Al-Saudi", "email": "ahmed@example.com", "phone": "+966501234567", "is_company": false
            }
        }),
    )
    .await
    .expect(200);
    assert_eq!(created["success"], true);
    let id = created["result"]["id"].as_i64().unwrap();
    let expected = json!({
        "id": id, "name": "Ahmed Al-Saudi", "email": "ahmed@example.com", "phone": "+966501234567", "is_company": false
    });
    assert_eq!(created["result"], expected);

    let read = json!({
        "action": "read", "model": "res.partner", "domain": [["is_company", "=", false], ["email", "=", "ahmed@example.com"]],
        "fields": ["name", "email", "phone"], "limit": 10, "offset": 0
    });
    let expected = json!([{
        "id": id, "name": "Ahmed Al-Saudi", "email": "ahmed@example.com", "phone": "+966501234567"
    }]);
    assert_eq!(stage.result(read.clone()).await, expected);

    let update = json!({
        "action": "update", "model": "res.partner", "record_id": id, "data": {"phone": "+966509876543"}
    });
    let updated = crud(&stage.admin, update).await.expect(200);
    assert_eq!(updated, json!({"success": true, "result": {"id": id, "phone": "+966509876543"}}));

    let delete = json!({ "action": "delete", "model": "res.partner", "record_id": id });
    let deleted = crud(&stage.admin, delete.clone()).await.expect(200);
    assert_eq!(deleted, json!({"success": true, "message": "Record deleted successfully"}));
    assert_eq!(stage.result(read).await, json!([]));
    let gone = crud(&stage.admin, delete).await.expect_problem(404, "RECORD_NOT_FOUND");
    assert_eq!(gone["details"]["error_type"], "business");
    let one = json!({ "action": "read", "model": "res.partner", "record_id": id });
    crud(&stage.admin, one).await.expect_problem(404, "RECORD_NOT_FOUND");
    stage.end().await;
}

async fn several_records_at_once(setup: Setup) {
    let stage = Stage::open(setup).await;
    let data = json!([{ "name": "One", "ref": "A1" }, { "name": "Two" }, { "name": "Three", "active": false }]);
    let made = stage.result(json!({ "action": "create", "model": "res.partner", "data": data })).await;
    let ids: Vec<i64> = made.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!((&made[0]["ref"], &made[1]["ref"], &made[2]["active"]), (&json!("A1"), &json!(null), &json!(false)));
    // By their ids in the order that was asked for, also the archived one; what there is not is left out.
    let read = json!({
        "action": "read", "model": "res.partner", "record_ids": [ids[2], 999_999, ids[0], ids[1]], "fields": ["name"]
    });
    let names: Vec<Value> =
        stage.result(read).await.as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, [json!("Three"), json!("One"), json!("Two")]);
    let update = json!({
        "action": "update", "model": "res.partner", "record_ids": ids, "data": { "city": "Fès" }, "fields": ["city", "name"]
    });
    let updated = stage.result(update).await;
    assert_eq!(updated[1], json!({ "id": ids[1], "city": "Fès", "name": "Two" }));
    let delete = json!({ "action": "delete", "model": "res.partner", "record_ids": ids });
    let deleted = crud(&stage.admin, delete).await.expect(200);
    assert_eq!(deleted["message"], "3 records deleted successfully");
    stage.end().await;
}

async fn pages_orders_and_counts(setup: Setup) {
    let stage = Stage::open(setup).await;
    for rank in 1..=5 {
        let data = json!({ "name": format!("Paged {rank}"), "customer_rank": rank, "active": rank != 5 });
        stage.result(json!({ "action": "create", "model": "res.partner", "data": data })).await;
    }
    let domain = json!([["name", "like", "Paged"]]);
    let mut query = json!({
        "action": "search", "model": "res.partner", "domain": domain, "order": "customer_rank desc nulls last, id", "limit": 2
    });
    let first = stage.result(query.clone()).await;
    query["offset"] = json!(2);
    let second = stage.result(query.clone()).await;
    query["action"] = json!("read");
    query["fields"] = json!(["customer_rank"]);
    let rows = stage.result(query).await;
    assert_eq!((first.as_array().unwrap().len(), second.as_array().unwrap().len()), (2, 2));
    assert_eq!(second, json!([rows[0]["id"], rows[1]["id"]]));
    assert_eq!((&rows[0]["customer_rank"], &rows[1]["customer_rank"]), (&json!(2), &json!(1)));
    let count = json!({ "action": "count", "model": "res.partner", "domain": domain });
    assert_eq!(stage.result(count).await, 4);
    let all = json!({
        "action": "count", "model": "res.partner", "domain": domain, "context": { "active_test": false }
    });
    assert_eq!(stage.result(all).await, 5);
    let every = stage.result(json!({ "action": "count", "model": "res.partner" })).await;
    let page = stage.result(json!({ "action": "search", "model": "res.partner" })).await;
    assert_eq!(page.as_array().unwrap().len() as u64, every.as_u64().unwrap().min(100));
    stage.end().await;
}

async fn fields_are_described(setup: Setup) {
    let stage = Stage::open(setup).await;
    let fields = stage.result(json!({ "action": "fields", "model": "res.partner" })).await;
    assert_eq!(
        (&fields["country_id"]["type"], &fields["country_id"]["relation"]),
        (&json!("many2one"), &json!("res.country"))
    );
    assert_eq!(fields["name"]["required"], true);
    assert_eq!(fields["type"]["selection"][0], json!({ "value": "contact", "label": "Contact" }));
    let some =
        stage.result(json!({ "action": "fields", "model": "res.partner", "fields": ["vat"], "lang": "en_US" })).await;
    assert_eq!(some.as_object().unwrap().keys().collect::<Vec<_>>(), ["vat"]);
    let one = stage.result(json!({ "action": "read", "model": "res.partner", "record_id": 1 })).await;
    for (name, field) in fields.as_object().unwrap() {
        let own = field["stored"] == true && field["type"] != "one2many" && field["type"] != "binary";
        assert_eq!(one.get(name).is_some(), own || name == "id", "{name}");
    }
    stage.end().await;
}

async fn methods_are_called(setup: Setup) {
    let stage = Stage::open(setup).await;
    let order = json!({ "partner_id": 1, "order_line": [[0, 0, { "product_id": 1, "product_uom_qty": 2 }]] });
    let order = stage.result(json!({ "action": "create", "model": "sale.order", "data": order })).await["id"].clone();
    let confirm = json!({ "action": "call", "model": "sale.order", "record_id": order, "method": "action_confirm" });
    assert_eq!(stage.result(confirm.clone()).await, true);
    let read =
        json!({ "action": "read", "model": "sale.order", "record_id": order, "fields": ["state", "amount_total"] });
    let read = stage.result(read).await;
    assert_eq!(read["state"], "sale");
    assert!(read["amount_total"].as_f64().unwrap() > 0.0, "{read}");
    // What has an action of its own is not called, nor what is private, nor what nobody opened.
    for (method, status, code) in [
        ("unlink", 400, "DATA_VALIDATION_FAILED"),
        ("_write", 400, "DATA_VALIDATION_FAILED"),
        ("search_read", 400, "DATA_VALIDATION_FAILED"),
        ("action_cancel", 403, "FORBIDDEN"),
    ] {
        let mut call = confirm.clone();
        call["method"] = json!(method);
        let refused = crud(&stage.admin, call).await.expect_problem(status, code);
        if status == 400 {
            assert_eq!(refused["details"]["field"], "method", "{refused}");
        }
    }
    stage.end().await;
}

async fn values_have_one_form(setup: Setup) {
    let stage = Stage::open(setup).await;
    let order =
        json!({ "partner_id": [1, "whoever"], "date_order": "2026-03-02T10:30:00+01:00", "client_order_ref": null });
    let made = stage.result(json!({ "action": "create", "model": "sale.order", "data": order })).await;
    assert_eq!(made["date_order"], "2026-03-02T09:30:00Z");
    assert_eq!(made["client_order_ref"], Value::Null);
    assert_eq!(made["partner_id"][0], 1);
    assert!(made["partner_id"][1].is_string(), "{made}");
    let id = made["id"].clone();
    // What was read can be written back as it is.
    let whole = stage.result(json!({ "action": "read", "model": "sale.order", "record_id": id })).await;
    let mut again = whole.clone();
    for kept in ["id", "create_uid", "create_date", "write_uid", "write_date"] {
        again.as_object_mut().unwrap().remove(kept);
    }
    stage.result(json!({ "action": "update", "model": "sale.order", "record_id": id, "data": again })).await;
    let mut after = stage.result(json!({ "action": "read", "model": "sale.order", "record_id": id })).await;
    after["write_date"] = whole["write_date"].clone();
    assert_eq!(after, whole);
    // Times are compared in the same form; a blank for the T is what Odoo itself takes.
    for (time, found) in
        [("2026-03-02T09:30:00Z", true), ("2026-03-02T09:30:01Z", false), ("2026-03-02 09:30:00", true)]
    {
        let domain = json!([["id", "=", id], ["date_order", ">=", time]]);
        let count = stage.result(json!({ "action": "count", "model": "sale.order", "domain": domain })).await;
        assert_eq!(count, u64::from(found), "{time}");
    }
    stage.end().await;
}
