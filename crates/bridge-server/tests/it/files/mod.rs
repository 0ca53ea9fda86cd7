//! Files on records.

pub(crate) mod folder;
pub(crate) mod relay;
pub(crate) mod s3;

use crate::crash::process::Process;
use crate::records::Stage;
use crate::records::keyed::{KEYED, is_replayed};
use crate::support::{
    Answer, Client, Setup, demo_erp, demo_erp_without_addon, eventually, on_both_databases, register_demo_system,
};
use bridge_erp::fake::Fault;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

on_both_databases!(
    a_file_comes_back_as_it_was_sent,
    a_part_of_a_file_can_be_asked_for,
    files_follow_the_rights_of_their_record,
    what_is_no_good_upload_is_refused,
    a_file_that_is_there_is_no_failure,
    slow_uploads_take_no_places_of_others,
    a_file_with_a_key_is_put_there_once,
    a_service_that_is_killed_puts_a_file_there_once,
);

const BOUNDARY: &str = "----boundary-4711";

/// A picture by its first bytes, with every byte that there is.
fn picture(size: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n0000IHDR".to_vec();
    bytes.extend((0..size).map(|at| u8::try_from(at % 256).unwrap()));
    bytes
}

/// A form, as browsers and apps send it.
pub(crate) struct Form(Vec<u8>);

impl Form {
    pub(crate) fn sent_with(self, request: RequestBuilder) -> RequestBuilder {
        request.header(CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}")).body(self.0)
    }
}

pub(crate) fn form(file: Option<(&str, &str, &[u8])>, texts: &[(&str, &str)]) -> Form {
    let mut body = Vec::new();
    let mut part = |head: String, value: &[u8]| {
        body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n").into_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    };
    if let Some((name, kind, bytes)) = file {
        part(format!("name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}"), bytes);
    }
    for (name, value) in texts {
        part(format!("name=\"{name}\""), value.as_bytes());
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    Form(body)
}

pub(crate) async fn upload(client: &Client, form: Form) -> Answer {
    client.send(form.sent_with(client.request(Method::POST, "/api/v1/files/upload"))).await
}

/// A download, with the bytes as they came.
pub(crate) async fn download(client: &Client, file: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Vec<u8>) {
    let request = client.request(Method::GET, &format!("/api/v1/files/download/{file}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

const PARTNER: [(&str, &str); 3] = [("system_id", "demo"), ("model", "res.partner"), ("record_id", "1")];

async fn a_file_comes_back_as_it_was_sent(setup: Setup) {
    let stage = Stage::open(setup).await;
    // Pieces of any length arrive from a socket.
    let bytes = picture(1_000_003);
    let name = "صورة \u{e9}t\u{e9}.png";
    let made = upload(&stage.admin, form(Some((name, "image/jpeg", &bytes)), &PARTNER)).await.expect(200);
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    let expected = json!({
        "success": true, "file_id": made["file_id"], "filename": name, "size": bytes.len(), "content_type": "image/png",
        "sha256": sha256, "system_id": "demo", "model": "res.partner", "record_id": 1, "is_unchanged": true,
    });
    assert_eq!(made, expected);
    let file = made["file_id"].as_str().unwrap();
    let (status, headers, got) = download(&stage.admin, file, &[]).await;
    assert_eq!((status, got == bytes), (200, true));
    for (header, expected) in [
        ("content-type", "image/png"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox"),
        ("cache-control", "private, no-cache"),
        ("content-disposition", "attachment; filename*=UTF-8''%D8%B5%D9%88%D8%B1%D8%A9%20%C3%A9t%C3%A9.png"),
    ] {
        assert_eq!(headers[header], expected);
    }
    // The people who work in the ERP see it there.
    let there = stage.erp.db().ids("ir.attachment");
    assert_eq!(format!("demo-{}", there.last().unwrap()), file);
    // Without a system, it is the primary one.
    let made = upload(&stage.admin, form(Some(("a.csv", "text/csv", b"a;b\n")), &PARTNER[1..])).await.expect(200);
    assert_eq!((&made["system_id"], &made["content_type"]), (&json!("demo"), &json!("text/csv")));
    stage.end().await;
}

async fn a_part_of_a_file_can_be_asked_for(setup: Setup) {
    let stage = Stage::open(setup).await;
    let made = upload(&stage.admin, form(Some(("a.txt", "text/plain", b"0123456789")), &PARTNER)).await.expect(200);
    let file = made["file_id"].as_str().unwrap().to_owned();
    let (_, headers, _) = download(&stage.admin, &file, &[]).await;
    let tag = headers["etag"].to_str().unwrap().to_owned();
    for (asked, status, range, expected) in [
        (vec![("range", "bytes=2-4")], 206, Some("bytes 2-4/10"), "234"),
        (vec![("range", "bytes=7-")], 206, Some("bytes 7-9/10"), "789"),
        (vec![("range", "bytes=-2")], 206, Some("bytes 8-9/10"), "89"),
        (vec![("range", "bytes=8-100")], 206, Some("bytes 8-9/10"), "89"),
        (vec![("range", "bytes=0-1,4-5")], 200, None, "0123456789"),
        (vec![("range", "lines=1-2")], 200, None, "0123456789"),
        (vec![("range", "bytes=2-4"), ("if-range", tag.as_str())], 206, Some("bytes 2-4/10"), "234"),
        (vec![("range", "bytes=2-4"), ("if-range", "\"another\"")], 200, None, "0123456789"),
        (vec![("if-none-match", tag.as_str())], 304, None, ""),
        (vec![("if-none-match", "\"another\"")], 200, None, "0123456789"),
    ] {
        let (got, headers, bytes) = download(&stage.admin, &file, &asked).await;
        let told = headers.get("content-range").map(|value| value.to_str().unwrap());
        assert_eq!((got, told, String::from_utf8(bytes).unwrap().as_str()), (status, range, expected), "{asked:?}");
    }
    let request = stage.admin.request(Method::GET, &format!("/api/v1/files/download/{file}"));
    let beyond = stage.admin.send(request.header("range", "bytes=10-")).await;
    assert_eq!(beyond.expect_problem(416, "RANGE_NOT_SATISFIABLE")["details"]["size"], 10);
    stage.end().await;
}

async fn files_follow_the_rights_of_their_record(setup: Setup) {
    follow_rights(setup, "SYSTEM_NOT_FOUND").await;
}

/// `to_rivals` is the code that other tenants get.
async fn follow_rights(setup: Setup, to_rivals: &str) {
    let stage = Stage::new(setup).await;
    let form = |model: &str, record: &str| {
        form(Some(("a.txt", "text/plain", b"hello")), &[("system_id", "demo"), ("model", model), ("record_id", record)])
    };
    // Nothing is open: not even admins write.
    upload(&stage.admin, form("res.partner", "1")).await.expect_problem(403, "FORBIDDEN");
    let write = json!({ "operations": ["update"] });
    stage.allow(json!({ "res.partner": write, "account.move": write })).await;
    let file = upload(&stage.admin, form("res.partner", "1")).await.expect(200)["file_id"].clone();
    let path = format!("/api/v1/files/download/{}", file.as_str().unwrap());
    let invoice = stage.erp.db().ids("account.move")[0];
    let closed = upload(&stage.admin, form("account.move", &invoice.to_string())).await.expect(200)["file_id"].clone();
    let closed = format!("/api/v1/files/download/{}", closed.as_str().unwrap());
    // Somebody without a link needs the model to be open for reading; that there is a file is not said.
    let ann = stage.app.user("ann", None).await;
    ann.get(&path).await.expect_problem(404, "NOT_FOUND");
    stage.allow(json!({ "res.partner": { "operations": ["read"] } })).await;
    assert_eq!(ann.get(&path).await.expect(200), "hello");
    ann.get(&closed).await.expect_problem(404, "NOT_FOUND");
    upload(&ann, form("res.partner", "1")).await.expect_problem(403, "FORBIDDEN");
    // With a credential of one's own the ERP judges: salespeople read and write partners, and see no invoice.
    let id = ann.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let link = json!({ "system_id": "demo", "username": "sales", "password": "sales" });
    ann.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201);
    upload(&ann, form("res.partner", "1")).await.expect(200);
    upload(&ann, form("account.move", &invoice.to_string())).await.expect_problem(403, "ERP_ACCESS_DENIED");
    // Whoever may only read a record puts nothing onto it.
    upload(&ann, form("res.country", "1")).await.expect_problem(403, "ERP_ACCESS_DENIED");
    ann.get(&path).await.expect(200);
    ann.get(&closed).await.expect_problem(404, "NOT_FOUND");
    stage.admin.get(&closed).await.expect(200);
    // Whoever may change a record may also take a file off it, and nobody else.
    let [path, closed] = [path, closed].map(|path| path.replace("/download", ""));
    let unlinked = stage.app.user("bob", None).await;
    unlinked.delete(&path).await.expect_problem(403, "FORBIDDEN");
    ann.delete(&closed).await.expect_problem(404, "NOT_FOUND");
    let other = stage.app.other_tenant("rival").await;
    other.delete(&path).await.expect_problem(404, to_rivals);
    let gone = ann.delete(&path).await.expect(200);
    assert_eq!((&gone["success"], &gone["file_id"]), (&json!(true), &json!(path.rsplit('/').next().unwrap())));
    ann.delete(&path).await.expect_problem(404, "NOT_FOUND");
    let path = path.replace("/files", "/files/download");
    ann.get(&path).await.expect_problem(404, "NOT_FOUND");
    other.get(&path).await.expect_problem(404, to_rivals);
    stage.app.anonymous().get(&path).await.expect_problem(401, "AUTHENTICATION_FAILED");
    stage.end().await;
}

async fn what_is_no_good_upload_is_refused(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.files.bytes_max = 200_000)).await;
    let text: Option<(&str, &str, &[u8])> = Some(("a.txt", "text/plain", b"hello"));
    let with = |name: &'static str, value: &'static str| {
        let rest = PARTNER.iter().filter(|(known, _)| *known != name).copied();
        rest.chain((!value.is_empty()).then_some((name, value))).collect::<Vec<_>>()
    };
    let before = stage.erp.db().ids("ir.attachment");
    for (body, status, code, field) in [
        (form(None, &PARTNER), 400, "DATA_VALIDATION_FAILED", json!("file")),
        (form(text, &with("model", "")), 400, "DATA_VALIDATION_FAILED", json!("model")),
        (form(text, &with("model", "no model")), 400, "DATA_VALIDATION_FAILED", json!("model")),
        (form(text, &with("record_id", "")), 400, "DATA_VALIDATION_FAILED", json!("record_id")),
        (form(text, &with("record_id", "-1")), 400, "DATA_VALIDATION_FAILED", json!("record_id")),
        (form(text, &with("record_id", "999999")), 404, "RECORD_NOT_FOUND", Value::Null),
        (form(text, &with("model", "no.such.model")), 403, "FORBIDDEN", Value::Null),
        (form(text, &with("system_id", "nowhere")), 404, "SYSTEM_NOT_FOUND", Value::Null),
        (form(text, &with("image_downscale", "perhaps")), 400, "DATA_VALIDATION_FAILED", json!("image_downscale")),
        (form(text, &with("color", "red")), 400, "DATA_VALIDATION_FAILED", json!("color")),
        (form(text, &[PARTNER[1], PARTNER[1]]), 400, "DATA_VALIDATION_FAILED", json!("model")),
        (form(Some(("", "text/plain", b"hello")), &PARTNER), 400, "DATA_VALIDATION_FAILED", json!("file")),
        (form(Some(("a.txt", "text/plain", b"")), &PARTNER), 400, "DATA_VALIDATION_FAILED", json!("file")),
        (form(Some(("a.exe", "image/png", b"MZ\x90\0\x03")), &PARTNER), 415, "UNSUPPORTED_MEDIA_TYPE", Value::Null),
        (form(Some(("a", "text/plain", &picture(200_000))), &PARTNER), 413, "PAYLOAD_TOO_LARGE", Value::Null),
        (form(Some(("a", "text/plain", &picture(900_000))), &PARTNER), 413, "PAYLOAD_TOO_LARGE", Value::Null),
        (Form(b"no form at all".to_vec()), 400, "DATA_VALIDATION_FAILED", Value::Null),
        (Form(form(text, &PARTNER).0[..150].to_vec()), 400, "DATA_VALIDATION_FAILED", Value::Null),
    ] {
        let shown = String::from_utf8_lossy(&body.0[..body.0.len().min(400)]).into_owned();
        let refused = upload(&stage.admin, body).await;
        assert_eq!(refused.body["details"]["field"], field, "{shown}: {}", refused.body);
        refused.expect_problem(status, code);
    }
    assert_eq!(stage.erp.db().ids("ir.attachment"), before, "nothing was made");
    stage.admin.post("/api/v1/files/upload", &json!({})).await.expect_problem(415, "UNSUPPORTED_MEDIA_TYPE");
    for file in ["demo-99999", "nonsense", "demo-", "demo-0"] {
        stage.admin.get(&format!("/api/v1/files/download/{file}")).await.expect_problem(404, "NOT_FOUND");
    }
    stage.end().await;
}

async fn a_file_that_is_there_is_no_failure(setup: Setup) {
    let stage = Stage::open(setup).await;
    // The model of files is read once, after the file was made.
    stage.erp.faults().fail_method("ir.attachment", "search_read", 100, Fault::Status(500));
    let made = upload(&stage.admin, form(Some(("a.txt", "text/plain", b"hello")), &PARTNER)).await.expect(200);
    assert_eq!(made["is_unchanged"], Value::Null);
    stage.erp.faults().clear();
    let there = stage.erp.db().ids("ir.attachment");
    assert_eq!(made["file_id"], format!("demo-{}", there[0]));
    stage.end().await;
}

async fn slow_uploads_take_no_places_of_others(setup: Setup) {
    let setup = setup.config(|config| {
        config.files.transfers_at_once_max = 1;
        config.files.transfer_timeout_ms = 8_000;
        config.server.requests_at_once_max = 1;
    });
    let stage = Stage::open(setup).await;
    let url = stage.admin.request(Method::POST, "/api/v1/files/upload").build().unwrap().url().clone();
    let mut slow = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
    let begin = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 100000\r\n\
         expect: 100-continue\r\ncontent-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
        url.path(),
        stage.admin.token()
    );
    slow.write_all(begin.as_bytes()).await.unwrap();
    // The body is asked for by whoever has the one place for files.
    let mut asked = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    slow.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    slow.write_all(format!("--{BOUNDARY}\r\n").as_bytes()).await.unwrap();
    let busy = upload(&stage.admin, form(Some(("a.txt", "text/plain", b"hello")), &PARTNER)).await;
    busy.expect_problem(503, "SERVICE_UNAVAILABLE");
    stage.admin.get("/api/v1/auth/me").await.expect(200);
    // Nobody waits for ever for the rest of it.
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    upload(&stage.admin, form(Some(("a.txt", "text/plain", b"hello")), &PARTNER)).await.expect(200);
    stage.end().await;
}

async fn keyed(client: &Client, key: &str, bytes: &[u8]) -> Answer {
    let request = client.request(Method::POST, "/api/v1/files/upload").header("Idempotency-Key", key);
    client.send(form(Some(("a.txt", "text/plain", bytes)), &PARTNER).sent_with(request)).await
}

async fn a_file_with_a_key_is_put_there_once(setup: Setup) {
    let stage = Stage::open(setup.config(|config| config.erp.circuit_failures_max = 1_000)).await;
    let files = || stage.erp.db().ids("ir.attachment").len();
    let before = files();
    let first = keyed(&stage.admin, "file-0001", b"one").await;
    assert!(!is_replayed(&first));
    let first = first.expect(200);
    let again = keyed(&stage.admin, "file-0001", b"one").await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(200), first);
    keyed(&stage.admin, "file-0001", b"two").await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(files(), before + 1);
    // A lost answer is asked for again with the key.
    stage.erp.faults().fail_method(KEYED.0, KEYED.1, 4, Fault::ResetAfterWork);
    let lost = keyed(&stage.admin, "file-0002", b"two").await.expect_problem(502, "OUTCOME_UNKNOWN");
    assert_eq!(lost["details"]["safe_to_repeat"], true);
    keyed(&stage.admin, "file-0002", b"two").await.expect(200);
    assert_eq!(files(), before + 2);
    stage.end().await;
}

async fn a_service_that_is_killed_puts_a_file_there_once(setup: Setup) {
    const PATIENCE: Duration = Duration::from_mins(2);
    let with_addon = demo_erp().await;
    let without = demo_erp_without_addon().await;
    let start = async |request_timeout_ms: u32| {
        let timeout = ("BRIDGECORE_SERVER__REQUEST_TIMEOUT_MS", request_timeout_ms.to_string());
        let process = Process::try_start(&setup, &[timeout]).await.expect("the service ended before it listened");
        let client = process.client().await;
        (process, client)
    };
    for (erp, call, is_kept) in [(&with_addon, KEYED, true), (&without, ("ir.attachment", "create"), false)] {
        let (process, client) = start(10_000).await;
        register_demo_system(&client, erp, "demo").await;
        let models = json!({ "models": { "res.partner": { "operations": ["read", "update"] } } });
        client.put("/api/v1/systems/demo/allowed", &models).await.expect(200);
        let before = erp.db().ids("ir.attachment").len();
        erp.faults().fail_method(call.0, call.1, 1, Fault::HangAfterWork);
        let asking = client.clone();
        let request = asking.request(Method::POST, "/api/v1/files/upload").header("Idempotency-Key", "file-0001");
        let lost = tokio::spawn(form(Some(("a.txt", "text/plain", b"one")), &PARTNER).sent_with(request).send());
        eventually("the write hangs", PATIENCE, async || (erp.faults().calls(call.0, call.1) > 0).then_some(())).await;
        process.kill_9().await;
        lost.await.unwrap().unwrap_err();
        let (process, client) = start(60_000).await;
        let answer = eventually("the key is free", PATIENCE, async || {
            let answer = keyed(&client, "file-0001", b"one").await;
            (answer.status != 409).then_some(answer)
        })
        .await;
        if is_kept {
            answer.expect(200);
        } else {
            let lost = answer.expect_problem(502, "OUTCOME_UNKNOWN");
            assert_eq!(lost["details"]["safe_to_repeat"], false);
            assert_eq!(lost["details"]["check"]["model"], "ir.attachment");
        }
        assert_eq!(erp.db().ids("ir.attachment").len(), before + 1);
        client.delete("/api/v1/systems/demo").await.expect(200);
        process.kill_9().await;
    }
    with_addon.stop().await;
    without.stop().await;
}
