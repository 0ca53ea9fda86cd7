//! The order of system calls: an event's 2xx leaves only after the database's sync call has come back.
//!
//! `kill -9` can't show this, since what was written but not synced survives the death of the process.

use super::process::Process;
use crate::support::{Setup, eventually};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const PATIENCE: Duration = Duration::from_mins(2);

/// The number of the event that is looked for in the trace.
const EVENT: i64 = 717_171_717;

/// What is traced of a process: reading and writing of sockets and files, and syncing. Times are absolute, so that
/// two traces can be compared.
const TRACE: &[&str] = &[
    "-f",
    "-ttt",
    "-T",
    "-y",
    "-s",
    "4096",
    "-e",
    "trace=read,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync",
];

/// A call that has come back, with the moments it began and ended.
#[derive(Debug)]
struct Call {
    began: f64,
    ended: f64,
    text: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_syncs_its_log_before_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let setup = Setup::sqlite();
    let process = Process::start(&setup).await;
    let key = process.register(&process.admin().await).await;
    let _tracer = attach(&[process.id()], &trace).await;
    assert!(process.push(&key, EVENT).await.unwrap());

    let (received, answered) = request_and_answer(&trace).await;
    let calls = calls(&trace);
    let syncs = syncs_between(&calls, received, answered, "bridgecore.db-wal");
    assert!(!syncs.is_empty(), "no sync of the database between {received} and {answered}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_syncs_its_log_before_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("service"), folder.path().join("database"));
    let mut url = String::new();
    let setup = Setup::postgres().await.config(|config| url.clone_from(&config.store.url));
    let process = Process::start(&setup).await;
    let key = process.register(&process.admin().await).await;
    assert!(process.push(&key, 1).await.unwrap(), "the first push opens the connections");
    let _tracers = (attach(&[process.id()], &ours).await, attach(&backends(&url).await, &theirs).await);
    assert!(process.push(&key, EVENT).await.unwrap());

    let (received, answered) = request_and_answer(&ours).await;
    let calls = calls(&theirs);
    let syncs = syncs_between(&calls, received, answered, "pg_wal");
    assert!(!syncs.is_empty(), "no sync of the database between {received} and {answered}");
}

/// When the event's request had been read, and when its answer began to be written.
async fn request_and_answer(trace: &Path) -> (f64, f64) {
    eventually("the request and its answer stand in the trace", PATIENCE, async || {
        let calls = calls(trace);
        let received = calls.iter().find(|call| {
            (call.text.starts_with("read") || call.text.starts_with("recv")) && call.text.contains(&EVENT.to_string())
        })?;
        let answered = calls
            .iter()
            .find(|call| call.began > received.ended && call.text.contains("HTTP/1.1 200") && is_write(&call.text))?;
        Some((received.ended, answered.began))
    })
    .await
}

fn is_write(call: &str) -> bool {
    call.starts_with("write") || call.starts_with("send")
}

/// The syncs of a file that began after the request was there and had come back before the answer left.
fn syncs_between<'a>(calls: &'a [Call], received: f64, answered: f64, file: &str) -> Vec<&'a Call> {
    calls
        .iter()
        .filter(|call| {
            (call.text.starts_with("fsync") || call.text.starts_with("fdatasync"))
                && call.text.contains(file)
                && call.text.contains("= 0")
                && call.began > received
                && call.ended < answered
        })
        .collect()
}

/// The database's processes that serve us.
async fn backends(url: &str) -> Vec<u32> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let rows = client.query(sql, &[]).await.unwrap();
    assert!(!rows.is_empty(), "the service has no connection");
    rows.iter().map(|row| u32::try_from(row.get::<_, i32>(0)).unwrap()).collect()
}

/// Attaches a tracer to processes with all their threads, and waits until it is attached. It lets go when dropped.
async fn attach(processes: &[u32], trace: &Path) -> Child {
    let mut command = Command::new("strace");
    command.args(TRACE).arg("-o").arg(trace).stderr(Stdio::piped()).kill_on_drop(true);
    for process in processes {
        command.arg("-p").arg(process.to_string());
    }
    let mut tracer = command.spawn().unwrap();
    let mut lines = BufReader::new(tracer.stderr.take().unwrap()).lines();
    for _ in processes {
        let line = lines.next_line().await.unwrap().expect("the tracer ended before it was attached");
        assert!(line.contains("attached"), "{line}");
    }
    // The pipe stays read, so that the tracer never waits for it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    tracer
}

/// The calls of a trace that have come back. A call that another thread interrupts stands there in two parts.
fn calls(trace: &Path) -> Vec<Call> {
    let text = String::from_utf8_lossy(&std::fs::read(trace).unwrap_or_default()).into_owned();
    let mut open: std::collections::HashMap<String, (f64, String)> = std::collections::HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        // Short numbers of threads are padded with blanks.
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((time, rest)) = rest.trim_start().split_once(' ') else { continue };
        let Ok(time) = time.parse::<f64>() else { continue };
        let rest = rest.trim_start();
        if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            open.insert(thread.to_owned(), (time, start.to_owned()));
        } else if let Some((_, end)) = rest.split_once(" resumed>") {
            if let Some((began, start)) = open.remove(thread) {
                calls.push(Call { began, ended: time, text: format!("{start}{end}") });
            }
        } else {
            let took = rest.rsplit_once('<').and_then(|(_, took)| took.trim_end_matches('>').parse::<f64>().ok());
            calls.push(Call { began: time, ended: time + took.unwrap_or(0.0), text: rest.to_owned() });
        }
    }
    calls
}

#[test]
fn a_trace_is_read_with_its_interrupted_calls() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "7     1.000000 recvfrom(9<socket:[1]>, \"POST 717171717\", 4096, 0, NULL, NULL) = 12 <0.000010>\n\
         8 1.100000 fdatasync(5</x/bridgecore.db-wal> <unfinished ...>\n\
         7 1.200000 write(1<pipe:[2]>, \"x\", 1) = 1 <0.000001>\n\
         8 1.300000 <... fdatasync resumed>) = 0 <0.200000>\n\
         7 1.400000 sendto(9<socket:[1]>, \"HTTP/1.1 200 OK\", 15, MSG_NOSIGNAL, NULL, 0) = 15 <0.000020>\n",
    )
    .unwrap();
    let calls = calls(file.path());
    assert_eq!(calls.len(), 4);
    assert_eq!(syncs_between(&calls, 1.00001, 1.4, "db-wal").len(), 1);
    assert!(
        syncs_between(&calls, 1.00001, 1.25, "db-wal").is_empty(),
        "a sync that comes back too late must not count"
    );
}
