//! Barcodes in a real Odoo.

use super::server::Odoo;
use crate::support::{Client, Setup, on_both_databases};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

on_both_databases!(what_is_on_a_label_is_found_in_odoo);

async fn look_up(client: &Client, barcode: &str) -> Value {
    let barcode: String = byte_serialize(barcode.as_bytes()).collect();
    client.get(&format!("/api/v1/barcode/lookup?barcode={barcode}&system_id=odoo")).await.expect(200)
}

async fn what_is_on_a_label_is_found_in_odoo(setup: Setup) {
    let odoo = Odoo::start_bare("barcode").await;
    let product = odoo
        .create(
            "product.product",
            json!({
                "name": "Ink", "type": "consu", "is_storable": true, "tracking": "lot", "default_code": "INK-1",
                "barcode": "4006381333931", "list_price": 12.5
            }),
        )
        .await;
    let dozen = odoo.reference("uom", "product_uom_dozen").await;
    let packaging = json!({ "product_id": product, "uom_id": dozen, "barcode": "14006381333938" });
    let packaging = odoo.create("product.uom", packaging).await;
    let lot = odoo.create("stock.lot", json!({ "name": "B-26", "product_id": product })).await;
    let stock = odoo.reference("stock", "stock_location_stock").await;
    let quant = json!({ "product_id": product, "location_id": stock, "lot_id": lot, "inventory_quantity": 7 });
    let quant = odoo.create("stock.quant", quant).await;
    odoo.call("stock.quant", "action_apply_inventory", json!([[quant]])).await;
    let internal = odoo.reference("base", "group_user").await;
    let storekeeper = json!({ "name": "Store", "login": "store", "password": "store-pw-1", "group_ids": [[6, 0, [
        internal, odoo.reference("stock", "group_stock_user").await
    ]]] });
    odoo.create("res.users", storekeeper).await;
    let clerk =
        json!({ "name": "Clerk", "login": "clerk", "password": "clerk-pw-1", "group_ids": [[6, 0, [internal]]] });
    odoo.create("res.users", clerk).await;

    let app = setup.start().await;
    let admin = app.admin().await;
    let registration = json!({
        "system_id": "odoo", "system_type": "odoo", "name": "Odoo", "connection_config": odoo.connection(),
    });
    admin.post("/api/v1/systems", &registration).await.expect(201);
    let user = app.user("store", None).await;
    link(&user, "store").await;
    for client in [&admin, &user] {
        let answer = look_up(client, "04006381333931").await;
        assert_eq!((&answer["matched"], &answer["product"]["id"]), (&json!("product"), &json!(product)), "{answer}");
        assert_eq!((&answer["product"]["price"], &answer["product"]["quantity"]), (&json!(12.5), &json!(7.0)));
        assert!(answer["product"]["currency"].is_string() && answer["product"]["unit"] == "Units", "{answer}");

        let answer = look_up(client, "14006381333938").await;
        assert_eq!((&answer["matched"], &answer["product"]["id"]), (&json!("packaging"), &json!(product)), "{answer}");
        let expected = json!({ "id": packaging, "name": "Dozens", "barcode": "14006381333938", "quantity": 12.0 });
        assert_eq!(answer["packaging"], expected, "{answer}");

        let answer = look_up(client, "(01)04006381333931(10)B-26").await;
        assert_eq!(answer["lot"], json!({ "id": lot, "name": "B-26", "quantity": 7.0 }), "{answer}");
        assert_eq!(look_up(client, "B-26").await["matched"], "lot");
        assert_eq!(look_up(client, "INK-1").await["matched"], "reference");
        let unknown = client.get("/api/v1/barcode/lookup?barcode=96385074&system_id=odoo").await;
        let unknown = unknown.expect_problem(404, "RECORD_NOT_FOUND");
        assert_eq!(unknown["details"]["not_searched"], json!([]));
    }
    // A clerk without the stock's rights sees what the product says, but not what is on hand, and no lots.
    let clerk = app.user("clerk", None).await;
    link(&clerk, "clerk").await;
    let answer = look_up(&clerk, "4006381333931").await;
    assert_eq!((&answer["product"]["price"], &answer["product"]["quantity"]), (&json!(12.5), &json!(null)), "{answer}");
    let unknown = clerk.get("/api/v1/barcode/lookup?barcode=B-26&system_id=odoo").await;
    let unknown = unknown.expect_problem(404, "RECORD_NOT_FOUND");
    assert_eq!(unknown["details"]["not_searched"], json!(["stock.lot"]));
    app.stop().await;
}

async fn link(user: &Client, login: &str) {
    let id = user.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let link = json!({ "system_id": "odoo", "username": login, "password": format!("{login}-pw-1") });
    user.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201);
}
