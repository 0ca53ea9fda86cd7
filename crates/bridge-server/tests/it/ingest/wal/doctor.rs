//! What `bridgecore doctor` says of the reading of the log, while it is broken one by one.

use super::database::{ErpDatabase, PATIENCE, own, quick, register_at, running};
use super::{OWNED, model};
use crate::doctor::run::{Diagnosis, Doctor};
use crate::support::{Setup, eventually};
use bridge_erp::odoo::database::wal::install::{InstallOptions, install};
use bridge_erp::odoo::database::{Database, DatabaseOptions};
use bridge_model::Entropy as _;
use bridge_model::Strategy;
use bridge_model::entropy::OsEntropy;
use bridge_store::Ownership;
use std::collections::BTreeSet;

/// What is said of the log of the system's own database: the server's other slots are those of other tests.
fn codes(found: &Diagnosis) -> Vec<&str> {
    let of_others = ["SLOT_LEFT", "SLOT_OF_DELETED", "WAL_UNBOUNDED"];
    found.codes(Some("main"), "wal").into_iter().filter(|code| !of_others.contains(code)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_can_not_be_read_is_told_of_with_the_reason() {
    let erp = ErpDatabase::create().await;
    let role = format!("wal_{}", OsEntropy::new().unwrap().hex(4));
    let owner = Database::connect(&erp.url(), &DatabaseOptions::default()).await.unwrap();
    let options = InstallOptions {
        publication: "bridgecore".to_owned(),
        tables: BTreeSet::from(["res_partner".to_owned(), "sale_order".to_owned()]),
        left_out: Vec::new(),
        role: Some(role.clone()),
        role_password: Some("reads-the-log".to_owned()),
        trail: false,
    };
    install(&owner, &options).await.unwrap();
    let mut url = url::Url::parse(&erp.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("reads-the-log")).unwrap();

    let setup = quick(Setup::sqlite());
    let app = setup.start().await;
    let admin = app.admin().await;
    let system = register_at(&app, &admin, url.as_str()).await;
    running(&admin).await;
    let doctor = Doctor::of(&setup, app.address()).hiding("reads-the-log");
    let found = doctor.examine(&[]).await;
    assert!(codes(&found).is_empty(), "{:#}", found.report);
    assert!(found.seen("WAL_UNBOUNDED").contains("max_slot_wal_keep_size"), "{:#}", found.report);
    assert_eq!(found.codes(Some("main"), "database"), ["OK"], "{:#}", found.report);

    // A model whose table is not published.
    own(&app, &system, &[("crm.tag", Strategy::Wal)]).await;
    let store = &app.context().store;
    let mut models: Vec<_> =
        store.tracked_models(system.tenant, system.key).await.unwrap().into_iter().map(|model| model.found).collect();
    for found in &mut models {
        found.table_name = Some(found.model.as_str().replace('.', "_"));
    }
    store.save_found_models(system.tenant, system.key, &models, None).await.unwrap();
    let found = doctor.examine(&[]).await;
    assert_eq!(codes(&found), ["WAL_TABLES"], "{:#}", found.report);
    assert!(found.seen("WAL_TABLES").contains("crm_tag"), "{}", found.seen("WAL_TABLES"));
    let cut = Ownership::Cut { from: Some(Strategy::Wal), to: None };
    store.move_ownership(system.tenant, system.key, &[(model("crm.tag"), cut)], None).await.unwrap();

    // A table without a key, put in by hand: Odoo's writes to it would fail.
    let app_address = app.address();
    app.stop().await;
    erp.sql("ALTER PUBLICATION bridgecore ADD TABLE res_keyless").await;
    let doctor = Doctor::of(&setup, app_address).hiding("reads-the-log");
    let found = doctor.examine(&[]).await;
    let unread = eventually("the connection of the service has ended", PATIENCE, async || {
        let found = doctor.examine(&[]).await;
        codes(&found).contains(&"WAL_UNREAD").then_some(found)
    })
    .await;
    assert!(codes(&found).contains(&"WAL_PUBLICATION_FAULT"), "{:#}", found.report);
    assert!(found.seen("WAL_PUBLICATION_FAULT").contains("res_keyless: it has no key"));
    assert!(unread.advice("WAL_UNREAD").contains("start the service"), "{:#}", unread.report);
    erp.sql("ALTER PUBLICATION bridgecore DROP TABLE res_keyless").await;

    erp.sql(&format!("ALTER ROLE {role} NOREPLICATION")).await;
    let found = doctor.examine(&[]).await;
    assert_eq!(codes(&found), ["WAL_ROLE", "WAL_UNREAD"], "{:#}", found.report);
    assert!(found.advice("WAL_ROLE").contains(&format!("ALTER ROLE {role} REPLICATION")));
    erp.sql(&format!("ALTER ROLE {role} REPLICATION")).await;

    erp.drop_slots().await;
    assert_eq!(codes(&doctor.examine(&[]).await), ["WAL_SLOT_MISSING"]);
    erp.sql("DROP PUBLICATION bridgecore").await;
    let found = doctor.examine(&[]).await;
    assert_eq!(codes(&found), ["WAL_PUBLICATION_MISSING", "WAL_SLOT_MISSING"], "{:#}", found.report);
    assert_eq!(OWNED.len(), 2, "the models that the finding counts");
    assert!(found.seen("WAL_PUBLICATION_MISSING").contains("2 models are"), "{:#}", found.report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_nobody_needs_any_more_are_told_of_with_what_drops_them() {
    let erp = ErpDatabase::create().await;
    let setup = quick(Setup::sqlite());
    let app = setup.start().await;
    let admin = app.admin().await;
    let system = register_at(&app, &admin, &erp.url()).await;
    let stranger = format!("bridgecore_stranger_{}", OsEntropy::new().unwrap().hex(4));
    erp.sql(&format!("SELECT pg_create_logical_replication_slot('{stranger}', 'pgoutput')")).await;
    let found = Doctor::of(&setup, app.address()).examine(&[]).await;
    let of = |found: &Diagnosis, slot: &str| -> Vec<serde_json::Value> {
        found
            .findings()
            .filter(|finding| finding["facts"]["slot"] == slot && finding["severity"] == "warning")
            .cloned()
            .collect()
    };
    let told = of(&found, &stranger);
    assert_eq!(told.len(), 1, "{:#}", found.report);
    assert_eq!(told[0]["code"], "SLOT_LEFT");
    let drop = format!("SELECT pg_drop_replication_slot('{stranger}')");
    assert!(told[0]["advice"].as_str().unwrap().contains(&drop), "{:#}", told[0]);
    assert_eq!(system.system_id.as_str(), "main");
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_system_takes_its_slot_along_and_one_that_stayed_is_told_of() {
    let (erp, neighbour) = (ErpDatabase::create().await, ErpDatabase::create().await);
    let setup = quick(Setup::sqlite());
    let app = setup.start().await;
    let admin = app.admin().await;
    register_at(&app, &admin, &erp.url()).await;
    running(&admin).await;
    assert_eq!(erp.slots().await.len(), 1);
    admin.delete("/api/v1/systems/main").await.expect(200);
    eventually("the slot is dropped", PATIENCE, async || erp.slots().await.is_empty().then_some(())).await;

    // The next one is deleted while its reader can't do that, here since no service runs.
    register_at(&app, &admin, &erp.url()).await;
    running(&admin).await;
    let address = app.address();
    app.stop().await;
    let environment = setup.environment();
    let url = &environment.iter().find(|(name, _)| *name == "BRIDGECORE_STORE__URL").unwrap().1;
    let file = rusqlite::Connection::open(url.strip_prefix("sqlite://").unwrap()).unwrap();
    file.execute_batch("UPDATE systems SET deleted_at = 1, is_active = 0, is_primary = 0, connection = ''").unwrap();
    drop(file);
    let slot = erp.slots().await.remove(0).0;
    let doctor = Doctor::of(&setup, address);
    let found = doctor.examine(&[]).await;
    assert_eq!(found.finding("SLOT_UNTRACED")["facts"]["slot"], slot, "nobody knows where: {:#}", found.report);

    let app = setup.start().await;
    let admin = app.admin().await;
    register_at(&app, &admin, &neighbour.url()).await;
    let found = Doctor::of(&setup, app.address()).examine(&[]).await;
    let told = found.finding("SLOT_OF_DELETED");
    assert_eq!(told["facts"]["slot"], slot, "{:#}", found.report);
    assert_eq!(told["system_id"], "main");
    let database = told["facts"]["database"].as_str().unwrap();
    assert!(erp.url().ends_with(database) && told["seen"].as_str().unwrap().contains("main was deleted"), "{told}");
    assert!(found.findings().all(|finding| finding["code"] != "SLOT_UNTRACED"), "{:#}", found.report);
    app.stop().await;
    erp.drop_slots().await;
    neighbour.drop_slots().await;
}
