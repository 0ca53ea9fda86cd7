//! Fields that hold several records.

use super::{Stage, crud};
use crate::support::{Setup, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(commands_in_words_and_as_odoo_has_them, lines_follow_the_rights_of_their_own_model,);

async fn commands_in_words_and_as_odoo_has_them(setup: Setup) {
    let stage = Stage::open(setup).await;
    let line = |quantity: u32| json!({ "product_id": 1, "product_uom_qty": quantity });
    let data = json!({ "partner_id": 1, "order_line": [
        { "action": "create", "data": line(1) }, [0, 0, line(2)], [0, false, line(3)],
    ]});
    let order = stage.result(json!({ "action": "create", "model": "sale.order", "data": data })).await;
    let lines: Vec<i64> = order["order_line"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let update = async |commands: Value| {
        let data = json!({ "order_line": commands });
        stage.result(json!({ "action": "update", "model": "sale.order", "record_id": order["id"], "data": data })).await
    };
    update(json!([
        { "action": "update", "record_id": lines[0], "data": { "product_uom_qty": 10 } },
        [1, lines[1], { "product_uom_qty": 20 }],
        { "action": "delete", "record_id": lines[2] },
    ]))
    .await;
    let read = json!({
        "action": "read", "model": "sale.order.line", "domain": [["order_id", "=", order["id"]]],
        "fields": ["product_uom_qty"], "order": "id"
    });
    let expected = json!([
        { "id": lines[0], "product_uom_qty": 10.0 }, { "id": lines[1], "product_uom_qty": 20.0 },
    ]);
    assert_eq!(stage.result(read).await, expected);

    let tag = async |name: &str| {
        let data = json!({ "name": name });
        stage.result(json!({ "action": "create", "model": "res.partner.category", "data": data })).await["id"].clone()
    };
    let tags = [tag("Gold").await, tag("Silver").await, tag("Bronze").await];
    let data = json!({ "name": "Tagged", "category_id": [tags[0], tags[1]] });
    let partner = stage.result(json!({ "action": "create", "model": "res.partner", "data": data })).await;
    assert_eq!(partner["category_id"], json!([tags[0], tags[1]]));
    for (commands, expected) in [
        (json!([{ "action": "link", "record_id": tags[2] }]), json!([tags[0], tags[1], tags[2]])),
        (json!([{ "action": "unlink", "record_id": tags[0] }]), json!([tags[1], tags[2]])),
        (json!([{ "action": "set", "record_ids": [tags[0]] }]), json!([tags[0]])),
        (json!([[6, 0, [tags[1], tags[2]]]]), json!([tags[1], tags[2]])),
        (json!([tags[2]]), json!([tags[2]])),
        (json!([{ "action": "clear" }]), json!([])),
        (json!([[4, tags[0]]]), json!([tags[0]])),
        (json!([[5]]), json!([])),
    ] {
        let data = json!({ "category_id": commands });
        let update = json!({ "action": "update", "model": "res.partner", "record_id": partner["id"], "data": data });
        let updated = stage.result(update).await;
        assert_eq!(updated["category_id"], expected, "{commands}");
    }
    for wrong in [
        json!([]),
        json!(7),
        json!(["x"]),
        json!([[7, 1]]),
        json!([{ "action": "explode" }]),
        json!([{ "action": "link" }]),
        json!([{ "action": "link", "record_id": 1, "record": 2 }]),
        json!([[0, 0, { "no_such_field": 1 }]]),
    ] {
        let data = json!({ "category_id": wrong });
        let update = json!({ "action": "update", "model": "res.partner", "record_id": partner["id"], "data": data });
        let refused = crud(&stage.admin, update).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        let field = refused["details"]["field"].as_str().unwrap();
        assert!(field.starts_with("data.category_id"), "{wrong}: {refused}");
    }
    stage.end().await;
}

async fn lines_follow_the_rights_of_their_own_model(setup: Setup) {
    let stage = Stage::open(setup).await;
    let data = json!({ "partner_id": 1, "order_line": [[0, 0, { "product_id": 1 }]] });
    let order = stage.result(json!({ "action": "create", "model": "sale.order", "data": data })).await;
    let line = &order["order_line"][0];
    let orders = json!(["read", "create", "update", "delete"]);
    stage
        .allow(json!({
            "sale.order": { "operations": orders }, "sale.order.line": { "operations": ["read", "update"] },
        }))
        .await;
    for (command, operation) in [
        (json!([0, 0, { "product_id": 1 }]), "create"),
        (json!([2, line]), "delete"),
        (json!([3, line]), "delete"),
        (json!([5]), "delete"),
        (json!([6, 0, [line]]), "delete"),
    ] {
        let data = json!({ "order_line": [command] });
        let update = json!({ "action": "update", "model": "sale.order", "record_id": order["id"], "data": data });
        let refused = crud(&stage.admin, update).await.expect_problem(403, "FORBIDDEN");
        let told = (&refused["details"]["model"], &refused["details"]["operation"]);
        assert_eq!(told, (&json!("sale.order.line"), &json!(operation)), "{command}");
    }
    let data = json!({ "order_line": [[1, line, { "product_uom_qty": 4 }]] });
    stage.result(json!({ "action": "update", "model": "sale.order", "record_id": order["id"], "data": data })).await;
    stage.end().await;
}
