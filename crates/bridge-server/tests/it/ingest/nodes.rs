//! Several nodes on one PostgreSQL.

use super::order::committed_form;
use super::pusher::{Pusher, event, log_of};
use crate::live::PATH;
use crate::support::{App, Live, Setup, demo_erp, eventually, register_demo_system};
use bridge_erp::fake::DemoErp;
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_nodes_reads_and_the_other_takes_over() {
    let setup = Setup::postgres().await.config(|config| config.ingest.lease_ms = 20_000);
    let erp = demo_erp().await;
    let first = setup.start().await;
    let admin = first.admin().await;
    let system = register_demo_system(&admin, &erp, "main").await;
    for _ in 0..20 {
        erp.happen();
    }
    caught_up(&first, &erp).await;
    let second = setup.start().await;
    // Whoever is connected to the other node hears of it as well.
    let mut live = Live::connect(&second, PATH, Some(second.admin().await.token())).await;
    live.send(json!({ "type": "subscribe", "channel": "events", "since": "0" })).await;
    for _ in 0..20 {
        erp.happen();
    }
    caught_up(&second, &erp).await;
    assert_eq!(state(&first).await, "running");
    assert_eq!(state(&second).await, "idle", "one node at a time reads");

    // The same push at both nodes at once is one change.
    let order = erp.db().ids("sale.order")[0];
    let mut tx = erp.db().begin(2);
    tx.write("sale.order", &[order], json!({ "client_order_ref": "twice" })).unwrap();
    tx.commit();
    let id = erp.db().last_event_id();
    let key = system["push_key"].as_str().unwrap();
    let (one, two) = (Pusher::with_key(&first, key), Pusher::with_key(&second, key));
    let pushed = event(id, "sale.order", order, "write");
    let (one, two) = tokio::join!(one.push(&pushed), two.push(&pushed));
    one.expect(200);
    two.expect(200);
    caught_up(&first, &erp).await;

    first.stop().await;
    for _ in 0..20 {
        erp.happen();
    }
    caught_up(&second, &erp).await;
    assert_eq!(state(&second).await, "running");
    let committed = erp.db().events_committed();
    let log = log_of(&second, &second.admin().await).await;
    assert_eq!(log.iter().map(committed_form).collect::<Vec<_>>(), committed);
    for position in 1..=committed.len() {
        assert_eq!(live.next_of("notification").await["data"]["id"], position);
    }
    second.stop().await;
    erp.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_died_is_followed_when_its_lease_has_run_out() {
    let setup = Setup::postgres().await.config(|config| config.ingest.lease_ms = 1_000);
    let (app, erp) = (setup.start().await, demo_erp().await);
    let store = &app.context().store;
    let mut lease = store.acquire_lease("pull:1", "a node that died", Duration::from_mins(10)).await.unwrap().unwrap();
    let system = register_demo_system(&app.admin().await, &erp, "main").await;
    assert_eq!(system["id"], 1, "the lease is the one of this system's reader");
    for _ in 0..5 {
        erp.happen();
    }
    let admin = app.admin().await;
    let mut looks = 0;
    eventually("it was looked several times while the lease holds", PATIENCE, async || {
        assert_eq!(log_of(&app, &admin).await.len(), 0, "two nodes read at once");
        looks += 1;
        (looks > 100).then_some(())
    })
    .await;
    assert!(store.renew_lease(&mut lease, Duration::from_millis(100)).await.unwrap());
    eventually("the lease has run out and the log is read", PATIENCE, async || {
        (log_of(&app, &admin).await.len() >= erp.db().events_count()).then_some(())
    })
    .await;
    let log = log_of(&app, &admin).await;
    assert_eq!(log.iter().map(committed_form).collect::<Vec<_>>(), erp.db().events_committed());
    app.stop().await;
    erp.stop().await;
}

async fn caught_up(app: &App, erp: &DemoErp) {
    let admin = app.admin().await;
    eventually("the log holds what is committed", PATIENCE, async || {
        (log_of(app, &admin).await.len() >= erp.db().events_count()).then_some(())
    })
    .await;
}

async fn state(app: &App) -> String {
    let status = app.admin().await.get("/api/v1/systems/main/status").await.expect(200);
    status["reader"]["state"].as_str().unwrap().to_owned()
}
