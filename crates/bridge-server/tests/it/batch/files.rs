//! Operations with files in their values.

use super::codes;
use crate::records::Stage;
use crate::support::{Setup, on_both_databases};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

on_both_databases!(files_are_written_and_read_with_their_neighbours, what_is_no_file_keeps_no_other_out);

/// Bytes of every value, in base64, other ones for each number.
fn content(number: u8) -> String {
    STANDARD.encode((0..=255).map(|byte: u8| byte ^ number).collect::<Vec<u8>>())
}

fn attach(number: u8, datas: &str) -> Value {
    let name = format!("File {number:02}");
    let data = json!({ "name": name, "datas": datas, "res_model": "res.partner", "res_id": 1 });
    json!({ "action": "create", "model": "ir.attachment", "data": data })
}

fn read(id: &Value) -> Value {
    json!({ "action": "read", "model": "ir.attachment", "record_id": id, "fields": ["name", "datas"] })
}

async fn stage(setup: Setup) -> Stage {
    let stage = Stage::open(setup).await;
    stage.allow(json!({ "ir.attachment": { "operations": ["read", "create", "update"] } })).await;
    stage
}

async fn files_are_written_and_read_with_their_neighbours(setup: Setup) {
    let stage = stage(setup.config(|config| config.records.binary_rows_max = 10)).await;
    let calls = |method: &str| stage.erp.faults().calls("ir.attachment", method);
    let creates: Vec<Value> = (0..12).map(|number| attach(number, &content(number))).collect();
    let made = stage.batch(json!(creates), false).await;
    assert_eq!((codes(&made), calls("create")), (vec!["done"; 12], 1));
    let ids: Vec<&Value> = made["results"].as_array().unwrap().iter().map(|one| &one["result"]["id"]).collect();
    assert_eq!(
        made["results"][3]["result"],
        json!({ "id": ids[3], "name": "File 03", "res_model": "res.partner", "res_id": 1 }),
        "a file is not sent back"
    );
    // More than one call may read files of, each as it was.
    let before = calls("search_read");
    let reads: Vec<Value> = ids.iter().map(|id| read(id)).collect();
    let answer = stage.batch(json!(reads), false).await;
    assert_eq!((codes(&answer), calls("search_read") - before), (vec!["done"; 12], 2));
    for number in 0..12 {
        let expected =
            json!({ "id": ids[usize::from(number)], "name": format!("File {number:02}"), "datas": content(number) });
        assert_eq!(answer["results"][usize::from(number)]["result"], expected);
    }
    // One that was read goes where a later operation says.
    let operations = json!([
        read(ids[7]),
        { "action": "update", "model": "ir.attachment", "record_id": ids[0], "data": { "datas": "$0.datas" } },
        { "action": "create", "model": "ir.attachment", "data": {
            "name": "$0.name", "datas": "$0.datas", "res_model": "res.partner", "res_id": 1,
        } },
        read(ids[0]),
        read(&json!("$2.id")),
    ]);
    let answer = stage.batch(operations, true).await;
    assert_eq!(codes(&answer), ["done"; 5], "{answer}");
    assert_eq!(answer["results"][3]["result"]["datas"], content(7));
    assert_eq!(answer["results"][4]["result"]["name"], "File 07");
    assert_eq!(answer["results"][4]["result"]["datas"], content(7));
    // What was read of files counts in the answer as everything does.
    let setup = stage.app.stop().await.config(|config| config.batch.answer_bytes_max = 2_000);
    let app = setup.start().await;
    let body = json!({ "system_id": "demo", "operations": (0..30).map(|at| read(ids[at % 12])).collect::<Vec<_>>() });
    let answer = app.admin().await.post("/api/v1/batch/execute", &body).await.expect(200);
    let codes = codes(&answer);
    let done = codes.iter().take_while(|code| **code == "done").count();
    assert!((1..=10).contains(&done) && codes[done..].iter().all(|code| *code == "NOT_ATTEMPTED"), "{codes:?}");
    app.stop().await;
    stage.erp.stop().await;
}

async fn what_is_no_file_keeps_no_other_out(setup: Setup) {
    let stage = stage(setup).await;
    let mut number = attach(1, "");
    number["data"]["datas"] = json!(7);
    let operations = json!([attach(0, &content(0)), number, attach(2, "no base64!"), attach(3, &content(3))]);
    let answer = stage.batch(operations, false).await;
    let codes = codes(&answer);
    assert_eq!((codes[0], codes[3]), ("done", "done"), "{answer}");
    for index in [1, 2] {
        assert_eq!(codes[index], "DATA_VALIDATION_FAILED", "{answer}");
    }
    let names = json!({ "action": "read", "model": "ir.attachment", "domain": [["name", "=like", "File%"]], "fields": ["name"], "order": "name" });
    let names = stage.result(names).await;
    let names: Vec<&Value> = names.as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["File 00", "File 03"]);
    stage.end().await;
}
