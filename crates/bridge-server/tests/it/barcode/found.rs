use super::{look_up, open, reads};
use crate::support::{Setup, on_both_databases};
use serde_json::json;

on_both_databases!(
    a_product_is_found_in_every_form_of_its_number,
    packagings_lots_and_references_lead_to_their_product,
    a_label_of_gs1_names_the_item_and_its_lot,
    archived_products_are_not_found_and_doubles_are_told,
);

async fn a_product_is_found_in_every_form_of_its_number(setup: Setup) {
    let stage = open(setup).await;
    let user = stage.app.user("amina", None).await;
    let answer = look_up(&user, "6110000000017").await.expect(200);
    let on_hand = &answer["product"]["quantity"];
    assert!(on_hand.as_f64().unwrap() >= 5.0, "{answer}");
    assert_eq!(
        answer,
        json!({
            "success": true, "matched": "product",
            "product": {
                "id": 1, "name": "Bureau d'angle", "barcode": "6110000000017", "default_code": "DESK-01",
                "price": 1890.0, "currency": "MAD", "quantity": on_hand, "unit": "Units"
            },
            "packaging": null, "lot": null,
            "barcode": { "text": "6110000000017", "form": "ean13", "gtin": "06110000000017", "elements": [] },
            "other_product_ids": [], "not_searched": []
        })
    );
    // One call of the system.
    let before = reads(&stage);
    look_up(&user, "6110000000024").await.expect(200);
    assert_eq!(reads(&stage) - before, 1);
    let named = user.get("/api/v1/barcode/lookup?barcode=6110000000017&system_id=demo").await.expect(200);
    assert_eq!(named, answer);

    let mut tx = stage.erp.db().begin(2);
    for (name, barcode) in [("Twelve", "036000291452"), ("Thirteen", "0012345678905"), ("Eight", "96385074")] {
        tx.create("product.product", json!({ "name": name, "barcode": barcode })).unwrap();
    }
    tx.commit();
    for (asked, name, form) in [
        ("036000291452", "Twelve", "upc_a"),
        ("0036000291452", "Twelve", "ean13"),
        ("00036000291452", "Twelve", "gtin14"),
        ("]E00036000291452", "Twelve", "ean13"),
        ("012345678905", "Thirteen", "upc_a"),
        ("00012345678905", "Thirteen", "gtin14"),
        ("96385074\r\n", "Eight", "ean8"),
        ("00000096385074", "Eight", "gtin14"),
        ("06110000000017", "Bureau d'angle", "gtin14"),
    ] {
        let answer = look_up(&user, asked).await.expect(200);
        assert_eq!((&answer["product"]["name"], &answer["barcode"]["form"]), (&json!(name), &json!(form)), "{asked}");
    }
    stage.end().await;
}

async fn packagings_lots_and_references_lead_to_their_product(setup: Setup) {
    let stage = open(setup).await;
    let user = stage.app.user("amina", None).await;
    let answer = look_up(&user, "16110000000052").await.expect(200);
    assert_eq!((&answer["matched"], &answer["product"]["id"]), (&json!("packaging"), &json!(5)), "{answer}");
    let dozen = json!({ "id": 1, "name": "Dozens", "barcode": "16110000000052", "quantity": 12.0 });
    assert_eq!(answer["packaging"], dozen);
    // The product, the packaging, its product, the units.
    let before = reads(&stage);
    look_up(&user, "16110000000052").await.expect(200);
    assert_eq!(reads(&stage) - before, 4);

    let answer = look_up(&user, "INK-2026-07").await.expect(200);
    assert_eq!((&answer["matched"], &answer["product"]["id"]), (&json!("lot"), &json!(6)), "{answer}");
    assert_eq!(answer["lot"], json!({ "id": 1, "name": "INK-2026-07", "quantity": 12.0 }));
    assert!(answer["product"]["quantity"].as_f64().unwrap() > 12.0, "{answer}");
    let before = reads(&stage);
    look_up(&user, "INK-2026-07").await.expect(200);
    assert_eq!(reads(&stage) - before, 4);

    let answer = look_up(&user, "DESK-01").await.expect(200);
    assert_eq!((&answer["matched"], &answer["product"]["id"]), (&json!("reference"), &json!(1)), "{answer}");
    assert_eq!(answer["barcode"], json!({ "text": "DESK-01", "form": "own", "gtin": null, "elements": [] }));

    let unknown = look_up(&user, "NO-SUCH-CODE").await.expect_problem(404, "RECORD_NOT_FOUND");
    assert_eq!(unknown["details"]["barcode"], "NO-SUCH-CODE");
    look_up(&user, "4006381333931").await.expect_problem(404, "RECORD_NOT_FOUND");
    stage.end().await;
}

async fn a_label_of_gs1_names_the_item_and_its_lot(setup: Setup) {
    let stage = open(setup).await;
    let user = stage.app.user("amina", None).await;
    for label in [
        "(01)06110000000062(17)270228(10)INK-2026-07(3103)000250",
        "]C101061100000000621727022810INK-2026-07\u{1d}3103000250",
    ] {
        let answer = look_up(&user, label).await.expect(200);
        assert_eq!((&answer["matched"], &answer["product"]["id"]), (&json!("product"), &json!(6)), "{answer}");
        assert_eq!(answer["lot"]["id"], 1);
        assert_eq!((&answer["barcode"]["form"], &answer["barcode"]["gtin"]), (&json!("gs1"), &json!("06110000000062")));
        let element = |identifier, meaning, value, unit: Option<&str>| json!({ "identifier": identifier, "meaning": meaning, "value": value, "unit": unit });
        let elements = json!([
            element("01", "gtin", "06110000000062", None),
            element("17", "expiry_date", "2027-02-28", None),
            element("10", "lot", "INK-2026-07", None),
            element("3103", "net_weight", "0.250", Some("kg")),
        ]);
        assert_eq!(answer["barcode"]["elements"], elements);
    }
    // The lot of another product is not this one's.
    let answer = look_up(&user, "(01)06110000000017(10)INK-2026-07").await.expect(200);
    assert_eq!((&answer["product"]["id"], &answer["lot"]), (&json!(1), &json!(null)));
    let answer = look_up(&user, "(01)16110000000052(37)3").await.expect(200);
    assert_eq!((&answer["matched"], &answer["packaging"]["quantity"]), (&json!("packaging"), &json!(12.0)));
    let answer = look_up(&user, "(10)INK-2026-07").await.expect(200);
    assert_eq!((&answer["matched"], &answer["product"]["id"]), (&json!("lot"), &json!(6)));
    // An item that is not there is not found by its lot.
    look_up(&user, "(01)04006381333931(10)INK-2026-07").await.expect_problem(404, "RECORD_NOT_FOUND");
    stage.end().await;
}

async fn archived_products_are_not_found_and_doubles_are_told(setup: Setup) {
    let stage = open(setup).await;
    let user = stage.app.user("amina", None).await;
    let mut tx = stage.erp.db().begin(2);
    tx.write("product.product", &[2], json!({ "active": false })).unwrap();
    let twin = tx.create("product.product", json!({ "name": "Twin", "barcode": "6110000000031" })).unwrap();
    // The same digits as a reference weigh less than as a barcode.
    tx.create("product.product", json!({ "name": "Namesake", "default_code": "SAME" })).unwrap();
    let same = tx.create("product.product", json!({ "name": "Bearer", "barcode": "SAME" })).unwrap();
    tx.commit();
    look_up(&user, "6110000000024").await.expect_problem(404, "RECORD_NOT_FOUND");
    let answer = look_up(&user, "6110000000031").await.expect(200);
    assert_eq!((&answer["product"]["id"], &answer["other_product_ids"]), (&json!(3), &json!([twin])));
    let answer = look_up(&user, "SAME").await.expect(200);
    assert_eq!((&answer["matched"], &answer["product"]["id"]), (&json!("product"), &json!(same)));
    stage.end().await;
}
