use super::{look_up, open, reads};
use crate::support::{Setup, on_both_databases};
use serde_json::json;

on_both_databases!(a_barcode_that_is_none_is_refused_with_the_reason);

async fn a_barcode_that_is_none_is_refused_with_the_reason(setup: Setup) {
    let stage = open(setup).await;
    let user = stage.app.user("amina", None).await;
    let before = reads(&stage);
    for (barcode, part) in [
        ("", "printable"),
        ("   ", "printable"),
        ("a\u{7}b", "printable"),
        ("]C1", "no known application identifier"),
        ("(05)1", "no known application identifier"),
        ("(01)0611000000001", "(01) that is not of the form n14"),
        ("(01)06110000000018", "should end in 7"),
        ("(17)271301", "no day"),
        ("(10)A(10)B", "twice"),
        (&"9".repeat(257), "printable"),
    ] {
        let refused = look_up(&user, barcode).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(refused["details"]["field"], "barcode", "{barcode}");
        assert!(refused["message"].as_str().unwrap().contains(part), "{barcode}: {refused}");
    }
    assert_eq!(reads(&stage), before, "the system is not asked for what can't be");
    user.get("/api/v1/barcode/lookup").await.expect_problem(400, "DATA_VALIDATION_FAILED");
    user.get("/api/v1/barcode/lookup?barcode=1&system_id=no-such").await.expect_problem(404, "SYSTEM_NOT_FOUND");
    user.get("/api/v1/barcode/lookup?barcode=1&system_id=%20").await.expect_problem(400, "DATA_VALIDATION_FAILED");

    let refused = look_up(&user, "6281000000123").await.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(refused["message"], "barcode has a wrong check digit: 6281000000123 should end in 0");
    let details = json!({ "field": "barcode", "digits": "6281000000123", "expected_check_digit": 0 });
    assert_eq!(refused["details"], details);
    for (language, start) in [("ar", "رقم التحقق"), ("fr", "Le champ «\u{a0}barcode\u{a0}» a une clé")] {
        let request = user.request(reqwest::Method::GET, "/api/v1/barcode/lookup?barcode=6281000000123");
        let refused = user.send(request.header("accept-language", language)).await;
        let refused = refused.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert!(refused["message"].as_str().unwrap().starts_with(start), "{refused}");
    }
    // A system may hold such a number all the same, and then it is that product's.
    let mut tx = stage.erp.db().begin(2);
    let product = tx.create("product.product", json!({ "name": "Product XYZ", "barcode": "6281000000123" })).unwrap();
    tx.commit();
    let answer = look_up(&user, "6281000000123").await.expect(200);
    assert_eq!((&answer["product"]["id"], &answer["barcode"]["form"]), (&json!(product), &json!("own")));
    stage.end().await;
}
