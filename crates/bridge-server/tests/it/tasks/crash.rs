//! `kill -9` in the middle of a task: nothing is done twice, and what nobody can find out is told as unknown.

use super::{PATIENCE, begin, codes, creates, ended, until};
use crate::crash::process::Process;
use crate::records::keyed::KEYED;
use crate::support::{
    Client, Setup, demo_erp, demo_erp_without_addon, eventually, on_both_databases, register_demo_system,
};
use bridge_erp::fake::{DemoErp, Fault};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::collections::BTreeMap;

on_both_databases!(
    what_was_under_way_is_found_out,
    what_was_under_way_is_unknown_where_nobody_keeps_it,
    kills_at_any_moment_do_everything_once,
    kills_at_any_moment_do_nothing_twice,
);

/// How often the service is killed while it does one task.
const KILLS: usize = 12;

/// The seed of the moments at which it is killed.
const SEED: u64 = 20_261_122;

/// The binary on the setup's database, with calls of a few records and a lease that ends soon.
async fn start(setup: &Setup) -> (Process, Client) {
    let variables = [
        ("BRIDGECORE_BATCH__ROWS_PER_CALL_MAX", "4".to_owned()),
        ("BRIDGECORE_TASKS__LEASE_MS", "2000".to_owned()),
        ("BRIDGECORE_ERP__CALL_TIMEOUT_MS", "60000".to_owned()),
    ];
    let process = Process::try_start(setup, &variables).await.expect("the service ended before it listened");
    let client = process.client().await;
    (process, client)
}

async fn open(client: &Client, erp: &DemoErp) {
    register_demo_system(client, erp, "demo").await;
    let models = json!({ "models": { "res.partner": { "operations": ["read", "create", "update"] } } });
    client.put("/api/v1/systems/demo/allowed", &models).await.expect(200);
    let first = json!({ "action": "create", "model": "res.partner", "data": { "name": "Before" } });
    crate::records::result(client, first).await;
}

/// How often each name is there.
async fn names(client: &Client, beginning: &str) -> BTreeMap<String, usize> {
    let read = json!({
        "action": "read", "model": "res.partner", "domain": [["name", "=like", format!("{beginning}%")]],
        "fields": ["name"], "limit": 1000,
    });
    let rows = crate::records::result(client, read).await;
    let mut names = BTreeMap::new();
    for row in rows.as_array().unwrap() {
        *names.entry(row["name"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    names
}

/// Waits until a call that hangs has reached the ERP.
async fn reached(erp: &DemoErp, method: &str) {
    reached_model(erp, ("res.partner", method)).await;
}

async fn reached_model(erp: &DemoErp, (model, method): (&str, &str)) {
    eventually("the call reaches the ERP", PATIENCE, async || (erp.faults().calls(model, method) > 0).then_some(()))
        .await;
}

async fn what_was_under_way_is_found_out(setup: Setup) {
    let erp = demo_erp().await;
    let (mut process, mut client) = start(&setup).await;
    open(&client, &erp).await;
    for (name, fault) in [("Done", Fault::HangAfterWork), ("Undone", Fault::Hang)] {
        erp.faults().reset_counts();
        erp.faults().fail_method(KEYED.0, KEYED.1, 1, fault);
        let id = begin(&client, &creates(name, 10), true).await["id"].clone();
        reached_model(&erp, KEYED).await;
        process.kill_9().await;
        (process, client) = start(&setup).await;
        let task = ended(&client, &id).await;
        assert_eq!(codes(&task), ["done"; 10], "{task}");
        let names = names(&client, name).await;
        assert!(names.len() == 10 && names.values().all(|times| *times == 1), "{names:?}");
        assert_eq!(task["results"][3]["result"]["name"], format!("{name} 003"));
        // A change bears the name of its task.
        let record = &task["results"][3]["result"]["id"];
        let path = format!("/api/v1/webhooks/events?model=res.partner&record_id={record}");
        let event = eventually("the change is in the log", PATIENCE, async || {
            client.get(&path).await.expect(200)["items"].as_array().unwrap().first().cloned()
        })
        .await;
        assert_eq!(event["idempotency_key"], format!("task-{id}"), "{event}");
    }
    process.kill_9().await;
    erp.stop().await;
}

async fn what_was_under_way_is_unknown_where_nobody_keeps_it(setup: Setup) {
    let erp = demo_erp_without_addon().await;
    let (process, client) = start(&setup).await;
    open(&client, &erp).await;
    let mut operations = creates("Killed", 20);
    let count = json!({ "action": "count", "model": "res.partner", "domain": [["name", "=like", "Killed%"]] });
    operations.extend([count, json!({ "action": "read", "model": "res.partner", "record_id": "$8.id" })]);
    // The third call hangs; its process is killed meanwhile.
    let id = begin(&client, &operations[..8], false).await["id"].clone();
    ended(&client, &id).await;
    erp.faults().reset_counts();
    erp.faults().fail_method("res.partner", "create", 1, Fault::Hang);
    let mut rest: Vec<Value> = operations[8..].to_vec();
    rest[13]["record_id"] = json!("$1.id");
    let id = begin(&client, &rest, false).await["id"].clone();
    reached(&erp, "create").await;
    process.kill_9().await;

    let (process, client) = start(&setup).await;
    let task = ended(&client, &id).await;
    assert_eq!(task["status"], "completed");
    let (unknown, done) = ("OUTCOME_UNKNOWN", "done");
    let mut expected = vec![unknown; 4];
    expected.extend([done; 9]);
    expected.push("NOT_ATTEMPTED");
    assert_eq!(codes(&task), expected, "{task}");
    assert_eq!(task["results"][12]["result"], 16);
    assert_eq!(erp.faults().calls("res.partner", "create"), 3, "what was under way is not sent again");
    let details = &task["results"][0]["error"]["details"];
    assert_eq!((&details["model"], &details["safe_to_repeat"]), (&json!("res.partner"), &json!(false)));
    let written = crate::records::result(&client, details["check"].clone()).await;
    assert_eq!(written[0]["name"], "Killed 019", "the newest first");

    // With the wish to stop at the first failure it is the end.
    erp.faults().reset_counts();
    erp.faults().fail_method("res.partner", "create", 1, Fault::Hang);
    let id = begin(&client, &creates("Stopped", 6), true).await["id"].clone();
    reached(&erp, "create").await;
    process.kill_9().await;
    let (process, client) = start(&setup).await;
    let task = ended(&client, &id).await;
    let left = "NOT_ATTEMPTED";
    assert_eq!(codes(&task), [unknown, unknown, unknown, unknown, left, left]);

    // A read that was under way is simply done again.
    erp.faults().reset_counts();
    erp.faults().fail_method("res.partner", "search_count", 1, Fault::Hang);
    let count = json!({ "action": "count", "model": "res.partner", "domain": [["name", "=like", "Killed%"]] });
    let id = begin(&client, &[count], false).await["id"].clone();
    reached(&erp, "search_count").await;
    process.kill_9().await;
    let (process, client) = start(&setup).await;
    let task = ended(&client, &id).await;
    assert_eq!((codes(&task), &task["results"][0]["result"]), (vec![done], &json!(16)));
    process.kill_9().await;
    erp.stop().await;
}

async fn kills_at_any_moment_do_everything_once(setup: Setup) {
    let (task, names) = killed_at_any_moment(setup, demo_erp().await).await;
    assert_eq!(codes(&task), ["done"; 300]);
    assert!(names.len() == 300 && names.values().all(|times| *times == 1), "{names:?}");
}

async fn kills_at_any_moment_do_nothing_twice(setup: Setup) {
    let (task, names) = killed_at_any_moment(setup, demo_erp_without_addon().await).await;
    let codes = codes(&task);
    for (number, code) in codes.iter().enumerate() {
        let times = names.get(&format!("Random {number:03}")).copied().unwrap_or(0);
        match *code {
            "done" => assert_eq!(times, 1, "operation {number}"),
            "OUTCOME_UNKNOWN" => assert!(times <= 1, "operation {number} was done {times} times"),
            other => panic!("operation {number}: {other}"),
        }
    }
    let unknown = codes.iter().filter(|code| **code == "OUTCOME_UNKNOWN").count();
    assert!(unknown <= codes.len() / 2, "{unknown} unknown after {KILLS} kills with at most 4 under way");
}

/// The task and the names of its records, after it was killed again and again.
async fn killed_at_any_moment(setup: Setup, erp: DemoErp) -> (Value, BTreeMap<String, usize>) {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let (process, client) = start(&setup).await;
    open(&client, &erp).await;
    erp.faults().latency_ms(5);
    let id = begin(&client, &creates("Random", 300), false).await["id"].clone();
    process.kill_9().await;
    for _ in 0..KILLS {
        let (process, client) = start(&setup).await;
        let seen = super::task(&client, &id).await["finished"].as_u64().unwrap();
        let until_then = seen + random.random_range(1..20);
        until(&client, &id, "it goes on", |task| {
            task["finished"].as_u64().unwrap() >= until_then || !task["finished_at"].is_null()
        })
        .await;
        process.kill_9().await;
    }
    let (process, client) = start(&setup).await;
    let task = ended(&client, &id).await;
    assert_eq!((&task["status"], &task["finished"]), (&json!("completed"), &json!(300)));
    let names = names(&client, "Random").await;
    process.kill_9().await;
    erp.stop().await;
    (task, names)
}
