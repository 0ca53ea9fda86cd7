//! `bridgecore capture install | status | uninstall`.

use crate::support::OdooDatabase;
use serde_json::Value;
use std::process::Output;
use tokio::process::Command;

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_bridgecore");

async fn run(database: &OdooDatabase, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("capture").args(arguments);
    command.env("BRIDGECORE_CAPTURE_DATABASE_URL", database.url());
    command.env("BRIDGECORE_CAPTURE_ROLE_PASSWORD", "a password for tests");
    command.output().await.unwrap()
}

async fn ok(database: &OdooDatabase, arguments: &[&str]) -> String {
    let output = run(database, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn status(database: &OdooDatabase) -> (Option<i32>, Value) {
    let output = run(database, &["status", "--json"]).await;
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// Everything of ours that is in the database or on its server.
async fn traces(database: &OdooDatabase) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'bridgecore')
        + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'bridgecore%')
        + (SELECT count(*) FROM pg_proc WHERE prosrc LIKE '%bridgecore%')
        + (SELECT count(*) FROM pg_roles WHERE rolname = $1)
        + (SELECT count(*) FROM pg_class WHERE relacl::text LIKE '%' || $1 || '%')";
    database.client().await.query_one(sql, &[&database.role()]).await.unwrap().get(0)
}

#[tokio::test]
async fn installing_twice_changes_nothing_and_uninstalling_leaves_nothing() {
    let database = OdooDatabase::create().await;
    let role = database.role();
    let install = ["install", "--role", &role];
    assert_eq!(traces(&database).await, 0);
    assert_eq!(status(&database).await.0, Some(2), "nothing is installed");

    let planned = ok(&database, &["install", "--role", &role, "--dry-run"]).await;
    assert!(
        planned.contains("CREATE TRIGGER bridgecore_insert AFTER INSERT ON \"public\".\"res_partner\""),
        "{planned}"
    );
    assert!(!planned.contains("a password for tests"), "{planned}");
    assert_eq!(traces(&database).await, 0, "a dry run does nothing");

    let done = ok(&database, &install).await;
    assert!(done.contains("8 tables are captured"), "{done}");
    let (code, now) = status(&database).await;
    assert_eq!(code, Some(0), "{now}");
    let tables: Vec<_> =
        now["tables"].as_array().unwrap().iter().map(|table| table["table"].as_str().unwrap()).collect();
    let expected = [
        "ir_act_window",
        "ir_actions",
        "odd_name",
        "res_partner",
        "sale_order",
        "sale_order_line",
        "sale_order_tag_rel",
        "sale_tag",
    ];
    assert_eq!(tables, expected);
    assert_eq!(now["tables_not_captured"], serde_json::json!(["sale_wizard", "update_webhook"]));
    assert!(ok(&database, &install).await.contains("Nothing to do"));
    assert!(ok(&database, &["install", "--role", &role, "--dry-run"]).await.contains("Nothing to do"));

    // What somebody breaks is seen and mended.
    let client = database.client().await;
    client.batch_execute("ALTER TABLE sale_order DISABLE TRIGGER bridgecore_update").await.unwrap();
    client.batch_execute("DROP TRIGGER bridgecore_truncate ON sale_tag").await.unwrap();
    let (code, now) = status(&database).await;
    let state = |table: &str| {
        now["tables"].as_array().unwrap().iter().find(|found| found["table"] == table).unwrap()["state"].clone()
    };
    assert_eq!((code, state("sale_order"), state("sale_tag")), (Some(2), "disabled".into(), "missing".into()));
    ok(&database, &install).await;
    assert_eq!(status(&database).await.0, Some(0));

    ok(&database, &["uninstall"]).await;
    assert_eq!(traces(&database).await, 0);
    assert!(ok(&database, &["uninstall"]).await.contains("Nothing to do"));
}

#[tokio::test]
async fn a_selection_is_held_to_and_a_wrong_one_is_refused() {
    let database = OdooDatabase::create().await;
    let role = database.role();
    ok(&database, &["install", "--role", &role, "--models", "sale.order"]).await;
    let (_, now) = status(&database).await;
    let tables: Vec<_> =
        now["tables"].as_array().unwrap().iter().map(|table| table["table"].as_str().unwrap()).collect();
    assert_eq!(tables, ["sale_order", "sale_order_tag_rel"], "the order and its links");
    let refused = run(&database, &["install", "--role", &role, "--models", "sale.odrer"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("sale.odrer"));
    ok(&database, &["uninstall"]).await;
}

#[tokio::test]
async fn a_table_that_is_in_use_is_waited_for_in_short_attempts() {
    let database = OdooDatabase::create().await;
    let role = database.role();
    let mut busy = database.client().await;
    let transaction = busy.transaction().await.unwrap();
    transaction.batch_execute("INSERT INTO res_partner (name) VALUES ('open')").await.unwrap();
    let arguments = ["install", "--role", &role, "--lock-timeout-ms", "50", "--lock-attempts", "1"];
    let refused = run(&database, &arguments).await;
    assert_eq!(refused.status.code(), Some(1));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("capture res_partner") && words.contains("running it again"), "{words}");
    transaction.commit().await.unwrap();
    ok(&database, &["install", "--role", &role]).await;
    assert_eq!(status(&database).await.0, Some(0));
    ok(&database, &["uninstall"]).await;
}
