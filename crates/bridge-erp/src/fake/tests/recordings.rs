//! The same requests as were put to a real Odoo 19, with the same kind of answer.

use super::*;
use std::collections::BTreeSet;
use std::path::Path;

fn recordings() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/odoo-19");
    let mut all: Vec<(String, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), serde_json::from_str(&text).unwrap())
        })
        .collect();
    all.sort_by(|(left, _), (right, _)| left.cmp(right));
    all
}

/// The recorded request, with the ids and names of the demo's data in place of those of the recorded database.
fn translated(request: &Value) -> Value {
    let mut body = request["json"].clone();
    let database = "odoo19";
    for place in ["/params/args/0", "/params/db"] {
        if let Some(name) = body.pointer_mut(place).filter(|name| **name == database) {
            *name = json!("demo");
        }
    }
    body
}

/// The shape of a value: names and types, without the values. Empty (`false`) may stand for anything.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(false) => json!("any"),
        Value::Bool(true) => json!("bool"),
        Value::Number(number) => json!(if number.is_f64() { "float" } else { "int" }),
        Value::String(_) => json!("text"),
        Value::Array(items) => Value::Array(items.iter().take(1).map(shape).collect()),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
    }
}

fn is_same_shape(recorded: &Value, ours: &Value) -> bool {
    match (recorded, ours) {
        (Value::String(any), _) | (_, Value::String(any)) if any == "any" || any == "bool" => true,
        (Value::Array(left), Value::Array(right)) => left.iter().zip(right).all(|(l, r)| is_same_shape(l, r)),
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, l)| right.get(name).is_some_and(|r| is_same_shape(l, r)))
        }
        _ => recorded == ours,
    }
}

#[tokio::test]
async fn the_answers_are_those_of_a_real_odoo() {
    let stage = stage().await;
    let mut problems = Vec::new();
    let recordings = recordings();
    assert!(recordings.len() > 30);
    for (name, recording) in &recordings {
        let (request, expected) = (&recording["request"], &recording["response"]);
        let url = format!("{}{}", stage.erp.url(), request["path"].as_str().unwrap());
        let method = request["method"].as_str().unwrap().parse().unwrap();
        let mut sent = stage.client.request(method, url);
        for (header, value) in request["headers"].as_object().unwrap() {
            sent = sent.header(header, value.as_str().unwrap());
        }
        let sent = match request["text"].as_str() {
            Some(text) => sent.body(text.to_owned()),
            None if request.get("json").is_some() => sent.body(translated(request).to_string()),
            None => sent,
        };
        let response = sent.send().await.unwrap();
        let status = response.status().as_u16();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let text = response.text().await.unwrap();
        if expected["status"] != status {
            problems.push(format!("{name}: status {status} instead of {}", expected["status"]));
            continue;
        }
        let Some(recorded) = expected.get("json").filter(|json| !json.is_null()) else {
            if !kind.starts_with("text/html") {
                problems.push(format!("{name}: {kind}"));
            }
            continue;
        };
        let ours: Value = serde_json::from_str(&text).unwrap();
        let members = |answer: &Value| answer.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        if members(recorded) != members(&ours) || recorded["id"] != ours["id"] {
            problems.push(format!("{name}: {ours}"));
            continue;
        }
        let (error, our_error) = (&recorded["error"], &ours["error"]);
        let is_same = if error.is_null() {
            // What a session knows of itself is a long list in Odoo; ours is part of it.
            let mut result = recorded["result"].clone();
            if let (Some(theirs), Some(our_fields)) = (result.as_object_mut(), ours["result"].as_object())
                && theirs.contains_key("user_context")
            {
                theirs.retain(|field, _| our_fields.contains_key(field));
            }
            is_same_shape(&shape(&result), &shape(&ours["result"]))
        } else {
            let names = ["name", "message"].iter().all(|field| {
                let (theirs, ours) =
                    (error["data"][field].as_str().unwrap(), our_error["data"][field].as_str().unwrap());
                // Which groups may do something, and what the database quotes, is a matter of the data.
                theirs == ours || (*field == "message" && theirs.split('\n').next() == ours.split('\n').next())
            });
            names
                && is_same_shape(&shape(error), &shape(our_error))
                && (&error["code"], &error["message"]) == (&our_error["code"], &our_error["message"])
        };
        if !is_same {
            problems.push(format!("{name}:\n  {recorded}\n  {ours}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
