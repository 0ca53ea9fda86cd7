//! Operations that fail, and those beside them.

use super::{codes, partner};
use crate::records::Stage;
use crate::support::{Setup, on_both_databases};
use bridge_erp::fake::Fault;
use serde_json::{Value, json};

on_both_databases!(
    a_bad_record_keeps_no_other_out,
    a_record_that_is_not_there_keeps_no_other_out,
    what_follows_the_first_failure_is_left_if_asked,
    a_lost_answer_is_told_of_each_and_nothing_is_sent_twice,
);

/// Creates of which some have no name.
fn creates(name: &str, count: usize, bad: &[usize]) -> Vec<Value> {
    (0..count)
        .map(|number| {
            let name = if bad.contains(&number) { json!(null) } else { json!(format!("{name} {number:02}")) };
            json!({ "action": "create", "model": "res.partner", "data": { "name": name } })
        })
        .collect()
}

async fn a_bad_record_keeps_no_other_out(setup: Setup) {
    let stage = Stage::open(setup).await;
    stage.erp.faults().reset_counts();
    let answer = stage.batch(json!(creates("Mostly", 40, &[13])), false).await;
    let mut expected = ["done"; 40];
    expected[13] = "ERP_VALIDATION_FAILED";
    assert_eq!(codes(&answer), expected);
    let names: Vec<Value> = (0..40).filter(|one| *one != 13).map(|one| json!(format!("Mostly {one:02}"))).collect();
    assert_eq!(stage.partners("Mostly").await, names, "each once, in their order");
    let calls = stage.calls("create");
    assert!(calls <= 13, "found by halving, in {calls} calls");

    for bad in [&[0][..], &[39], &[0, 1, 2, 20, 39], &(0..40).collect::<Vec<_>>()] {
        let answer = stage.batch(json!(creates("Again", 40, bad)), false).await;
        let failed: Vec<usize> =
            codes(&answer).iter().enumerate().filter(|(_, code)| **code != "done").map(|(index, _)| index).collect();
        assert_eq!(failed, bad);
    }
    assert_eq!(stage.partners("Again").await.len(), 39 + 39 + 35);

    // What we refuse ourselves costs no call.
    let mut operations = creates("Checked", 8, &[]);
    operations[5]["data"] = json!({ "nam": "x" });
    operations[6] = json!({ "action": "create", "model": "res.partner", "data": { "name": "Stray" }, "limit": 1 });
    stage.batch(json!(operations), false).await;
    stage.erp.faults().reset_counts();
    let answer = stage.batch(json!(operations), false).await;
    let (wrong, stray) = (&answer["results"][5]["error"], &answer["results"][6]["error"]);
    assert_eq!((&wrong["details"]["field"], &stray["details"]["field"]), (&json!("data.nam"), &json!("limit")));
    assert_eq!(answer["successful"], 6);
    assert_eq!(stage.calls("create"), 2);
    stage.end().await;
}

async fn a_record_that_is_not_there_keeps_no_other_out(setup: Setup) {
    let stage = Stage::open(setup).await;
    let made = stage.batch(json!(creates("There", 16, &[])), false).await;
    let ids: Vec<&Value> = made["results"].as_array().unwrap().iter().map(|one| &one["result"]["id"]).collect();
    let missing = json!(999_999);
    let of = |action: &str, ids: &[&Value]| -> Vec<Value> {
        let data = (action == "update").then(|| json!({ "city": "Oujda" }));
        let operation = |id: &&Value| {
            let mut operation = json!({ "action": action, "model": "res.partner", "record_id": id });
            if let Some(data) = &data {
                operation["data"] = data.clone();
            }
            operation
        };
        ids.iter().map(operation).collect()
    };
    let mut named = ids.clone();
    named[9] = &missing;
    let mut expected = ["done"; 16];
    expected[9] = "RECORD_NOT_FOUND";
    for (action, method) in [("update", "write"), ("delete", "unlink")] {
        // If that is where it ends, nothing behind it is touched.
        let few = [ids[0], &missing, ids[1]];
        let answer = stage.batch(json!(of("update", &few)), true).await;
        assert_eq!(codes(&answer), ["done", "RECORD_NOT_FOUND", "NOT_ATTEMPTED"], "{action}");
        stage.erp.faults().reset_counts();
        let answer = stage.batch(json!(of(action, &named)), false).await;
        assert_eq!(codes(&answer), expected, "{action}");
        // All, 0 to 7, 8 to 15, 8 to 11, 8 and 9, 8, 9, 10 and 11, 12 to 15.
        assert_eq!(stage.calls(method), 9, "{action}");
    }
    assert_eq!(stage.partners("There").await, [json!("There 09")]);
    let rest = json!({ "action": "read", "model": "res.partner", "record_id": ids[9], "fields": ["city"] });
    assert_eq!(stage.result(rest).await["city"], Value::Null);
    stage.end().await;
}

async fn what_follows_the_first_failure_is_left_if_asked(setup: Setup) {
    let stage = Stage::open(setup).await;
    let answer = stage.batch(json!(creates("Until", 20, &[11, 15])), true).await;
    let mut expected = vec!["done"; 11];
    expected.push("ERP_VALIDATION_FAILED");
    expected.extend(["NOT_ATTEMPTED"; 8]);
    assert_eq!(codes(&answer), expected);
    assert_eq!(stage.partners("Until").await.len(), 11);
    let message = answer["results"][12]["error"]["message"].as_str().unwrap();
    assert!(message.contains("operation 11"), "{message}");
    let read = |id: i64| json!({ "action": "read", "model": "res.partner", "record_id": id, "fields": ["name"] });
    let answer = stage.batch(json!([read(1), read(999_999), read(2)]), true).await;
    assert_eq!(codes(&answer), ["done", "RECORD_NOT_FOUND", "NOT_ATTEMPTED"]);
    assert!(answer["results"][2].get("result").is_none(), "{answer}");
    stage.end().await;
}

async fn a_lost_answer_is_told_of_each_and_nothing_is_sent_twice(setup: Setup) {
    let stage = Stage::open(setup).await;
    stage.batch(json!([partner("Before")]), false).await;
    let mut operations = creates("Lost", 3, &[]);
    operations
        .push(json!({ "action": "update", "model": "res.partner", "record_id": "$0.id", "data": { "ref": "x" } }));
    operations.push(json!({ "action": "count", "model": "res.partner", "domain": [["name", "=like", "Lost%"]] }));
    stage.erp.faults().reset_counts();
    stage.erp.faults().fail_method("res.partner", "create", 1, Fault::ResetAfterWork);
    let answer = stage.batch(json!(operations), false).await;
    let unknown = "OUTCOME_UNKNOWN";
    assert_eq!(codes(&answer), [unknown, unknown, unknown, "NOT_ATTEMPTED", "done"]);
    assert_eq!(answer["results"][4]["result"], 3);
    assert_eq!(stage.calls("create"), 1);
    // And it is the end if that is what was asked for.
    stage.erp.faults().fail_method("res.partner", "create", 1, Fault::ResetAfterWork);
    let answer = stage.batch(json!([partner("A"), { "action": "count", "model": "res.partner" }]), true).await;
    assert_eq!(codes(&answer), [unknown, "NOT_ATTEMPTED"]);
    stage.end().await;
}
