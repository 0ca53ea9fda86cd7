//! Filters.

use super::{Stage, crud};
use crate::support::{Setup, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(every_operator_reaches_the_system, what_a_filter_can_not_ask_is_named,);

async fn every_operator_reaches_the_system(setup: Setup) {
    let stage = Stage::open(setup).await;
    let create = async |data: Value| {
        stage.result(json!({ "action": "create", "model": "res.partner", "data": data })).await["id"].clone()
    };
    let head = create(json!({ "name": "Dom Head", "city": "Fès", "customer_rank": 1, "email": "a@example.com" })).await;
    let child = create(json!({ "name": "Dom Child", "parent_id": head, "customer_rank": 2 })).await;
    let other = create(json!({ "name": "Dom Other_", "city": "Lyon", "customer_rank": 3 })).await;
    let order = json!({ "partner_id": child, "date_order": "2026-03-02T09:30:00Z" });
    stage.result(json!({ "action": "create", "model": "sale.order", "data": order })).await;
    for (condition, expected) in [
        (json!(["city", "=", "Fès"]), vec![&head]),
        (json!(["city", "!=", "Fès"]), vec![&child, &other]),
        (json!(["city", "<>", "Fès"]), vec![&child, &other]),
        (json!(["city", "=", null]), vec![&child]),
        (json!(["city", "in", ["Lyon", null]]), vec![&child, &other]),
        (json!(["city", "=?", null]), vec![&head, &child, &other]),
        (json!(["city", "=?", "Lyon"]), vec![&other]),
        (json!(["customer_rank", ">", 1]), vec![&child, &other]),
        (json!(["customer_rank", "<=", 1]), vec![&head]),
        (json!(["name", "like", "Other"]), vec![&other]),
        (json!(["name", "not ilike", "OTHER"]), vec![&head, &child]),
        (json!(["name", "=like", "Dom %d"]), vec![&head, &child]),
        (json!(["name", "not =like", "Dom %d"]), vec![&other]),
        (json!(["name", "not =ilike", "dom %D"]), vec![&other]),
        (json!(["id", "child_of", head]), vec![&head, &child]),
        (json!(["id", "parent_of", [child]]), vec![&head, &child]),
        (json!(["parent_id", "child_of", head]), vec![&child]),
        (json!(["parent_id.city", "=", "Fès"]), vec![&child]),
        (json!(["parent_id.email", "!=", null]), vec![&child]),
        (json!(["child_ids", "any", [["customer_rank", "=", 2]]]), vec![&head]),
        (json!(["child_ids", "not any", [["customer_rank", "=", 2]]]), vec![&child, &other]),
        (json!(["sale_order_ids.date_order.month_number", "=", 3]), vec![&child]),
        (json!(["sale_order_ids.date_order", "<", "2026-03-02T09:30:01Z"]), vec![&child]),
        (json!(["sale_order_ids", "any", [["date_order.year_number", "in", [2026]]]]), vec![&child]),
    ] {
        let domain = json!([["name", "like", "Dom "], condition]);
        let search = json!({ "action": "search", "model": "res.partner", "domain": domain, "order": "id" });
        assert_eq!(stage.result(search).await, json!(expected), "{condition}");
    }
    let domain = json!(["&", ["name", "like", "Dom "], "|", "!", ["city", "=", "Lyon"], [["id", "=", other]]]);
    assert_eq!(stage.result(json!({ "action": "count", "model": "res.partner", "domain": domain })).await, 3);
    stage.end().await;
}

async fn what_a_filter_can_not_ask_is_named(setup: Setup) {
    let stage = Stage::open(setup).await;
    let calls = |stage: &Stage| stage.erp.faults().calls("res.partner", "search_read");
    let before = calls(&stage);
    for (domain, field) in [
        (json!("[('a', '=', 1)]"), "domain"),
        (json!([["name", "=="]]), "domain[0]"),
        (json!([["name", "~", "x"]]), "domain[0][1]"),
        (json!(["?", ["name", "=", "x"]]), "domain[0]"),
        (json!(["&", ["name", "=", "x"]]), "domain[0]"),
        (json!([["name'; --", "=", "x"]]), "domain[0][0]"),
        (json!([["name", "in", [["x"]]]]), "domain[0][2]"),
        (json!([["name", "any!", []]]), "domain[0][1]"),
        (json!([["no_such", "=", 1]]), "domain"),
        (json!([["country_id.no_such", "=", 1]]), "domain"),
        (json!([["name.more", "=", 1]]), "domain"),
        (json!([["name", "any", [["id", "=", 1]]]]), "domain"),
        (json!([["name", "child_of", 1]]), "domain"),
        (json!([["write_date", ">", "yesterday"]]), "domain"),
        (json!([["write_date.no_such_part", "=", 1]]), "domain"),
    ] {
        let read = json!({ "action": "read", "model": "res.partner", "domain": domain });
        let refused = crud(&stage.admin, read).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(refused["details"]["field"], field, "{domain}: {refused}");
    }
    assert_eq!(calls(&stage), before, "nothing of this is sent");
    let unknown = json!({ "action": "read", "model": "res.partner", "domain": [["country_id.no_such", "=", 1]] });
    let refused = crud(&stage.admin, unknown).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    let told = (&refused["details"]["unknown_field"], &refused["details"]["model"]);
    assert_eq!(told, (&json!("no_such"), &json!("res.country")));
    stage.end().await;
}
