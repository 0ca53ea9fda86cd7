//! When the slot, the database or a node is lost.

use super::database::{ErpDatabase, PATIENCE, log_when, own, quick, register, running, status};
use super::{OWNED, short};
use crate::ingest::pusher::log_of;
use crate::support::{Client, Setup, eventually};
use bridge_erp::Outbound;
use bridge_erp::odoo::database::wal::{Stream, Target};
use bridge_model::clock::SystemClock;
use bridge_model::{Change, Strategy};
use bridge_store::Ownership;
use std::sync::Arc;
use std::time::Duration;

fn resets(log: &[Change]) -> usize {
    short(log).iter().filter(|line| line.ends_with("all reset")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_and_a_cut_nothing_is_missing_or_twice() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    let app = setup.start().await;
    let admin = app.admin().await;
    register(&app, &admin, &erp).await;
    running(&admin).await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('a')").await;
    log_when(&app, &admin, "the first is told", |log| log.len() == 3).await;
    let setup = app.stop().await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('b')").await;
    let app = setup.start().await;
    let admin = app.admin().await;
    log_when(&app, &admin, "the second is told", |log| log.len() == 4).await;
    erp.cut().await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('c')").await;
    let log = log_when(&app, &admin, "the third is told", |log| log.len() >= 5).await;
    let expected = ["res.partner 1 create", "res.partner 2 create", "res.partner 3 create"];
    assert_eq!(short(&log[2..]), expected);
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_slot_is_answered_with_a_reset_and_reading_goes_on() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    let app = setup.start().await;
    let admin = app.admin().await;
    register(&app, &admin, &erp).await;
    running(&admin).await;
    let setup = app.stop().await;
    erp.drop_slots().await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('nobody was told')").await;
    let app = setup.start().await;
    let admin = app.admin().await;
    log_when(&app, &admin, "everything is reset", |log| resets(log) >= 4).await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('b')").await;
    let log = log_when(&app, &admin, "reading goes on", |log| log.len() >= 5).await;
    let expected = ["res.partner all reset", "sale.order all reset", "res.partner 2 create"];
    assert_eq!(short(&log[2..]), expected);
    // While it reads as well.
    running(&admin).await;
    erp.drop_slots().await;
    log_when(&app, &admin, "everything is reset again", |log| resets(log) >= 6).await;
    assert!(alerted(&admin, "wal_lost").await);
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_being_taken_over_is_reset_as_well() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    let app = setup.start().await;
    let admin = app.admin().await;
    let system = register(&app, &admin, &erp).await;
    running(&admin).await;
    let step = async |step| {
        let steps = [(super::model("sale.order"), step)];
        app.context().store.move_ownership(system.tenant, system.key, &steps, None).await.unwrap();
    };
    step(Ownership::Cut { from: Some(Strategy::Wal), to: Some(Strategy::Poll) }).await;
    step(Ownership::HandOver(Strategy::Wal)).await;
    // It may have said that it is ready, and its predecessor may have looked for the last time.
    erp.drop_slots().await;
    let log = log_when(&app, &admin, "everything is reset", |log| resets(log) >= 4).await;
    assert_eq!(short(&log[2..]), ["res.partner all reset", "sale.order all reset"]);
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_again_is_another_history_only_if_it_should_be_known() {
    let mut store = String::new();
    let setup = quick(Setup::postgres().await).config(|config| store.clone_from(&config.store.url));
    let erp = ErpDatabase::create().await;
    let app = setup.start().await;
    let admin = app.admin().await;
    let system = register(&app, &admin, &erp).await;
    let released = Ownership::Cut { from: Some(Strategy::Wal), to: None };
    let steps = [(super::model("sale.order"), released)];
    app.context().store.move_ownership(system.tenant, system.key, &steps, None).await.unwrap();
    running(&admin).await;
    let slot = erp.slots().await[0].0.clone();
    // After a crash the database has a slot as it was some time before.
    erp.sql(&format!("SELECT pg_copy_logical_replication_slot('{slot}', '{slot}_kept')")).await;
    erp.sql("INSERT INTO sale_order (name) VALUES ('somebody else told of it')").await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('a')").await;
    log_when(&app, &admin, "both were read", |log| short(log).contains(&"res.partner 1 create".to_owned())).await;
    own(&app, &system, &[("sale.order", Strategy::Wal)]).await;
    eventually("the orders are read for", PATIENCE, async || {
        let note = app.context().store.reader_note(system.tenant, system.key, "wal_taken").await.unwrap();
        note?.contains("sale.order").then_some(())
    })
    .await;
    let log = log_of(&app, &admin).await;
    let setup = app.stop().await;
    erp.drop_slot(&slot).await;
    erp.sql(&format!("SELECT pg_copy_logical_replication_slot('{slot}_kept', '{slot}')")).await;
    let app = setup.start().await;
    let admin = app.admin().await;
    running(&admin).await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('b')").await;
    let is_next_there = |log: &[Change]| short(log).contains(&"res.partner 2 create".to_owned());
    let read_on = log_when(&app, &admin, "reading goes on", is_next_there).await;
    assert_eq!(short(&read_on[log.len()..]), ["sale.order 1 create", "res.partner 2 create"]);

    // What was read of a model that was read for all the time is in the log, or it was not this that was read.
    let setup = app.stop().await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('c')").await;
    let end: i64 =
        erp.connect().await.query_one("SELECT (pg_current_wal_lsn() - '0/0')::bigint", &[]).await.unwrap().get(0);
    let (kept, connection) = tokio_postgres::connect(&store, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    kept.execute("UPDATE wal_places SET read_to = $1", &[&end]).await.unwrap();
    let app = setup.start().await;
    let admin = app.admin().await;
    log_when(&app, &admin, "everything is reset", |log| resets(log) >= resets(&read_on) + 2).await;
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_is_noticed() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    let app = setup.start().await;
    let admin = app.admin().await;
    register(&app, &admin, &erp).await;
    running(&admin).await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('a')").await;
    log_when(&app, &admin, "the first is told", |log| log.len() == 3).await;
    erp.recreate().await;
    log_when(&app, &admin, "everything is reset", |log| resets(log) >= 4).await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('b')").await;
    let log = log_when(&app, &admin, "reading goes on", |log| log.len() >= 6).await;
    // The record has the same id, and the change is another one.
    assert_eq!(short(&log[2..]).last().unwrap(), "res.partner 1 create");
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_that_was_made_anew_is_noticed() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    let app = setup.start().await;
    let admin = app.admin().await;
    register(&app, &admin, &erp).await;
    running(&admin).await;
    let setup = app.stop().await;
    erp.sql("DROP PUBLICATION bridgecore; INSERT INTO res_partner (name) VALUES ('nobody was told')").await;
    let app = setup.start().await;
    let admin = app.admin().await;
    eventually("the status says what to do", PATIENCE, async || {
        let error = status(&admin).await["last_error"].clone();
        error.as_str().is_some_and(|error| error.contains("bridgecore wal install")).then_some(())
    })
    .await;
    erp.sql("CREATE PUBLICATION bridgecore FOR TABLE res_partner, sale_order").await;
    log_when(&app, &admin, "everything is reset", |log| resets(log) >= 4).await;
    running(&admin).await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('b')").await;
    log_when(&app, &admin, "reading goes on", |log| short(log).contains(&"res.partner 2 create".to_owned())).await;
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_led_before_is_ended_and_a_stranger_is_not() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    let app = setup.start().await;
    let admin = app.admin().await;
    register(&app, &admin, &erp).await;
    running(&admin).await;
    let setup = app.stop().await;
    let slot = erp.slots().await[0].0.clone();
    let target = |name: &str| {
        Target::new(&erp.url(), name, Duration::from_secs(10), Duration::from_secs(30), Outbound::anywhere()).unwrap()
    };
    // A node that hangs: it holds the slot and reads nothing.
    let dead = Stream::start(&target(&slot), &slot, "bridgecore", Arc::new(SystemClock)).await.unwrap();
    erp.sql("INSERT INTO res_partner (name) VALUES ('a')").await;
    let app = setup.start().await;
    let admin = app.admin().await;
    log_when(&app, &admin, "the row is told", |log| log.len() == 3).await;
    drop(dead);
    let setup = app.stop().await;
    eventually("the slot is free", PATIENCE, async || erp.slots().await[0].1.is_none().then_some(())).await;
    let stranger = Stream::start(&target("somebody"), &slot, "bridgecore", Arc::new(SystemClock)).await.unwrap();
    let app = setup.start().await;
    let admin = app.admin().await;
    eventually("the status says who", PATIENCE, async || {
        let error = status(&admin).await["last_error"].clone();
        error.as_str().is_some_and(|error| error.contains("is active")).then_some(())
    })
    .await;
    drop(stranger);
    running(&admin).await;
    app.stop().await;
    erp.drop_slots().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_holds_back_too_much_is_dropped_and_everything_told_anew() {
    let setup = quick(Setup::sqlite()).config(|config| {
        config.wal.retained_bytes_alarm = 1;
        config.wal.retained_bytes_max = 32 << 20;
    });
    let erp = ErpDatabase::create().await;
    let app = setup.start().await;
    let admin = app.admin().await;
    register(&app, &admin, &erp).await;
    running(&admin).await;
    eventually("the alarm is on", PATIENCE, async || (status(&admin).await["retained_alarm"] == true).then_some(()))
        .await;
    eventually("an alert tells of it", PATIENCE, async || alerted(&admin, "wal_retained").await.then_some(())).await;
    assert!(!alerted(&admin, "wal_lost").await);
    // An open transaction keeps the slot where it is, however much is confirmed.
    let mut client = erp.connect().await;
    let open = client.transaction().await.unwrap();
    open.execute("INSERT INTO res_keyless VALUES (1, 'x')", &[]).await.unwrap();
    erp.sql("INSERT INTO res_keyless SELECT n, repeat('x', 1000) FROM generate_series(1, 60000) AS n").await;
    eventually("the slot is dropped", PATIENCE, async || {
        let state = status(&admin).await["state"].clone();
        (state == "making_slot").then_some(())
    })
    .await;
    open.rollback().await.unwrap();
    log_when(&app, &admin, "everything is reset", |log| resets(log) >= 4).await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('a')").await;
    let log = log_when(&app, &admin, "reading goes on", |log| log.len() >= 5).await;
    assert_eq!(short(&log).last().unwrap(), "res.partner 1 create");
    assert!(alerted(&admin, "wal_lost").await);
    app.stop().await;
    erp.drop_slots().await;
}

/// Whether an alert of this kind is open.
async fn alerted(admin: &Client, kind: &str) -> bool {
    let page = admin.get("/api/v1/alerts?state=open").await.expect(200);
    page["items"].as_array().unwrap().iter().any(|alert| alert["kind"] == kind)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_nobody_needs_any_more_is_removed() {
    let (setup, erp) = (quick(Setup::sqlite()), ErpDatabase::create().await);
    let app = setup.start().await;
    let admin = app.admin().await;
    let system = register(&app, &admin, &erp).await;
    running(&admin).await;
    assert_eq!(erp.slots().await.len(), 1);
    let store = &app.context().store;
    let cuts: Vec<_> =
        OWNED.map(|(name, from)| (super::model(name), Ownership::Cut { from: Some(from), to: None })).into();
    store.move_ownership(system.tenant, system.key, &cuts, None).await.unwrap();
    eventually("the slot is removed", PATIENCE, async || erp.slots().await.is_empty().then_some(())).await;
    own(&app, &system, &[("res.partner", Strategy::Wal)]).await;
    log_when(&app, &admin, "it begins anew", |log| resets(log) >= 3).await;
    app.stop().await;
    erp.drop_slots().await;
}
