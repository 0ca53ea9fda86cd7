//! Log-in, expiry and retries.

use super::*;
use bridge_model::clock::ManualClock;
use futures_util::future::join_all;
use std::time::Duration;

const LOG_IN: &str = "/web/session/authenticate";
const CALL: &str = "/web/dataset/call_kw/";
const EXPIRED: &str = "odoo.http.SessionExpiredException";

#[tokio::test]
async fn one_log_in_serves_all_who_wait_for_it() {
    let server = Server::start(odoo(|request| {
        assert_eq!(request.session_id.as_deref(), Some("s1"));
        result(json!(5))
    }))
    .await;
    let adapter = adapter(&server);
    for outcome in join_all((0..20).map(|_| count(&adapter))).await {
        assert_eq!(outcome.unwrap(), 5);
    }
    assert_eq!((server.count_of(LOG_IN), server.count_of(CALL)), (1, 20));
    assert_eq!(adapter.authenticate().await.unwrap().erp_user_id, 2);
    assert_eq!(server.count_of(LOG_IN), 2, "asking who we are shows the credential again");
}

#[tokio::test]
async fn an_expired_session_is_renewed_once_and_the_call_repeated_once() {
    let server = Server::start(odoo(|request| match request.session_id.as_deref() {
        // The answer to an expired session sets an anonymous one, which is of no use.
        Some("s1") => error(EXPIRED).with_cookie("anonymous"),
        Some("s2") => result(json!(true)),
        other => panic!("{other:?}"),
    }))
    .await;
    let adapter = adapter(&server);
    for outcome in join_all((0..8).map(|_| call(&adapter))).await {
        assert_eq!(outcome.unwrap(), true);
    }
    assert_eq!(server.count_of(LOG_IN), 2);
    let in_old_session = server.requests().iter().filter(|request| request.session_id.as_deref() == Some("s1")).count();
    assert_eq!(server.count_of(CALL), in_old_session + 8);
}

#[tokio::test]
async fn a_session_that_never_holds_is_an_error_and_no_loop() {
    let server = Server::start(odoo(|_| error(EXPIRED))).await;
    assert_eq!(call(&adapter(&server)).await.unwrap_err().kind, ErpErrorKind::SessionExpired);
    assert_eq!((server.count_of(LOG_IN), server.count_of(CALL)), (2, 2));
}

#[tokio::test]
async fn a_renewed_session_id_is_used_from_then_on() {
    let server = Server::start(odoo(|request| match request.session_id.as_deref() {
        Some("s1") => result(json!(1)).with_cookie("rotated"),
        Some("rotated") => result(json!(2)),
        other => panic!("{other:?}"),
    }))
    .await;
    let adapter = adapter(&server);
    assert_eq!((count(&adapter).await.unwrap(), count(&adapter).await.unwrap()), (1, 2));
    assert_eq!(server.count_of(LOG_IN), 1);
}

#[tokio::test]
async fn a_session_lost_by_a_server_with_several_databases_is_told_from_an_unknown_model() {
    for not_found in [error("werkzeug.exceptions.NotFound"), Answer::http("HTTP/1.1 404 NOT FOUND", b"<html>")] {
        let answer = not_found.clone();
        let server = Server::start(odoo(move |request| match request.session_id.as_deref() {
            Some("s1") => answer.clone(),
            _ => result(json!(3)),
        }))
        .await;
        assert_eq!(count(&adapter(&server)).await.unwrap(), 3);
        assert_eq!((server.count_of(LOG_IN), server.count_of(CALL)), (2, 2));

        let answer = not_found.clone();
        let server = Server::start(odoo(move |request| match request.path.as_str() {
            "/web/session/get_session_info" => result(json!({"uid": 2})),
            _ => answer.clone(),
        }))
        .await;
        let outcome = call(&adapter(&server)).await;
        assert_eq!(outcome.unwrap_err().kind, ErpErrorKind::UnknownModel);
        assert_eq!((server.count_of(LOG_IN), server.count_of(CALL)), (1, 1), "a good session is kept");
    }
}

#[tokio::test]
async fn an_unknown_model_is_known_by_each_way_that_odoo_says_it() {
    let by_key = Server::start(odoo(|_| error_with("builtins.KeyError", &json!(["res.partner"])))).await;
    assert_eq!(call(&adapter(&by_key)).await.unwrap_err().kind, ErpErrorKind::UnknownModel);
    let other_key = Server::start(odoo(|_| error_with("builtins.KeyError", &json!(["no_such_field"])))).await;
    assert_eq!(call(&adapter(&other_key)).await.unwrap_err().kind, ErpErrorKind::InvalidRequest);

    for (models, kind) in [(0, ErpErrorKind::UnknownModel), (1, ErpErrorKind::Business)] {
        let server = Server::start(odoo(move |request| match request.called().0.as_str() {
            "ir.model" => result(json!(models)),
            _ => error("odoo.exceptions.UserError"),
        }))
        .await;
        assert_eq!(call(&adapter_with_key(&server)).await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn an_api_key_as_the_password_works_over_the_other_way() {
    let server = Server::start(odoo(|request| {
        assert_eq!((request.path.as_str(), &request.session_id), ("/jsonrpc", &None));
        assert_eq!(request.params()["args"].as_array().unwrap()[..3], [json!("shop"), json!(2), json!("key")]);
        result(json!(9))
    }))
    .await;
    let connection = Connection { password: "key".into(), ..connection(&server) };
    let adapter = connect("odoo", &connection, &options(), Arc::new(SystemClock)).unwrap();
    assert_eq!((count(&adapter).await.unwrap(), count(&adapter).await.unwrap()), (9, 9));
    assert_eq!(adapter.authenticate().await.unwrap().erp_user_id, 2);
    assert_eq!(server.count_of(LOG_IN), 1, "each refusal there counts towards a lock-out");
}

#[tokio::test]
async fn a_refused_credential_is_not_shown_again_for_a_while() {
    let server = Server::start(odoo(|_| panic!("nobody is let in"))).await;
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
    let connection = Connection { password: "bad".into(), ..connection(&server) };
    let adapter = connect("odoo", &connection, &options(), clock.clone()).unwrap();
    for outcome in join_all((0..5).map(|_| count(&adapter))).await {
        assert_eq!(outcome.unwrap_err().kind, ErpErrorKind::Authentication);
    }
    assert_eq!(adapter.authenticate().await.unwrap_err().kind, ErpErrorKind::Authentication);
    assert_eq!(server.requests().len(), 2, "each of the two ways once");
    clock.advance(Duration::from_millis(options().refusal_kept_ms));
    assert_eq!(count(&adapter).await.unwrap_err().kind, ErpErrorKind::Authentication);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_password_that_is_changed_later_is_noticed() {
    let server = Server::start(|request: &Request| match request.earlier_on_this_path {
        0 => result(json!(2)),
        1 => result(json!(1)),
        _ if request.params()["method"] == "authenticate" => result(json!(false)),
        _ => error("odoo.exceptions.AccessDenied"),
    })
    .await;
    let adapter = adapter_with_key(&server);
    assert_eq!(count(&adapter).await.unwrap(), 1);
    for _ in 0..3 {
        assert_eq!(count(&adapter).await.unwrap_err().kind, ErpErrorKind::Authentication);
    }
    assert_eq!(server.requests().len(), 4, "a log-in, the good call, the refused one and its log-in");
}

#[tokio::test]
async fn a_method_that_refuses_does_not_cast_doubt_on_a_good_credential() {
    let server = Server::start(odoo(|_| error("odoo.exceptions.AccessDenied"))).await;
    for adapter in [adapter(&server), adapter_with_key(&server)] {
        for _ in 0..2 {
            assert_eq!(call(&adapter).await.unwrap_err().kind, ErpErrorKind::AccessDenied);
        }
    }
    assert_eq!(server.count_of(CALL), 2);
}

#[tokio::test]
async fn reads_are_tried_again_and_writes_are_not() {
    let unavailable = || Answer::http("HTTP/1.1 503 Service Unavailable", b"");
    let server = Server::start(odoo(move |request| match request.earlier_on_this_path {
        0..3 => unavailable(),
        _ => result(json!(1)),
    }))
    .await;
    let adapter = adapter(&server);
    assert_eq!(count(&adapter).await.unwrap(), 1);
    assert_eq!(server.count_of(CALL), 4, "the first try and three more");

    let partner = model("res.partner");
    let id = [bridge_model::RecordId::Number(7)];
    let outcomes = [
        call(&adapter).await.map(drop),
        adapter.create(&partner, vec![Map::new()]).await.map(drop),
        adapter.write(&partner, &id, Map::new()).await,
        adapter.unlink(&partner, &id).await,
    ];
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().kind, ErpErrorKind::Unavailable);
    }
    assert_eq!(server.count_of(CALL), 8, "each of them once");
}

#[tokio::test]
async fn a_read_is_given_up_after_its_retries_and_at_once_where_they_are_of_no_use() {
    for (name, kind, tries) in [
        ("psycopg2.errors.SerializationFailure", ErpErrorKind::Unavailable, 4),
        ("odoo.exceptions.AccessError", ErpErrorKind::AccessDenied, 1),
        ("builtins.RuntimeError", ErpErrorKind::Internal, 1),
    ] {
        let server = Server::start(odoo(move |_| error(name))).await;
        assert_eq!(count(&adapter(&server)).await.unwrap_err().kind, kind);
        assert_eq!(server.count_of(CALL), tries, "{name}");
    }
    // A deadline that has no room for even one wait.
    let server = Server::start(odoo(|_| error("psycopg2.errors.SerializationFailure"))).await;
    let options = ClientOptions { retry_deadline_ms: 0, ..options() };
    let adapter = connect("odoo", &connection(&server), &options, Arc::new(SystemClock)).unwrap();
    assert_eq!(count(&adapter).await.unwrap_err().kind, ErpErrorKind::Unavailable);
    assert_eq!(server.count_of(CALL), 1);
}

#[tokio::test]
async fn no_such_database_is_told_from_a_database_server_that_is_away() {
    for (listed, kind) in [
        (result(json!(["shop"])), ErpErrorKind::Unavailable),
        (result(json!(["other"])), ErpErrorKind::UnknownDatabase),
        (error("odoo.exceptions.AccessDenied"), ErpErrorKind::UnknownDatabase),
        (error("psycopg2.OperationalError"), ErpErrorKind::Unavailable),
    ] {
        let server = Server::start(move |request: &Request| match request.path.as_str() {
            "/web/database/list" => listed.clone(),
            _ => error("psycopg2.OperationalError"),
        })
        .await;
        assert_eq!(call(&adapter(&server)).await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn callers_that_wait_for_a_log_in_share_its_failure() {
    let server = Server::start(|_| Answer::http("HTTP/1.1 502 Bad Gateway", b"").held()).await;
    let adapter = adapter(&server);
    let calls = (0..10).map(|_| call(&adapter));
    let release = async {
        server.wait_for(LOG_IN, 1).await;
        server.release(100);
    };
    let (outcomes, ()) = tokio::join!(join_all(calls), release);
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().kind, ErpErrorKind::Unavailable);
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn private_and_odd_method_names_are_not_even_sent() {
    let server = Server::start(odoo(|_| panic!("nothing should come"))).await;
    let adapter = adapter(&server);
    for method in ["_compute", "", "../session/destroy", "a b", "é"] {
        let outcome = adapter.call(&model("res.partner"), method, Vec::new(), Map::new()).await;
        assert_eq!(outcome.unwrap_err().kind, ErpErrorKind::UnknownMethod, "{method:?}");
    }
    assert_eq!(server.requests().len(), 0);
}
