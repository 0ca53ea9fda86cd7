use super::{look_up, open, reads};
use crate::records::Stage;
use crate::support::{Setup, on_both_databases, register_demo_system};
use serde_json::json;

on_both_databases!(
    a_lookup_has_the_rights_that_records_have,
    with_ones_own_credential_the_system_judges,
    other_tenants_and_systems_that_are_down,
);

async fn a_lookup_has_the_rights_that_records_have(setup: Setup) {
    let stage = Stage::new(setup).await;
    let user = stage.app.user("amina", None).await;
    let before = reads(&stage);
    look_up(&user, "6110000000017").await.expect_problem(403, "FORBIDDEN");
    assert_eq!(reads(&stage), before, "the system is not even asked");
    look_up(&stage.admin, "6110000000017").await.expect(200);
    look_up(&stage.app.anonymous(), "6110000000017").await.expect_problem(401, "AUTHENTICATION_FAILED");

    // What is not open beside the products is left out, and said so.
    stage.allow(json!({ "product.product": { "operations": ["read"] } })).await;
    look_up(&user, "6110000000017").await.expect(200);
    let unknown = look_up(&user, "INK-2026-07").await.expect_problem(404, "RECORD_NOT_FOUND");
    assert_eq!(unknown["details"]["not_searched"], json!(["product.uom", "stock.lot"]));
    let read = json!({ "operations": ["read"] });
    stage.allow(json!({ "product.product": read, "product.uom": read })).await;
    let answer = look_up(&user, "16110000000052").await.expect(200);
    assert_eq!((&answer["packaging"]["quantity"], &answer["not_searched"]), (&json!(null), &json!(["uom.uom"])));
    stage.end().await;
}

async fn with_ones_own_credential_the_system_judges(setup: Setup) {
    let stage = Stage::new(setup).await;
    let user = stage.app.user("amina", None).await;
    let id = user.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let link = json!({ "system_id": "demo", "username": "sales", "password": "sales" });
    user.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201);
    // Nothing was opened by an admin, and a salesperson sees products but no lots.
    let answer = look_up(&user, "16110000000052").await.expect(200);
    assert_eq!((&answer["packaging"]["quantity"], &answer["not_searched"]), (&json!(12.0), &json!([])));
    assert_eq!(answer["product"]["quantity"], json!(null));
    let unknown = look_up(&user, "INK-2026-07").await.expect_problem(404, "RECORD_NOT_FOUND");
    assert_eq!(unknown["details"]["not_searched"], json!(["stock.lot"]));
    // What is on hand is refused once, and then not asked for again: the barcode, and the packaging's product.
    let products = || stage.erp.faults().calls("product.product", "search_read");
    let before = products();
    look_up(&user, "16110000000052").await.expect(200);
    assert_eq!(products() - before, 3);
    stage.end().await;
}

async fn other_tenants_and_systems_that_are_down(setup: Setup) {
    let stage = open(setup).await;
    let other = stage.app.other_tenant("other-admin").await;
    look_up(&other, "6110000000017").await.expect_problem(404, "SYSTEM_NOT_FOUND");
    other
        .get("/api/v1/barcode/lookup?barcode=6110000000017&system_id=demo")
        .await
        .expect_problem(404, "SYSTEM_NOT_FOUND");
    register_demo_system(&other, &stage.erp, "theirs").await;
    look_up(&other, "6110000000017").await.expect(200);
    stage.erp.stop().await;
    look_up(&stage.admin, "6110000000017").await.expect_problem(502, "CONNECTION_REFUSED");
    stage.end().await;
}
