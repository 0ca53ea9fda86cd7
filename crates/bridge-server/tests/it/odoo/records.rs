//! Reading and writing the records of a real Odoo 19.

use super::server::Odoo;
use super::stage::{Stage, link, refusal, result};
use crate::files::{download, form, upload};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use serde_json::{Value, json};
use std::io::Write as _;

/// A picture of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// The partners that a domain finds, in the order of their ids.
async fn found(stage: &Stage, domain: Value) -> Value {
    stage.result(json!({ "action": "search", "model": "res.partner", "domain": domain, "order": "id" })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_a_real_odoo_are_read_and_written() {
    let all = json!({ "operations": ["read", "create", "update", "delete"], "methods": ["action_archive"] });
    let orders = json!({
        "operations": ["read", "create", "update", "delete"], "methods": ["action_confirm", "button_confirm"]
    });
    let models = json!({
        "res.partner": all, "res.partner.category": all, "product.product": all, "sale.order": orders,
        "sale.order.line": all, "purchase.order": orders, "purchase.order.line": all,
    });
    let stage = Stage::open(Odoo::start_bare("records").await, models).await;
    partners(&stage).await;
    filters(&stage).await;
    let product = stage
        .create("product.product", json!({ "name": "Chair", "list_price": 99.5, "barcode": "4006381333931" }))
        .await;
    assert_eq!((&product["list_price"], &product["barcode"]), (&json!(99.5), &json!("4006381333931")));
    sales(&stage, &product["id"]).await;
    purchases(&stage, &product["id"]).await;
    files(&stage).await;
    low_rights(&stage, &product["id"]).await;
    stage.app.stop().await;
}

async fn partners(stage: &Stage) {
    let morocco = json!({ "action": "search", "model": "res.country", "domain": [["code", "=", "MA"]] });
    let morocco = stage.result(morocco).await[0].clone();
    let gold = stage.create("res.partner.category", json!({ "name": "Gold" })).await["id"].clone();
    let data = json!({
        "name": "Dar Al Noor", "is_company": true, "email": null, "country_id": morocco, "category_id": [gold],
        "image_1920": PIXEL, "child_ids": [{ "action": "create", "data": { "name": "Amina", "function": "Buyer" } }],
    });
    let made = stage.create("res.partner", data).await;
    assert_eq!(
        (&made["email"], &made["is_company"], &made["category_id"]),
        (&Value::Null, &json!(true), &json!([gold]))
    );
    assert_eq!(made["country_id"], json!([morocco, "Morocco"]));
    assert_eq!(made["child_ids"].as_array().unwrap().len(), 1);
    assert!(made.get("image_1920").is_none(), "a file is not sent back");
    let (id, child) = (&made["id"], &made["child_ids"][0]);
    // Files come when they are named, and for few records.
    let image = stage.read("res.partner", id, &["image_1920"]).await;
    assert!(image["image_1920"].as_str().unwrap().starts_with("iVBOR"), "{image}");
    let whole = stage.result(json!({ "action": "read", "model": "res.partner", "record_id": id })).await;
    assert!(whole.get("image_1920").is_none() && whole.get("child_ids").is_none(), "{whole}");
    assert!(whole["write_date"].as_str().unwrap().ends_with('Z'), "{whole}");
    let many = json!({ "action": "read", "model": "res.partner", "fields": ["image_1920"] });
    refusal(&stage.admin, many, 400, "DATA_VALIDATION_FAILED").await;

    let update = json!({ "action": "update", "model": "res.partner", "record_id": id, "data": {
        "phone": "+212 522 000000", "category_id": [{ "action": "clear" }],
        "child_ids": [{ "action": "update", "record_id": child, "data": { "function": "Director" } }],
    } });
    let updated = stage.result(update).await;
    assert_eq!((&updated["phone"], &updated["category_id"]), (&json!("+212 522 000000"), &json!([])));
    assert_eq!(stage.read("res.partner", child, &["function", "parent_id"]).await["function"], "Director");
    for (data, status, code) in [
        (json!({ "parent_id": id }), 422, "ERP_VALIDATION_FAILED"),
        (json!({ "type": "nonsense" }), 400, "DATA_VALIDATION_FAILED"),
        (json!({ "image_1920": "bm90IGFuIGltYWdl" }), 422, "ERP_BUSINESS_RULE"),
        (json!({ "no_such": 1 }), 400, "DATA_VALIDATION_FAILED"),
    ] {
        let update = json!({ "action": "update", "model": "res.partner", "record_id": id, "data": data });
        let refused = refusal(&stage.admin, update, status, code).await;
        assert!(!refused.to_string().contains("Traceback"), "{refused}");
    }
    let company = json!({ "action": "delete", "model": "res.partner", "record_id": 1 });
    refusal(&stage.admin, company, 422, "ERP_VALIDATION_FAILED").await;
    stage.call("res.partner", child, "action_archive").await;
    let visible = json!({ "action": "count", "model": "res.partner", "domain": [["id", "=", child]] });
    assert_eq!(stage.result(visible.clone()).await, 0);
    let mut archived = visible;
    archived["context"] = json!({ "active_test": false, "allowed_company_ids": [1], "tz": "Africa/Casablanca" });
    assert_eq!(stage.result(archived).await, 1);
    let delete = json!({ "action": "delete", "model": "res.partner", "record_ids": [child, id] });
    stage.admin.post("/api/v1/systems/odoo/crud", &delete).await.expect(200);
    refusal(&stage.admin, delete, 404, "RECORD_NOT_FOUND").await;
    let fields = json!({ "action": "fields", "model": "res.partner", "fields": ["type", "country_id"] });
    let fields = stage.result(fields).await;
    assert_eq!(fields["country_id"]["relation"], "res.country");
    assert_eq!(fields["type"]["selection"][0], json!({ "value": "contact", "label": "Contact" }));
}

async fn filters(stage: &Stage) {
    let head =
        stage.create("res.partner", json!({ "name": "Dom Head", "city": "Fes", "ref": "R1" })).await["id"].clone();
    let child =
        stage.create("res.partner", json!({ "name": "Dom Child", "parent_id": head, "type": "other" })).await["id"]
            .clone();
    let other = stage.create("res.partner", json!({ "name": "Dom Other", "city": "Lyon" })).await["id"].clone();
    let written = stage.read("res.partner", &other, &["write_date"]).await["write_date"].clone();
    let year: i64 = written.as_str().unwrap()[..4].parse().unwrap();
    let mut wrong = Vec::new();
    for (condition, expected) in [
        (json!(["city", "=", "Fes"]), vec![&head]),
        (json!(["city", "!=", "Fes"]), vec![&child, &other]),
        (json!(["city", "=", null]), vec![&child]),
        (json!(["city", "in", ["Lyon", null]]), vec![&child, &other]),
        (json!(["city", "not in", ["Lyon"]]), vec![&head, &child]),
        (json!(["city", "=?", null]), vec![&head, &child, &other]),
        (json!(["city", "=?", "Lyon"]), vec![&other]),
        (json!(["city", "<>", "Lyon"]), vec![&head, &child]),
        (json!(["id", ">", head]), vec![&child, &other]),
        (json!(["name", "like", "Other"]), vec![&other]),
        (json!(["name", "not like", "Other"]), vec![&head, &child]),
        (json!(["name", "ilike", "oTHER"]), vec![&other]),
        (json!(["name", "not ilike", "OTHER"]), vec![&head, &child]),
        (json!(["name", "=like", "Dom %d"]), vec![&head, &child]),
        (json!(["name", "=ilike", "dom h%"]), vec![&head]),
        (json!(["name", "not =like", "Dom %d"]), vec![&other]),
        (json!(["name", "not =ilike", "dom %D"]), vec![&other]),
        (json!(["id", "child_of", head]), vec![&head, &child]),
        (json!(["id", "parent_of", [child]]), vec![&head, &child]),
        (json!(["parent_id.city", "=", "Fes"]), vec![&child]),
        (json!(["parent_id", "any", [["ref", "=", "R1"]]]), vec![&child]),
        (json!(["child_ids", "any", [["name", "=like", "Dom%"]]]), vec![&head]),
        (json!(["child_ids", "not any", []]), vec![&child, &other]),
        (json!(["write_date", ">=", written]), vec![&other]),
        (json!(["write_date.year_number", "=", year]), vec![&head, &child, &other]),
        (json!(["write_date.month_number", "in", [13]]), vec![]),
        (json!(["write_date", "<", "2020-01-01"]), vec![]),
    ] {
        let found = found(stage, json!([["name", "like", "Dom "], condition])).await;
        let expected = json!(expected);
        // Records that were written within one second have the same time to Odoo.
        let is_by_time = condition[0] == "write_date" && condition[1] == ">=";
        if found != expected && !(is_by_time && found.as_array().unwrap().contains(&other)) {
            wrong.push(format!("{condition}: {found} and not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let sorted = json!({
        "action": "search", "model": "res.partner", "domain": [["name", "like", "Dom "]], "order": "city desc nulls last, id"
    });
    assert_eq!(stage.result(sorted).await, json!([other, head, child]));
}

async fn sales(stage: &Stage, product: &Value) {
    let customer = stage.create("res.partner", json!({ "name": "Customer" })).await["id"].clone();
    let data = json!({
        "partner_id": customer, "date_order": "2026-03-02T10:30:00+01:00",
        "order_line": [
            { "action": "create", "data": { "product_id": product, "product_uom_qty": 3, "price_unit": 10 } },
            [0, 0, { "product_id": product, "product_uom_qty": 1, "price_unit": 5 }],
        ],
    });
    let order = stage.create("sale.order", data).await;
    assert_eq!(order["date_order"], "2026-03-02T09:30:00Z");
    let lines = order["order_line"].clone();
    let amounts = stage.read("sale.order", &order["id"], &["amount_untaxed", "state", "partner_id"]).await;
    assert_eq!((&amounts["amount_untaxed"], &amounts["state"]), (&json!(35.0), &json!("draft")));
    assert_eq!(amounts["partner_id"], json!([customer, "Customer"]));
    let update = json!({ "action": "update", "model": "sale.order", "record_id": order["id"], "data": { "order_line": [
        { "action": "update", "record_id": lines[0], "data": { "product_uom_qty": 4 } },
        { "action": "delete", "record_id": lines[1] },
    ] } });
    assert_eq!(stage.result(update).await["order_line"], json!([lines[0]]));
    stage.call("sale.order", &order["id"], "action_confirm").await;
    assert_eq!(stage.read("sale.order", &order["id"], &["state"]).await["state"], "sale");
    let delete = json!({ "action": "delete", "model": "sale.order", "record_id": order["id"] });
    let refused = refusal(&stage.admin, delete, 422, "ERP_BUSINESS_RULE").await;
    assert_eq!(refused["details"]["erp_error"], "odoo.exceptions.UserError");
    let nobody = json!({ "action": "create", "model": "sale.order", "data": { "client_order_ref": "nobody" } });
    refusal(&stage.admin, nobody, 422, "ERP_VALIDATION_FAILED").await;
    let missing =
        json!({ "action": "call", "model": "sale.order", "record_id": 99_999_999, "method": "action_confirm" });
    refusal(&stage.admin, missing, 404, "RECORD_NOT_FOUND").await;
}

async fn purchases(stage: &Stage, product: &Value) {
    let vendor = stage.create("res.partner", json!({ "name": "Vendor" })).await["id"].clone();
    let line = json!({
        "product_id": product, "product_qty": 2, "price_unit": 7.5, "date_planned": "2026-04-01T08:00:00Z"
    });
    let data = json!({ "partner_id": vendor, "order_line": [[0, 0, line]] });
    let order = stage.create("purchase.order", data).await;
    let read = json!({
        "action": "read", "model": "purchase.order.line", "record_ids": order["order_line"],
        "fields": ["date_planned", "price_subtotal", "order_id"]
    });
    let lines = stage.result(read).await;
    assert_eq!(
        (&lines[0]["date_planned"], &lines[0]["price_subtotal"]),
        (&json!("2026-04-01T08:00:00Z"), &json!(15.0))
    );
    assert_eq!(lines[0]["order_id"][0], order["id"]);
    stage.call("purchase.order", &order["id"], "button_confirm").await;
    assert_eq!(stage.read("purchase.order", &order["id"], &["state"]).await["state"], "purchase");
}

/// A picture in one colour, so many pixels wide and eight high.
fn wide_picture(pixels: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(data);
        file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        file.extend([kind.as_slice(), data, &crc.sum().to_be_bytes()].concat());
    };
    // Eight bits of grey for each pixel; each line begins with a byte that names its filter.
    let size = [pixels.to_be_bytes(), 8u32.to_be_bytes()].concat();
    chunk(b"IHDR", &[size.as_slice(), &[8, 0, 0, 0, 0]].concat());
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&vec![0; (pixels as usize + 1) * 8]).unwrap();
    chunk(b"IDAT", &packed.finish().unwrap());
    chunk(b"IEND", &[]);
    file
}

async fn files(stage: &Stage) {
    let id = stage.create("res.partner", json!({ "name": "With files" })).await["id"].to_string();
    let onto = [("system_id", "odoo"), ("model", "res.partner"), ("record_id", id.as_str())];
    let bytes: Vec<u8> = b"%PDF-1.4\n".iter().copied().chain((0..200_000).map(|at: u32| at.to_le_bytes()[1])).collect();
    let made = upload(&stage.admin, form(Some(("offer.pdf", "text/plain", &bytes)), &onto)).await.expect(200);
    assert_eq!((&made["is_unchanged"], &made["content_type"]), (&json!(true), &json!("application/pdf")));
    let file = made["file_id"].as_str().unwrap();
    let (status, headers, got) = download(&stage.admin, file, &[]).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap(), got == bytes), (200, "application/pdf", true));
    let (status, headers, got) = download(&stage.admin, file, &[("range", "bytes=-5")]).await;
    assert_eq!((status, got), (206, bytes[bytes.len() - 5..].to_vec()));
    assert_eq!(download(&stage.admin, file, &[("if-none-match", headers["etag"].to_str().unwrap())]).await.0, 304);
    // A picture is kept as it was sent, also one that Odoo makes smaller for its own users, unless that is asked for.
    let picture = wide_picture(4_000);
    for (downscale, is_unchanged) in [("false", true), ("true", false)] {
        let onto = [onto[0], onto[1], onto[2], ("image_downscale", downscale)];
        let made = upload(&stage.admin, form(Some(("wide.png", "image/png", &picture)), &onto)).await.expect(200);
        assert_eq!((&made["is_unchanged"], &made["content_type"]), (&json!(is_unchanged), &json!("image/png")));
    }
    let nobody = [("system_id", "odoo"), ("model", "res.partner"), ("record_id", "99999999")];
    let missing = upload(&stage.admin, form(Some(("a.txt", "text/plain", b"a")), &nobody)).await;
    missing.expect_problem(404, "RECORD_NOT_FOUND");
}

/// Somebody who may hardly do anything, with their own credential: nothing is open to them, and the ERP judges.
async fn low_rights(stage: &Stage, product: &Value) {
    let (uid, password) = stage.person("low", &[("base", "group_user")]).await;
    let low = stage.app.user("low", None).await;
    let id = low.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let wrong = json!({ "system_id": "odoo", "username": "low", "password": "wrong-password" });
    low.post(&format!("/api/v1/users/{id}/links"), &wrong).await.expect_problem(403, "ERP_LINK_REFUSED");
    assert_eq!(link(&low, "low", &password).await, uid);

    let own = json!({ "action": "read", "model": "res.users", "record_id": uid, "fields": ["login"] });
    assert_eq!(result(&low, own).await["login"], "low");
    let partners = json!({ "action": "count", "model": "res.partner", "domain": [["name", "like", "Dom "]] });
    assert_eq!(result(&low, partners).await, 3);
    for request in [
        json!({ "action": "create", "model": "res.partner", "data": { "name": "x" } }),
        json!({ "action": "update", "model": "product.product", "record_id": product, "data": { "name": "x" } }),
        json!({ "action": "delete", "model": "product.product", "record_id": product }),
        json!({ "action": "read", "model": "sale.order" }),
        json!({ "action": "count", "model": "ir.config_parameter" }),
        json!({ "action": "call", "model": "sale.order", "record_id": 1, "method": "action_confirm" }),
    ] {
        let refused = refusal(&low, request.clone(), 403, "ERP_ACCESS_DENIED").await;
        assert_eq!(refused["details"]["error_type"], "business", "{request}");
    }
    // A file is seen by whoever may read its record, and put there by whoever may change it.
    let text: Option<(&str, &str, &[u8])> = Some(("a.txt", "text/plain", b"hello"));
    let invoice = [("system_id", "odoo"), ("model", "sale.order"), ("record_id", "1")];
    let made = upload(&stage.admin, form(text, &invoice)).await.expect(200);
    assert_eq!(download(&stage.admin, made["file_id"].as_str().unwrap(), &[]).await.0, 200);
    assert_eq!(download(&low, made["file_id"].as_str().unwrap(), &[]).await.0, 404);
    upload(&low, form(text, &invoice)).await.expect_problem(403, "ERP_ACCESS_DENIED");
    // What their groups don't show is not among the fields.
    let hidden = json!({ "action": "read", "model": "res.partner", "fields": ["credit_limit"], "limit": 1 });
    refusal(&low, hidden, 400, "DATA_VALIDATION_FAILED").await;
    let private = json!({ "action": "call", "model": "res.partner", "method": "sudo" });
    let refused = stage.app.user("nobody", None).await;
    refusal(&refused, private, 403, "FORBIDDEN").await;
}
