//! The requests that were put to a real Odoo 19, put to the demo ERP: the same status, shape and error.
//!
//! Every recording is tried. The list beside this file names those whose answer differs, with the reason; one that is
//! not in it and differs fails the test, and so does one that is in it and does not.

use super::*;
use crate::wire::{Recording, recordings};
use crate::xmlrpc::{self, Document};
use std::collections::{BTreeMap, BTreeSet};

/// The cases that the demo ERP does not answer as the real one did: the name and the reason.
const NOT_COVERED: &str = include_str!("recordings.txt");

#[tokio::test]
async fn the_answers_are_those_of_a_real_odoo() {
    let not_covered: BTreeMap<&str, &str> = NOT_COVERED.lines().filter_map(|line| line.split_once(": ")).collect();
    let recordings = recordings();
    let mut problems = Vec::new();
    for name in not_covered.keys().filter(|name| !recordings.contains_key(**name)) {
        problems.push(format!("{name}: there is no such recording"));
    }
    let mut kept: Option<Stage> = None;
    for (name, recording) in &recordings {
        // What a case has changed must not be seen by the next one.
        let stage = match kept.take() {
            Some(stage) => stage,
            None => filled().await,
        };
        let difference = differs(&stage, name, recording).await;
        if !recording.changes_data() {
            kept = Some(stage);
        }
        match (difference, not_covered.contains_key(name.as_str())) {
            (Some(difference), false) => problems.push(format!("{name}: {difference}")),
            (None, true) => problems.push(format!("{name}: is covered, and yet it is in the list")),
            _ => {}
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// What had been done before on the recorded server.
const BEFORE: &[(&[&str], &str, &str, &[i64])] = &[
    (&["19/sale_order_confirm_again", "19/sale_order_unlink_confirmed"], "sale.order", "action_confirm", &[28]),
    (&["19/unlink_again"], "res.partner", "unlink", &[68, 69]),
];

/// A demo whose records have the ids that the recordings speak of.
async fn filled() -> Stage {
    let stage = stage().await;
    fill(&stage, "res.partner", 99, &json!({"name": "Wire Test"})).await;
    fill(&stage, "sale.order", 31, &json!({"partner_id": 66})).await;
    fill(&stage, "purchase.order", 31, &json!({"partner_id": 66})).await;
    stage
}

async fn fill(stage: &Stage, model: &str, until: i64, values: &Value) {
    let newest = json!({"order": "id desc", "limit": 1, "context": {"active_test": false}});
    let newest = stage.call(model, "search", json!([[]]), newest).await;
    let count = until - newest[0].as_i64().unwrap_or(0);
    let many: Vec<_> = (0..count).map(|_| values.clone()).collect();
    stage.call(model, "create", json!([many]), json!({})).await;
}

/// How the demo's answer differs from the recorded one, if it does.
async fn differs(stage: &Stage, name: &str, recording: &Recording) -> Option<String> {
    for (_, model, method, ids) in BEFORE.iter().filter(|(cases, ..)| cases.contains(&name)) {
        stage.call(model, method, json!([ids]), json!({})).await;
    }
    let (request, expected) = (&recording.request, &recording.response);
    let mut sent =
        stage.client.request(request.method.parse().unwrap(), format!("{}{}", stage.erp.url(), request.path));
    for (header, value) in &request.headers {
        sent = sent.header(header, translated(value));
    }
    // The recordings hold no cookies.
    let is_in_session = request.path.starts_with("/web/")
        && !expected.body.contains("SessionExpired")
        && !request.path.ends_with("/authenticate");
    if is_in_session || expected.body.contains("Sec-headers") {
        sent = sent.header("cookie", session(stage).await);
    }
    let response = sent.body(translated(&request.body)).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    if expected.status != status {
        return Some(format!("status {status} instead of {}: {text:.200}", expected.status));
    }
    let kind = |text: &str| text.split(';').next().unwrap_or_default().to_owned();
    let recorded_kind = expected.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let recorded_kind = recorded_kind.map(|(_, value)| kind(value)).unwrap_or_default();
    let our_kind = headers.get("content-type").map(|value| kind(value.to_str().unwrap())).unwrap_or_default();
    if recorded_kind != our_kind {
        return Some(format!("{our_kind} instead of {recorded_kind}"));
    }
    let is_same = match recorded_kind.as_str() {
        "application/json" => {
            let ours: Value = serde_json::from_str(&text).unwrap();
            if recording.is_json2() {
                is_same_json2(status, &expected.json(), &ours)
            } else {
                is_same_envelope(&expected.json(), &ours)
            }
        }
        "text/xml" => is_same_document(&read(&expected.body), &read(&text)),
        // A page for people says nothing that anyone reads by machine.
        _ => status != 200,
    };
    (!is_same).then(|| format!("\n  {:.600}\n  {text:.600}", expected.body))
}

fn read(text: &str) -> Document {
    xmlrpc::read(text.as_bytes()).unwrap()
}

async fn session(stage: &Stage) -> String {
    let params = json!({"db": "demo", "login": "admin", "password": "admin"});
    let url = format!("{}/web/session/authenticate", stage.erp.url());
    let response = stage.client.post(url).json(&json!({"params": params})).send().await.unwrap();
    response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

/// The recorded text with the names and the ids of the demo's data in place of those of the recorded database.
fn translated(text: &str) -> String {
    let pairs = [
        ("odoo19", "demo"),
        ("odoo17", "demo"),
        ("<API_KEY:admin>", "admin-api-key"),
        ("<API_KEY:admin_rpc>", "admin-api-key"),
        ("<API_KEY:generated>", "admin-api-key"),
        ("<API_KEY:low>", "stock-api-key"),
        ("lowuser-pw-1", "stock"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

impl Recording {
    /// Whether the request may leave something behind.
    fn changes_data(&self) -> bool {
        let words = ["create", "write", "unlink", "action_", "button_", "copy", "load", "message_", "save", "destroy"];
        words.iter().any(|word| self.request.body.contains(word) || self.request.path.contains(word))
    }

    fn is_json2(&self) -> bool {
        self.request.path.starts_with("/json/2/")
    }
}

fn is_same_envelope(recorded: &Value, ours: &Value) -> bool {
    let (error, our_error) = (&recorded["error"], &ours["error"]);
    let members = |answer: &Value| answer.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    if members(recorded) != members(ours) || recorded["id"] != ours["id"] {
        return false;
    }
    if error.is_null() {
        let result = if recorded.get("jsonrpc").is_some() { &recorded["result"] } else { recorded };
        let our_result = if ours.get("jsonrpc").is_some() { &ours["result"] } else { ours };
        return is_same_result(result, our_result);
    }
    (&error["code"], &error["message"]) == (&our_error["code"], &our_error["message"])
        && is_same_error(&error["data"], &our_error["data"])
}

fn is_same_json2(status: u16, recorded: &Value, ours: &Value) -> bool {
    if status == 200 { is_same_result(recorded, ours) } else { is_same_error(recorded, ours) }
}

fn is_same_document(recorded: &Document, ours: &Document) -> bool {
    match (recorded, ours) {
        (Document::Answer(recorded), Document::Answer(ours)) => is_same_result(recorded, ours),
        // The text of a fault may be a traceback, of which only the end counts.
        (Document::Fault(code, text), Document::Fault(our_code, our_text)) => {
            let last = |text: &str| text.trim().lines().last().map(|line| line.split(':').next().unwrap().to_owned());
            let first = |code: &Value| code.as_str().and_then(|code| code.lines().next()).map(str::to_owned);
            let is_traceback = text.starts_with("Traceback");
            (first(code) == first(our_code) && (code.is_string() || code == our_code))
                && (if is_traceback { last(text) == last(our_text) } else { is_same_message(text, our_text) })
        }
        _ => false,
    }
}

/// What a session knows of itself is a long list in Odoo; ours is part of it.
fn is_same_result(recorded: &Value, ours: &Value) -> bool {
    let mut recorded = recorded.clone();
    if let (Some(theirs), Some(our_fields)) = (recorded.as_object_mut(), ours.as_object())
        && theirs.contains_key("user_context")
    {
        theirs.retain(|field, _| our_fields.contains_key(field));
    }
    is_same_shape(&shape(&recorded), &shape(ours))
}

fn is_same_error(recorded: &Value, ours: &Value) -> bool {
    recorded["name"] == ours["name"]
        && is_same_shape(&shape(recorded), &shape(ours))
        && is_same_message(recorded["message"].as_str().unwrap(), ours["message"].as_str().unwrap())
}

/// Which groups may do something, and what the database or a parser quotes, is a matter of the data.
fn is_same_message(recorded: &str, ours: &str) -> bool {
    let head = |text: &str| text.split('\n').next().unwrap().split(": ").next().unwrap().to_owned();
    recorded.split('\n').next() == ours.split('\n').next() || (recorded.contains(": ") && head(recorded) == head(ours))
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
        (Value::String(any), _) | (_, Value::String(any)) if any == "any" => true,
        (Value::Array(left), Value::Array(right)) => left.iter().zip(right).all(|(l, r)| is_same_shape(l, r)),
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, l)| right.get(name).is_some_and(|r| is_same_shape(l, r)))
        }
        _ => recorded == ours,
    }
}
