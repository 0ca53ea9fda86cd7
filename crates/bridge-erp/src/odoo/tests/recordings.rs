//! Recordings of real servers, 17.0 and 19.0, played back to the adapter.
//!
//! Each case is put to the adapter as the call that was recorded, over the protocol that it was recorded on, and the
//! table beside this file holds what must come of it. The requests are compared as well: what the adapter sends must
//! say what was recorded. Requests that the adapter never makes (reports, pages, malformed bodies) are played back as
//! the answer to a call, which is how a broken proxy would bring them.

use super::*;
use crate::wire::{Recording, form, recordings};
use crate::xmlrpc::{self, Document};
use serde_json::Value;
use std::collections::BTreeMap;

/// Every recording and what the adapter makes of it: the form of the value, or `!` and the kind of the error.
const EXPECTED: &str = include_str!("recordings.txt");

/// What is asked of the adapter.
enum Asked {
    Call { model: String, method: String, args: Vec<Value>, kwargs: Map<String, Value> },
    LogIn,
    Version,
}

#[tokio::test]
async fn every_recorded_answer_becomes_what_the_table_says() {
    let recordings = recordings();
    let expected: BTreeMap<&str, &str> =
        EXPECTED.lines().map(|line| line.split_once(' ').unwrap()).map(|(name, form)| (name, form.trim())).collect();
    let mut problems: Vec<String> =
        expected.keys().filter(|name| !recordings.contains_key(**name)).map(|name| format!("{name} -")).collect();
    for (name, recording) in &recordings {
        let found = outcome(name, recording).await;
        if expected.get(name.as_str()) != Some(&found.as_str()) {
            problems.push(format!("{name} {found}"));
        }
    }
    assert!(problems.is_empty(), "these lines of the table should be:\n{}", problems.join("\n"));
}

async fn outcome(name: &str, recording: &Recording) -> String {
    let (asked, protocol) = asked(recording);
    let answer = played_back(recording);
    let is_there = !name.ends_with("unknown_model");
    let is_session = recording.request.path.starts_with("/web/session/");
    let asks_of_itself = matches!(asked, Asked::LogIn | Asked::Version);
    let logged_in = std::sync::atomic::AtomicBool::new(asks_of_itself);
    let server = Server::start(move |request: &Request| {
        let is_log_in = request.path.ends_with("/authenticate")
            || request.path.ends_with("/common")
            || request.path.ends_with("/context_get")
            || request.params()["method"] == "authenticate";
        // A credential that is refused later has been good at first.
        if is_log_in && !logged_in.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return logged_in_by(&request.path);
        }
        // The adapter looks whether the model exists.
        let (model, _) = request.called();
        if model == "ir.model" || request.text.contains("<string>ir.model</string>") {
            let count = json!(i32::from(is_there));
            return if request.path.starts_with("/xmlrpc") { xml_answer(&count) } else { result(count) };
        }
        let answer = answer.clone();
        // The recordings hold no cookies.
        if is_session && is_log_in { answer.with_cookie("s1") } else { answer }
    })
    .await;
    let key = (protocol == Protocol::Json2).then(|| "key".to_owned());
    let api_key = if is_session || protocol == Protocol::Xmlrpc { key } else { Some("key".into()) };
    let connection = Connection { api_key, protocol: Some(protocol), ..connection(&server) };
    let options = ClientOptions { retries_max: 0, ..options() };
    let adapter = connect("odoo", &connection, &options, Arc::new(SystemClock)).unwrap();
    let outcome = match asked {
        Asked::LogIn => adapter.authenticate().await.map(|identity| json!(identity.erp_user_id)),
        Asked::Version => adapter.server_info().await.map(|info| json!([info.version, info.major, info.protocol])),
        Asked::Call { model: name, method, args, kwargs } => {
            let outcome = match ModelName::parse(&name) {
                Ok(model) => adapter.call(&model, &method, args.clone(), kwargs.clone()).await,
                Err(error) => Err(ErpError::new(ErpErrorKind::InvalidRequest, error.to_string())),
            };
            check_sent(&server, recording, &json!([name, method, args, kwargs]));
            outcome
        }
    };
    let body = recording.response.json();
    match outcome {
        Ok(value) => {
            match protocol {
                _ if asks_of_itself => {}
                Protocol::Json2 if recording.response.status == 200 => {
                    assert_eq!(value, unwrapped(recording), "{name}");
                }
                Protocol::Jsonrpc => assert_eq!(value, body["result"], "{name}"),
                _ => {}
            }
            form(&value)
        }
        Err(error) => {
            let all = format!("{error:?} {error}");
            assert!(!all.contains("Traceback") && !all.contains("File \\\""), "{name}: {all}");
            assert!(!error.message.is_empty(), "{name}");
            let wire_name = [&body["error"]["data"]["name"], &body["name"]].into_iter().find_map(Value::as_str);
            if let Some(wire_name) = wire_name {
                assert_eq!(error.name.as_deref(), Some(wire_name), "{name}: {all}");
            }
            let name = error.name.map(|name| format!(" {name}")).unwrap_or_default();
            format!("!{:?}{name}", error.kind)
        }
    }
}

/// What JSON-2 answered, with the one record that was created as the other protocols answer it.
fn unwrapped(recording: &Recording) -> Value {
    let answer = recording.response.json();
    if recording.request.json()["vals_list"].is_object() { answer[0].clone() } else { answer }
}

fn asked(recording: &Recording) -> (Asked, Protocol) {
    let request = &recording.request;
    let body = request.json();
    let params = &body["params"];
    let call = |model: &Value, method: &Value, args: &Value, kwargs: &Value| Asked::Call {
        model: model.as_str().unwrap_or("res.partner").into(),
        // The adapter refuses private methods by itself; under another name it sees what Odoo says of them.
        method: method.as_str().filter(|name| !name.starts_with('_')).unwrap_or("action_go").into(),
        args: args.as_array().cloned().unwrap_or_default(),
        kwargs: kwargs.as_object().cloned().unwrap_or_default(),
    };
    // What the adapter never asks: its answer is played back to a call.
    let stray = || call(&Value::Null, &Value::Null, &json!([[7]]), &Value::Null);
    match request.path.as_str() {
        "/web/session/authenticate" => (Asked::LogIn, Protocol::Jsonrpc),
        "/web/webclient/version_info" if request.method == "POST" => (Asked::Version, Protocol::Jsonrpc),
        "/jsonrpc" if params["service"] == "common" && params["method"] == "authenticate" => {
            (Asked::LogIn, Protocol::Jsonrpc)
        }
        "/jsonrpc" if params["method"] == "execute_kw" && params["args"].as_array().is_some_and(|a| a.len() > 5) => {
            let args = &params["args"];
            (call(&args[3], &args[4], &args[5], &args[6]), Protocol::Jsonrpc)
        }
        path if path.starts_with("/web/dataset/call_") => {
            (call(&params["model"], &params["method"], &params["args"], &params["kwargs"]), Protocol::Jsonrpc)
        }
        path if path.starts_with("/json/2/") => {
            let mut parts = path.split('/').skip(3).map(Value::from);
            let (model, method) = (parts.next().unwrap(), parts.next().unwrap_or_default());
            let mut kwargs = body.clone();
            // A single record comes by place, since only then is its answer not a list.
            if let Some(values) = kwargs.get("vals_list").filter(|values| values.is_object()).cloned() {
                kwargs.as_object_mut().unwrap().remove("vals_list");
                return (call(&model, &method, &json!([values]), &kwargs), Protocol::Json2);
            }
            (call(&model, &method, &Value::Null, &kwargs), Protocol::Json2)
        }
        path if path.starts_with("/xmlrpc/") => match xmlrpc::read(request.body.as_bytes()) {
            Ok(Document::Call(method, _)) if method == "authenticate" => (Asked::LogIn, Protocol::Xmlrpc),
            Ok(Document::Call(_, args)) if args.len() > 4 => {
                let given = |at: usize| args.get(at).cloned().unwrap_or_default();
                (call(&given(3), &given(4), &given(5), &given(6)), Protocol::Xmlrpc)
            }
            _ => (stray(), Protocol::Xmlrpc),
        },
        _ => (stray(), Protocol::Jsonrpc),
    }
}

/// The request that the adapter made must say the same as the one that was recorded.
fn check_sent(server: &Server, recording: &Recording, asked: &Value) {
    let mut made = server.requests().into_iter();
    let Some(sent) = made.find(|request| match request.path.as_str() {
        "/jsonrpc" => request.called() == (asked[0].as_str().unwrap().into(), asked[1].as_str().unwrap().into()),
        path => path.starts_with("/json/2/") && !path.ends_with("/context_get") || path == "/xmlrpc/2/object",
    }) else {
        // The adapter has refused it by itself.
        return;
    };
    if sent.path.starts_with("/json/2/") {
        let is_stray = recording.request.path.split('/').count() != 5 || recording.request.json().is_null();
        if !is_stray {
            assert_eq!((sent.path, sent.body), (recording.request.path.clone(), recording.request.json()));
        }
    } else if sent.path == "/xmlrpc/2/object" {
        let Ok(Document::Call(method, params)) = xmlrpc::read(sent.text.as_bytes()) else { panic!("{}", sent.text) };
        assert_eq!((method.as_str(), json!(params[3..])), ("execute_kw", asked.clone()));
    } else {
        assert_eq!(json!(sent.params()["args"].as_array().unwrap()[3..]), *asked);
    }
}

fn logged_in_by(path: &str) -> Answer {
    match path {
        "/web/session/authenticate" => result(json!({"uid": 2})).with_cookie("s1"),
        "/jsonrpc" => result(json!(2)),
        path if path.starts_with("/xmlrpc") => xml_answer(&json!(2)),
        _ => Answer::json(&json!({"lang": "en_US", "uid": 2})),
    }
}

fn xml_answer(value: &Value) -> Answer {
    Answer::http("HTTP/1.0 200 OK\r\nContent-Type: text/xml", xmlrpc::write_answer(value).unwrap().as_bytes())
}

#[tokio::test]
async fn the_recorded_version_and_records_are_read() {
    let recordings = recordings();
    let version = played_back(&recordings["19/version_webclient_post_jsonrpc"]);
    let partners = played_back(&recordings["19/partner_search_read"]);
    let body = recordings["19/partner_search_read"].response.json();
    let server = Server::start(odoo(move |request| match request.path.as_str() {
        "/web/webclient/version_info" => version.clone(),
        _ => partners.clone(),
    }))
    .await;
    let adapter = adapter(&server);
    let info = adapter.server_info().await.unwrap();
    assert_eq!((info.version.as_str(), info.major, info.protocol.as_str()), ("19.0", 19, "jsonrpc"));
    let query = crate::SearchRead {
        model: model("res.partner"),
        domain: json!([]),
        fields: vec!["name".into()],
        offset: 0,
        limit: 5,
        order: String::new(),
        context: Map::new(),
    };
    let records = adapter.search_read(&query).await.unwrap();
    assert!(!records.is_empty());
    assert_eq!(json!(records), body["result"]);
}

#[tokio::test]
async fn versions_are_read_as_each_edition_writes_them() {
    for (version, major) in [("19.0", 19), ("17.0-20240101", 17), ("saas~18.1+e", 18), ("13.0+e", 13)] {
        let server = Server::start(move |_| result(json!({"server_version": version}))).await;
        assert_eq!(adapter(&server).server_info().await.unwrap().major, major, "{version}");
    }
}

/// The response as it was on the wire. Its length is told anew, since long pages were shortened in the recordings.
fn played_back(recording: &Recording) -> Answer {
    Answer::http(&recording.response.head(), recording.response.body.as_bytes())
}
