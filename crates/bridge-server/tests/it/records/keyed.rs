//! Writes with an `Idempotency-Key`.

use super::{Stage, crud, result};
use crate::crash::process::Process;
use crate::support::{
    Answer, Client, Setup, demo_erp, demo_erp_without_addon, eventually, on_both_databases, register_demo_system,
};
use bridge_erp::fake::{DemoErp, Fault};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(
    the_same_key_gives_the_same_answer,
    a_key_stands_for_one_request_of_one_user,
    a_write_in_universal_words_has_a_key_as_well,
    what_was_not_done_leaves_its_key_free,
    a_lost_answer_is_asked_for_again_where_the_system_keeps_it,
    a_lost_answer_stays_lost_while_nobody_is_asked,
    a_lost_answer_is_told_as_such_where_nobody_keeps_it,
    of_several_requests_at_once_one_is_done,
    whoever_goes_away_finds_the_answer_later,
    a_service_that_is_killed_creates_nothing_twice,
    an_answer_that_is_kept_for_somebody_else_is_not_asked_for,
    a_change_bears_the_key_of_its_write,
);

const PATIENCE: Duration = Duration::from_mins(2);

/// What the ERP is called for a write with a key.
pub(crate) const KEYED: (&str, &str) = ("bridgecore.idempotency", "execute");

pub(crate) async fn keyed(client: &Client, key: &str, body: &Value) -> Answer {
    let request = client.request(Method::POST, "/api/v1/systems/demo/crud").header("Idempotency-Key", key);
    client.send(request.json(body)).await
}

pub(crate) fn create(name: &str) -> Value {
    json!({ "action": "create", "model": "res.partner", "data": { "name": name } })
}

async fn count(client: &Client, name: &str) -> Value {
    result(client, json!({ "action": "count", "model": "res.partner", "domain": [["name", "=", name]] })).await
}

pub(crate) fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

/// A stage with an ERP that has no add-on.
async fn without_addon(setup: Setup) -> Stage {
    Stage::open_with(setup, demo_erp_without_addon().await).await
}

async fn the_same_key_gives_the_same_answer(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.retention.kept_answer_bytes_max = 300)).await;
    let admin = &stage.admin;
    let first = keyed(admin, "order-0001", &create("Keyed")).await;
    assert!(!is_replayed(&first));
    let first = first.expect(200);
    let id = first["result"]["id"].clone();
    // Whatever became of the record meanwhile.
    let update = json!({ "action": "update", "model": "res.partner", "record_id": id, "data": { "name": "Renamed" } });
    let renamed = keyed(admin, "order-0002", &update).await.expect(200);
    let again = keyed(admin, "order-0001", &create("Keyed")).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(200), first);
    assert_eq!(count(admin, "Keyed").await, 0);
    assert_eq!(keyed(admin, "order-0002", &update).await.expect(200), renamed);
    let delete = json!({ "action": "delete", "model": "res.partner", "record_id": id });
    let deleted = keyed(admin, "order-0003", &delete).await.expect(200);
    assert_eq!(keyed(admin, "order-0003", &delete).await.expect(200), deleted);
    crud(admin, delete).await.expect_problem(404, "RECORD_NOT_FOUND");
    assert_eq!(stage.erp.faults().calls(KEYED.0, KEYED.1), 3);
    // A long answer is kept by the ids of its records.
    let data: Vec<Value> = (0..20).map(|number| json!({ "name": format!("Bulk {number}") })).collect();
    let bulk = json!({ "action": "create", "model": "res.partner", "data": data });
    let made = keyed(admin, "order-0004", &bulk).await.expect(200);
    assert_eq!(made["result"][19]["name"], "Bulk 19");
    let ids: Vec<Value> = made["result"].as_array().unwrap().iter().map(|row| json!({ "id": row["id"] })).collect();
    assert_eq!(keyed(admin, "order-0004", &bulk).await.expect(200)["result"], json!(ids));
    let order = json!({ "action": "create", "model": "sale.order", "data": { "partner_id": 1, "order_line": [[0, 0, { "product_id": 1 }]] } });
    let order = stage.result(order).await["id"].clone();
    let confirm = json!({ "action": "call", "model": "sale.order", "record_id": order, "method": "action_confirm" });
    let confirmed = keyed(admin, "order-0005", &confirm).await.expect(200);
    assert_eq!(keyed(admin, "order-0005", &confirm).await.expect(200), confirmed);
    crud(admin, confirm).await.expect_problem(422, "ERP_BUSINESS_RULE");
    // It outlives the service.
    let app = stage.app.stop().await.start().await;
    let again = keyed(&app.admin().await, "order-0001", &create("Keyed")).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(200), first);
    app.stop().await;
    stage.erp.stop().await;
}

async fn a_key_stands_for_one_request_of_one_user(setup: Setup) {
    let stage = Stage::open(setup).await;
    let user = stage.app.user("amina", None).await;
    let mine = keyed(&stage.admin, "order-0001", &create("Keyed")).await.expect(200);
    let theirs = keyed(&user, "order-0001", &create("Keyed")).await.expect(200);
    assert_ne!(mine["result"]["id"], theirs["result"]["id"]);
    let other = keyed(&stage.admin, "order-0001", &create("Another")).await;
    let refused = other.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(refused["details"]["field"], "Idempotency-Key");
    assert_eq!(count(&stage.admin, "Another").await, 0);
    let second = demo_erp().await;
    register_demo_system(&stage.admin, &second, "second").await;
    let elsewhere = stage.admin.request(Method::POST, "/api/v1/systems/second/crud");
    let elsewhere = elsewhere.header("Idempotency-Key", "order-0001").json(&create("Keyed"));
    stage.admin.send(elsewhere).await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    for bad in ["", "with blank", "é", &"k".repeat(129)] {
        let refused = keyed(&stage.admin, bad, &create("Bad")).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(refused["details"]["field"], "Idempotency-Key", "{bad:?}");
    }
    let twice = stage.admin.request(Method::POST, "/api/v1/systems/demo/crud");
    let twice = twice.header("Idempotency-Key", "a").header("Idempotency-Key", "b").json(&create("Bad"));
    stage.admin.send(twice).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(count(&stage.admin, "Bad").await, 0);
    // A read is a read, with a key and without.
    let read = json!({ "action": "count", "model": "res.partner", "domain": [["name", "=", "Keyed"]] });
    assert_eq!(keyed(&stage.admin, "order-0009", &read).await.expect(200)["result"], 2);
    stage.result(create("Keyed")).await;
    assert_eq!(keyed(&stage.admin, "order-0009", &read).await.expect(200)["result"], 3);
    second.stop().await;
    stage.end().await;
}

async fn a_write_in_universal_words_has_a_key_as_well(setup: Setup) {
    let stage = Stage::open(setup).await;
    let body = json!({ "action": "create", "data": { "name": "Universal" } });
    let create = async || {
        let request = stage.admin.request(Method::POST, "/api/v1/systems/demo/entities/contact/crud");
        stage.admin.send(request.header("Idempotency-Key", "order-0001").json(&body)).await
    };
    let first = create().await;
    assert!(!is_replayed(&first));
    let again = create().await;
    assert!(is_replayed(&again));
    assert_eq!(first.expect(200), again.expect(200));
    assert_eq!(count(&stage.admin, "Universal").await, 1);
    stage.end().await;
}

async fn what_was_not_done_leaves_its_key_free(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.erp.circuit_failures_max = 1_000)).await;
    let nameless = json!({ "action": "create", "model": "res.partner", "data": { "email": "x" } });
    let unknown = json!({ "action": "create", "model": "res.partner", "data": { "no_such": "x" } });
    let closed = json!({ "action": "create", "model": "res.users", "data": { "name": "x" } });
    keyed(&stage.admin, "order-0001", &nameless).await.expect_problem(422, "ERP_VALIDATION_FAILED");
    keyed(&stage.admin, "order-0001", &unknown).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    keyed(&stage.admin, "order-0001", &closed).await.expect_problem(403, "FORBIDDEN");
    stage.erp.stop().await;
    // A connection that was open is found to be closed by a read.
    crud(&stage.admin, json!({ "action": "count", "model": "res.partner" }))
        .await
        .expect_problem(502, "CONNECTION_REFUSED");
    keyed(&stage.admin, "order-0001", &create("Mended")).await.expect_problem(502, "CONNECTION_REFUSED");
    stage.erp.restart().await.unwrap();
    let made = eventually("the ERP is back", PATIENCE, async || {
        let answer = keyed(&stage.admin, "order-0001", &create("Mended")).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert!(!is_replayed(&made));
    assert_eq!(count(&stage.admin, "Mended").await, 1);
    stage.end().await;
}

async fn a_lost_answer_is_asked_for_again_where_the_system_keeps_it(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.erp.circuit_failures_max = 1_000)).await;
    let faults = stage.erp.faults();
    for (number, fault) in
        [Fault::ResetAfterWork, Fault::CutReply, Fault::Reset, Fault::Status(502)].into_iter().enumerate()
    {
        let name = format!("Lost {number}");
        faults.fail_method(KEYED.0, KEYED.1, 2, fault);
        let made = keyed(&stage.admin, &format!("order-000{number}"), &create(&name)).await.expect(200);
        let found = json!({ "action": "search", "model": "res.partner", "domain": [["name", "=", name]] });
        assert_eq!(stage.result(found).await, json!([made["result"]["id"]]), "{fault:?}");
    }
    // Until nobody answers any more: then the key is what to come back with.
    faults.fail_method(KEYED.0, KEYED.1, 4, Fault::ResetAfterWork);
    let lost = keyed(&stage.admin, "order-0009", &create("Lost for long")).await;
    let lost = lost.expect_problem(502, "OUTCOME_UNKNOWN");
    assert_eq!(
        (&lost["details"]["safe_to_repeat"], &lost["details"]["error_type"]),
        (&json!(true), &json!("transient"))
    );
    faults.fail_method(KEYED.0, KEYED.1, 4, Fault::Reset);
    keyed(&stage.admin, "order-0009", &create("Lost for long")).await.expect_problem(502, "OUTCOME_UNKNOWN");
    let found = keyed(&stage.admin, "order-0009", &create("Lost for long")).await;
    assert!(!is_replayed(&found), "the service itself did not know it");
    let found = found.expect(200);
    assert_eq!(found["result"]["name"], "Lost for long");
    assert_eq!(count(&stage.admin, "Lost for long").await, 1);
    assert_eq!(keyed(&stage.admin, "order-0009", &create("Lost for long")).await.expect(200), found);
    stage.end().await;
}

async fn a_lost_answer_stays_lost_while_nobody_is_asked(setup: Setup) {
    // Longer than a read that is tried again and again.
    let stage = Stage::open(setup.config(|config| config.erp.circuit_recovery_ms = 5_000)).await;
    let faults = stage.erp.faults();
    faults.fail_method(KEYED.0, KEYED.1, 4, Fault::ResetAfterWork);
    keyed(&stage.admin, "order-0001", &create("Lost")).await.expect_problem(502, "OUTCOME_UNKNOWN");
    faults.fail_next(1_000_000, Fault::Reset);
    let read = json!({ "action": "count", "model": "res.country" });
    eventually("the circuit opens", PATIENCE, async || {
        (crud(&stage.admin, read.clone()).await.body["code"] == "CIRCUIT_OPEN").then_some(())
    })
    .await;
    // That nothing is sent now says nothing of what was sent then.
    for _ in 0..3 {
        let lost = keyed(&stage.admin, "order-0001", &create("Lost")).await.expect_problem(502, "OUTCOME_UNKNOWN");
        assert_eq!(lost["details"]["safe_to_repeat"], true);
    }
    faults.clear();
    eventually("the answer is found", PATIENCE, async || {
        (keyed(&stage.admin, "order-0001", &create("Lost")).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(count(&stage.admin, "Lost").await, 1);
    stage.end().await;
}

async fn a_lost_answer_is_told_as_such_where_nobody_keeps_it(setup: Setup) {
    let stage = without_addon(setup).await;
    let faults = stage.erp.faults();
    let made = keyed(&stage.admin, "order-0001", &create("Without")).await.expect(200);
    assert_eq!(keyed(&stage.admin, "order-0001", &create("Without")).await.expect(200), made);
    faults.reset_counts();
    faults.fail_method("res.partner", "create", 1, Fault::ResetAfterWork);
    for _ in 0..3 {
        let lost = keyed(&stage.admin, "order-0002", &create("Lost")).await.expect_problem(502, "OUTCOME_UNKNOWN");
        let told = (&lost["details"]["safe_to_repeat"], &lost["details"]["error_type"]);
        assert_eq!(told, (&json!(false), &json!("permanent")));
        assert_eq!(stage.result(lost["details"]["check"].clone()).await[0]["name"], "Lost");
    }
    assert_eq!(faults.calls("res.partner", "create"), 1, "it is sent once");
    assert_eq!(count(&stage.admin, "Lost").await, 1);
    stage.end().await;
}

async fn of_several_requests_at_once_one_is_done(setup: Setup) {
    let stage = Stage::open(setup).await;
    stage.result(create("Warm")).await;
    stage.erp.faults().latency_ms(200);
    let body = create("At once");
    let answers = join_all((0..8).map(|_| keyed(&stage.admin, "order-0001", &body))).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(!done.is_empty());
    for answer in refused {
        assert!(answer.headers.contains_key("retry-after"));
        answer.expect_problem(409, "IDEMPOTENCY_KEY_IN_USE");
    }
    assert!(done.iter().filter(|answer| !is_replayed(answer)).count() == 1);
    let all: Vec<Value> = done.into_iter().map(|answer| answer.expect(200)).collect();
    assert!(all.iter().all(|answer| *answer == all[0]), "{all:?}");
    stage.erp.faults().clear();
    assert_eq!(keyed(&stage.admin, "order-0001", &body).await.expect(200), all[0]);
    assert_eq!(count(&stage.admin, "At once").await, 1);
    stage.end().await;
}

async fn whoever_goes_away_finds_the_answer_later(setup: Setup) {
    // Also where the ERP keeps nothing: the work goes on without its caller.
    let stage = without_addon(setup).await;
    stage.result(create("Warm")).await;
    stage.erp.faults().reset_counts();
    stage.erp.faults().latency_ms(500);
    let admin = stage.admin.clone();
    let gone = tokio::spawn(async move { keyed(&admin, "order-0001", &create("Gone")).await });
    eventually("the write is sent", PATIENCE, async || {
        (stage.erp.faults().calls("res.partner", "create") == 1).then_some(())
    })
    .await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    stage.erp.faults().clear();
    let found = eventually("the answer is there", PATIENCE, async || {
        let answer = keyed(&stage.admin, "order-0001", &create("Gone")).await;
        if answer.status == 200 {
            return Some(answer);
        }
        answer.expect_problem(409, "IDEMPOTENCY_KEY_IN_USE");
        None
    })
    .await;
    assert!(is_replayed(&found));
    assert_eq!(count(&stage.admin, "Gone").await, 1);
    stage.end().await;
}

/// Kills the service after the ERP has done a write and before it has said so.
pub(crate) async fn killed_in_the_middle(setup: Setup, erp: DemoErp, method: (&str, &str)) -> (Setup, DemoErp, Client) {
    let setup = setup.config(|config| config.server.request_timeout_ms = 12_000);
    let process = Process::start(&setup).await;
    let client = process.client().await;
    register_demo_system(&client, &erp, "demo").await;
    let models = json!({ "models": { "res.partner": { "operations": ["read", "create"] } } });
    client.put("/api/v1/systems/demo/allowed", &models).await.expect(200);
    erp.faults().reset_counts();
    erp.faults().fail_method(method.0, method.1, 1, Fault::HangAfterWork);
    let (asking, body) = (client.clone(), create("Killed"));
    let request = asking.request(Method::POST, "/api/v1/systems/demo/crud").header("Idempotency-Key", "order-0001");
    let lost = tokio::spawn(request.json(&body).send());
    eventually("the write is done", PATIENCE, async || (erp.faults().calls(method.0, method.1) == 1).then_some(()))
        .await;
    process.kill_9().await;
    lost.await.unwrap().unwrap_err();
    (setup, erp, client)
}

async fn a_service_that_is_killed_creates_nothing_twice(setup: Setup) {
    let (setup, erp, _) = killed_in_the_middle(setup, demo_erp().await, KEYED).await;
    let bare = demo_erp_without_addon().await;
    let app = setup.start().await;
    let admin = app.admin().await;
    // Its claim ends with the time of the request that was cut off.
    let found = eventually("the key is free", PATIENCE, async || {
        let answer = keyed(&admin, "order-0001", &create("Killed")).await;
        if answer.status == 409 {
            answer.expect_problem(409, "IDEMPOTENCY_KEY_IN_USE");
            return None;
        }
        Some(answer.expect(200))
    })
    .await;
    assert_eq!(count(&admin, "Killed").await, 1);
    assert_eq!(keyed(&admin, "order-0001", &create("Killed")).await.expect(200), found);
    // Where the ERP keeps no answers, nobody can know.
    admin.delete("/api/v1/systems/demo").await.expect(200);
    let (setup, bare, _) = killed_in_the_middle(app.stop().await, bare, ("res.partner", "create")).await;
    let app = setup.start().await;
    let admin = app.admin().await;
    let lost = eventually("the key is free", PATIENCE, async || {
        let answer = keyed(&admin, "order-0001", &create("Killed")).await;
        (answer.status != 409).then_some(answer)
    })
    .await;
    let lost = lost.expect_problem(502, "OUTCOME_UNKNOWN");
    assert_eq!(lost["details"]["safe_to_repeat"], false);
    assert_eq!(result(&admin, lost["details"]["check"].clone()).await[0]["name"], "Killed");
    assert_eq!(count(&admin, "Killed").await, 1);
    app.stop().await;
    erp.stop().await;
    bare.stop().await;
}

async fn an_answer_that_is_kept_for_somebody_else_is_not_asked_for(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.erp.circuit_failures_max = 1_000)).await;
    let user = stage.app.user("amina", None).await;
    let id = user.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    stage.erp.faults().fail_method(KEYED.0, KEYED.1, 4, Fault::ResetAfterWork);
    let lost = keyed(&user, "order-0001", &create("Somebody")).await.expect_problem(502, "OUTCOME_UNKNOWN");
    assert_eq!(lost["details"]["safe_to_repeat"], true);
    // From now on it is somebody else who asks the ERP.
    let link = json!({ "system_id": "demo", "username": "sales", "password": "sales" });
    user.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201);
    let lost = keyed(&user, "order-0001", &create("Somebody")).await.expect_problem(502, "OUTCOME_UNKNOWN");
    assert_eq!(lost["details"]["safe_to_repeat"], false);
    user.delete(&format!("/api/v1/users/{id}/links/demo")).await.expect(200);
    keyed(&user, "order-0001", &create("Somebody")).await.expect(200);
    assert_eq!(count(&stage.admin, "Somebody").await, 1);
    stage.end().await;
}

async fn a_change_bears_the_key_of_its_write(setup: Setup) {
    let stage = Stage::open(setup).await;
    let made = keyed(&stage.admin, "order-0001", &create("Told")).await.expect(200)["result"]["id"].clone();
    let path = format!("/api/v1/webhooks/events?model=res.partner&record_id={made}");
    let event = eventually("the change is in the log", PATIENCE, async || {
        stage.admin.get(&path).await.expect(200)["items"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(event["idempotency_key"], "order-0001", "{event}");
    stage.end().await;
}
