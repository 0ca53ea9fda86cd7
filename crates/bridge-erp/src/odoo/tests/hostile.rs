//! Servers that answer what no Odoo should.

use super::*;

/// The outcome of one call to a server that lets us in and then answers so.
async fn outcome_of(answer: Answer) -> ErpError {
    let server = Server::start(odoo(move |_| answer.clone())).await;
    let options = ClientOptions { call_timeout_ms: 300, reply_bytes_max: 10_000, ..options() };
    let adapter = connect("odoo", &connection(&server), &options, Arc::new(SystemClock)).unwrap();
    call(&adapter).await.unwrap_err()
}

fn ok(body: &str) -> Answer {
    Answer::http("HTTP/1.1 200 OK", body.as_bytes())
}

fn bytes(text: &str) -> Answer {
    Answer::Bytes(text.as_bytes().to_vec())
}

#[tokio::test]
async fn each_bad_answer_has_its_kind() {
    let large = json!({"jsonrpc": "2.0", "result": "x".repeat(20_000)}).to_string();
    for (answer, kind) in [
        (ok("<!DOCTYPE html><title>Log in</title>"), ErpErrorKind::Protocol),
        (ok("[]"), ErpErrorKind::Protocol),
        (ok("[\"2.0\", 1, null]"), ErpErrorKind::Protocol),
        (ok("{}"), ErpErrorKind::Protocol),
        (ok("{\"status\": \"ok\"}"), ErpErrorKind::Protocol),
        (ok("\"2.0\""), ErpErrorKind::Protocol),
        (ok("{\"jsonrpc\": \"2.0\", \"result\": 1} trailing"), ErpErrorKind::Protocol),
        (ok("\u{1}\u{2}"), ErpErrorKind::Protocol),
        (ok("{\"jsonrpc\": \"2.0\", \"error\": \"boom\"}"), ErpErrorKind::Internal),
        (ok("{\"jsonrpc\": \"2.0\", \"error\": {\"data\": 7}}"), ErpErrorKind::Internal),
        (bytes("nonsense\r\n\r\n"), ErpErrorKind::Unreachable),
        (ok(&large), ErpErrorKind::TooLarge),
        (bytes(&format!("HTTP/1.0 200 OK\r\n\r\n{large}")), ErpErrorKind::TooLarge),
        (Answer::Endless(b"HTTP/1.0 200 OK\r\n\r\n".to_vec()), ErpErrorKind::TooLarge),
        (Answer::Silence, ErpErrorKind::Timeout),
        // Cut before the head, in the head, in a body of known length, in one of unknown length, in a chunked one.
        (bytes(""), ErpErrorKind::Unreachable),
        (bytes("HTTP/1.1 200 OK\r\nContent-"), ErpErrorKind::Unreachable),
        (bytes("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"jsonrpc\": \"2.0\","), ErpErrorKind::Unreachable),
        (bytes("HTTP/1.0 200 OK\r\n\r\n{\"jsonrpc\": \"2.0\", \"result\": [1, 2"), ErpErrorKind::Unreachable),
        (bytes("HTTP/1.0 200 OK\r\n\r\n"), ErpErrorKind::Unreachable),
        (bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"jso\r\n"), ErpErrorKind::Unreachable),
        (
            Answer::http("HTTP/1.1 301 Moved\r\nLocation: https://new.example.com/x?token=1", b""),
            ErpErrorKind::Protocol,
        ),
        (Answer::http("HTTP/1.1 204 No Content", b""), ErpErrorKind::Protocol),
        (Answer::http("HTTP/1.1 401 Unauthorized", b""), ErpErrorKind::Authentication),
        (Answer::http("HTTP/1.1 403 Forbidden", b""), ErpErrorKind::AccessDenied),
        (Answer::http("HTTP/1.1 413 Too Large", b""), ErpErrorKind::InvalidRequest),
        (Answer::http("HTTP/1.1 429 Too Many Requests", b""), ErpErrorKind::Unavailable),
        (Answer::http("HTTP/1.1 500 Internal Server Error", b"<html>"), ErpErrorKind::Internal),
        (Answer::http("HTTP/1.1 502 Bad Gateway", b"<html>"), ErpErrorKind::Unavailable),
        (Answer::http("HTTP/1.1 504 Gateway Timeout", b"<html>"), ErpErrorKind::Unavailable),
    ] {
        let shown = format!("{answer:?}").chars().take(200).collect::<String>();
        let error = outcome_of(answer).await;
        assert_eq!(error.kind, kind, "{error} for {shown}");
        assert!(!error.message.contains("token=1"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_but_told() {
    let error = outcome_of(Answer::http("HTTP/1.1 308 Moved\r\nLocation: https://new.example.com/jsonrpc", b"")).await;
    assert!(error.message.contains("https://new.example.com"), "{error}");
}

#[tokio::test]
async fn long_messages_are_cut_and_tracebacks_left_behind() {
    let data = json!({"name": "odoo.exceptions.UserError", "message": "ж".repeat(3_000), "debug": "Traceback SECRET"});
    let error = outcome_of(Answer::json(
        &json!({"jsonrpc": "2.0", "error": {"code": 0, "message": "Odoo Server Error", "data": data}}),
    ))
    .await;
    assert_eq!(error.message.chars().count(), 2_000);
    assert!(!format!("{error:?}").contains("SECRET"));
}

#[tokio::test]
async fn no_more_calls_than_allowed_are_under_way_at_once() {
    let server = Server::start(odoo(|_| result(json!(1)).held())).await;
    let options = ClientOptions { calls_at_once_max: 2, ..options() };
    let adapter = connect("odoo", &connection(&server), &options, Arc::new(SystemClock)).unwrap();
    let calls = futures_util::future::join_all((0..6).map(|_| count(&adapter)));
    let release = async {
        for done in 0..6 {
            server.wait_for("/web/dataset", (done + 2).min(6)).await;
            server.release(1);
        }
    };
    let (outcomes, ()) = tokio::join!(calls, release);
    assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(server.under_way_most(), 2);
}

#[tokio::test]
async fn a_caller_that_gets_no_turn_is_told_so() {
    let server = Server::start(odoo(|_| Answer::Silence)).await;
    let options = ClientOptions { calls_at_once_max: 1, ..options() };
    let patient = Connection { timeout_ms: Some(200), ..connection(&server) };
    let adapter = connect("odoo", &patient, &options, Arc::new(SystemClock)).unwrap();
    let outcomes = futures_util::future::join_all((0..4).map(|_| call(&adapter))).await;
    let kinds: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap_err().kind).collect();
    assert!(kinds.contains(&ErpErrorKind::Timeout), "{kinds:?}");
    assert!(kinds.contains(&ErpErrorKind::Saturated), "{kinds:?}");
}
