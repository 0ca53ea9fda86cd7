//! Recordings of real servers, 17.0 and 19.0, played back to the adapter.

use super::*;
use crate::ErpErrorKind as Kind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Every recording, and the kind of error that it is to the adapter; `None` if it is a good answer.
const EXPECTED: &[(&str, Option<Kind>)] = &[
    ("17/check_access", Some(Kind::UnknownMethod)),
    ("17/err_read_no_ids", Some(Kind::InvalidRequest)),
    ("17/sale_order_read", None),
    ("19/account_move_write_posted", Some(Kind::Business)),
    ("19/apikey_as_password_authenticate", None),
    ("19/apikey_generate_private", Some(Kind::AccessDenied)),
    ("19/call_kw_after_destroy", Some(Kind::SessionExpired)),
    ("19/call_kw_bad_cookie", Some(Kind::SessionExpired)),
    ("19/call_kw_none_result", None),
    ("19/common_authenticate_bad_login", None),
    ("19/common_unknown_method", Some(Kind::Internal)),
    ("19/domain_iso_datetime", Some(Kind::InvalidRequest)),
    ("19/err_access_low_create", Some(Kind::AccessDenied)),
    ("19/err_access_low_field_groups", Some(Kind::AccessDenied)),
    ("19/err_domain_bad_value_type", Some(Kind::InvalidRequest)),
    ("19/err_missing_record_method", Some(Kind::MissingRecord)),
    ("19/err_not_null", Some(Kind::Validation)),
    ("19/err_object_unknown_method", Some(Kind::UnknownMethod)),
    ("19/err_unexpected_kw", Some(Kind::InvalidRequest)),
    ("19/err_unknown_field_read", Some(Kind::InvalidRequest)),
    ("19/err_unlink_fk", Some(Kind::Validation)),
    ("19/execute_kw_bad_password", Some(Kind::Authentication)),
    ("19/execute_kw_inactive_uid", Some(Kind::Authentication)),
    ("19/http_404_html", Some(Kind::Protocol)),
    ("19/http_malformed_json", Some(Kind::Protocol)),
    ("19/http_wrong_content_type", Some(Kind::Protocol)),
    ("19/method_none_real", None),
    ("19/partner_name_get", Some(Kind::UnknownMethod)),
    ("19/partner_search_limit_negative", Some(Kind::InvalidRequest)),
    ("19/partner_search_offset_negative", Some(Kind::InvalidRequest)),
    ("19/partner_search_read", None),
    ("19/partner_write_one_missing", Some(Kind::MissingRecord)),
    ("19/partner_write_unknown_field", Some(Kind::InvalidRequest)),
    ("19/search_read_controller", Some(Kind::Protocol)),
    ("19/session_authenticate_bad", Some(Kind::Authentication)),
    ("19/unknown_service", Some(Kind::InvalidRequest)),
    ("19/unlink_again", Some(Kind::MissingRecord)),
    ("19/version_webclient_post_jsonrpc", None),
];

#[tokio::test]
async fn every_recorded_answer_has_its_kind() {
    let recordings = recordings();
    let expected: BTreeMap<_, _> = EXPECTED.iter().copied().collect();
    let names: Vec<_> = recordings.keys().map(String::as_str).collect();
    assert_eq!(names, expected.keys().copied().collect::<Vec<_>>(), "each recording has its line in the table");

    for (name, recording) in recordings {
        let response = recording["response"].clone();
        let (bytes, body) = played_back(&response);
        let logged_in = AtomicBool::new(false);
        let server = Server::start(move |request: &Request| match request.params()["method"].as_str() {
            // A credential that is refused later has been good at first.
            Some("authenticate") if logged_in.swap(true, Ordering::SeqCst) => Answer::Bytes(bytes.clone()),
            Some("authenticate") => result(json!(2)),
            // The adapter looks whether the model exists.
            _ if request.called().0 == "ir.model" => result(json!(1)),
            _ => Answer::Bytes(bytes.clone()),
        })
        .await;
        let outcome = call(&adapter_with_key(&server)).await;
        match (&outcome, expected[name.as_str()]) {
            (Ok(value), None) => assert_eq!(*value, body["result"], "{name}"),
            (Err(error), Some(kind)) => {
                assert_eq!(error.kind, kind, "{name}: {error}");
                assert!(!format!("{error:?}").contains("Traceback"), "{name}: {error:?}");
                if let Some(wire_name) = body["error"]["data"]["name"].as_str() {
                    assert_eq!(error.name.as_deref(), Some(wire_name), "{name}");
                    assert!(!error.message.is_empty(), "{name}");
                }
            }
            (outcome, kind) => panic!("{name}: expected {kind:?}, got {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn the_recorded_version_and_records_are_read() {
    let recordings = recordings();
    let (version, _) = played_back(&recordings["19/version_webclient_post_jsonrpc"]["response"]);
    let (partners, body) = played_back(&recordings["19/partner_search_read"]["response"]);
    let server = Server::start(odoo(move |request| match request.path.as_str() {
        "/web/webclient/version_info" => Answer::Bytes(version.clone()),
        _ => Answer::Bytes(partners.clone()),
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

fn recordings() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/adapter");
    let mut recordings = BTreeMap::new();
    for version in ["17", "19"] {
        for file in std::fs::read_dir(folder.join(version)).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read(&path).unwrap();
            let name = format!("{version}/{}", path.file_stem().unwrap().to_str().unwrap());
            recordings.insert(name, serde_json::from_slice(&text).unwrap());
        }
    }
    recordings
}

/// The response as it was on the wire. Its length is told anew, since tracebacks were shortened in the recordings.
fn played_back(response: &Value) -> (Vec<u8>, Value) {
    let text = |key: &str| response[key].as_str().unwrap_or_default();
    let mut head = format!("{} {} {}", text("http_version"), response["status"], text("reason"));
    for header in response["headers"].as_array().unwrap() {
        let (name, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
        if name != "Content-Length" {
            write!(head, "\r\n{name}: {value}").unwrap();
        }
    }
    let body = match (&response["raw"], &response["json"], &response["text"]) {
        (_, Value::Null, Value::String(text)) | (Value::String(text), _, _) => text.clone(),
        (_, json, _) => json.to_string(),
    };
    let Answer::Bytes(bytes) = Answer::http(&head, body.as_bytes()) else { unreachable!() };
    (bytes, response["json"].clone())
}
