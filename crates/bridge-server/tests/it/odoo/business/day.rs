//! What people do in Odoo on one day.

use crate::odoo::server::Odoo;
use serde_json::{Value, json};

/// Somebody to buy from and to sell to, the same person entered twice, and a thing that is kept in stock.
pub(super) struct Before {
    vendor: i64,
    customer: i64,
    double: i64,
    lamp: i64,
    shelf: i64,
}

/// What is there when the day begins.
pub(super) async fn prepare(odoo: &Odoo) -> Before {
    let partner =
        async |name: &str| odoo.create("res.partner", json!({ "name": name, "email": "a@example.com" })).await;
    let (vendor, customer, double) = (partner("Dar Al Noor").await, partner("Amal").await, partner("Amal B.").await);
    // What points to the double is turned over to the other one.
    odoo.create("res.partner", json!({ "name": "Her warehouse", "parent_id": double })).await;
    let lamp = json!({ "name": "Lamp", "type": "consu", "is_storable": true, "list_price": 40, "standard_price": 25 });
    let lamp = odoo.create("product.product", lamp).await;
    let stock = odoo.reference("stock", "stock_location_stock").await;
    let shelf = odoo.create("stock.location", json!({ "name": "Shelf", "location_id": stock })).await;
    Before { vendor, customer, double, lamp, shelf }
}

/// Five things that are done in a business.
pub(super) async fn live_through(odoo: &Odoo, before: &Before) {
    receive_a_purchase(odoo, before).await;
    post_an_invoice(odoo, before).await;
    move_stock(odoo, before).await;
    merge_partners(odoo, before).await;
    log_an_email(odoo, before).await;
}

async fn receive_a_purchase(odoo: &Odoo, before: &Before) {
    let line = json!({ "product_id": before.lamp, "product_qty": 8, "price_unit": 25 });
    let order = json!({ "partner_id": before.vendor, "order_line": [[0, 0, line]] });
    let order = odoo.create("purchase.order", order).await;
    odoo.call("purchase.order", "button_confirm", json!([[order]])).await;
    let receipts = field(odoo, "purchase.order", order, "picking_ids").await;
    finish(odoo, receipts[0].as_i64().unwrap()).await;
}

async fn post_an_invoice(odoo: &Odoo, before: &Before) {
    let line = json!({ "product_id": before.lamp, "quantity": 2, "price_unit": 40 });
    let invoice =
        json!({ "move_type": "out_invoice", "partner_id": before.customer, "invoice_line_ids": [[0, 0, line]] });
    let invoice = odoo.create("account.move", invoice).await;
    odoo.call("account.move", "action_post", json!([[invoice]])).await;
    assert_eq!(field(odoo, "account.move", invoice, "state").await, "posted");
}

async fn move_stock(odoo: &Odoo, before: &Before) {
    let from = odoo.reference("stock", "stock_location_stock").await;
    let kind = odoo.reference("stock", "picking_type_internal").await;
    let places = json!({ "location_id": from, "location_dest_id": before.shelf });
    let mut line = json!({ "product_id": before.lamp, "product_uom_qty": 3 });
    let mut picking = json!({ "picking_type_id": kind });
    for record in [&mut line, &mut picking] {
        record.as_object_mut().unwrap().extend(places.as_object().unwrap().clone());
    }
    picking["move_ids"] = json!([[0, 0, line]]);
    let picking = odoo.create("stock.picking", picking).await;
    odoo.call("stock.picking", "action_confirm", json!([[picking]])).await;
    odoo.call("stock.picking", "action_assign", json!([[picking]])).await;
    finish(odoo, picking).await;
}

async fn merge_partners(odoo: &Odoo, before: &Before) {
    let partners = json!([[6, 0, [before.customer, before.double]]]);
    let wizard = json!({ "partner_ids": partners, "dst_partner_id": before.customer });
    let wizard = odoo.create("base.partner.merge.automatic.wizard", wizard).await;
    odoo.call("base.partner.merge.automatic.wizard", "action_merge", json!([[wizard]])).await;
}

async fn log_an_email(odoo: &Odoo, before: &Before) {
    let text = "From: Amal <a@example.com>\nTo: sales@example.com\nSubject: The lamps\n\
        Message-Id: <the-lamps@example.com>\nDate: Mon, 02 Mar 2026 09:00:00 +0000\n\
        Content-Type: text/plain; charset=utf-8\n\nThey shine.\n";
    let args = json!(["res.partner", text]);
    let thread = odoo.call_with("mail.thread", "message_process", args, json!({ "thread_id": before.vendor })).await;
    assert_eq!(thread, before.vendor, "the e-mail went elsewhere");
}

/// Takes what a transfer says as done.
async fn finish(odoo: &Odoo, picking: i64) {
    odoo.call("stock.picking", "button_validate", json!([[picking]])).await;
    assert_eq!(field(odoo, "stock.picking", picking, "state").await, "done");
}

async fn field(odoo: &Odoo, model: &str, id: i64, name: &str) -> Value {
    odoo.call(model, "read", json!([[id], [name]])).await[0][name].clone()
}
