//! Records of a system.

use crate::support::{Setup, demo_erp, on_both_databases, register_demo_system};
use serde_json::{Value, json};

on_both_databases!(records_of_the_system_are_read_and_carried_over, only_admins_name_records_of_the_system);

const MIGRATE: &str = "/api/v1/systems/main/migrate";

async fn records_of_the_system_are_read_and_carried_over(setup: Setup) {
    // More records than one call reads.
    let (app, erp) = (setup.config(|config| config.migration.batch_records = 2).start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let mut body = json!({
        "model": "res.partner", "from_version": "13.0", "to_version": "19.0", "record_ids": [3, 1, 2, 1, 999_999],
    });
    let answer = admin.post(MIGRATE, &body).await.expect(200);
    assert_eq!(
        (&answer["rule_pack"], &answer["migrated"], &answer["success"]),
        (&json!("odoo"), &json!(3), &json!(false))
    );
    let ids: Vec<&Value> = answer["records"].as_array().unwrap().iter().map(|record| &record["record_id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(2), &json!(3)]);
    let error = &answer["errors"][0];
    assert_eq!((&error["record_id"], &error["code"]), (&json!(999_999), &json!("NOT_FOUND")));
    // What 14.0 and 15.0 did with a note is done with the note that is there.
    body["record_ids"] = json!([1]);
    body["fields"] = json!(["name", "country_id", "write_date"]);
    let answer = admin.post(MIGRATE, &body).await.expect(200);
    let record = &answer["records"][0]["data"];
    assert!(record["country_id"].is_i64() || record["country_id"].is_null(), "a reference is an id: {record}");
    assert!(record["write_date"].as_str().unwrap().ends_with('Z'), "{record}");
    body["fields"] = json!(["nmae"]);
    let refused = admin.post(MIGRATE, &body).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(refused["details"]["unknown_field"], "nmae");
    body["fields"] = json!(["name"]);
    let plan = admin.post("/api/v1/systems/main/migrate/plan", &body).await.expect(200);
    assert_eq!((&plan["records"], &plan["warnings"]), (&json!(1), &json!([])));
    body["record_ids"] = json!((1..=10_001).collect::<Vec<_>>());
    let refused = admin.post(MIGRATE, &body).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(refused["details"]["field"], "record_ids");
    app.stop().await;
    erp.stop().await;
}

async fn only_admins_name_records_of_the_system(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    register_demo_system(&app.admin().await, &erp, "main").await;
    let user = app.user("sara", None).await;
    let body = json!({ "model": "res.partner", "from_version": "13.0", "to_version": "19.0", "record_ids": [1] });
    for path in [MIGRATE.to_owned(), format!("{MIGRATE}/plan")] {
        user.post(&path, &body).await.expect_problem(403, "FORBIDDEN");
    }
    // Another tenant does not have the system at all.
    let stranger = app.other_tenant("boss").await;
    stranger.post(MIGRATE, &body).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    app.stop().await;
    erp.stop().await;
}
