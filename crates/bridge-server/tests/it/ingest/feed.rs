//! Reading the add-on's event table in the background.

use super::order::{by_record, committed_form};
use super::pusher::{Pusher, dead_letters, event, log_of, tenant_of};
use crate::support::{App, Client, Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use bridge_erp::fake::{Addon, DemoErp, Fault, Options};
use bridge_model::{Change, Event, Origin, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(2);

on_both_databases!(
    what_happens_in_the_erp_is_in_the_log_once_and_in_order,
    an_event_that_commits_late_arrives_and_gaps_that_nobody_fills_are_closed,
    a_stop_in_the_middle_loses_nothing,
    a_new_life_of_the_erp_is_told_and_its_ids_are_not_taken_for_old_ones,
    what_is_pushed_and_pulled_is_one_change,
    rows_that_make_no_sense_are_kept_aside,
    an_erp_that_takes_longer_than_the_lease_holds_is_read,
);

async fn what_happens_in_the_erp_is_in_the_log_once_and_in_order(setup: Setup) {
    let (app, erp) = (setup.config(|config| config.ingest.pull_rows_max = 7).start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    for _ in 0..80 {
        erp.happen();
    }
    let log = caught_up(&app, &admin, &erp).await;
    assert!(log.len() > 80, "{}", log.len());
    assert_as_committed(&log, &erp);
    assert!(log.iter().all(|change| change.body.origin == Origin::Pull && change.body.erp_user_id.is_some()));
    let kinds: BTreeSet<&str> = log.iter().map(|change| change.body.model.as_str()).collect();
    assert!(kinds.contains("sale.order") && kinds.contains("res.partner"), "{kinds:?}");
    for _ in 0..20 {
        erp.happen();
    }
    assert_as_committed(&caught_up(&app, &admin, &erp).await, &erp);
    app.stop().await;
    erp.stop().await;
}

async fn an_event_that_commits_late_arrives_and_gaps_that_nobody_fills_are_closed(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let db = erp.db();
    let partners = db.ids("res.partner");
    edit(&erp, partners[0]);
    let mut open = db.begin(2);
    open.write("res.partner", &[partners[1]], json!({ "city": "Late" })).unwrap();
    let mut undone = db.begin(2);
    undone.write("res.partner", &[partners[2]], json!({ "city": "Never" })).unwrap();
    undone.rollback();
    for number in 0..50 {
        edit(&erp, partners[3 + number % 3]);
    }
    let log = caught_up(&app, &admin, &erp).await;
    assert_eq!(log.len(), 51);
    // For as long as a transaction is open that may hold them, no missing id is given up, however often they are
    // asked for.
    let opened = app.context().clock.now();
    eventually("the reader has looked for longer than its margin", PATIENCE, async || {
        let reader = reader(&admin).await;
        assert_eq!(reader["open_gaps"], 2, "{reader}");
        let looked = Timestamp::parse_rfc3339(reader["last_success_at"].as_str()?).unwrap();
        (looked.since(opened) > Duration::from_millis(2_500)).then_some(())
    })
    .await;
    open.commit();
    let log = caught_up(&app, &admin, &erp).await;
    assert_eq!(log.len(), 52);
    let last = committed_form(&log[51]);
    assert_eq!((last.id, last.record_id), (2, partners[1]));
    eventually("the id that was rolled back is given up", PATIENCE, async || {
        (reader(&admin).await["open_gaps"] == 0).then_some(())
    })
    .await;
    edit(&erp, partners[0]);
    assert_eq!(caught_up(&app, &admin, &erp).await.len(), 53);
    app.stop().await;
    erp.stop().await;
}

async fn a_stop_in_the_middle_loses_nothing(setup: Setup) {
    let erp = demo_erp().await;
    let mut app = setup.config(|config| config.ingest.pull_rows_max = 5).start().await;
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let tenant = tenant_of(&admin).await;
    for _ in 0..5 {
        let before = app.context().store.head(tenant).await.unwrap().get();
        // One transaction stays open over the stop, so that a gap is remembered over it as well.
        let mut open = erp.db().begin(2);
        open.write("res.partner", &[erp.db().ids("res.partner")[0]], json!({ "city": "Open" })).unwrap();
        for _ in 0..30 {
            erp.happen();
        }
        eventually("the reader is in the middle", PATIENCE, async || {
            (app.context().store.head(tenant).await.unwrap().get() > before).then_some(())
        })
        .await;
        let setup = app.stop().await;
        open.commit();
        for _ in 0..10 {
            erp.happen();
        }
        app = setup.start().await;
    }
    let admin = app.admin().await;
    let log = caught_up(&app, &admin, &erp).await;
    assert_once(&log, &erp);
    app.stop().await;
    erp.stop().await;
}

async fn a_new_life_of_the_erp_is_told_and_its_ids_are_not_taken_for_old_ones(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let system = register_demo_system(&admin, &erp, "main").await;
    let partner = erp.db().ids("res.partner")[0];
    for _ in 0..5 {
        edit(&erp, partner);
    }
    let old = caught_up(&app, &admin, &erp).await;
    assert_eq!(old.len(), 5);
    erp.new_life();
    for _ in 0..3 {
        edit(&erp, partner);
    }
    let new = eventually("the new life is read", PATIENCE, async || {
        let log = log_of(&app, &admin).await;
        let events = log.iter().filter(|change| change.body.event != Event::Reset).count();
        (events == 8).then_some(log)
    })
    .await;
    let (resets, events): (Vec<&Change>, Vec<&Change>) =
        new[5..].iter().partition(|change| change.body.event == Event::Reset);
    // Every model that an app asks for is told of, before anything of the new life.
    let told: BTreeSet<&str> = resets.iter().map(|change| change.body.model.as_str()).collect();
    assert_eq!((told.len(), resets.len()), (14, 14), "{told:?}");
    assert!(told.contains("sale.order") && told.contains("res.partner"));
    assert!(resets.iter().all(|change| change.body.record_id.is_none() && change.position < events[0].position));
    assert_eq!(events.iter().map(|change| committed_form(change).id).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(events.iter().all(|change| change.body.epoch > old[0].body.epoch));

    // A push of the life before is not taken for an event of this one; the reader is woken instead.
    let source = Pusher::with_key(&app, system["push_key"].as_str().unwrap());
    let mut late = event(4, "res.partner", partner, "write");
    late["_webhook_metadata"]["epoch"] = json!("the-life-before");
    let received = source.push(&late).await.expect(200);
    assert_eq!((&received["accepted"], &received["deferred"]), (&json!(0), &json!(1)), "{received}");
    edit(&erp, partner);
    eventually("the event that really has this id arrives", PATIENCE, async || {
        (log_of(&app, &admin).await.len() == new.len() + 1).then_some(())
    })
    .await;
    // A restart of ours is no new life.
    let app = app.stop().await.start().await;
    let admin = app.admin().await;
    edit(&erp, partner);
    eventually("it goes on", PATIENCE, async || (log_of(&app, &admin).await.len() == new.len() + 2).then_some(()))
        .await;
    app.stop().await;
    erp.stop().await;
}

async fn what_is_pushed_and_pulled_is_one_change(setup: Setup) {
    let erp = demo_erp().await;
    // The reader looks only when it is woken.
    let setup = setup.config(|config| {
        config.ingest.pull_interval_min_ms = 600_000;
        config.ingest.pull_interval_max_ms = 600_000;
    });
    let app = setup.start().await;
    let admin = app.admin().await;
    let system = register_demo_system(&admin, &erp, "main").await;
    let source = Pusher::with_key(&app, system["push_key"].as_str().unwrap());
    eventually("the reader has looked once", PATIENCE, async || {
        (reader(&admin).await["state"] == "running").then_some(())
    })
    .await;
    erp.push_to(&format!("http://{}", app.address()), &source.key);
    let order = erp.db().ids("sale.order")[0];
    let partner = erp.db().ids("res.partner")[0];
    for number in 0..20 {
        // Orders are pushed at once, contacts are not: the push of one brings the other as well.
        edit(&erp, partner);
        let mut tx = erp.db().begin(6);
        tx.write("sale.order", &[order], json!({ "client_order_ref": number.to_string() })).unwrap();
        tx.commit();
    }
    let log = caught_up(&app, &admin, &erp).await;
    assert_eq!(log.len(), 40);
    assert_as_committed(&log, &erp);
    // The next one is in its turn, and is taken from the push itself.
    erp.push_off();
    let mut tx = erp.db().begin(6);
    tx.write("sale.order", &[order], json!({ "client_order_ref": "last" })).unwrap();
    tx.commit();
    let mut pushed = event(41, "sale.order", order, "write");
    pushed["_webhook_metadata"]["epoch"] = json!(epoch_of(&app, &admin).await);
    let received = source.push(&pushed).await.expect(200);
    assert_eq!((&received["accepted"], &received["deferred"]), (&json!(1), &json!(0)), "{received}");
    assert_eq!(log_of(&app, &admin).await[40].body.origin, Origin::Push);
    let again = source.push(&event(41, "sale.order", order, "write")).await.expect(200);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(1)));
    eventually("the reader has come there too", PATIENCE, async || {
        (reader(&admin).await["read_to"] == 41).then_some(())
    })
    .await;
    // An event without an id only wakes the reader, which finds what happened.
    edit(&erp, partner);
    let bare = json!({ "model": "res.partner", "record_id": partner, "event": "write" });
    let received = source.push(&bare).await.expect(200);
    assert_eq!((&received["accepted"], &received["deferred"]), (&json!(0), &json!(1)));
    assert_as_committed(&caught_up(&app, &admin, &erp).await, &erp);
    assert_eq!(log_of(&app, &admin).await.len(), 42);
    app.stop().await;
    erp.stop().await;
}

async fn rows_that_make_no_sense_are_kept_aside(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let partner = erp.db().ids("res.partner")[0];
    edit(&erp, partner);
    let row = |model: &str, record_id: i64| json!({ "model": model, "record_id": record_id, "event": "write", "timestamp": "2026-03-02 09:00:00" });
    let mut tx = erp.db().begin(1);
    for bad in [row("not a model", 1), row("res.partner", 0), row("update.webhook", 1)] {
        tx.create("update.webhook", bad).unwrap();
    }
    tx.commit();
    edit(&erp, partner);
    eventually("the rows around them arrive", PATIENCE, async || (reader(&admin).await["read_to"] == 5).then_some(()))
        .await;
    let log = log_of(&app, &admin).await;
    assert_eq!(log.iter().map(|change| committed_form(change).id).collect::<Vec<_>>(), [1, 5]);
    let letters = dead_letters(&app, &admin).await;
    let kept: Vec<(i64, Value)> = letters
        .iter()
        .map(|(_, body)| serde_json::from_str::<Value>(body).unwrap())
        .map(|row| (row["id"].as_i64().unwrap(), row["model"].clone()))
        .collect();
    assert_eq!(kept, [(2, json!("not a model")), (3, json!("res.partner"))]);
    assert!(letters[1].0.contains("record_id"), "{letters:?}");
    app.stop().await;
    erp.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_on_the_way_everything_arrives_once() {
    let (app, erp) = (Setup::sqlite().start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    erp.happen();
    caught_up(&app, &admin, &erp).await;
    for fault in [
        Fault::CutReply,
        Fault::Reset,
        Fault::ResetAfterWork,
        Fault::Status(502),
        Fault::Status(503),
        Fault::SessionExpired,
    ] {
        // More often than one call is tried again, so that whole looks fail as well.
        erp.faults().fail_method("update.webhook", "search_read", 6, fault);
        for _ in 0..5 {
            erp.happen();
        }
        assert_as_committed(&caught_up(&app, &admin, &erp).await, &erp);
    }
    erp.expire_sessions();
    erp.happen();
    assert_as_committed(&caught_up(&app, &admin, &erp).await, &erp);

    erp.stop().await;
    let partner = erp.db().ids("res.partner")[0];
    for _ in 0..10 {
        edit(&erp, partner);
    }
    eventually("the reader says that it fails", PATIENCE, async || {
        let reader = reader(&admin).await;
        (reader["state"] == "failing" && reader["last_error"].is_string()).then_some(())
    })
    .await;
    erp.restart().await.unwrap();
    assert_as_committed(&caught_up(&app, &admin, &erp).await, &erp);
    eventually("the reader says that it runs", PATIENCE, async || {
        let reader = reader(&admin).await;
        (reader["state"] == "running" && reader["last_error"].is_null()).then_some(())
    })
    .await;
    app.stop().await;
    erp.stop().await;
}

async fn an_erp_that_takes_longer_than_the_lease_holds_is_read(setup: Setup) {
    let (app, erp) = (setup.config(|config| config.ingest.lease_ms = 2_000).start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    erp.happen();
    caught_up(&app, &admin, &erp).await;
    // Each of a look's calls takes longer than that.
    erp.faults().latency_ms(2_500);
    erp.happen();
    let log = caught_up(&app, &admin, &erp).await;
    assert_as_committed(&log, &erp);
    app.stop().await;
    erp.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_add_on_is_read_as_well() {
    let erp = DemoErp::start(Options { addon: Addon::AutoWebhook, ..Options::default() }).await.unwrap();
    // That add-on can't tell how old its transactions are, so that the config says what can be.
    let app = Setup::sqlite().config(|config| config.ingest.transaction_age_max_ms = 15_000).start().await;
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let partners = erp.db().ids("res.partner");
    let mut long = erp.db().begin(2);
    long.write("res.partner", &[partners[1]], json!({ "city": "Late" })).unwrap();
    let mut undone = erp.db().begin(2);
    undone.write("res.partner", &[partners[2]], json!({ "city": "Never" })).unwrap();
    undone.rollback();
    for _ in 0..20 {
        erp.happen();
    }
    caught_up(&app, &admin, &erp).await;
    long.commit();
    assert_once(&caught_up(&app, &admin, &erp).await, &erp);
    let status = eventually("the id that was rolled back is given up", PATIENCE, async || {
        let reader = reader(&admin).await;
        (reader["open_gaps"] == 0).then_some(reader)
    })
    .await;
    assert_eq!(status["feed"], "auto_webhook", "{status}");
    for _ in 0..5 {
        erp.happen();
    }
    assert_once(&caught_up(&app, &admin, &erp).await, &erp);
    app.stop().await;
    erp.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_missing_ids_hold_the_reader_back_and_lose_nothing() {
    let (app, erp) = (Setup::sqlite().config(|config| config.ingest.gaps_max = 3).start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let partners = erp.db().ids("res.partner");
    edit(&erp, partners[0]);
    caught_up(&app, &admin, &erp).await;
    let mut open = Vec::new();
    for partner in &partners[1..6] {
        let mut tx = erp.db().begin(2);
        tx.write("res.partner", &[*partner], json!({ "city": "Open" })).unwrap();
        open.push(tx);
        edit(&erp, partners[0]);
    }
    eventually("the reader waits for some to end", PATIENCE, async || {
        (reader(&admin).await["open_gaps"] == 3).then_some(())
    })
    .await;
    assert!(log_of(&app, &admin).await.len() < 6);
    for tx in open {
        tx.commit();
    }
    assert_once(&caught_up(&app, &admin, &erp).await, &erp);
    app.stop().await;
    erp.stop().await;
}

fn edit(erp: &DemoErp, partner: i64) {
    let mut tx = erp.db().begin(2);
    tx.write("res.partner", &[partner], json!({ "comment": "edited" })).unwrap();
    tx.commit();
}

/// The log, once it holds as many changes as the ERP has committed events.
async fn caught_up(app: &App, admin: &Client, erp: &DemoErp) -> Vec<Change> {
    eventually("the log holds what is committed", PATIENCE, async || {
        let log = log_of(app, admin).await;
        (log.len() >= erp.db().events_count()).then_some(log)
    })
    .await
}

/// Whether the log is what was committed, each once, in the order of the commits.
#[track_caller]
fn assert_as_committed(log: &[Change], erp: &DemoErp) {
    assert_eq!(log.iter().map(committed_form).collect::<Vec<_>>(), erp.db().events_committed());
}

/// Whether the log is what was committed, each once, and each record's in the order of the commits.
#[track_caller]
fn assert_once(log: &[Change], erp: &DemoErp) {
    let (mut found, mut wanted): (Vec<_>, Vec<_>) =
        (log.iter().map(committed_form).collect(), erp.db().events_committed());
    assert_eq!(by_record(&found), by_record(&wanted));
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

/// The life of the ERP's ids, as its pushes name it.
async fn epoch_of(app: &App, admin: &Client) -> String {
    let cx = app.context();
    let system = cx.store.primary_system(tenant_of(admin).await).await.unwrap().unwrap();
    cx.store.source(system.tenant, system.key).await.unwrap().identity.unwrap()
}

async fn reader(admin: &Client) -> Value {
    admin.get("/api/v1/systems/main/status").await.expect(200)["reader"].clone()
}
