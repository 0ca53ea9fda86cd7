//! Files that the service keeps: killed at the worst moments, it leaves nothing half there, and what it leaves behind is
//! removed; and it holds none of them in memory.

use super::process::Process;
use crate::files::folder::{arriving, begin_upload, id_of, in_folder, kept};
use crate::files::form;
use crate::support::{Setup, eventually, on_both_databases};
use bridge_erp::fake::DemoErp;
use bridge_model::Clock as _;
use bridge_model::clock::{ManualClock, SystemClock};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

on_both_databases!(
    killed_between_the_bytes_and_their_row_a_file_is_not_there_and_is_removed,
    killed_while_a_file_arrives_nothing_of_it_stays,
);

const PATIENCE: Duration = Duration::from_secs(30);

const PARTNER: [(&str, &str); 3] = [("system_id", "demo"), ("model", "res.partner"), ("record_id", "1")];

/// The process on a folder, with a demo ERP in which partners may be changed, and its admin's token.
async fn start(setup: &Setup, folder: &Path, erp: &DemoErp, further: &[(&str, String)]) -> (Process, String) {
    let mut variables = vec![
        ("BRIDGECORE_FILES__STORAGE", "folder".to_owned()),
        ("BRIDGECORE_FILES__FOLDER", folder.display().to_string()),
    ];
    variables.extend(further.iter().cloned());
    let process = Process::try_start(setup, &variables).await.unwrap();
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

/// Starts the service on what the process left, two days later, and waits until it has removed what is to be removed.
async fn two_days_later(setup: &Setup, folder: &Path) -> crate::support::App {
    let clock = ManualClock::new(SystemClock.now().plus(Duration::from_hours(48)));
    let app = setup.clone().clock(Arc::new(clock)).start().await;
    bridge_server::files::sweep(app.context()).await.unwrap();
    assert_eq!(arriving(folder), 0);
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

    let later = two_days_later(&setup, folder.path()).await;
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
    let later = two_days_later(&setup, folder.path()).await;
    assert!(kept(folder.path()).is_empty());
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
    let grown = memory_max(process.id()) - before;
    assert!(grown < BYTES / 3, "{grown} bytes for a file of {BYTES}");
    process.kill_9().await;
    erp.stop().await;
}
