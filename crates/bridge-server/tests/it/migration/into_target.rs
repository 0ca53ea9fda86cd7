//! Records written into another system.

use crate::crash::process::Process;
use crate::records::keyed::is_replayed;
use crate::support::{Answer, App, Client, Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use bridge_erp::fake::{DemoErp, Fault};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(
    records_are_written_once_however_often_they_are_sent,
    a_lost_reply_makes_no_second_record,
    with_a_key_it_is_the_same_answer,
    a_service_that_is_killed_writes_nothing_twice,
    what_the_target_refuses_is_told_for_each_record,
    an_unknown_field_is_refused_before_anything_is_written,
    what_no_admin_has_opened_is_not_written,
    systems_that_are_not_active_are_neither_read_nor_written,
    whoever_is_linked_reads_and_writes_with_their_own_rights,
    a_target_is_for_admins_and_needs_records,
);

const MIGRATE: &str = "/api/v1/systems/old/migrate";

struct Stage {
    app: App,
    admin: Client,
    old: DemoErp,
    new: DemoErp,
}

impl Stage {
    async fn set(setup: Setup) -> Self {
        let app = setup.config(|config| config.migration.batch_records = 2).start().await;
        let (admin, old, new) = (app.admin().await, demo_erp().await, demo_erp().await);
        register(&admin, &old, &new).await;
        Self { app, admin, old, new }
    }

    /// The record of the target with this id.
    async fn in_target(&self, model: &str, id: &Value) -> Value {
        let body = json!({ "model": model, "from_version": "19.0", "to_version": "19.0", "record_ids": [id] });
        let answer = self.admin.post("/api/v1/systems/new/migrate", &body).await.expect(200);
        answer["records"][0]["data"].clone()
    }

    /// How many records the target has.
    async fn count_in_target(&self, model: &str) -> Value {
        let body = json!({ "action": "count", "model": model });
        self.admin.post("/api/v1/systems/new/crud", &body).await.expect(200)["result"].clone()
    }

    async fn leave(self) {
        self.app.stop().await;
        self.old.stop().await;
        self.new.stop().await;
    }
}

/// Registers both systems.
async fn register(admin: &Client, old: &DemoErp, new: &DemoErp) {
    register_demo_system(admin, old, "old").await;
    register_demo_system(admin, new, "new").await;
    let open = json!({ "operations": ["create", "update"] });
    let models = json!({ "res.partner": open, "res.country": open, "sale.order.line": open });
    admin.put("/api/v1/systems/new/allowed", &json!({ "models": models })).await.expect(200);
}

async fn keyed(client: &Client, key: &str, body: &Value) -> Answer {
    client.send(client.request(Method::POST, MIGRATE).header("Idempotency-Key", key).json(body)).await
}

/// A migration of three partners with fields that both systems have.
fn partners() -> Value {
    json!({
        "model": "res.partner", "from_version": "18.0", "to_version": "19.0", "record_ids": [1, 3, 4],
        "fields": ["name", "phone", "email", "is_company", "country_id", "write_date"], "target_system_id": "new",
    })
}

async fn records_are_written_once_however_often_they_are_sent(setup: Setup) {
    let stage = Stage::set(setup).await;
    let answer = stage.admin.post(MIGRATE, &partners()).await.expect(200);
    assert_eq!((&answer["success"], &answer["migrated"], &answer["errors"]), (&json!(true), &json!(3), &json!([])));
    assert_eq!((&answer["remaining"], &answer["stopped"]), (&json!([]), &Value::Null));
    let left_out =
        json!([{ "field": "country_id", "reason": "relation" }, { "field": "write_date", "reason": "kept_by_system" }]);
    let mut told = answer["left_out"].as_array().unwrap().clone();
    told.retain(|one| one["field"] != "id");
    assert_eq!(Value::Array(told), left_out);
    let first = &answer["written"][0];
    assert_eq!(first["record_id"], 1);
    let made = stage.in_target("res.partner", &first["target_id"]).await;
    assert!(first["target_id"].as_i64().unwrap() > 4, "a new record: {first}");
    assert_eq!((&made["name"], &made["is_company"]), (&json!("Atlas Distribution SARL"), &json!(true)));
    assert_eq!(made["country_id"], Value::Null);
    // Sent again it is the same records.
    let again = stage.admin.post(MIGRATE, &partners()).await.expect(200);
    assert_eq!(again["written"], answer["written"]);
    // An upgraded copy has the same ids.
    let mut same = partners();
    same["relations"] = json!("same_ids");
    let same = stage.admin.post(MIGRATE, &same).await.expect(200);
    assert_eq!(same["written"], answer["written"]);
    assert_eq!(stage.in_target("res.partner", &first["target_id"]).await["country_id"], 1);
    stage.leave().await;
}

async fn a_lost_reply_makes_no_second_record(setup: Setup) {
    let stage = Stage::set(setup).await;
    stage.new.faults().fail_method("res.partner", "load", 1, Fault::ResetAfterWork);
    let answer = stage.admin.post(MIGRATE, &partners()).await;
    assert!(matches!(answer.status, 502 | 504), "{}", answer.body);
    let answer = stage.admin.post(MIGRATE, &partners()).await.expect(200);
    assert_eq!(answer["migrated"], 3);
    let ids: Vec<i64> =
        answer["written"].as_array().unwrap().iter().map(|one| one["target_id"].as_i64().unwrap()).collect();
    assert_eq!((ids[1] - ids[0], ids[2] - ids[1]), (1, 1), "nothing was made in between: {ids:?}");
    stage.leave().await;
}

async fn with_a_key_it_is_the_same_answer(setup: Setup) {
    let stage = Stage::set(setup).await;
    let first = keyed(&stage.admin, "move-0001", &partners()).await;
    assert!(!is_replayed(&first));
    let first = first.expect(200);
    stage.new.faults().reset_counts();
    let again = keyed(&stage.admin, "move-0001", &partners()).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(200), first);
    assert_eq!(stage.new.faults().calls("res.partner", "load"), 0);
    let mut other = partners();
    other["record_ids"] = json!([1]);
    keyed(&stage.admin, "move-0001", &other).await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    // What fails before anything is written leaves its key free, and so does a lost reply: it may be sent again.
    stage.new.faults().fail_method("res.partner", "load", 1, Fault::ResetAfterWork);
    assert!(matches!(keyed(&stage.admin, "move-0002", &partners()).await.status, 502 | 504));
    let mended = keyed(&stage.admin, "move-0002", &partners()).await;
    assert!(!is_replayed(&mended));
    assert_eq!(mended.expect(200)["written"], first["written"]);
    // Where nothing is written, there is nothing to do once.
    let mut nowhere = partners();
    nowhere.as_object_mut().unwrap().remove("target_system_id");
    for _ in 0..2 {
        assert!(!is_replayed(&keyed(&stage.admin, "move-0001", &nowhere).await));
    }
    stage.leave().await;
}

async fn a_service_that_is_killed_writes_nothing_twice(setup: Setup) {
    const PATIENCE: Duration = Duration::from_mins(2);
    let (old, new) = (demo_erp().await, demo_erp().await);
    let start = async |request_timeout_ms: u32| {
        let variables = [
            ("BRIDGECORE_MIGRATION__BATCH_RECORDS", "2".to_owned()),
            ("BRIDGECORE_SERVER__REQUEST_TIMEOUT_MS", request_timeout_ms.to_string()),
        ];
        let process = Process::try_start(&setup, &variables).await.expect("the service ended before it listened");
        let client = process.client().await;
        (process, client)
    };
    let (process, client) = start(10_000).await;
    register(&client, &old, &new).await;
    let before = new.db().ids("res.partner").len();
    new.faults().fail_method("res.partner", "load", 1, Fault::HangAfterWork);
    let request = client.request(Method::POST, MIGRATE).header("Idempotency-Key", "move-0001").json(&partners());
    let lost = tokio::spawn(request.send());
    eventually("the load hangs", PATIENCE, async || (new.faults().calls("res.partner", "load") > 0).then_some(()))
        .await;
    process.kill_9().await;
    lost.await.unwrap().unwrap_err();
    let (process, client) = start(60_000).await;
    let answer = eventually("the key is free", PATIENCE, async || {
        let answer = keyed(&client, "move-0001", &partners()).await;
        (answer.status != 409).then_some(answer)
    })
    .await;
    assert!(!is_replayed(&answer));
    let answer = answer.expect(200);
    assert_eq!((&answer["success"], &answer["migrated"]), (&json!(true), &json!(3)));
    assert_eq!(new.db().ids("res.partner").len(), before + 3);
    let again = keyed(&client, "move-0001", &partners()).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(200), answer);
    process.kill_9().await;
    old.stop().await;
    new.stop().await;
}

async fn what_the_target_refuses_is_told_for_each_record(setup: Setup) {
    let stage = Stage::set(setup).await;
    // Its country was not migrated; the other one has none.
    let mut body = partners();
    body["record_ids"] = json!([1, 2]);
    body["relations"] = json!("migrated");
    let answer = stage.admin.post(MIGRATE, &body).await.expect(200);
    assert_eq!((&answer["success"], &answer["migrated"]), (&json!(false), &json!(1)));
    assert_eq!((&answer["written"][0]["record_id"], &answer["errors"][0]["record_id"]), (&json!(2), &json!(1)));
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("country_1"), "{answer}");
    // With its country it goes.
    let country = json!({
        "model": "res.country", "from_version": "18.0", "to_version": "19.0", "record_ids": [1],
        "fields": ["name", "code"], "target_system_id": "new",
    });
    let country = stage.admin.post(MIGRATE, &country).await.expect(200);
    let answer = stage.admin.post(MIGRATE, &body).await.expect(200);
    assert_eq!((&answer["success"], &answer["migrated"]), (&json!(true), &json!(2)), "{answer}");
    let made = stage.in_target("res.partner", &answer["written"][0]["target_id"]).await;
    assert_eq!(made["country_id"], country["written"][0]["target_id"]);
    stage.leave().await;
}

async fn an_unknown_field_is_refused_before_anything_is_written(setup: Setup) {
    let stage = Stage::set(setup).await;
    let before = stage.count_in_target("sale.order.line").await;
    // What 18.0 calls it is unknown to the target, which is a 19.0.
    let body = json!({
        "model": "sale.order.line", "from_version": "19.0", "to_version": "18.0", "record_ids": [1],
        "fields": ["name", "product_uom_id"], "target_system_id": "new",
    });
    let refused = stage.admin.post(MIGRATE, &body).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    let expected = json!({
        "field": "fields", "unknown_field": "product_uom", "unknown_fields": ["product_uom"], "model": "sale.order.line",
        "version": "18.0", "rule_pack": "odoo", "target_system_id": "new",
    });
    assert_eq!(refused["details"], expected);
    for part in ["product_uom", "sale.order.line", "18.0", "odoo"] {
        assert!(refused["message"].as_str().unwrap().contains(part), "{refused}");
    }
    assert_eq!(stage.count_in_target("sale.order.line").await, before);
    assert_eq!(stage.new.faults().calls("sale.order.line", "load"), 0);
    stage.leave().await;
}

async fn what_no_admin_has_opened_is_not_written(setup: Setup) {
    let stage = Stage::set(setup).await;
    let before = stage.count_in_target("res.partner").await;
    for operations in [json!(["read"]), json!(["create"]), json!(["update"])] {
        let models = json!({ "res.partner": { "operations": operations } });
        stage.admin.put("/api/v1/systems/new/allowed", &json!({ "models": models })).await.expect(200);
        let refused = stage.admin.post(MIGRATE, &partners()).await.expect_problem(403, "FORBIDDEN");
        assert_eq!(refused["details"]["model"], "res.partner");
    }
    assert_eq!(stage.count_in_target("res.partner").await, before);
    stage.leave().await;
}

async fn systems_that_are_not_active_are_neither_read_nor_written(setup: Setup) {
    let stage = Stage::set(setup).await;
    for (system, erp) in [("new", &stage.new), ("old", &stage.old)] {
        let path = format!("/api/v1/systems/{system}");
        stage.admin.put(&path, &json!({ "is_active": false })).await.expect(200);
        let before = erp.faults().calls("res.partner", "search_read") + erp.faults().calls("res.partner", "load");
        let refused = stage.admin.post(MIGRATE, &partners()).await.expect_problem(403, "FORBIDDEN");
        assert_eq!(refused["details"]["system_id"], system);
        let after = erp.faults().calls("res.partner", "search_read") + erp.faults().calls("res.partner", "load");
        assert_eq!(after, before, "{system} is left alone");
        stage.admin.put(&path, &json!({ "is_active": true })).await.expect(200);
    }
    stage.admin.post(MIGRATE, &partners()).await.expect(200);
    stage.leave().await;
}

async fn whoever_is_linked_reads_and_writes_with_their_own_rights(setup: Setup) {
    let stage = Stage::set(setup).await;
    let link = |system: &str, name: &str| json!({ "system_id": system, "username": name, "password": name });
    // The ERP lets somebody of the stock create no partners.
    stage.admin.post("/api/v1/users/1/links", &link("new", "stock")).await.expect(201);
    stage.admin.post(MIGRATE, &partners()).await.expect_problem(403, "ERP_ACCESS_DENIED");
    // A salesperson may, also where no admin has opened it.
    stage.admin.put("/api/v1/systems/new/allowed", &json!({ "models": {} })).await.expect(200);
    stage.admin.post("/api/v1/users/1/links", &link("new", "sales")).await.expect(201);
    let answer = stage.admin.post(MIGRATE, &partners()).await.expect(200);
    assert_eq!(answer["migrated"], 3);
    // And reads no invoices.
    stage.admin.post("/api/v1/users/1/links", &link("old", "sales")).await.expect(201);
    let body = json!({
        "model": "account.move", "from_version": "18.0", "to_version": "19.0", "record_ids": [1], "fields": ["name"],
    });
    stage.admin.post(MIGRATE, &body).await.expect_problem(403, "ERP_ACCESS_DENIED");
    stage.leave().await;
}

async fn a_target_is_for_admins_and_needs_records(setup: Setup) {
    let stage = Stage::set(setup).await;
    let user = stage.app.user("sara", None).await;
    user.post(MIGRATE, &partners()).await.expect_problem(403, "FORBIDDEN");
    let mut body = partners();
    body["target_system_id"] = json!("nowhere");
    stage.admin.post(MIGRATE, &body).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    let mut body = partners();
    body.as_object_mut().unwrap().remove("record_ids");
    body["data"] = json!({ "name": "A" });
    let refused = stage.admin.post(MIGRATE, &body).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(refused["details"]["field"], "target_system_id");
    stage.leave().await;
}
