//! Files that the service keeps: killed at the worst moments, it leaves nothing half there, and what it leaves behind is
//! removed; and it holds none of them in memory.

use super::process::Process;
use crate::files::folder::{arriving, begin_upload, id_of, in_folder, kept};
use crate::files::form;
use crate::files::relay::Relay;
use crate::files::s3::{bucket, hidden, in_bucket, is_there, later};
use crate::support::{App, Setup, eventually, on_both_databases};
use bridge_erp::fake::DemoErp;
use bridge_server::files::sweep;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

on_both_databases!(
    killed_between_the_bytes_and_their_row_a_file_is_not_there_and_is_removed,
    killed_while_a_file_arrives_nothing_of_it_stays,
    killed_between_the_bucket_and_the_row_a_file_is_not_there_and_is_removed,
);

const PATIENCE: Duration = Duration::from_mins(2);

const PARTNER: [(&str, &str); 3] = [("system_id", "demo"), ("model", "res.partner"), ("record_id", "1")];

/// The process on a folder, with a demo ERP in which partners may be changed, and its admin's token.
async fn start(setup: &Setup, folder: &Path, erp: &DemoErp, further: &[(&str, String)]) -> (Process, String) {
    let mut variables = vec![
        ("BRIDGECORE_FILES__STORAGE", "folder".to_owned()),
        ("BRIDGECORE_FILES__FOLDER", folder.display().to_string()),
    ];
    variables.extend(further.iter().cloned());
    start_with(setup, &variables, erp).await
}

/// The same with these variables.
async fn start_with(setup: &Setup, variables: &[(&str, String)], erp: &DemoErp) -> (Process, String) {
    let process = Process::try_start(setup, variables).await.unwrap();
    let token = process.admin().await;
    let body = crate::support::registration(erp, "demo");
    let request = process.http.post(format!("{}/api/v1/systems", process.base)).bearer_auth(&token).json(&body);
    assert!(request.send().await.unwrap().status().is_success());
    let open = json!({ "models": { "res.partner": { "operations": ["update"] } } });
    let allowed = process.http.put(format!("{}/api/v1/systems/demo/allowed", process.base)).bearer_auth(&token);
    assert!(allowed.json(&open).send().await.unwrap().status().is_success());
    (process, token)
}

async fn upload(process: &Process, token: &str, bytes: &[u8]) -> Result<Value, reqwest::Error> {
    let request = process.http.post(format!("{}/api/v1/files/upload", process.base)).bearer_auth(token);
    form(Some(("a.txt", "text/plain", bytes)), &PARTNER).sent_with(request).send().await?.json().await
}

/// Starts the service on what the process left, two days later, and lets it remove what is to be removed.
async fn two_days_later(setup: &Setup) -> App {
    let app = later(setup).await;
    sweep(app.context()).await.unwrap();
    app
}

async fn killed_between_the_bytes_and_their_row_a_file_is_not_there_and_is_removed(setup: Setup) {
    let (setup, folder) = in_folder(setup);
    let erp = crate::support::demo_erp().await;
    let (process, token) = start(&setup, folder.path(), &erp, &[]).await;
    let whole = upload(&process, &token, b"hello").await.unwrap();
    // It syncs the folder after it has given the file its name, and before it says so to the database.
    let mut tracer = kill_at_sync_of(folder.path(), process.id()).await;
    upload(&process, &token, b"killed").await.unwrap_err();
    tokio::time::timeout(PATIENCE, tracer.wait()).await.unwrap().unwrap();
    process.kill_9().await;
    let files = kept(folder.path());
    let killed = files.iter().find(|path| std::fs::read(path).unwrap() == b"killed").expect("its bytes are there");
    let killed = format!("file_{}", killed.file_name().unwrap().to_str().unwrap());

    let later = two_days_later(&setup).await;
    let admin = later.admin().await;
    assert_eq!(admin.get(&format!("/api/v1/files/download/{}", id_of(&whole))).await.expect(200), "hello");
    admin.get(&format!("/api/v1/files/download/{killed}")).await.expect_problem(404, "NOT_FOUND");
    assert_eq!(kept(folder.path()).len(), 1);
    later.stop().await;
    erp.stop().await;
}

async fn killed_while_a_file_arrives_nothing_of_it_stays(setup: Setup) {
    let (setup, folder) = in_folder(setup);
    let erp = crate::support::demo_erp().await;
    let (process, token) = start(&setup, folder.path(), &erp, &[]).await;
    let _open = begin_upload(&process.base, &token).await;
    eventually("the file begins to arrive", PATIENCE, async || (arriving(folder.path()) == 1).then_some(())).await;
    process.kill_9().await;
    assert_eq!(arriving(folder.path()), 1, "nobody was there to remove it");
    let later = two_days_later(&setup).await;
    assert_eq!((kept(folder.path()).len(), arriving(folder.path())), (0, 0));
    later.stop().await;
    erp.stop().await;
}

/// A bucket takes a file by one request. The service is killed when that was done, before it has heard of it.
async fn killed_between_the_bucket_and_the_row_a_file_is_not_there_and_is_removed(setup: Setup) {
    let bucket = bucket();
    let relay = Relay::to(&bucket.endpoint).await;
    let erp = crate::support::demo_erp().await;
    let variables = [
        ("BRIDGECORE_FILES__STORAGE", "s3".to_owned()),
        ("BRIDGECORE_FILES__S3__BUCKET", bucket.bucket.clone()),
        ("BRIDGECORE_FILES__S3__ENDPOINT", relay.address()),
        ("BRIDGECORE_FILES__S3__PREFIX", bucket.prefix.clone()),
        ("BRIDGECORE_FILES__S3__ACCESS_KEY_ID", bucket.access_key_id.clone()),
        ("BRIDGECORE_FILES__S3__SECRET_ACCESS_KEY", bucket.secret_access_key.clone()),
        ("BRIDGECORE_FILES__S3__ALLOW_HTTP", "true".to_owned()),
    ];
    let setup = in_bucket(setup, bucket);
    let (process, token) = start_with(&setup, &variables, &erp).await;
    let whole = upload(&process, &token, b"hello").await.unwrap();
    relay.hold_answers();
    tokio::select! {
        answer = upload(&process, &token, b"killed") => panic!("{answer:?}"),
        held = tokio::time::timeout(PATIENCE, relay.held()) => held.unwrap(),
    }
    process.kill_9().await;

    let app = setup.start().await;
    let left = hidden(app.context()).await.remove(0);
    assert!(is_there(app.context(), &left, 6).await, "its bytes are there");
    let path = format!("/api/v1/files/download/file_{}", left.id);
    app.admin().await.get(&path).await.expect_problem(404, "NOT_FOUND");
    app.stop().await;
    let later = two_days_later(&setup).await;
    let (cx, admin) = (later.context(), later.admin().await);
    assert!(!is_there(cx, &left, 6).await && hidden(cx).await.is_empty());
    admin.get(&path).await.expect_problem(404, "NOT_FOUND");
    assert_eq!(admin.get(&format!("/api/v1/files/download/{}", id_of(&whole))).await.expect(200), "hello");
    later.stop().await;
    erp.stop().await;
}

/// Kills a process when it begins to sync this folder.
async fn kill_at_sync_of(folder: &Path, process: u32) -> Child {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:signal=KILL", "-P"]).arg(folder);
    command.arg("-p").arg(process.to_string()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut tracer = command.spawn().unwrap();
    let mut lines = BufReader::new(tracer.stderr.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("attached") {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return tracer;
        }
    }
    panic!("the tracer ended before it was attached");
}

/// How much memory a process has used at most, in bytes.
fn memory_max(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_passes_in_pieces_whatever_its_size() {
    const BYTES: usize = 192 * 1024 * 1024;
    let (setup, folder) = in_folder(Setup::sqlite());
    let erp = crate::support::demo_erp().await;
    let bytes_max = [("BRIDGECORE_FILES__BYTES_MAX", (256 * 1024 * 1024).to_string())];
    let (process, token) = start(&setup, folder.path(), &erp, &bytes_max).await;
    let bytes: Vec<u8> = (0..BYTES).map(|at| b' ' + u8::try_from(at % 89).unwrap()).collect();
    upload(&process, &token, b"hello").await.unwrap();
    let before = memory_max(process.id());
    let made = upload(&process, &token, &bytes).await.unwrap();
    let url = format!("{}/api/v1/files/download/{}", process.base, id_of(&made));
    let mut answer = process.http.get(url).bearer_auth(&token).send().await.unwrap();
    let mut hash = Sha256::new();
    while let Some(piece) = answer.chunk().await.unwrap() {
        hash.update(&piece);
    }
    assert!(hash.finalize() == Sha256::digest(&bytes));
    // The kernel counts it a little differently each time.
    let grown = memory_max(process.id()).saturating_sub(before);
    assert!(grown < BYTES / 3, "{grown} bytes for a file of {BYTES}");
    process.kill_9().await;
    erp.stop().await;
}
