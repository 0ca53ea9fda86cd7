//! What is told of which table.

use super::database::{ErpDatabase, PATIENCE, log_when, own, quick, register, running, status};
use super::short;
use crate::support::{Setup, eventually};
use bridge_model::{Origin, Priority, Strategy};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_committed_row_is_told_in_the_order_of_the_commits() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    let app = setup.start().await;
    let admin = app.admin().await;
    register(&app, &admin, &erp).await;
    running(&admin).await;
    let before = log_when(&app, &admin, "the reading begins with a reset", |log| log.len() == 2).await;
    assert_eq!(short(&before), ["res.partner all reset", "sale.order all reset"]);
    erp.sql("INSERT INTO res_partner (name, version) VALUES ('Azure', 1), ('Deco', 2)").await;
    erp.sql("BEGIN; UPDATE res_partner SET name = 'gone'; ROLLBACK").await;
    erp.sql("UPDATE res_partner SET name = 'Azure Interior' WHERE id = 1").await;
    erp.sql("INSERT INTO sale_order (name) VALUES ('S1'); INSERT INTO crm_tag (name) VALUES ('hot')").await;
    erp.sql("INSERT INTO sale_order_tag_rel VALUES (1, 1); DELETE FROM sale_order_tag_rel").await;
    erp.sql("UPDATE res_partner SET id = 9 WHERE id = 2").await;
    erp.sql("DELETE FROM res_partner WHERE id = 9; TRUNCATE sale_order").await;
    let log = log_when(&app, &admin, "all of it is told", |log| log.len() >= 12).await;
    let expected = [
        "res.partner 1 create",
        "res.partner 2 create",
        "res.partner 1 write",
        // A tag belongs to nobody's models; the link writes the order that it is on.
        "sale.order 1 create",
        "sale.order 1 write",
        "sale.order 1 write",
        "res.partner 2 unlink",
        "res.partner 9 create",
        "res.partner 9 unlink",
        "sale.order all reset",
    ];
    assert_eq!(short(&log[2..]), expected);
    let write = &log[4].body;
    assert_eq!((write.origin, write.priority, &write.changed_fields), (Origin::Wal, Priority::High, &None));
    assert_eq!(write.new_data.as_ref().unwrap().get(), r#"{"id":1,"name":"Azure Interior","version":1}"#);
    assert!(write.source_id.as_ref().unwrap().0.starts_with("wal:"), "{write:?}");
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_of_rows_hold_no_secrets() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    erp.sql(
        "CREATE TABLE ir_config_parameter (id serial PRIMARY KEY, key varchar, value varchar);
        INSERT INTO ir_model (model, transient) VALUES ('ir.config_parameter', false);
        ALTER PUBLICATION bridgecore ADD TABLE ir_config_parameter;
        ALTER TABLE res_partner ADD signup_token varchar, ADD password varchar;
        ALTER TABLE res_partner REPLICA IDENTITY FULL",
    )
    .await;
    let app = setup.start().await;
    let admin = app.admin().await;
    let system = register(&app, &admin, &erp).await;
    own(&app, &system, &[("ir.config_parameter", Strategy::Wal)]).await;
    running(&admin).await;
    erp.sql(
        "INSERT INTO res_partner (name, signup_token, password) VALUES ('a', 'hush 1', 'hush 2');
        UPDATE res_partner SET password = 'hush 3'; INSERT INTO ir_config_parameter (key, value) VALUES ('k', 'hush 4')",
    )
    .await;
    let is_told = |log: &[bridge_model::Change]| short(log).iter().any(|line| line == "ir.config_parameter 1 create");
    let log = log_when(&app, &admin, "the parameter is told", is_told).await;
    let image = |event: &str| {
        let change = log.iter().find(|change| change.body.record_id.is_some() && change.body.event.as_str() == event);
        change.unwrap().body.new_data.as_ref().unwrap().get().to_owned()
    };
    assert_eq!(image("create"), r#"{"id":1,"name":"a","version":null}"#);
    assert_eq!(image("write"), r#"{"id":1,"name":"a","version":null}"#);
    assert!(!format!("{log:?}").contains("hush"), "{log:?}");
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_whole_old_rows_are_kept_the_changed_columns_are_told() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    erp.sql("ALTER TABLE res_partner REPLICA IDENTITY FULL").await;
    let app = setup.start().await;
    let admin = app.admin().await;
    register(&app, &admin, &erp).await;
    running(&admin).await;
    erp.sql("INSERT INTO res_partner (name, version) VALUES ('Azure', 1); UPDATE res_partner SET name = 'Deco'").await;
    let log = log_when(&app, &admin, "the write is told", |log| log.len() == 4).await;
    assert_eq!(log[3].body.changed_fields, Some(vec!["name".to_owned()]));
    assert_eq!(log[3].body.old_data.as_ref().unwrap().get(), r#"{"id":1,"name":"Azure","version":1}"#);
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_larger_than_a_batch_is_told_whole_and_once() {
    let setup = quick(Setup::sqlite()).config(|config| config.wal.batch_rows_max = 500);
    let erp = ErpDatabase::create().await;
    let app = setup.start().await;
    let admin = app.admin().await;
    register(&app, &admin, &erp).await;
    running(&admin).await;
    // Rows of a megabyte and more among them: what is large is never held.
    erp.sql(
        "INSERT INTO res_partner (name) SELECT repeat('x', CASE WHEN n % 2000 = 0 THEN 3000000 ELSE 10 END)
         FROM generate_series(1, 10000) AS n",
    )
    .await;
    let log = log_when(&app, &admin, "all rows are told", |log| log.len() >= 10_002).await;
    let ids: BTreeSet<i64> =
        log.iter().filter_map(|change| change.body.record_id.as_ref()?.to_stored().parse().ok()).collect();
    assert_eq!((log.len(), ids), (10_002, (1..=10_000).collect()));
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_published_later_is_ready_when_older_transactions_have_ended() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    let app = setup.start().await;
    let admin = app.admin().await;
    let system = register(&app, &admin, &erp).await;
    running(&admin).await;
    let mut open = erp.connect().await;
    let early = open.transaction().await.unwrap();
    // Written before the table was published: the log will not tell of it.
    early.execute("INSERT INTO res_later (name) VALUES ('early')", &[]).await.unwrap();
    own(&app, &system, &[("res.later", Strategy::Wal)]).await;
    eventually("the table is published by itself", PATIENCE, async || {
        let sql = "SELECT 1 FROM pg_publication_tables WHERE tablename = 'res_later'";
        (!erp.connect().await.query(sql, &[]).await.unwrap().is_empty()).then_some(())
    })
    .await;
    erp.sql("INSERT INTO res_later (name) VALUES ('late')").await;
    log_when(&app, &admin, "the late row is told", |log| short(log).contains(&"res.later 2 create".to_owned())).await;
    assert_eq!(status(&admin).await["unpublished_models"], serde_json::json!(["res.later"]));
    early.commit().await.unwrap();
    let log = log_when(&app, &admin, "a reset covers the early row", |log| {
        short(log).contains(&"res.later all reset".to_owned())
    })
    .await;
    // Whether the early row itself is told depends on the database's version.
    assert_eq!(short(&log).last().unwrap(), "res.later all reset");
    eventually("nothing is missing", PATIENCE, async || {
        (status(&admin).await["unpublished_models"] == serde_json::json!([])).then_some(())
    })
    .await;
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_without_a_key_is_not_published_and_odoo_goes_on() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    erp.sql("INSERT INTO res_keyless VALUES (1, 'a'), (2, 'b')").await;
    erp.sql("ALTER PUBLICATION bridgecore ADD TABLE res_keyless").await;
    let app = setup.start().await;
    let admin = app.admin().await;
    let system = register(&app, &admin, &erp).await;
    own(&app, &system, &[("res.keyless", Strategy::Wal)]).await;
    eventually("the table is taken out", PATIENCE, async || {
        let client = erp.connect().await;
        // Fails for as long as the table is published.
        client.execute("UPDATE res_keyless SET name = 'c'", &[]).await.ok()
    })
    .await;
    running(&admin).await;
    eventually("the status names the model", PATIENCE, async || {
        (status(&admin).await["unpublished_models"] == serde_json::json!(["res.keyless"])).then_some(())
    })
    .await;
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_handed_over_is_ready_once_the_log_is_read() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    let app = setup.start().await;
    let admin = app.admin().await;
    let system = register(&app, &admin, &erp).await;
    own(&app, &system, &[("crm.tag", Strategy::Poll), ("res.keyless", Strategy::Poll)]).await;
    let store = &app.context().store;
    let to_wal: Vec<_> = ["crm.tag", "res.keyless"]
        .map(|name| (super::model(name), bridge_store::Ownership::HandOver(Strategy::Wal)))
        .into();
    store.move_ownership(system.tenant, system.key, &to_wal, None).await.unwrap();
    let ready = async || {
        let models = store.tracked_models(system.tenant, system.key).await.unwrap();
        let ready = models.iter().filter(|model| model.successor_ready);
        ready.map(|model| model.found.model.to_string()).collect::<Vec<_>>()
    };
    eventually("the model is ready", PATIENCE, async || (ready().await == ["crm.tag"]).then_some(())).await;
    // From now on it is told, also while the other strategy is in charge still.
    erp.sql("INSERT INTO crm_tag (name) VALUES ('hot')").await;
    log_when(&app, &admin, "the tag is told", |log| short(log).contains(&"crm.tag 1 create".to_owned())).await;
    running(&admin).await;
    assert_eq!(ready().await, ["crm.tag"], "a table without a key can't be taken over");
    app.stop().await;
    erp.drop_slots().await;
}
