use super::dead_letters::letters;
use crate::ingest::pusher::{Pusher, event, log_of, tenant_of};
use crate::support::{App, Client, Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use bridge_model::{Origin, SystemId};
use bridge_store::{Append, NewDeadLetter};
use serde_json::{Value, json};
use std::time::Duration;

const RETRY: &str = "/api/v1/webhooks/retry";
const BULK: &str = "/api/v1/webhooks/retry/bulk";

on_both_databases!(
    what_is_understood_by_now_takes_its_place_in_the_log,
    what_is_still_not_understood_stays_and_is_counted,
    a_letter_that_many_try_at_once_is_taken_once,
    a_row_that_was_mended_in_the_erp_is_read_again,
    many_are_tried_one_after_the_other,
    letters_are_chosen_by_system_and_reason_within_bounds,
);

/// Keeps letters as an earlier version of the service may have left them: it did not understand what this one does.
pub(crate) async fn keep(app: &App, admin: &Client, system_id: &str, bodies: &[Value]) -> Vec<i64> {
    let tenant = tenant_of(admin).await;
    let store = &app.context().store;
    let system = store.system(tenant, &SystemId::parse(system_id).unwrap()).await.unwrap().unwrap().key;
    let dead_letters = bodies
        .iter()
        .map(|body| NewDeadLetter {
            system: Some(system),
            origin: Origin::Push,
            source_id: None,
            reason: "from an earlier version".to_owned(),
            body: body.to_string().into_bytes(),
        })
        .collect();
    let before = store.dead_letters(tenant, None, 1_000).await.unwrap().last().map(|letter| letter.id);
    store.append(tenant, Append { dead_letters, ..Append::default() }).await.unwrap();
    store.dead_letters(tenant, before, 1_000).await.unwrap().iter().map(|letter| letter.id).collect()
}

async fn retry(admin: &Client, id: i64) -> Value {
    admin.post(RETRY, &json!({ "dead_letter_id": id })).await.expect(200)
}

async fn letter_ids(admin: &Client) -> Vec<i64> {
    let page = letters(admin, "limit=200").await;
    page["items"].as_array().unwrap().iter().map(|letter| letter["id"].as_i64().unwrap()).collect()
}

fn settled(id: i64, outcome: &str) -> Value {
    json!({ "dead_letter_id": id, "success": true, "outcome": outcome, "reason": null, "attempts": 0 })
}

fn without_id(record: i64) -> Value {
    let mut event = event(0, "sale.order", record, "write");
    event.as_object_mut().unwrap().remove("_webhook_metadata");
    event
}

async fn what_is_understood_by_now_takes_its_place_in_the_log(setup: Setup) {
    let app = setup.start().await;
    let (admin, rival) = (app.admin().await, app.other_tenant("rival").await);
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=1).await;
    let bodies = [
        without_id(7),
        event(1, "sale.order", 1, "write"),
        event(9, "bus.bus", 1, "write"),
        event(8, "a.b", 2, "create"),
    ];
    let ids = keep(&app, &admin, "shop", &bodies).await;

    rival.post(RETRY, &json!({ "dead_letter_id": ids[0] })).await.expect_problem(404, "NOT_FOUND");
    let ann = app.user("ann", Some(6)).await;
    ann.post(RETRY, &json!({ "dead_letter_id": ids[0] })).await.expect_problem(403, "FORBIDDEN");
    assert_eq!(letter_ids(&admin).await, ids);

    let mut listener = app.context().hub.subscribe(tenant_of(&admin).await);
    listener.borrow_and_update();
    assert_eq!(retry(&admin, ids[0]).await, settled(ids[0], "appended"));
    assert_eq!(listener.borrow_and_update().get(), 2, "devices that wait are woken");
    assert_eq!(letter_ids(&admin).await, ids[1..]);
    // Once more is not possible, and nothing comes twice.
    admin.post(RETRY, &json!({ "dead_letter_id": ids[0] })).await.expect_problem(404, "NOT_FOUND");
    assert_eq!(retry(&admin, ids[1]).await, settled(ids[1], "duplicate"));
    assert_eq!(retry(&admin, ids[2]).await, settled(ids[2], "ignored"));
    assert_eq!(retry(&admin, ids[3]).await, settled(ids[3], "appended"));
    assert_eq!(letter_ids(&admin).await, super::NONE);
    let log = log_of(&app, &admin).await;
    let records: Vec<_> = log.iter().map(|change| change.body.record_id.clone().unwrap().to_string()).collect();
    assert_eq!(records, ["1", "7", "2"]);
    assert_eq!((log[2].body.model.as_str(), log[2].body.origin), ("a.b", Origin::Push));
    // What was retried is known when its sender sends it as well.
    assert_eq!(source.push(&bodies[3]).await.expect(200)["duplicates"], 1);

    // Where the ERP keeps an event table, an event without an id is the reader's.
    let tenant = tenant_of(&admin).await;
    let system = app.context().store.systems(tenant).await.unwrap()[0].key;
    app.context().store.open_epoch(tenant, system, "a life", 0, None).await.unwrap();
    let ids = keep(&app, &admin, "shop", &[without_id(8)]).await;
    assert_eq!(retry(&admin, ids[0]).await, settled(ids[0], "deferred"));
    assert_eq!((letter_ids(&admin).await, log_of(&app, &admin).await.len()), (vec![], 3));
    app.stop().await;
}

async fn what_is_still_not_understood_stays_and_is_counted(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let bad = event(7, "sale.order", 1, "explode");
    source.push(&bad).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    source.push_bytes("[1, ").await.expect_problem(400, "MALFORMED_JSON");
    source.push(&json!([[event(8, "sale.order", 1, "write")]])).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    source.push_bytes("{nonsense").await.expect_problem(400, "MALFORMED_JSON");
    let before = letters(&admin, "").await["items"].clone();
    let ids = letter_ids(&admin).await;
    assert_eq!(ids.len(), 4);

    for attempt in 1..=2 {
        let answer = retry(&admin, ids[0]).await;
        let reason = "event must be create, write, unlink or manual, not \"explode\"";
        let expected = json!({
            "dead_letter_id": ids[0], "success": false, "outcome": "failed", "reason": reason, "attempts": attempt,
        });
        assert_eq!(answer, expected);
    }
    for id in &ids[1..] {
        let answer = retry(&admin, *id).await;
        assert_eq!((&answer["outcome"], &answer["attempts"]), (&json!("failed"), &json!(1)), "{answer}");
    }
    let after = letters(&admin, "").await["items"].clone();
    assert_eq!(letter_ids(&admin).await, ids, "none is kept a second time");
    for (before, after) in before.as_array().unwrap().iter().zip(after.as_array().unwrap()) {
        for field in ["body", "received_at", "origin", "system_id"] {
            assert_eq!(before[field], after[field], "{field}");
        }
        assert!(after["last_attempt_at"].is_string() && before["last_attempt_at"].is_null(), "{after}");
    }
    assert_eq!((&after[0]["attempts"], &after[1]["attempts"]), (&json!(2), &json!(1)));

    // The reason is always that of the last try.
    let good = keep(&app, &admin, "shop", &[without_id(1)]).await[0];
    admin.put("/api/v1/systems/shop", &json!({ "is_active": false })).await.expect(200);
    let answer = retry(&admin, good).await;
    assert_eq!(answer["reason"], "the system that it came from is not active");
    assert_eq!(letters(&admin, "reason_contains=not%20active").await["items"][0]["id"], good);
    admin.delete("/api/v1/systems/shop").await.expect(200);
    let answer = retry(&admin, good).await;
    assert_eq!(answer["reason"], "the system that it came from is not registered any more");
    assert_eq!((&answer["attempts"], log_of(&app, &admin).await.len()), (&json!(2), 0));
    app.stop().await;
}

async fn a_letter_that_many_try_at_once_is_taken_once(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    Pusher::register(&app, &admin, "shop").await;
    for round in 0..5 {
        let id = keep(&app, &admin, "shop", &[without_id(7)]).await[0];
        let tries = (0..8).map(|turn| {
            let admin = admin.clone();
            async move {
                match turn % 2 {
                    0 => admin.post(RETRY, &json!({ "dead_letter_id": id })).await,
                    _ => admin.post(BULK, &json!({ "ids": [id] })).await,
                }
            }
        });
        let answers = futures_util::future::join_all(tries).await;
        let appended = answers.iter().filter(|answer| answer.status == 200 && answer.body["success"] == true).count();
        assert_eq!(appended, 1, "round {round}: {answers:?}");
        for answer in answers {
            assert!(matches!(answer.status, 200 | 404 | 409), "{answer:?}");
        }
        assert_eq!(log_of(&app, &admin).await.len(), round + 1);
    }
    // The turn is given back: the next request has it at once.
    let id = keep(&app, &admin, "shop", &[without_id(7)]).await[0];
    assert_eq!(retry(&admin, id).await["outcome"], "appended");
    app.stop().await;
}

async fn a_row_that_was_mended_in_the_erp_is_read_again(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let row =
        |model: &str| json!({ "model": model, "record_id": 3, "event": "write", "timestamp": "2026-03-02 09:00:00" });
    let mut tx = erp.db().begin(1);
    let bad = tx.create("update.webhook", row("not a model")).unwrap();
    let worse = tx.create("update.webhook", row("nor is this")).unwrap();
    tx.commit();
    let ids = eventually("both rows are kept aside", Duration::from_mins(1), async || {
        Some(letter_ids(&admin).await).filter(|ids| ids.len() == 2)
    })
    .await;
    let first = letters(&admin, "limit=1").await["items"][0].clone();
    assert_eq!((&first["origin"], &first["source_id"]), (&json!("pull"), &json!(bad.to_string())));
    assert_eq!(retry(&admin, ids[0]).await["attempts"], 1, "nothing was mended yet");

    let mut tx = erp.db().begin(1);
    tx.write("update.webhook", &[bad], json!({ "model": "res.partner" })).unwrap();
    tx.unlink("update.webhook", &[worse]).unwrap();
    tx.commit();
    // While the ERP is away nothing can be said of the letter, and it stays as it is.
    erp.stop().await;
    admin.post(RETRY, &json!({ "dead_letter_id": ids[0] })).await.expect_problem(502, "CONNECTION_REFUSED");
    let bulk = admin.post(BULK, &json!({ "ids": [ids[0]] })).await.expect(200);
    assert_eq!((&bulk["results"][0]["outcome"], &bulk["success"]), (&json!("postponed"), &json!(false)));
    assert_eq!(letters(&admin, "limit=1").await["items"][0]["attempts"], 1);
    erp.restart().await.unwrap();

    let answer = retry(&admin, ids[0]).await;
    assert_eq!((&answer["outcome"], &answer["success"]), (&json!("appended"), &json!(true)));
    let log = log_of(&app, &admin).await;
    assert_eq!((log.len(), log[0].body.model.as_str()), (1, "res.partner"));
    assert_eq!(log[0].body.source_id.as_ref().unwrap().as_number(), Some(bad));
    assert_eq!(log[0].body.occurred_at.to_string(), "2026-03-02T09:00:00Z");
    let answer = retry(&admin, ids[1]).await;
    assert_eq!(answer["reason"], "the ERP's event table does not hold it any more");
    assert_eq!(letter_ids(&admin).await, ids[1..]);
    app.stop().await;
    erp.stop().await;
}

async fn many_are_tried_one_after_the_other(setup: Setup) {
    let app = setup.start().await;
    let (admin, rival) = (app.admin().await, app.other_tenant("rival").await);
    Pusher::register(&app, &admin, "shop").await;
    let bad = event(3, "sale.order", 3, "explode");
    let ids = keep(&app, &admin, "shop", &[without_id(1), bad, without_id(2), without_id(3)]).await;
    let foreign = rival.post(BULK, &json!({ "ids": ids })).await.expect(200);
    assert_eq!((&foreign["succeeded"], &foreign["results"][0]["outcome"]), (&json!(0), &json!("not_found")));
    assert_eq!(letter_ids(&admin).await, ids);

    let answer = admin.post(BULK, &json!({ "ids": [ids[2], ids[1], ids[0], ids[0], 999_999] })).await.expect(200);
    assert_eq!((&answer["tried"], &answer["succeeded"], &answer["failed"]), (&json!(4), &json!(2), &json!(2)));
    assert_eq!((&answer["success"], &answer["not_tried"]), (&json!(false), &json!([])));
    let outcomes: Vec<_> = answer["results"].as_array().unwrap().iter().map(|one| one["outcome"].clone()).collect();
    assert_eq!(outcomes, ["appended", "failed", "appended", "not_found"]);
    assert_eq!(letter_ids(&admin).await, [ids[1], ids[3]]);
    let records: Vec<_> =
        log_of(&app, &admin).await.iter().map(|change| change.body.record_id.clone().unwrap().to_string()).collect();
    assert_eq!(records, ["1", "2"], "in the order of their arrival");
    let all_good = admin.post(BULK, &json!({ "ids": [ids[3]] })).await.expect(200);
    assert_eq!(all_good["success"], true);
    app.stop().await;
}

async fn letters_are_chosen_by_system_and_reason_within_bounds(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let shop = Pusher::register(&app, &admin, "shop").await;
    Pusher::register(&app, &admin, "depot").await;
    let bodies: Vec<Value> = (1..=105)
        .map(|record| if record % 50 == 0 { event(record, "sale.order", 1, "explode") } else { without_id(record) })
        .collect();
    let shops = keep(&app, &admin, "shop", &bodies).await;
    let depots = keep(&app, &admin, "depot", &[without_id(900), without_id(901)]).await;
    shop.push_bytes("nonsense").await.expect_problem(400, "MALFORMED_JSON");

    let choice = json!({ "system_id": "shop", "reason_contains": "earlier version" });
    let answer = admin.post(BULK, &choice).await.expect(200);
    assert_eq!((&answer["tried"], &answer["succeeded"], &answer["failed"]), (&json!(100), &json!(98), &json!(2)));
    assert_eq!(answer["next_cursor"], shops[99].to_string());
    let mut rest = choice.clone();
    rest["cursor"] = json!(shops[99]);
    let answer = admin.post(BULK, &rest).await.expect(200);
    assert_eq!((&answer["tried"], &answer["success"], &answer["next_cursor"]), (&json!(5), &json!(true), &Value::Null));
    assert_eq!(log_of(&app, &admin).await.len(), 103);
    // The two bad ones have another reason by now; what was not chosen was not touched.
    let left = letters(&admin, "").await["items"].clone();
    let attempts: Vec<_> = left.as_array().unwrap().iter().map(|letter| letter["attempts"].clone()).collect();
    assert_eq!(attempts, [1, 1, 0, 0, 0]);
    assert_eq!(admin.post(BULK, &choice).await.expect(200)["tried"], 0);
    let answer = admin.post(BULK, &json!({ "system_id": "depot" })).await.expect(200);
    assert_eq!(answer["succeeded"], 2);
    assert!(!letter_ids(&admin).await.iter().any(|id| depots.contains(id)));
    app.stop().await;
}
