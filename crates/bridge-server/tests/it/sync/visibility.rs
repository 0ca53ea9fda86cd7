use super::device::{Device, EMPTY, positions, token_of};
use crate::ingest::pusher::{Pusher, event};
use crate::support::{App, Client, Setup, demo_erp, manual_clock, on_both_databases, register_demo_system};
use bridge_erp::fake::{Addon, DemoErp, Fault, Options};
use serde_json::{Value, json};
use std::time::Duration;

/// The demo ERP's salesperson, who may not read invoices.
const SALES: i64 = 6;

on_both_databases!(
    a_user_sees_the_models_that_the_erp_lets_them_read,
    what_cannot_be_judged_is_neither_shown_nor_skipped,
);

/// A demo ERP without an event table, so that the log holds just what the test pushes.
async fn quiet_erp() -> DemoErp {
    DemoErp::start(Options { addon: Addon::None, ..Options::default() }).await.unwrap()
}

async fn source(app: &App, admin: &Client, erp: &DemoErp, system_id: &str) -> Pusher {
    let system = register_demo_system(admin, erp, system_id).await;
    Pusher::with_key(app, system["push_key"].as_str().unwrap())
}

async fn a_user_sees_the_models_that_the_erp_lets_them_read(setup: Setup) {
    let (app, erp) = (setup.start().await, quiet_erp().await);
    let (admin, rival) = (app.admin().await, app.other_tenant("rival").await);
    let main = source(&app, &admin, &erp, "main").await;
    let second = source(&app, &admin, &erp, "second").await;
    let foreign = source(&app, &rival, &erp, "main").await;
    let models = ["sale.order", "account.move", "res.partner", "account.move", "no.such.model", "sale.order"];
    let events: Vec<Value> = (1..)
        .zip(models)
        .map(|(id, model)| {
            let mut event = event(id, model, 100 + id, if id == 6 { "unlink" } else { "write" });
            event["payload"] = json!({ "secret": id });
            event["old_data"] = json!({ "name": "was" });
            event["new_data"] = json!({ "name": "is" });
            event["changed_fields"] = json!(["name"]);
            event["user_id"] = json!(2);
            event["idempotency_key"] = json!("key-1");
            event
        })
        .collect();
    main.push(&json!(events)).await.expect(200);
    second.push(&event(7, "sale.order", 107, "write")).await.expect(200);
    foreign.push(&event(8, "sale.order", 108, "write")).await.expect(200);
    main.push(&event(9, "res.partner", 109, "write")).await.expect(200);

    let ann = app.user("ann", Some(SALES)).await;
    let phone = Device::new(&ann, "phone-1");
    let seen = phone.pull_after("0").await;
    assert_eq!(positions(&seen), [1, 3, 6, 8], "{seen}");
    assert_eq!((token_of(&seen).as_str(), &seen["has_more"]), ("8", &json!(false)));
    let written = &seen["events"][0];
    assert_eq!((&written["changed_fields"], &written["user_id"]), (&json!(["name"]), &json!(2)));
    let deleted = seen["events"][2].as_object().unwrap();
    assert_eq!((&deleted["event"], &deleted["record_id"]), (&json!("unlink"), &json!(106)));
    for field in ["changed_fields", "user_id", "idempotency_key"] {
        assert_eq!(deleted[field], Value::Null, "{field} of a deleted record");
    }
    for event in seen["events"].as_array().unwrap() {
        for field in ["payload", "old_data", "new_data"] {
            assert!(event.get(field).is_none(), "{field} is for admins");
        }
    }
    // Page by page it is the same, with the token always beyond what was left out.
    let paged = phone.with(&json!({ "limit": 1 })).pull_all_after("0").await;
    assert_eq!(paged.iter().map(|event| event["id"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 3, 6, 8]);

    let all = Device::new(&admin, "phone-1").pull_after("0").await;
    assert_eq!(positions(&all), (1..=8).collect::<Vec<_>>());
    assert_eq!(all["events"][1]["payload"], json!({ "secret": 2 }));
    assert_eq!(all["events"][5]["old_data"], json!({ "name": "was" }));
    let theirs = Device::new(&rival, "phone-1").pull_after("0").await;
    assert_eq!((positions(&theirs), &theirs["events"][0]["record_id"]), (vec![1], &json!(108)));

    let nobody = app.user("nobody", None).await;
    Device::new(&nobody, "phone-1").try_pull(json!({})).await.expect_problem(403, "ERP_USER_NOT_LINKED");
    let ghost = app.user("ghost", Some(4_711)).await;
    // No such user in the ERP: that is not the same as one who may read nothing, past whom everything goes.
    Device::new(&ghost, "phone-1").try_pull(json!({})).await.expect_problem(403, "ERP_USER_NOT_LINKED");
    // Another tenant's linked user has no business with this tenant's ERP user of the same number.
    app.stop().await;
    erp.stop().await;
}

async fn what_cannot_be_judged_is_neither_shown_nor_skipped(setup: Setup) {
    let clock = manual_clock();
    let (app, erp) = (setup.clock(clock.clone()).start().await, quiet_erp().await);
    let admin = app.admin().await;
    let source = source(&app, &admin, &erp, "main").await;
    let ann = app.user("ann", Some(SALES)).await;
    let phone = Device::new(&ann, "phone-1");
    source.writes("sale.order", 1..=2).await;
    source.writes("account.move", 3..=3).await;
    erp.stop().await;
    // Nothing is known yet.
    for besides in [json!({}), json!({ "last_sync_token": "0" }), json!({})] {
        phone.try_pull(besides).await.expect_problem(502, "CONNECTION_REFUSED");
    }
    erp.restart().await.unwrap();
    let first = phone.pull_after("0").await;
    assert_eq!((positions(&first), token_of(&first)), (vec![1, 2], "3".to_owned()));

    // What was learned serves while the ERP is down; a model that was never asked for ends the page before it.
    erp.stop().await;
    source.writes("sale.order", 4..=4).await;
    assert_eq!(positions(&phone.pull_after("3").await), [4]);
    source.writes("account.move", 5..=5).await;
    source.writes("res.partner", 6..=6).await;
    source.writes("sale.order", 7..=7).await;
    let cut = phone.pull_after("3").await;
    assert_eq!((positions(&cut), token_of(&cut).as_str(), &cut["has_more"]), (vec![4], "5", &json!(true)));
    phone.try_pull(json!({ "last_sync_token": "5" })).await.expect_problem(502, "CONNECTION_REFUSED");
    assert_eq!(positions(&phone.with(&json!({ "models_filter": ["sale.order"] })).pull_after("0").await), [1, 2, 4, 7]);
    // Also after a restart of ours, since it is kept; also when it is no longer fresh; but not for ever.
    let setup = app.stop().await;
    let app = setup.start().await;
    let phone = phone.of(&app.login("ann", "a user's password").await);
    let orders = phone.with(&json!({ "models_filter": ["sale.order"] }));
    assert_eq!(positions(&orders.pull_after("0").await), [1, 2, 4, 7]);
    clock.advance(Duration::from_hours(23));
    let again = app.login("ann", "a user's password").await;
    let orders = orders.of(&again);
    assert_eq!(positions(&orders.pull_after("0").await), [1, 2, 4, 7]);
    clock.advance(Duration::from_hours(2));
    let again = app.login("ann", "a user's password").await;
    let orders = orders.of(&again);
    orders.try_pull(json!({ "last_sync_token": "0" })).await.expect_problem(502, "CONNECTION_REFUSED");
    // The ERP is back: everything comes, once.
    erp.restart().await.unwrap();
    let phone = phone.of(&again);
    assert_eq!(positions(&phone.pull_after("5").await), [6, 7]);
    assert_eq!(positions(&phone.pull_after("7").await), EMPTY);
    app.stop().await;
    erp.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_taken_away_is_noticed_when_it_is_no_longer_fresh() {
    let clock = manual_clock();
    let (app, erp) = (Setup::sqlite().clock(clock.clone()).start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let ann = app.user("ann", Some(SALES)).await;
    let phone = Device::new(&ann, "phone-1").with(&json!({ "models_filter": ["res.partner"] }));
    let partner = erp.db().ids("res.partner")[0];
    let edit = |city: &str| {
        let mut tx = erp.db().begin(2);
        tx.write("res.partner", &[partner], json!({ "city": city })).unwrap();
        tx.commit();
    };
    edit("Fes");
    crate::support::eventually("the change arrives", Duration::from_mins(1), async || {
        (positions(&phone.pull_after("0").await) == [1]).then_some(())
    })
    .await;
    let mut tx = erp.db().begin(2);
    tx.write("res.users", &[SALES], json!({ "active": false })).unwrap();
    tx.commit();
    assert_eq!(positions(&phone.pull_after("0").await), [1], "within the time for which it counts as fresh");
    clock.advance(Duration::from_secs(301));
    phone.try_pull(json!({ "last_sync_token": "0" })).await.expect_problem(403, "ERP_USER_NOT_LINKED");
    app.stop().await;
    erp.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erp_that_hangs_does_not_hold_up_what_can_be_judged_without_it() {
    let clock = manual_clock();
    let (app, erp) = (Setup::sqlite().clock(clock.clone()).start().await, quiet_erp().await);
    let admin = app.admin().await;
    let source = source(&app, &admin, &erp, "main").await;
    let ann = app.user("ann", Some(SALES)).await;
    let phone = Device::new(&ann, "phone-1");
    source.writes("sale.order", 1..=2).await;
    assert_eq!(positions(&phone.pull_after("0").await), [1, 2]);
    clock.advance(Duration::from_secs(301));
    erp.faults().fail_next(1_000, Fault::Hang);
    // No longer fresh, but better than no answer: it comes well before the time that a request may take.
    assert_eq!(positions(&phone.pull_after("0").await), [1, 2]);
    source.writes("res.partner", 3..=3).await;
    phone.try_pull(json!({ "last_sync_token": "2" })).await.expect_problem(504, "NETWORK_TIMEOUT");
    erp.faults().clear();
    assert_eq!(positions(&phone.pull_after("2").await), [3]);
    app.stop().await;
    erp.stop().await;
}
