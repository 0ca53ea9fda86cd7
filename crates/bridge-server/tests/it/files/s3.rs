//! Files that the service keeps in a bucket, of a server that checks every signature.

use super::folder::hello;
use super::relay::{Relay, canned};
use super::{PARTNER, download, follow_rights, form, picture, upload};
use crate::records::Stage;
use crate::support::{App, Setup, manual_clock, on_both_databases};
use bridge_model::clock::{ManualClock, SystemClock};
use bridge_model::entropy::OsEntropy;
use bridge_model::{Clock as _, Entropy as _};
use bridge_server::Context;
use bridge_server::config::{FileStorage, S3};
use bridge_server::files::{StorageError, StorageKey, sweep};
use bridge_store::HiddenFile;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

on_both_databases!(
    a_file_in_a_bucket_comes_back_and_a_part_costs_that_part,
    parts_are_as_of_files_in_the_erp,
    rights_are_as_of_files_in_the_erp,
    refusals_are_as_of_files_in_the_erp,
    deleted_files_are_removed_from_the_bucket,
    a_bucket_that_can_not_be_used_is_told_and_nothing_is_shown,
);

/// The variable that names the description of the server, as `cargo xtask test` sets it.
const VARIABLE: &str = "BRIDGECORE_TEST_S3";

/// A part of the server's bucket that nobody else uses.
pub(crate) fn bucket() -> S3 {
    let path = std::env::var(VARIABLE)
        .unwrap_or_else(|_| panic!("{VARIABLE} is not set; `cargo xtask test` starts a server and sets it"));
    let told: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    S3 {
        bucket: text("bucket"),
        endpoint: text("endpoint"),
        access_key_id: text("access_key_id"),
        secret_access_key: text("secret_access_key"),
        prefix: format!("it/{}", OsEntropy::new().unwrap().hex(8)),
        allow_http: true,
        ..S3::default()
    }
}

pub(crate) fn in_bucket(setup: Setup, bucket: S3) -> Setup {
    setup.config(|config| {
        config.files.storage = FileStorage::S3;
        config.files.s3 = bucket;
    })
}

/// What nobody sees, also what is arriving now.
pub(crate) async fn hidden(cx: &Context) -> Vec<HiddenFile> {
    cx.store.hidden_files(cx.clock.now().plus(Duration::from_secs(1)), None, 10).await.unwrap()
}

/// Whether the bytes of a file of this size are in their place.
pub(crate) async fn is_there(cx: &Context, file: &HiddenFile, size: u64) -> bool {
    let key = StorageKey { tenant: file.tenant, id: &file.id };
    match cx.storages.read(file.place, key, size, 0..size).await {
        Ok(_) => true,
        Err(StorageError::Lost { .. }) => false,
        Err(error) => panic!("{error}: {error:?}"),
    }
}

async fn a_file_in_a_bucket_comes_back_and_a_part_costs_that_part(setup: Setup) {
    let bucket = bucket();
    let relay = Relay::to(&bucket.endpoint).await;
    let setup = in_bucket(setup, S3 { endpoint: relay.address(), ..bucket });
    let stage = Stage::open(setup).await;
    let bytes = picture(5_000_011);
    // The first connection is cut; what is put is put again.
    relay.cut_next(1);
    let made = upload(&stage.admin, form(Some(("a.png", "image/jpeg", &bytes)), &PARTNER)).await.expect(200);
    assert_eq!((&made["is_unchanged"], &made["size"]), (&json!(true), &json!(bytes.len())));
    let file = made["file_id"].as_str().unwrap();
    let (status, headers, got) = download(&stage.admin, file, &[]).await;
    assert_eq!((status, got == bytes), (200, true));
    assert_eq!(headers["content-length"], bytes.len().to_string());
    assert_eq!(headers["etag"], format!("\"{}\"", made["sha256"].as_str().unwrap()));
    let before = relay.answered_bytes();
    let (status, _, got) = download(&stage.admin, file, &[("range", "bytes=4000000-4000099")]).await;
    assert_eq!((status, got == bytes[4_000_000..4_000_100]), (206, true));
    let tag = headers["etag"].to_str().unwrap();
    assert_eq!(download(&stage.admin, file, &[("if-none-match", tag)]).await.0, 304);
    let cost = relay.answered_bytes() - before;
    assert!((100..10_000).contains(&cost), "{cost} bytes for a hundred");
    assert!(stage.erp.db().ids("ir.attachment").is_empty());
    stage.end().await;
}

async fn parts_are_as_of_files_in_the_erp(setup: Setup) {
    super::a_part_of_a_file_can_be_asked_for(in_bucket(setup, bucket())).await;
}

async fn rights_are_as_of_files_in_the_erp(setup: Setup) {
    follow_rights(in_bucket(setup, bucket()), "NOT_FOUND").await;
}

async fn refusals_are_as_of_files_in_the_erp(setup: Setup) {
    let bucket = bucket();
    let relay = Relay::to(&bucket.endpoint).await;
    let setup = in_bucket(setup, S3 { endpoint: relay.address(), ..bucket });
    super::what_is_no_good_upload_is_refused(setup).await;
    assert_eq!(relay.answered_bytes(), 0, "nothing was put there");
}

async fn deleted_files_are_removed_from_the_bucket(setup: Setup) {
    let clock = manual_clock();
    let stage = Stage::open(in_bucket(setup, bucket()).clock(Arc::clone(&clock) as _)).await;
    let cx = stage.app.context();
    let file = hello(&stage.admin).await;
    let tenant = cx.store.tenants().await.unwrap()[0].id;
    assert!(cx.store.hide_stored_file(tenant, file.strip_prefix("file_").unwrap()).await.unwrap());
    let deleted = hidden(cx).await.remove(0);
    clock.advance(Duration::from_hours(23));
    sweep(cx).await.unwrap();
    assert!(is_there(cx, &deleted, 5).await);
    clock.advance(Duration::from_hours(2));
    sweep(cx).await.unwrap();
    assert!(!is_there(cx, &deleted, 5).await && hidden(cx).await.is_empty());
    stage.end().await;
}

async fn a_bucket_that_can_not_be_used_is_told_and_nothing_is_shown(setup: Setup) {
    let bucket = bucket();
    let stage = Stage::open(in_bucket(setup, bucket.clone())).await;
    let file = hello(&stage.admin).await;
    let path = format!("/api/v1/files/download/{file}");
    let mut setup = stage.app.stop().await;
    let nowhere = "http://127.0.0.1:9".to_owned();
    let slow_down = canned("503 Slow Down", "<Error><Code>SlowDown</Code></Error>").await;
    let bad_gateway = canned("502 Bad Gateway", "<html>").await;
    let silent = Relay::to(&bucket.endpoint).await;
    silent.hold_answers();
    let moved = canned("301 Moved Permanently", "<Error><Code>PermanentRedirect</Code></Error>").await;
    for wrong in [
        S3 { endpoint: nowhere, ..bucket.clone() },
        S3 { secret_access_key: "another".to_owned(), ..bucket.clone() },
        S3 { access_key_id: "AKIANOBODY".to_owned(), ..bucket.clone() },
        S3 { bucket: "another".to_owned(), ..bucket.clone() },
        S3 { region: "elsewhere".to_owned(), endpoint: moved, ..bucket.clone() },
        S3 { endpoint: slow_down, ..bucket.clone() },
        S3 { endpoint: bad_gateway, ..bucket.clone() },
        S3 { endpoint: silent.address(), timeout_ms: 300, ..bucket.clone() },
    ] {
        let shown = format!("{wrong:?} {}", wrong.access_key_id);
        setup = setup.config(|config| config.files.s3 = wrong);
        let app = setup.start().await;
        let admin = app.admin().await;
        let before = hidden(app.context()).await.len();
        let refused = upload(&admin, form(Some(("a.txt", "text/plain", b"hello")), &PARTNER)).await;
        assert_eq!(refused.status, 503, "{shown}: {}", refused.body);
        refused.expect_problem(503, "SERVICE_UNAVAILABLE");
        assert_eq!(hidden(app.context()).await.len(), before + 1, "{shown}: it is known for the sweep");
        let got = admin.get(&path).await;
        assert_eq!(got.status, 503, "{shown}: {}", got.body);
        got.expect_problem(503, "SERVICE_UNAVAILABLE");
        setup = app.stop().await;
        assert!(sweep_later(&setup).await.is_err(), "{shown}");
    }
    // One that answers something else than was asked for, and one that has nothing.
    for (status, body) in [
        ("200 OK", "hello"),
        ("206 Partial Content", "hello"),
        ("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>"),
    ] {
        let endpoint = canned(status, body).await;
        setup = setup.config(|config| config.files.s3 = S3 { endpoint, ..bucket.clone() });
        let app = setup.start().await;
        app.admin().await.get(&path).await.expect_problem(500, "INTERNAL_ERROR");
        setup = app.stop().await;
    }
    // All of it is cleared away when the bucket can be used again, and the file is there as before.
    setup = setup.config(|config| config.files.s3 = bucket);
    sweep_later(&setup).await.unwrap();
    let app = setup.start().await;
    assert!(hidden(app.context()).await.is_empty());
    assert_eq!(app.admin().await.get(&path).await.expect(200), "hello");
    app.stop().await;
    stage.erp.stop().await;
}

/// The sweep of the setup's service two days later.
async fn sweep_later(setup: &Setup) -> anyhow::Result<()> {
    let app = later(setup).await;
    let outcome = sweep(app.context()).await;
    app.stop().await;
    outcome
}

/// The setup's service two days later.
pub(crate) async fn later(setup: &Setup) -> App {
    let clock = ManualClock::new(SystemClock.now().plus(Duration::from_hours(48)));
    setup.clone().clock(Arc::new(clock)).start().await
}
