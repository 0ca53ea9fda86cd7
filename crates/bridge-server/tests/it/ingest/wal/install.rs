//! `bridgecore wal`: what it puts into the database is enough, and nothing of it stays.

use super::database::{ErpDatabase, log_when, quick, register_at, running, status};
use super::short;
use crate::support::Setup;
use bridge_erp::odoo::database::wal::install::{InstallOptions, apply, plan, present, uninstall};
use bridge_erp::odoo::database::{Database, DatabaseOptions};
use bridge_model::Entropy as _;
use bridge_model::entropy::OsEntropy;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_installed_is_enough_to_read_and_can_be_taken_out() {
    let erp = ErpDatabase::create().await;
    erp.sql("DROP PUBLICATION bridgecore").await;
    let database = Database::connect(&erp.url(), &DatabaseOptions::default()).await.unwrap();
    let options = InstallOptions {
        publication: "bridgecore".to_owned(),
        tables: BTreeSet::new(),
        left_out: vec!["crm.*".to_owned()],
        role: format!("wal_{}", OsEntropy::new().unwrap().hex(4)),
        role_password: "it's secret".to_owned(),
        trail: false,
    };
    let first = plan(&database, &options).await.unwrap();
    let names: Vec<_> = first.choice.tables.iter().map(String::as_str).collect();
    assert_eq!(names, ["res_later", "res_partner", "sale_order", "sale_order_tag_rel"]);
    let refused: Vec<_> = first.choice.refused.keys().map(String::as_str).collect();
    assert_eq!(refused, ["res_keyless"], "{:?}", first.choice.refused);
    assert!(first.choice.refused["res_keyless"].contains("no key"));
    assert!(present(&database, "bridgecore").await.unwrap().publication.is_none(), "a plan does nothing");
    apply(&database, &first.statements).await.unwrap();
    let again = plan(&database, &options).await.unwrap();
    assert!(again.statements.is_empty(), "{:?}", again.statements);

    let app = quick(Setup::sqlite()).start().await;
    let admin = app.admin().await;
    let mut url = url::Url::parse(&erp.url()).unwrap();
    url.set_username(&options.role).unwrap();
    url.set_password(Some(&options.role_password)).unwrap();
    register_at(&app, &admin, url.as_str()).await;
    running(&admin).await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('a')").await;
    let log = log_when(&app, &admin, "the row is told", |log| log.len() == 3).await;
    assert_eq!(short(&log).last().unwrap(), "res.partner 1 create");
    assert_eq!(status(&admin).await["unpublished_models"], serde_json::json!([]));
    app.stop().await;

    let done = uninstall(&database, "bridgecore", &options.role, true).await.unwrap();
    assert_eq!(done.len(), 4, "{done:?}");
    let left = present(&database, "bridgecore").await.unwrap();
    assert!(left.publication.is_none() && left.slots.is_empty(), "{left:?}");
    let roles = "SELECT 1 FROM pg_roles WHERE rolname = $1";
    assert!(database.query(roles, &[&options.role]).await.unwrap().is_empty());
    assert!(uninstall(&database, "bridgecore", &options.role, true).await.unwrap().is_empty());
}
