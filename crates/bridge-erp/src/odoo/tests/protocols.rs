//! Which protocol is taken, and what becomes of a call that one of them can't carry.

use super::*;
use crate::xmlrpc::{self, Document};

const CONTEXT: &str = "/json/2/res.users/context_get";

fn with(server: &Server, api_key: Option<&str>, protocol: Option<Protocol>) -> Arc<dyn Adapter> {
    let connection = Connection { api_key: api_key.map(str::to_owned), protocol, ..connection(server) };
    connect("odoo", &connection, &options(), Arc::new(SystemClock)).unwrap()
}

fn page(status: &str) -> Answer {
    Answer::http(&format!("HTTP/1.0 {status}\r\nContent-Type: text/html"), b"<!doctype html><title>no</title>")
}

fn refusal(status: &str, name: &str, message: &str) -> Answer {
    let body = json!({"name": name, "message": message, "arguments": [], "context": {}, "debug": "Traceback: SECRET"});
    Answer::http(&format!("HTTP/1.0 {status}\r\nContent-Type: application/json"), body.to_string().as_bytes())
}

/// A server that has these of the protocols and knows the right password and key.
async fn server(json2: bool, rpc: bool, xml: bool) -> Server {
    Server::start(move |request: &Request| match request.path.as_str() {
        "/web/webclient/version_info" if rpc => result(json!({"server_version": if json2 { "19.0" } else { "17.0" }})),
        "/json/version" if json2 => Answer::json(&json!({"version": "19.0"})),
        path if path.starts_with("/json/2/") && json2 => match request.authorization.as_deref() {
            Some("bearer key") if path == CONTEXT => Answer::json(&json!({"lang": "en_US", "uid": 2})),
            Some("bearer key") => Answer::json(&json!(21)),
            _ => refusal("401 UNAUTHORIZED", "werkzeug.exceptions.Unauthorized", "Invalid apikey"),
        },
        "/web/session/authenticate" if rpc && request.params()["password"] == "good" => {
            result(json!({"uid": 2})).with_cookie("s1")
        }
        "/web/session/authenticate" if rpc => error("odoo.exceptions.AccessDenied"),
        "/jsonrpc" if rpc && request.params()["method"] == "authenticate" => {
            let good = ["good", "key"].contains(&request.params()["args"][2].as_str().unwrap());
            result(if good { json!(2) } else { json!(false) })
        }
        path if rpc && (path == "/jsonrpc" || path.starts_with("/web/dataset")) => result(json!(22)),
        path if xml && path.starts_with("/xmlrpc/2/") => {
            let Ok(Document::Call(method, params)) = xmlrpc::read(request.text.as_bytes()) else { panic!() };
            let answer = match method.as_str() {
                "version" => json!({"server_version": "14.0"}),
                "authenticate" if ["good", "key"].contains(&params[2].as_str().unwrap()) => json!(2),
                "authenticate" => json!(false),
                _ => json!(23),
            };
            Answer::http("HTTP/1.0 200 OK\r\nContent-Type: text/xml", xmlrpc::write_answer(&answer).unwrap().as_bytes())
        }
        _ => page("404 NOT FOUND"),
    })
    .await
}

#[tokio::test]
async fn the_best_that_the_server_offers_and_the_credential_allows_is_taken() {
    // JSON-2, JSON-RPC, XML-RPC are there; the key; the protocol and the answer that tells where the call went.
    for (offered, key, protocol, answer) in [
        ((true, true, true), Some("key"), "json2", 21),
        ((true, true, true), None, "jsonrpc", 22),
        ((false, true, true), Some("key"), "jsonrpc", 22),
        ((false, false, true), Some("key"), "xmlrpc", 23),
        ((false, false, true), None, "xmlrpc", 23),
        ((true, false, false), Some("key"), "json2", 21),
        // What is called a key is a password, or a key for RPC alone.
        ((true, true, true), Some("good"), "jsonrpc", 22),
    ] {
        let server = server(offered.0, offered.1, offered.2).await;
        let adapter = with(&server, key, None);
        assert_eq!(adapter.authenticate().await.unwrap().erp_user_id, 2, "{offered:?} {key:?}");
        assert_eq!(count(&adapter).await.unwrap(), answer, "{offered:?} {key:?}");
        assert_eq!(adapter.server_info().await.unwrap().protocol, protocol, "{offered:?} {key:?}");
        // The way that works is remembered.
        let before = server.requests().len();
        adapter.authenticate().await.unwrap();
        assert_eq!(server.requests().len(), before + 1, "{offered:?} {key:?}");
    }
}

#[tokio::test]
async fn a_protocol_that_is_asked_for_is_the_only_one() {
    let all = server(true, true, true).await;
    for (key, protocol, name, answer) in [
        (Some("key"), Protocol::Json2, "json2", 21),
        (Some("key"), Protocol::Jsonrpc, "jsonrpc", 22),
        (None, Protocol::Jsonrpc, "jsonrpc", 22),
        (None, Protocol::Xmlrpc, "xmlrpc", 23),
        (Some("key"), Protocol::Xmlrpc, "xmlrpc", 23),
    ] {
        let adapter = with(&all, key, Some(protocol));
        assert_eq!(adapter.server_info().await.unwrap().protocol, name, "before the log-in");
        assert_eq!(count(&adapter).await.unwrap(), answer);
        assert_eq!(adapter.server_info().await.unwrap().protocol, name);
    }
    let old = server(false, true, true).await;
    let adapter = with(&old, Some("key"), Some(Protocol::Json2));
    assert_eq!(adapter.authenticate().await.unwrap_err().kind, ErpErrorKind::Protocol);
    assert_eq!(old.count_of("/jsonrpc") + old.count_of("/xmlrpc"), 0);

    let without_key = Connection { protocol: Some(Protocol::Json2), ..connection(&all) };
    let error = connect("odoo", &without_key, &options(), Arc::new(SystemClock)).unwrap_err();
    assert_eq!(error.kind, ErpErrorKind::InvalidRequest);
    let from_json = json!({"url": all.url(), "protocol": "xmlrpc"});
    assert_eq!(serde_json::from_value::<Connection>(from_json).unwrap().protocol, Some(Protocol::Xmlrpc));
}

#[tokio::test]
async fn a_refused_key_is_an_authentication_error_and_is_remembered() {
    let server = server(true, true, true).await;
    let adapter = with(&server, Some("old"), None);
    for _ in 0..3 {
        assert_eq!(count(&adapter).await.unwrap_err().kind, ErpErrorKind::Authentication);
    }
    assert_eq!(server.requests().len(), 2, "JSON-2 and /jsonrpc, each once");
}

#[tokio::test]
async fn a_key_that_is_revoked_later_is_noticed_at_once() {
    let server = Server::start(|request: &Request| match (request.path.as_str(), request.earlier_on_this_path) {
        (CONTEXT, 0) => Answer::json(&json!({"uid": 2})),
        (path, 0) if path.starts_with("/json/2/") => Answer::json(&json!(1)),
        (path, _) if path.starts_with("/json/2/") => {
            refusal("401 UNAUTHORIZED", "werkzeug.exceptions.Unauthorized", "Invalid apikey")
        }
        _ => result(json!(false)),
    })
    .await;
    let adapter = with(&server, Some("key"), None);
    assert_eq!(count(&adapter).await.unwrap(), 1);
    let error = count(&adapter).await.unwrap_err();
    assert_eq!(error.kind, ErpErrorKind::Authentication, "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_is_not_taken_for_an_older_one() {
    let server = Server::start(|_: &Request| page("503 SERVICE UNAVAILABLE")).await;
    let connection = Connection { api_key: Some("key".into()), ..connection(&server) };
    let options = ClientOptions { retries_max: 0, ..options() };
    let adapter = connect("odoo", &connection, &options, Arc::new(SystemClock)).unwrap();
    assert_eq!(adapter.authenticate().await.unwrap_err().kind, ErpErrorKind::Unavailable);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_json2_has_no_names_for_goes_over_jsonrpc_with_the_same_key() {
    let call = async |adapter: &Arc<dyn Adapter>, method: &str, args: Value| {
        let args = args.as_array().unwrap().clone();
        adapter.call(&model("x.own"), method, args, Map::new()).await
    };
    let server = server(true, true, false).await;
    let adapter = with(&server, Some("key"), None);
    for (method, args, answer) in [
        // Names are known, or the one argument is the records.
        ("write", json!([[7], {"name": "a"}]), 21),
        ("read", json!([7, ["name"]]), 21),
        ("action_own", json!([[7]]), 21),
        ("action_own", json!([7]), 21),
        ("own", json!([]), 21),
        // They are not.
        ("own", json!([[7], "a"]), 22),
        ("own", json!(["a"]), 22),
        ("write", json!([[7], {"name": "a"}, 1]), 22),
    ] {
        assert_eq!(call(&adapter, method, args.clone()).await.unwrap(), json!(answer), "{method} {args}");
    }
    let sent = server.requests();
    let bodies: Vec<_> = sent.iter().filter(|one| one.path.ends_with("/write")).map(|one| one.body.clone()).collect();
    assert_eq!(bodies, [json!({"ids": [7], "vals": {"name": "a"}})]);
    let read = sent.iter().find(|one| one.path.ends_with("/read")).unwrap();
    assert_eq!(read.body, json!({"ids": [7], "fields": ["name"]}));
    let rpc: Vec<_> = sent.iter().filter(|one| one.path == "/jsonrpc").collect();
    assert!(rpc.iter().all(|one| one.params()["args"][1] == 2 && one.params()["args"][2] == "key"), "{rpc:?}");

    let adapter = with(&server, Some("key"), Some(Protocol::Json2));
    let before = server.requests().len();
    let error = call(&adapter, "own", json!([[7], "a"])).await.unwrap_err();
    assert_eq!(error.kind, ErpErrorKind::InvalidRequest, "{error}");
    assert_eq!(server.requests().len(), before + 1, "the log-in alone");
}

#[tokio::test]
async fn a_wrong_guess_at_the_records_is_put_right_over_jsonrpc() {
    let server = Server::start(|request: &Request| match request.path.as_str() {
        CONTEXT => Answer::json(&json!({"uid": 2})),
        "/json/2/res.partner/of_the_model" => {
            let words = "cannot call res.partner.of_the_model with ids";
            refusal("422 UNPROCESSABLE ENTITY", "werkzeug.exceptions.UnprocessableEntity", words)
        }
        "/json/2/res.partner/refuses" => refusal("422 UNPROCESSABLE ENTITY", "odoo.exceptions.UserError", "no"),
        _ => result(json!(22)),
    })
    .await;
    let adapter = with(&server, Some("key"), None);
    let ask = async |method: &str| adapter.call(&model("res.partner"), method, vec![json!([7])], Map::new()).await;
    assert_eq!(ask("of_the_model").await.unwrap(), json!(22));
    // A method that has run is not run again.
    assert_eq!(ask("refuses").await.unwrap_err().kind, ErpErrorKind::Business);
    assert_eq!(server.count_of("/jsonrpc"), 1);
}

#[tokio::test]
async fn over_xml_an_answer_of_none_is_null_and_one_that_holds_none_is_an_error() {
    for (frame, expected) in [("dump_nil", Ok(Value::Null)), ("dump_array", Err(ErpErrorKind::Protocol))] {
        let text = format!(
            "Traceback (most recent call last):\n  File \"client.py\", line 1, in {frame}\nTypeError: cannot marshal \
             None unless allow_none is enabled\n"
        );
        let fault = xmlrpc::write_fault(&json!(1), &text).unwrap();
        let server = Server::start(move |request: &Request| {
            let good = xmlrpc::write_answer(&json!(2)).unwrap();
            let body = if request.path.ends_with("common") { &good } else { &fault };
            Answer::http("HTTP/1.0 200 OK\r\nContent-Type: text/xml", body.as_bytes())
        })
        .await;
        let adapter = with(&server, None, Some(Protocol::Xmlrpc));
        assert_eq!(call(&adapter).await.map_err(|error| error.kind), expected);
        assert_eq!(server.count_of("/xmlrpc/2/object"), 1, "it is not sent again");
    }
}

#[tokio::test]
async fn the_end_of_a_key_is_told_where_the_system_tells_it() {
    let server = Server::start(|request: &Request| {
        if request.path == CONTEXT {
            return Answer::json(&json!({"uid": 2}));
        }
        assert_eq!(request.body["domain"][0], json!(["user_id", "=", 2]));
        Answer::json(&json!([{"id": 4, "expiration_date": "2026-12-01 10:00:00"}]))
    })
    .await;
    let expiry = with(&server, Some("key"), None).credential_expiry().await.unwrap();
    assert_eq!(expiry, Some(Timestamp::parse_rfc3339("2026-12-01T10:00:00Z").unwrap()));
    let before = server.requests().len();
    assert_eq!(with(&server, None, None).credential_expiry().await.unwrap(), None, "a password has no end");
    assert_eq!(server.requests().len(), before);

    let old = Server::start(odoo(|_| error("builtins.ValueError"))).await;
    assert_eq!(with(&old, Some("key"), Some(Protocol::Jsonrpc)).credential_expiry().await.unwrap(), None);
}

#[tokio::test]
async fn a_row_that_xml_cannot_carry_does_not_stop_the_feed() {
    let none =
        "Traceback (most recent call last):\n  File \"c.py\", line 1, in dump_struct\nTypeError: cannot marshal None\n";
    let server = Server::start(move |request: &Request| {
        let Ok(Document::Call(_, params)) = xmlrpc::read(request.text.as_bytes()) else { panic!() };
        let row = json!({"id": 5, "model": "sale.order", "record_id": 3, "event": "write", "timestamp": "2026-11-22 10:00:00"});
        let answer = match params.get(4).and_then(Value::as_str) {
            None => json!(2),
            Some("bridgecore_info") => json!({"epoch": "e", "event_id_last": 5, "version": "1"}),
            Some(method) if method == "events_by_ids" || params[6]["fields"].as_array().unwrap().contains(&json!("payload")) => {
                let fault = xmlrpc::write_fault(&json!(1), none).unwrap();
                return Answer::http("HTTP/1.0 200 OK\r\nContent-Type: text/xml", fault.as_bytes());
            }
            Some(_) => json!([row]),
        };
        Answer::http("HTTP/1.0 200 OK\r\nContent-Type: text/xml", xmlrpc::write_answer(&answer).unwrap().as_bytes())
    })
    .await;
    let adapter = with(&server, None, Some(Protocol::Xmlrpc));
    let after = adapter.feed_after(0, 4).await.unwrap();
    let by_ids = adapter.feed_by_ids(&[5]).await.unwrap();
    assert_eq!([after[0].id, by_ids[0].id], [5, 5]);
    assert!(after[0].event.is_ok(), "{after:?}");
}

#[tokio::test]
async fn an_unknown_model_is_told_by_its_words_where_the_list_of_models_may_not_be_read() {
    for (words, kind) in [
        ("Object res.partner doesn't exist", ErpErrorKind::UnknownModel),
        ("Object res.partners doesn't exist", ErpErrorKind::Business),
    ] {
        let server = Server::start(odoo(move |request| {
            if request.called().0 == "ir.model" { error("odoo.exceptions.AccessError") } else { user_error(words) }
        }))
        .await;
        assert_eq!(count(&with(&server, None, None)).await.unwrap_err().kind, kind, "{words}");
    }
}

fn user_error(words: &str) -> Answer {
    let data = json!({"name": "odoo.exceptions.UserError", "message": words, "arguments": [words], "debug": ""});
    Answer::json(
        &json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 0, "message": "Odoo Server Error", "data": data}}),
    )
}

/// The page that tells people which protocol is used with which version.
const OPERATIONS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/OPERATIONS.md"));

#[tokio::test]
async fn the_protocol_of_each_version_is_the_one_in_the_table() {
    let rows: Vec<Vec<&str>> = OPERATIONS
        .lines()
        .skip_while(|line| *line != "## Versions of Odoo")
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    let versions: Vec<&str> = rows.iter().map(|row| row[1]).collect();
    assert_eq!(versions, ["13", "14", "15", "16", "17", "18", "19"]);
    for row in rows {
        let version = format!("{}.0", row[1]);
        let told = json!({"server_version": version});
        let server = Server::start(move |_| result(told.clone())).await;
        for (key, expected) in [(None, row[2]), (Some("key"), row[3])] {
            let info = with(&server, key, None).server_info().await.unwrap();
            assert_eq!((info.major.to_string().as_str(), info.protocol.as_str()), (row[1], expected), "{row:?}");
        }
    }
}
