//! Who sees and changes what in a real Odoo: its access rights and record rules hold for whoever has linked their own
//! credential.

use super::server::Odoo;
use super::stage::{Stage, link, refusal, result};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_salesperson_sees_and_changes_only_their_own_orders() {
    let all = json!({ "operations": ["read", "create", "update", "delete"] });
    let stage = Stage::open(Odoo::start_bare("rules").await, json!({ "sale.order": all, "res.partner": all })).await;
    let groups = [("base", "group_user"), ("sales_team", "group_sale_salesman")];
    let (uid, password) = stage.person("amina", &groups).await;
    let customer = stage.create("res.partner", json!({ "name": "Customer" })).await["id"].clone();
    let order = async |user: i64| {
        stage.create("sale.order", json!({ "partner_id": customer, "user_id": user })).await["id"].clone()
    };
    let (own, other) = (order(uid).await, order(2).await);
    let amina = stage.app.user("amina", None).await;
    // What the admin has read before is no answer for her, and the other way round.
    let both = json!({ "action": "read", "model": "sale.order", "record_ids": [own, other], "fields": ["user_id"] });
    let search = json!({ "action": "search", "model": "sale.order", "domain": [["id", "in", [own, other]]] });
    let count = json!({ "action": "count", "model": "sale.order", "domain": [["id", "in", [own, other]]] });
    for _ in 0..2 {
        assert_eq!(stage.result(both.clone()).await.as_array().unwrap().len(), 2);
        assert_eq!(stage.result(count.clone()).await, 2);
    }
    // With the system's credential she may do what an admin has opened, which is everything.
    assert_eq!(result(&amina, count.clone()).await, 2);
    link(&amina, "amina", &password).await;
    for _ in 0..2 {
        assert_eq!(result(&amina, both.clone()).await, json!([{ "id": own, "user_id": [uid, "amina"] }]));
        assert_eq!(result(&amina, search.clone()).await, json!([own]));
        assert_eq!(result(&amina, count.clone()).await, 1);
    }
    let read = |id: &Value| json!({ "action": "read", "model": "sale.order", "record_id": id, "fields": ["name"] });
    let update = |id: &Value| json!({ "action": "update", "model": "sale.order", "record_id": id, "data": { "client_order_ref": "hers" } });
    let delete = |id: &Value| json!({ "action": "delete", "model": "sale.order", "record_id": id });
    refusal(&amina, read(&other), 404, "RECORD_NOT_FOUND").await;
    for request in [update(&other), delete(&own), delete(&other)] {
        let refused = refusal(&amina, request.clone(), 403, "ERP_ACCESS_DENIED").await;
        let details = &refused["details"];
        assert_eq!(
            (&details["error_type"], &details["erp_error"], &details["model"]),
            (&json!("business"), &json!("odoo.exceptions.AccessError"), &json!("sale.order")),
            "{request}"
        );
        assert_eq!(refused["error"], "OdooAccessException");
    }
    assert_eq!(result(&amina, update(&own)).await["client_order_ref"], "hers");
    // In a batch as by itself, also where neighbours are one call.
    let operations = json!([read(&own), read(&other), update(&own), update(&other), { "action": "count", "model": "ir.config_parameter" }]);
    let body = json!({ "system_id": "odoo", "operations": operations });
    let answer = amina.post("/api/v1/batch/execute", &body).await.expect(200);
    let codes: Vec<&str> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["error"]["code"].as_str().unwrap_or("done"))
        .collect();
    assert_eq!(codes, ["done", "RECORD_NOT_FOUND", "done", "ERP_ACCESS_DENIED", "ERP_ACCESS_DENIED"]);
    assert_eq!(stage.read("sale.order", &other, &["client_order_ref"]).await["client_order_ref"], Value::Null);
    stage.app.stop().await;
}
