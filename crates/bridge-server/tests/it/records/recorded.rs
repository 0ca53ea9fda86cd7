//! Every error of the recordings of real Odoos, as a client of the API sees it.
//!
//! Each is played back as the answer to what the service asks for a client: to a log-in where a log-in was recorded, to a
//! call otherwise. The adapter's own table says what kind of error each is; the table beside this file says what becomes
//! of it, and is to be read: `BRIDGECORE_WRITE_DOCS=1` writes it anew.

use crate::support::{Client, Setup};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, Response, Uri};
use axum::{Router, serve};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What was recorded, one exchange a line.
const WIRE: [(&str, &str); 2] = [
    ("17", include_str!("../../../../bridge-erp/fixtures/wire/17.jsonl")),
    ("19", include_str!("../../../../bridge-erp/fixtures/wire/19.jsonl")),
];

/// What the adapter makes of each; an error begins with `!`.
const KINDS: &str = include_str!("../../../../bridge-erp/src/odoo/tests/recordings.txt");

/// What a client sees of each error.
const TABLE: &str = include_str!("recorded.txt");

const TABLE_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/records/recorded.txt");

/// Set to write the table instead of comparing it.
const WRITE_VARIABLE: &str = "BRIDGECORE_WRITE_DOCS";

const HEAD: &str = "\
# What a client is told of every error in the recordings of real Odoos: HTTP status, code, error_type. A read is a `count`, a
# write is a `call`, both with the system's credential (one's own that is refused is 403 ERP_LINK_REFUSED); a dash stands
# where no read asks what was recorded. A write of which nothing says that Odoo has refused or undone it may have been done.
# Written by a test (see recorded.rs).
";

#[derive(Debug, Clone, Deserialize)]
struct Recording {
    case: String,
    request: Request,
    response: Recorded,
}

#[derive(Debug, Clone, Deserialize)]
struct Request {
    path: String,
    body: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Recorded {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// What of the recorded request matters here.
struct Asked {
    protocol: &'static str,
    has_key: bool,
    is_log_in: bool,
    model: String,
    method: String,
    /// Whether a read of ours may meet it.
    is_read: bool,
}

/// How an Odoo behaves that gives this answer.
struct Play {
    answer: Recorded,
    asked: Asked,
    is_model_there: bool,
    /// Whether the credential or the session is what was refused: it had been good, and then it was not.
    ends_log_in: bool,
    was_played: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_error_has_its_status_and_code() {
    let app = Setup::sqlite().config(|config| config.erp.circuit_failures_max = 1_000_000).start().await;
    let admin = app.admin().await;
    let recordings = recordings();
    let mut rows = Vec::new();
    for (name, kind) in errors() {
        let recording = recordings.get(name).unwrap_or_else(|| panic!("there is no recording {name}"));
        let [read, write] = seen(&admin, recording, kind).await;
        rows.push([name.to_owned(), kind.to_owned(), read, write]);
    }
    let table = aligned(&rows);
    if std::env::var_os(WRITE_VARIABLE).is_some() {
        std::fs::write(TABLE_PATH, &table).unwrap();
    } else {
        let stale: Vec<_> = table.lines().filter(|line| !TABLE.lines().any(|kept| kept == *line)).collect();
        assert!(table == TABLE, "{TABLE_PATH} is stale, set {WRITE_VARIABLE}=1 to write it. It lacks:\n{stale:#?}");
    }
    app.stop().await;
}

/// Every recorded error by its name, with its kind and its name on the wire.
fn errors() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.lines().filter_map(|line| line.split_once(" !"))
}

fn recordings() -> BTreeMap<String, Recording> {
    let mut all = BTreeMap::new();
    for (version, text) in WIRE {
        for line in text.lines() {
            let recording: Recording = serde_json::from_str(line).unwrap();
            all.insert(format!("{version}/{}", recording.case), recording);
        }
    }
    all
}

/// What a read and a write are told that meet it.
async fn seen(admin: &Client, recording: &Recording, kind: &str) -> [String; 2] {
    let asked = asked(&recording.request);
    let (model, method, is_read) = (asked.model.clone(), asked.method.clone(), asked.is_read);
    let credential = if asked.has_key { "api_key" } else { "password" };
    let mut connection = json!({ "database": "shop", "username": "bridge", "protocol": asked.protocol });
    connection[credential] = json!("good");
    let play = Play {
        answer: recording.response.clone(),
        asked,
        is_model_there: !kind.starts_with("UnknownModel"),
        ends_log_in: ["Authentication", "SessionExpired"].iter().any(|start| kind.starts_with(start)),
        was_played: AtomicBool::new(false),
    };
    let (url, serving) = play_back(play).await;
    connection["url"] = json!(url);
    let registration = json!({ "system_id": "recorded", "system_type": "odoo", "connection_config": connection });
    admin.post("/api/v1/systems", &registration).await.expect(201);
    let open = json!({ "models": { &model: { "operations": ["read"], "methods": [method] } } });
    admin.put("/api/v1/systems/recorded/allowed", &open).await.expect(200);
    let ask = async |body: Value| {
        let answer = admin.post("/api/v1/systems/recorded/crud", &body).await;
        let (status, code) = (answer.status, answer.body["code"].as_str().unwrap_or("none").to_owned());
        let told = answer.expect_problem(status, &code);
        assert!(status >= 400 && !told.to_string().contains("Traceback"), "{}: {told}", recording.case);
        format!("{status} {code} {}", told["details"]["error_type"].as_str().unwrap_or("none"))
    };
    let read = if is_read { ask(json!({ "action": "count", "model": model })).await } else { "-".to_owned() };
    let write = ask(json!({ "action": "call", "model": model, "record_id": 7, "method": method })).await;
    admin.delete("/api/v1/systems/recorded").await.expect(200);
    serving.abort();
    [read, write]
}

/// What is asked of Odoo so that it may answer what was recorded.
fn asked(request: &Request) -> Asked {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let params = &body["params"];
    let (model, method) = called(&request.path, &request.body);
    let is_xml = request.path.starts_with("/xmlrpc/");
    let has_session = request.path.starts_with("/web/session/");
    // What we never ask, as a page or a report, may be answered to anything by what stands in front of an Odoo.
    let is_read = method.is_empty() || ["search", "search_read", "search_count", "read"].contains(&method.as_str());
    Asked {
        protocol: match () {
            () if is_xml => "xmlrpc",
            () if request.path.starts_with("/json/2/") => "json2",
            () => "jsonrpc",
        },
        has_key: !is_xml && !has_session,
        is_log_in: is_log_in(&request.path, &request.body) || params["method"] == "authenticate",
        model: model.unwrap_or_else(|| "res.partner".to_owned()),
        // What is private, or has an action of its own, is refused before Odoo is asked.
        method: if is_read || method.starts_with('_') || ["create", "write", "unlink"].contains(&method.as_str()) {
            "action_go".to_owned()
        } else {
            method
        },
        is_read,
    }
}

/// The model and the method that a request calls, as far as it calls one.
fn called(path: &str, body: &str) -> (Option<String>, String) {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let params = &json["params"];
    let strings: Vec<&str> = body.split("<string>").skip(1).filter_map(|part| part.split('<').next()).collect();
    let parts: Vec<&str> = path.split('/').collect();
    let named = |model: &Value, method: &Value| {
        (model.as_str().map(str::to_owned), method.as_str().unwrap_or_default().to_owned())
    };
    match parts[..] {
        ["", "json", "2", model, method] => (Some(model.to_owned()), method.to_owned()),
        ["", "json", "2", model] => (Some(model.to_owned()), String::new()),
        ["", "web", "dataset", ..] => named(&params["model"], &params["method"]),
        // The name of the database and the secret come first.
        ["", "xmlrpc", ..] if strings.len() > 3 => (Some(strings[2].to_owned()), strings[3].to_owned()),
        ["", "jsonrpc"] if params["service"] == "object" => named(&params["args"][3], &params["args"][4]),
        _ => (None, String::new()),
    }
}

fn is_log_in(path: &str, body: &str) -> bool {
    path == "/web/session/authenticate"
        || path.ends_with("/context_get")
        || (path.starts_with("/xmlrpc/") && body.contains("<methodName>authenticate<"))
        || (path == "/jsonrpc" && body.contains(r#""service":"common""#) && body.contains(r#""method":"authenticate""#))
}

/// Starts an Odoo that gives the recorded answer, and answers where it is.
async fn play_back(play: Play) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::new(play));
    let serving = tokio::spawn(async move { serve(listener, router).await.unwrap() });
    (url, serving)
}

async fn answer(State(play): State<Arc<Play>>, uri: Uri, body: Bytes) -> Response<Body> {
    let (path, body) = (uri.path(), String::from_utf8_lossy(&body));
    if is_log_in(path, &body) {
        let is_refused = play.asked.is_log_in || (play.ends_log_in && play.was_played.load(Ordering::SeqCst));
        return if is_refused { recorded(&play.answer) } else { said(path, &json!(2)) };
    }
    match called(path, &body) {
        (Some(model), _) if model == play.asked.model => {
            play.was_played.store(true, Ordering::SeqCst);
            recorded(&play.answer)
        }
        (Some(model), _) if model == "ir.model" => said(path, &json!(i32::from(play.is_model_there))),
        // What the service asks for itself.
        _ => said(path, &json!(0)),
    }
}

/// The recorded answer, with a length of its own: long pages were shortened.
fn recorded(answer: &Recorded) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        if !["content-length", "transfer-encoding", "connection"].contains(&name.to_lowercase().as_str()) {
            response = response.header(name.parse::<HeaderName>().unwrap(), value);
        }
    }
    response.body(Body::from(answer.body.clone())).unwrap()
}

/// A number as the answer to a call, or the user who has logged in.
fn said(path: &str, number: &Value) -> Response<Body> {
    let (content_type, body) = match path {
        "/web/session/authenticate" => {
            ("application/json", json!({ "jsonrpc": "2.0", "result": { "uid": number } }).to_string())
        }
        path if path.starts_with("/xmlrpc/") => (
            "text/xml",
            format!(
                "<?xml version='1.0'?><methodResponse><params><param><value><int>{number}</int></value></param></params>\
                 </methodResponse>"
            ),
        ),
        path if path.ends_with("/context_get") => ("application/json", json!({ "uid": number }).to_string()),
        path if path.starts_with("/json/2/") => ("application/json", number.to_string()),
        _ => ("application/json", json!({ "jsonrpc": "2.0", "result": number }).to_string()),
    };
    let response = Response::builder().header("content-type", content_type);
    response.header("set-cookie", "session_id=s1; Path=/").body(Body::from(body)).unwrap()
}

/// The rows below their heads, in columns.
fn aligned(rows: &[[String; 4]]) -> String {
    let heads = ["# recording", "what Odoo means by it", "a read", "a write"].map(str::to_owned);
    let rows: Vec<&[String; 4]> = std::iter::once(&heads).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap();
    let widths = [0, 1, 2].map(width);
    let mut text = HEAD.to_owned();
    for [recording, kind, read, write] in rows {
        let [first, second, third] = widths;
        writeln!(text, "{recording:first$}  {kind:second$}  {read:third$}  {write}").unwrap();
    }
    text
}
