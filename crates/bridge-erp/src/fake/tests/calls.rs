//! Reading and writing.

use super::*;

#[tokio::test]
async fn a_record_is_created_read_written_copied_and_deleted() {
    let stage = stage().await;
    let values = json!({"name": "Zoë 漢字 عربي", "email": "z@example.com", "country_id": [1, "Morocco"], "city": ""});
    let id = stage.call("res.partner", "create", json!([values]), json!({})).await;
    let both = stage.call("res.partner", "create", json!([[{"name": "a"}, {"name": "b"}]]), json!({})).await;
    assert_eq!(both.as_array().unwrap().len(), 2);
    let fields = json!(["name", "country_id", "city", "phone", "parent_id", "active", "category_id", "write_date"]);
    let read = stage.call("res.partner", "read", json!([[id, 99_999], fields]), json!({})).await;
    assert_eq!(
        read,
        json!([{"id": id, "name": "Zoë 漢字 عربي", "country_id": [1, "Morocco"], "city": "", "phone": false,
                "parent_id": false, "active": true, "category_id": [], "write_date": "2026-11-22 10:00:00"}])
    );
    assert_eq!(stage.call("res.partner", "write", json!([[id], {"phone": "1", "email": null}]), json!({})).await, true);
    let load = json!({"domain": [["id", "=", id]], "fields": ["phone", "email", "country_id"], "load": ""});
    let rows = stage.call("res.partner", "search_read", json!([]), load).await;
    assert_eq!(rows, json!([{"id": id, "phone": "1", "email": false, "country_id": 1}]));
    let copies = stage.call("res.partner", "copy", json!([[id]]), json!({})).await;
    let copy = stage.call("res.partner", "read", json!([copies, ["name"]]), json!({})).await;
    assert_eq!(copy[0]["name"], "Zoë 漢字 عربي (copy)");
    assert_eq!(stage.call("res.partner", "unlink", json!([[id]]), json!({})).await, true);
    let (name, message) = stage.refused("res.partner", "unlink", json!([[id]]), json!({})).await;
    assert_eq!(name, "odoo.exceptions.MissingError");
    assert!(message.contains(&format!("(Record: res.partner({id},), User: 2)")), "{message}");
}

#[tokio::test]
async fn an_order_adds_up_and_is_confirmed_with_its_transfer() {
    let stage = stage().await;
    let lines =
        json!([[0, 0, {"product_id": 1, "product_uom_qty": 2, "price_unit": 50.25}], [0, 0, {"product_id": 2}]]);
    let id = stage.call("sale.order", "create", json!([{"partner_id": 8, "order_line": lines}]), json!({})).await;
    let fields = json!(["name", "state", "amount_total", "order_line", "picking_ids", "user_id"]);
    let before = stage.call("sale.order", "read", json!([[id], fields]), json!({})).await;
    assert_eq!(before[0]["amount_total"], 849.5);
    assert_eq!(before[0]["state"], "draft");
    let line = before[0]["order_line"][1].clone();
    assert_eq!(stage.call("sale.order.line", "write", json!([[line], {"product_uom_qty": 2}]), json!({})).await, true);
    assert_eq!(stage.call("sale.order", "action_confirm", json!([[id]]), json!({})).await, true);
    let after = stage.call("sale.order", "read", json!([[id], fields]), json!({})).await;
    assert_eq!((&after[0]["state"], &after[0]["amount_total"]), (&json!("sale"), &json!(1598.5)));
    assert_eq!(after[0]["picking_ids"].as_array().unwrap().len(), 1);
    let (name, _) = stage.refused("sale.order", "action_confirm", json!([[id]]), json!({})).await;
    assert_eq!(name, "odoo.exceptions.UserError");
    let (name, _) = stage.refused("sale.order", "unlink", json!([[id]]), json!({})).await;
    assert_eq!(name, "odoo.exceptions.UserError");
}

#[tokio::test]
async fn a_refused_call_leaves_nothing_behind() {
    let stage = stage().await;
    let (partners, events) = (stage.erp.db().count("res.partner"), stage.event_ids().await);
    let many = json!([[{"name": "good"}, {"name": "bad", "type": "nosuch"}]]);
    let (name, message) = stage.refused("res.partner", "create", many, json!({})).await;
    assert_eq!(
        (name.as_str(), message.as_str()),
        ("builtins.ValueError", "Wrong value for res.partner.type: 'nosuch'")
    );
    assert_eq!(stage.erp.db().count("res.partner"), partners);
    assert_eq!(stage.event_ids().await, events);
}

#[tokio::test]
async fn archived_records_show_when_they_are_asked_for() {
    let stage = stage().await;
    let active = stage.call("res.partner", "search_count", json!([[]]), json!({})).await.as_i64().unwrap();
    let all = json!({"context": {"active_test": false}});
    assert_eq!(stage.call("res.partner", "search_count", json!([[]]), all).await, active + 2);
    let domain = json!([[["active", "=", false]]]);
    assert_eq!(stage.call("res.partner", "search_count", domain, json!({})).await, 2);
}

#[tokio::test]
async fn order_offset_and_limit() {
    let stage = stage().await;
    let found =
        stage.call("res.partner", "search", json!([[]]), json!({"order": "id desc", "limit": 3, "offset": 1})).await;
    let ids: Vec<i64> = serde_json::from_value(found).unwrap();
    assert!(ids.is_sorted_by(|a, b| a > b) && ids.len() == 3, "{ids:?}");
    let rows = stage
        .call(
            "res.partner",
            "search_read",
            json!([]),
            json!({"fields": ["country_id", "name"], "order": "country_id, name desc"}),
        )
        .await;
    let keys: Vec<String> =
        rows.as_array().unwrap().iter().map(|row| row["country_id"][1].as_str().unwrap_or("~").to_owned()).collect();
    assert!(keys.is_sorted(), "{keys:?}");
    let names = stage.call("res.partner", "name_search", json!(["atlas"]), json!({"limit": 2})).await;
    assert_eq!(names[0], json!([1, "Atlas Distribution SARL"]));
}

#[tokio::test]
async fn what_a_user_may_read_follows_from_the_rows_of_rights() {
    let stage = stage().await;
    let models = ["sale.order", "account.move", "stock.quant", "hr.expense", "res.partner", "update.webhook", "nosuch"];
    let readable = |user: i64| stage.call("update.webhook", "readable_models", json!([user, models]), json!({}));
    assert_eq!(readable(6).await, json!(["sale.order", "res.partner"]));
    assert_eq!(readable(7).await, json!(["sale.order", "stock.quant", "res.partner"]));
    assert_eq!(readable(2).await, json!(models[..6]));
    for nobody in [3, 999] {
        assert_eq!(readable(nobody).await, json!([]));
    }
    let sales = (6, "sales");
    let read = stage.answer(sales, "account.move", "search_read", json!([[]]), json!({})).await;
    assert_eq!(read["error"]["data"]["name"], "odoo.exceptions.AccessError");
    let may = stage.answer(sales, "sale.order", "has_access", json!([[], "unlink"]), json!({})).await;
    assert_eq!(may["result"], false);
    let payloads = stage.answer(sales, "update.webhook", "pull_events", json!([0]), json!({})).await;
    assert_eq!(payloads["error"]["data"]["name"], "odoo.exceptions.AccessError");
}

#[tokio::test]
async fn devices_keep_their_state() {
    let stage = stage().await;
    let device = "iphone-1";
    let fresh = stage.call("user.sync.state", "get_or_create_state", json!([6, device, "sales_app"]), json!({})).await;
    assert_eq!((&fresh["last_event_id"], &fresh["sync_count"], &fresh["user_id"]), (&json!(0), &json!(0), &json!(6)));
    let again = stage.call("user.sync.state", "get_or_create_state", json!([6, device, "sales_app"]), json!({})).await;
    assert_eq!(again["id"], fresh["id"]);
    let moved =
        stage.call("user.sync.state", "update_sync_state", json!([6, device, 40]), json!({"events_synced": 3})).await;
    assert_eq!((&moved["last_event_id"], &moved["total_events_synced"]), (&json!(40), &json!(3)));
    let back = stage.call("user.sync.state", "update_sync_state", json!([6, device, 12]), json!({})).await;
    assert_eq!(back["last_event_id"], 40);
    assert_eq!(stage.call("user.sync.state", "reset_sync_state", json!([6, device]), json!({})).await, true);
    let foreign =
        stage.answer((7, "stock"), "user.sync.state", "update_sync_state", json!([6, device, 1]), json!({})).await;
    assert_eq!(foreign["error"]["data"]["name"], "odoo.exceptions.AccessError");
}

#[tokio::test]
async fn sessions_open_and_end() {
    let stage = stage().await;
    let url = |path: &str| format!("{}{path}", stage.erp.url());
    let params = json!({"params": {"db": "demo", "login": "sales", "password": "sales"}});
    let response = stage.client.post(url("/web/session/authenticate")).json(&params).send().await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let answer: Value = response.json().await.unwrap();
    assert_eq!((&answer["result"]["uid"], &answer["result"]["server_version"]), (&json!(6), &json!("19.0")));
    let count =
        json!({"id": 5, "params": {"model": "res.partner", "method": "search_count", "args": [[]], "kwargs": {}}});
    let call = async |cookie: &str| -> Value {
        let request = stage.client.post(url("/web/dataset/call_kw/res.partner/search_count")).header("cookie", cookie);
        request.json(&count).send().await.unwrap().json().await.unwrap()
    };
    assert!(call(&cookie).await["result"].as_i64().unwrap() > 20);
    stage.erp.expire_sessions();
    let expired = call(&cookie).await;
    assert_eq!(expired["error"]["code"], 100);
    assert_eq!(expired["error"]["data"]["name"], "odoo.http.SessionExpiredException");
}

#[tokio::test]
async fn domains_reach_over_relations_and_hierarchies() {
    let stage = stage().await;
    for (model, domain, expected) in [
        ("stock.location", json!([["id", "child_of", 3]]), json!([3, 4, 5])),
        ("stock.location", json!([["location_id", "child_of", [2]], ["name", "!=", "Shelf A"]]), json!([3, 5])),
        ("res.partner", json!([["child_ids", "any", [["name", "ilike", "fatima"]]]]), json!([7])),
        ("res.partner", json!(["&", ["country_id.code", "=", "SE"], ["customer_rank", ">", 0]]), json!([16])),
        ("res.partner", json!([["parent_id", "ilike", "النخيل"]]), json!([22])),
        ("product.product", json!([["product_tmpl_id.default_code", "=like", "DESK%"]]), json!([1])),
        ("product.product", json!([["name", "ilike", "bureau"], ["list_price", ">=", 1890]]), json!([1])),
        ("sale.order", json!([["order_line.product_id", "=", 999]]), json!([])),
    ] {
        let found = stage.call(model, "search", json!([domain]), json!({"order": "id"})).await;
        assert_eq!(found, expected, "{model} {domain}");
    }
}

#[tokio::test]
async fn credentials_and_databases_are_checked() {
    let stage = stage().await;
    for (args, name) in [
        (json!(["demo", 2, "wrong", "res.partner", "search_count", [[]]]), "odoo.exceptions.AccessDenied"),
        (json!(["demo", 3, "", "res.partner", "search_count", [[]]]), "odoo.exceptions.AccessDenied"),
        (json!(["demo", 9999, "admin", "res.partner", "search_count", [[]]]), "odoo.exceptions.MissingError"),
        (json!(["other", 2, "admin", "res.partner", "search_count", [[]]]), "psycopg2.OperationalError"),
        (json!(["demo", 2, "admin", "no.such", "search_count", [[]]]), "odoo.exceptions.UserError"),
        (json!(["demo", 2, "admin", "res.partner", "nope", [[]]]), "builtins.AttributeError"),
    ] {
        let params = json!({"service": "object", "method": "execute_kw", "args": args});
        let answer = stage.post("/jsonrpc", json!({"id": 1, "params": params})).await;
        assert_eq!(answer["error"]["data"]["name"], name, "{args}");
    }
    let params = json!({"service": "common", "method": "authenticate", "args": ["demo", "stock", "stock", {}]});
    assert_eq!(stage.post("/jsonrpc", json!({"id": 1, "params": params})).await["result"], 7);
}

#[tokio::test]
async fn the_oldest_events_go_when_there_are_too_many() {
    let erp = DemoErp::start(Options { events_max: 50, ..Options::default() }).await.unwrap();
    for number in 0..80 {
        let mut transaction = erp.db().begin(2);
        transaction.write("res.partner", &[8], json!({"ref": number.to_string()})).unwrap();
        transaction.commit();
    }
    assert_eq!((erp.db().ids("update.webhook")[0], erp.db().count("update.webhook")), (31, 50));
    assert_eq!((erp.db().events_count(), erp.db().last_event_id()), (50, 80));
}
