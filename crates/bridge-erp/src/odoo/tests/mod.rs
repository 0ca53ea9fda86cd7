//! The adapter through its front door, against servers on real sockets.

mod demo_erp;
mod devices;
mod feed;
mod hostile;
mod outbound;
mod protocols;
mod recordings;
mod rights;
mod scripted;
mod sessions;
mod spans;

use crate::adapter::{Adapter, Connection, Protocol};
use crate::pool::{ClientOptions, connect};
use crate::{ErpError, ErpErrorKind};
use bridge_model::clock::{ManualClock, SystemClock};
use bridge_model::{ModelName, Timestamp};
use scripted::{Answer, Request, Server};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Options with which nothing takes long.
fn options() -> ClientOptions {
    ClientOptions { call_timeout_ms: 5_000, retry_wait_ms: 1, ..ClientOptions::default() }
}

fn connection(server: &Server) -> Connection {
    Connection {
        url: server.url(),
        database: "shop".into(),
        username: "bridge".into(),
        password: "good".into(),
        api_key: None,
        timeout_ms: None,
        postgres_url: None,
        protocol: None,
    }
}

/// An adapter that logs in with a cookie.
fn adapter(server: &Server) -> Arc<dyn Adapter> {
    connect("odoo", &connection(server), &options(), Arc::new(SystemClock)).unwrap()
}

/// An adapter that sends an API key as the password of `/jsonrpc` with every call.
fn adapter_with_key(server: &Server) -> Arc<dyn Adapter> {
    let protocol = Some(Protocol::Jsonrpc);
    let connection = Connection { api_key: Some("key".into()), protocol, ..connection(server) };
    connect("odoo", &connection, &options(), Arc::new(SystemClock)).unwrap()
}

fn model(name: &str) -> ModelName {
    ModelName::parse(name).unwrap()
}

async fn call(adapter: &Arc<dyn Adapter>) -> Result<Value, ErpError> {
    adapter.call(&model("res.partner"), "action_go", vec![json!([7])], Map::new()).await
}

async fn count(adapter: &Arc<dyn Adapter>) -> Result<u64, ErpError> {
    adapter.count(&model("res.partner"), &json!([])).await
}

fn result(value: Value) -> Answer {
    let mut body = json!({"jsonrpc": "2.0", "id": null});
    body["result"] = value;
    Answer::json(&body)
}

fn error(name: &str) -> Answer {
    error_with(name, &json!([]))
}

fn error_with(name: &str, arguments: &Value) -> Answer {
    let data =
        json!({"name": name, "message": "words", "arguments": arguments, "context": {}, "debug": "Traceback: SECRET"});
    Answer::json(
        &json!({"jsonrpc": "2.0", "id": null, "error": {"code": 0, "message": "Odoo Server Error", "data": data}}),
    )
}

/// Answers log-ins as Odoo does, with the cookies `s1`, `s2` and so on, and leaves everything else to `calls`.
fn odoo(calls: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> impl Fn(&Request) -> Answer + Send + Sync {
    move |request| match request.path.as_str() {
        "/web/session/authenticate" if request.params()["password"] == "good" => {
            let cookie = format!("s{}", request.earlier_on_this_path + 1);
            result(json!({"uid": 2})).with_cookie(&cookie)
        }
        "/web/session/authenticate" => error("odoo.exceptions.AccessDenied"),
        "/jsonrpc" if request.params()["method"] == "authenticate" => {
            let good = ["good", "key"].contains(&request.params()["args"][2].as_str().unwrap());
            result(if good { json!(2) } else { json!(false) })
        }
        _ => calls(request),
    }
}

#[tokio::test]
async fn what_cannot_be_connected_is_refused_with_words() {
    let with = |url: &str| Connection {
        url: url.into(),
        database: String::new(),
        username: String::new(),
        password: String::new(),
        api_key: None,
        timeout_ms: None,
        postgres_url: None,
        protocol: None,
    };
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
    for (system_type, url) in [
        ("sap", "https://erp.example.com"),
        ("odoo", "ftp://erp.example.com"),
        ("odoo", "erp.example.com"),
        ("odoo", "https://user:password@erp.example.com"),
    ] {
        let error = connect(system_type, &with(url), &options(), clock.clone()).unwrap_err();
        assert_eq!(error.kind, ErpErrorKind::InvalidRequest, "{system_type} {url}");
        assert!(!error.to_string().contains("password@"), "{error}");
    }
    let adapter = connect("odoo", &with("http://erp.example.com/"), &options(), clock).unwrap();
    // Without a user name nothing needs to be sent to know the answer.
    assert_eq!(adapter.authenticate().await.unwrap_err().kind, ErpErrorKind::Authentication);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Server::start(|_| result(json!(1))).await;
    let connection = Connection { url, ..connection(&server) };
    let adapter = connect("odoo", &connection, &options(), Arc::new(SystemClock)).unwrap();
    let error = adapter.server_info().await.unwrap_err();
    assert_eq!(error.kind, ErpErrorKind::Unreachable, "{error}");
    assert!(std::error::Error::source(&error).is_some(), "the cause is kept");
}
