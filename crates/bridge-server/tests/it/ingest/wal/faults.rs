//! When the slot, the database or a node is lost.

use super::database::{ErpDatabase, PATIENCE, log_when, own, quick, register, running, status};
use super::{OWNED, short};
use crate::support::{Setup, eventually};
use bridge_erp::odoo::database::wal::{Stream, Target};
use bridge_model::clock::SystemClock;
use bridge_model::{Change, Strategy};
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
    log_when(&app, &admin, "everything is reset", |log| resets(log) == 4).await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('b')").await;
    let log = log_when(&app, &admin, "reading goes on", |log| log.len() >= 5).await;
    let expected = ["res.partner all reset", "sale.order all reset", "res.partner 2 create"];
    assert_eq!(short(&log[2..]), expected);
    // While it reads as well.
    running(&admin).await;
    erp.drop_slots().await;
    log_when(&app, &admin, "everything is reset again", |log| resets(log) == 6).await;
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
    log_when(&app, &admin, "everything is reset", |log| resets(log) == 4).await;
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
    let target = |name: &str| Target::new(&erp.url(), name, Duration::from_secs(10), Duration::from_secs(30)).unwrap();
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
    log_when(&app, &admin, "everything is reset", |log| resets(log) == 4).await;
    erp.sql("INSERT INTO res_partner (name) VALUES ('a')").await;
    let log = log_when(&app, &admin, "reading goes on", |log| log.len() >= 5).await;
    assert_eq!(short(&log).last().unwrap(), "res.partner 1 create");
    app.stop().await;
    erp.drop_slots().await;
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
    let cuts: Vec<_> = OWNED
        .map(|(name, from)| (super::model(name), bridge_store::Ownership::Cut { from: Some(from), to: None }))
        .into();
    store.move_ownership(system.tenant, system.key, &cuts, None).await.unwrap();
    eventually("the slot is removed", PATIENCE, async || erp.slots().await.is_empty().then_some(())).await;
    own(&app, &system, &[("res.partner", Strategy::Wal)]).await;
    log_when(&app, &admin, "it begins anew", |log| resets(log) == 3).await;
    app.stop().await;
    erp.drop_slots().await;
}
