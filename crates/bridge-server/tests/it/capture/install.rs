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

#[tokio::test]
async fn a_role_that_was_there_before_keeps_all_that_it_had() {
    let database = OdooDatabase::create().await;
    let role = database.role();
    database.make_role().await;
    let client = database.client().await;
    // It owns one of the tables that it has to read, and may read another.
    let before = format!("ALTER TABLE ir_model OWNER TO {role}; GRANT SELECT ON ir_model_fields TO {role}");
    client.batch_execute(&before).await.unwrap();
    let rights = async || {
        let sql = "SELECT array_agg(t.name || ' ' || has_table_privilege($1, t.name, 'SELECT') ORDER BY t.name)
            FROM unnest(ARRAY['ir_model', 'ir_model_fields', 'ir_model_constraint']) AS t (name)";
        client.query_one(sql, &[&role]).await.unwrap().get::<_, Vec<String>>(0).join(", ")
    };
    ok(&database, &["install", "--role", &role]).await;
    assert_eq!(rights().await, "ir_model true, ir_model_constraint true, ir_model_fields true");
    let done = ok(&database, &["uninstall"]).await;
    assert!(done.contains(&format!("The role {role} was there before and stays.")), "{done}");
    assert_eq!(rights().await, "ir_model true, ir_model_constraint false, ir_model_fields true");
}

#[tokio::test]
async fn another_role_follows_the_one_before_and_neither_stays() {
    let database = OdooDatabase::create().await;
    let (role, next) = (database.role(), format!("{}_next", database.role()));
    ok(&database, &["install", "--role", &role, "--trail"]).await;
    let done = ok(&database, &["install", "--role", &next]).await;
    assert!(done.contains(&format!("The role {next} reads the outbox")), "{done}");
    let exists = async |role: &str| {
        let sql = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
        database.client().await.query_one(sql, &[&role]).await.unwrap().get::<_, bool>(0)
    };
    assert!(!exists(&role).await && exists(&next).await);
    // It need not be named again, and is not made again.
    assert!(ok(&database, &["install"]).await.contains("Nothing to do"));
    ok(&database, &["uninstall"]).await;
    assert!(!exists(&next).await);
    assert_eq!(traces(&database).await, 0);
}

#[tokio::test]
async fn what_the_role_has_lost_is_given_again() {
    let database = OdooDatabase::create().await;
    let role = database.role();
    let install = ["install", "--role", &role];
    ok(&database, &install).await;
    let client = database.client().await;
    let taken = format!(
        "REVOKE SELECT ON ir_model FROM {role}; REVOKE DELETE ON bridgecore.outbox FROM {role};
        REVOKE SELECT ON SEQUENCE bridgecore.mark_2 FROM {role}"
    );
    client.batch_execute(&taken).await.unwrap();
    let done = ok(&database, &install).await;
    assert!(done.starts_with("give the role its rights"), "{done}");
    assert!(ok(&database, &install).await.contains("Nothing to do"));

    // Somebody dropped it.
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
    assert!(ok(&database, &install).await.contains("a password for tests"));
    let sql = "SELECT bool_and(has_table_privilege($1, t, 'SELECT')) AND has_sequence_privilege($1,
        'bridgecore.mark_2', 'SELECT') FROM unnest(ARRAY['ir_model', 'bridgecore.outbox']) AS t";
    assert!(client.query_one(sql, &[&role]).await.unwrap().get::<_, bool>(0));
    ok(&database, &["uninstall"]).await;
    assert_eq!(traces(&database).await, 0);
}

#[tokio::test]
async fn a_table_that_is_forgotten_leaves_nothing_and_others_can_follow() {
    let database = OdooDatabase::create().await;
    let role = database.role();
    let install = ["install", "--role", &role];
    ok(&database, &install).await;
    let client = database.client().await;
    let counters = async || {
        let sql = "SELECT count(*) FROM pg_sequences WHERE schemaname = 'bridgecore' AND sequencename ~ '^mark_'";
        client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    assert_eq!(counters().await, 8);
    // One is dropped, and one is no model's any more but still there.
    let gone = "DROP TABLE sale_tag CASCADE; DELETE FROM ir_model WHERE model = 'my.model'";
    client.batch_execute(gone).await.unwrap();
    ok(&database, &install).await;
    assert_eq!(counters().await, 6);
    let left = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'odd_name'::regclass AND NOT tgisinternal";
    assert_eq!(client.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0, "nothing fires without a counter");
    assert!(ok(&database, &install).await.contains("Nothing to do"));

    let come = "CREATE TABLE crm_lead (id serial PRIMARY KEY);
        INSERT INTO ir_model (model, transient) VALUES ('crm.lead', false)";
    client.batch_execute(come).await.unwrap();
    ok(&database, &install).await;
    assert_eq!((counters().await, status(&database).await.0), (7, Some(0)));

    // A counter that an earlier version left behind is in nobody's way, and one that is gone is made again.
    client.batch_execute("CREATE SEQUENCE bridgecore.mark_99; DROP SEQUENCE bridgecore.mark_1").await.unwrap();
    ok(&database, &install).await;
    assert_eq!(counters().await, 7);
    assert!(ok(&database, &install).await.contains("Nothing to do"));
    ok(&database, &["uninstall"]).await;
    assert_eq!(traces(&database).await, 0);
}

#[tokio::test]
async fn a_dry_run_prints_exactly_what_would_be_run() {
    let database = OdooDatabase::create().await;
    let role = database.role();
    let client = database.client().await;
    let sql = ok(&database, &["install", "--role", &role, "--trail", "--dry-run"]).await;
    assert!(sql.contains("SET LOCAL lock_timeout = 500;"), "{sql}");
    client.batch_execute(&sql.replace(":'role_password'", "'by hand'")).await.unwrap();
    assert!(ok(&database, &["install", "--role", &role, "--trail"]).await.contains("Nothing to do"));
    assert_eq!(status(&database).await.0, Some(0));
    let sql = ok(&database, &["uninstall", "--dry-run"]).await;
    client.batch_execute(&sql).await.unwrap();
    assert_eq!(traces(&database).await, 0);
}

#[tokio::test]
async fn the_server_never_gets_the_password_itself() {
    let database = OdooDatabase::create().await;
    let role = database.role();
    // Where the server has to make what it keeps of a password, it makes it in this older way.
    let older = format!("ALTER DATABASE {} SET password_encryption = 'md5'", database.name);
    database.on_server(&older).await;
    ok(&database, &["install", "--role", &role]).await;
    let sql = "SELECT rolpassword FROM pg_authid WHERE rolname = $1";
    let kept: String = database.client().await.query_one(sql, &[&role]).await.unwrap().get(0);
    assert!(kept.starts_with("SCRAM-SHA-256$"), "{kept}");
    ok(&database, &["uninstall"]).await;
}

#[tokio::test]
async fn the_owner_of_odoos_database_needs_no_more_than_to_make_roles() {
    let database = OdooDatabase::create().await;
    let (role, owner) = (database.role(), format!("owner_{}", database.name));
    let name = &database.name;
    database.on_server(&format!("CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD 'owns'")).await;
    database.on_server(&format!("ALTER DATABASE {name} OWNER TO {owner}")).await;
    let give = format!(
        "DO $$ DECLARE one regclass; BEGIN
            FOR one IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
                EXECUTE format('ALTER TABLE %s OWNER TO {owner}', one);
            END LOOP; END $$"
    );
    database.client().await.batch_execute(&give).await.unwrap();
    let mut url = url::Url::parse(&database.url()).unwrap();
    url.set_username(&owner).unwrap();
    url.set_password(Some("owns")).unwrap();
    let install = ["install", "--role", &role, "--database-url", url.as_str()];
    ok(&database, &install).await;
    assert!(ok(&database, &install).await.contains("Nothing to do"));
    assert_eq!(status(&database).await.0, Some(0));
    ok(&database, &["uninstall", "--database-url", url.as_str()]).await;
    assert_eq!(traces(&database).await, 0);
}
