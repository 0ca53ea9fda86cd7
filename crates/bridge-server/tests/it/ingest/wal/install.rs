//! `bridgecore wal`: what it puts into the database is enough, and nothing of it stays; nothing else is touched.

use super::database::{ErpDatabase, log_when, quick, register_at, running, status};
use super::short;
use crate::support::Setup;
use bridge_erp::odoo::database::wal::install::{InstallOptions, install, plan, plan_uninstall, present, uninstall};
use bridge_erp::odoo::database::wal::publication;
use bridge_erp::odoo::database::{Database, DatabaseOptions};
use bridge_model::Entropy as _;
use bridge_model::entropy::OsEntropy;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_installed_is_enough_to_read_and_can_be_taken_out() {
    let erp = ErpDatabase::create().await;
    erp.sql("DROP PUBLICATION bridgecore").await;
    let database = connect(&erp).await;
    let role = a_role();
    let options = InstallOptions { left_out: vec!["crm.*".to_owned()], ..options(&role) };
    let first = plan(&database, &options).await.unwrap();
    let names: Vec<_> = first.choice.tables.iter().map(String::as_str).collect();
    assert_eq!(names, ["res_later", "res_partner", "sale_order", "sale_order_tag_rel"]);
    let refused: Vec<_> = first.choice.refused.keys().map(String::as_str).collect();
    assert_eq!(refused, ["res_keyless"], "{:?}", first.choice.refused);
    assert!(first.choice.refused["res_keyless"].contains("no key"));
    assert!(present(&database, "bridgecore").await.unwrap().publication.is_none(), "a plan does nothing");
    let done = install(&database, &options).await.unwrap();
    assert!(done.makes_role && !format!("{:?}", done.steps).contains("secret"), "{:?}", done.steps);
    let again = plan(&database, &options).await.unwrap();
    assert!(again.steps.is_empty(), "{:?}", again.steps);

    let app = quick(Setup::sqlite()).start().await;
    let admin = app.admin().await;
    let mut url = url::Url::parse(&erp.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(options.role_password.as_deref()).unwrap();
    register_at(&app, &admin, url.as_str()).await;
    running(&admin).await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('a')").await;
    let log = log_when(&app, &admin, "the row is told", |log| log.len() == 3).await;
    assert_eq!(short(&log).last().unwrap(), "res.partner 1 create");
    assert_eq!(status(&admin).await["unpublished_models"], serde_json::json!([]));
    app.stop().await;

    let planned = plan_uninstall(&database, "bridgecore", None).await.unwrap();
    let done = uninstall(&database, "bridgecore", None, true).await.unwrap();
    assert_eq!((done.slots.len(), &done.steps, &done.notes), (1, &planned.steps, &Vec::new()));
    let left = present(&database, "bridgecore").await.unwrap();
    assert!(left.publication.is_none() && left.slots.is_empty(), "{left:?}");
    assert!(!exists(&database, &role).await);
    assert!(uninstall(&database, "bridgecore", Some(&role), true).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_role_that_was_there_before_keeps_all_that_it_had() {
    let erp = ErpDatabase::create().await;
    erp.sql("DROP PUBLICATION bridgecore").await;
    let database = connect(&erp).await;
    // It owns a table with rows, and may read one of those that we need.
    let role = a_role();
    erp.sql(&format!(
        "CREATE ROLE {role} LOGIN; CREATE TABLE precious (id serial PRIMARY KEY); INSERT INTO precious
         DEFAULT VALUES; ALTER TABLE precious OWNER TO {role}; GRANT SELECT ON ir_model, crm_tag TO {role}"
    ))
    .await;
    let before = rights(&database, &role).await;

    let foreign = uninstall(&database, "bridgecore", Some(&role), false).await.unwrap();
    assert!(foreign.is_empty() && foreign.notes[0].contains("stays"), "{foreign:?}");
    let done = install(&database, &options(&role)).await.unwrap();
    assert!(!done.makes_role);
    assert_eq!(done.role_needs, Some(format!("ALTER ROLE \"{role}\" REPLICATION")), "that much is not given to it");
    let given = rights(&database, &role).await;
    assert!(given.len() == before.len() + 2 && given.iter().any(|right| right == "ir_model_fields"), "{given:?}");

    let done = uninstall(&database, "bridgecore", Some(&role), false).await.unwrap();
    assert!(done.notes[0].contains(&role), "{done:?}");
    assert_eq!(rights(&database, &role).await, before, "what it had it has, and nothing else");
    let rows = database.query("SELECT FROM precious", &[]).await.unwrap();
    assert_eq!(rows.len(), 1, "its table is still there");
    assert!(exists(&database, &role).await);
}

#[tokio::test]
async fn a_role_that_serves_another_database_as_well_is_dropped_with_the_last() {
    let role = a_role();
    let (one, two) = (ErpDatabase::create().await, ErpDatabase::create().await);
    let (first, second) = (connect(&one).await, connect(&two).await);
    assert!(install(&first, &options(&role)).await.unwrap().makes_role);
    assert!(!install(&second, &options(&role)).await.unwrap().makes_role);
    let done = uninstall(&first, "bridgecore", None, false).await.unwrap();
    assert!(done.notes[0].contains("another database") && exists(&first, &role).await, "{done:?}");
    assert!(rights(&first, &role).await.is_empty() && !rights(&second, &role).await.is_empty());
    let done = uninstall(&second, "bridgecore", None, false).await.unwrap();
    assert!(done.notes.is_empty() && !exists(&second, &role).await, "{done:?}");
}

#[tokio::test]
async fn what_a_role_has_is_read_from_the_database_and_another_role_follows_it() {
    let erp = ErpDatabase::create().await;
    let database = connect(&erp).await;
    let (role, next) = (a_role(), a_role());
    install(&database, &options(&role)).await.unwrap();
    erp.sql(&format!("REVOKE SELECT ON ir_model_fields FROM {role}")).await;
    // The role need not be named again.
    let unnamed = InstallOptions { role: None, ..options(&role) };
    let mended = install(&database, &unnamed).await.unwrap();
    assert_eq!((mended.role.as_str(), mended.makes_role), (role.as_str(), false));
    assert_eq!(rights(&database, &role).await.len(), 3);
    assert!(install(&database, &unnamed).await.unwrap().steps.is_empty());

    install(&database, &options(&next)).await.unwrap();
    assert!(!exists(&database, &role).await, "the one that was made for this and reads no more");
    uninstall(&database, "bridgecore", None, false).await.unwrap();
    assert!(!exists(&database, &next).await);
}

#[tokio::test]
async fn a_publication_that_tells_of_a_part_or_of_other_tables_is_mended() {
    let erp = ErpDatabase::create().await;
    let database = connect(&erp).await;
    let role = a_role();
    install(&database, &options(&role)).await.unwrap();
    let found = async || publication::find(&database, "bridgecore").await.unwrap().unwrap();
    let good = found().await;
    assert!(good.fault.is_none() && good.refused.is_empty(), "{good:?}");

    // Both from PostgreSQL 15 on; and a table of the same name in another schema.
    erp.sql(
        "CREATE SCHEMA other; CREATE TABLE other.crm_tag (id serial PRIMARY KEY);
        ALTER PUBLICATION bridgecore DROP TABLE res_partner, res_later;
        ALTER PUBLICATION bridgecore ADD TABLE res_partner WHERE (id > 5), res_later (id), other.crm_tag",
    )
    .await;
    let refused: Vec<_> = found().await.refused.iter().map(|(table, reason)| format!("{table}: {reason}")).collect();
    let part = "only some of its rows or columns are published";
    let expected = [
        "other.crm_tag: it is in another schema".to_owned(),
        format!("res_later: {part}"),
        format!("res_partner: {part}"),
    ];
    assert_eq!(refused, expected);
    assert!(found().await.members.contains_key("crm_tag"), "the one of ours is another");
    install(&database, &options(&role)).await.unwrap();
    let mended = found().await;
    assert!(mended.refused.is_empty(), "{mended:?}");
    assert_eq!(mended.members.keys().collect::<Vec<_>>(), good.members.keys().collect::<Vec<_>>());

    erp.sql("ALTER PUBLICATION bridgecore ADD TABLES IN SCHEMA other").await;
    assert!(found().await.fault.unwrap().contains("whole schemas"));
    install(&database, &options(&role)).await.unwrap();
    assert_eq!(found().await.fault, None);
    let done = uninstall(&database, "bridgecore", None, false).await.unwrap();
    assert!(done.notes.is_empty() && !exists(&database, &role).await, "what it was given is still known: {done:?}");
}

fn options(role: &str) -> InstallOptions {
    InstallOptions {
        publication: "bridgecore".to_owned(),
        tables: BTreeSet::new(),
        left_out: Vec::new(),
        role: Some(role.to_owned()),
        role_password: Some("it's secret".to_owned()),
        trail: false,
    }
}

/// Roles belong to the server, which other tests use as well.
fn a_role() -> String {
    format!("wal_{}", OsEntropy::new().unwrap().hex(4))
}

async fn connect(erp: &ErpDatabase) -> Database {
    Database::connect(&erp.url(), &DatabaseOptions::default()).await.unwrap()
}

async fn exists(database: &Database, role: &str) -> bool {
    !database.query("SELECT FROM pg_roles WHERE rolname = $1", &[&role]).await.unwrap().is_empty()
}

/// The tables that a role was given to read, one entry for each right.
async fn rights(database: &Database, role: &str) -> Vec<String> {
    let sql = "SELECT c.relname::text FROM pg_class AS c, aclexplode(c.relacl) AS a
        JOIN pg_roles AS r ON r.oid = a.grantee WHERE r.rolname = $1 ORDER BY 1";
    database.query(sql, &[&role]).await.unwrap().iter().map(|row| row.get(0)).collect()
}
