//! The binary with its log.

use crate::support::Setup;
use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// A running `bridgecore serve` that logs in JSON. It is killed when dropped.
pub(super) struct Process {
    child: Child,
    log: JoinHandle<String>,
    /// Host and port.
    pub(super) address: String,
}

impl Process {
    /// Starts the binary on the setup's database with these variables besides.
    pub(super) async fn start(setup: &Setup, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bridgecore"));
        command.arg("serve").env_remove("RUST_LOG").env("BRIDGECORE_LOG__FORMAT", "json").envs(setup.environment());
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let log = tokio::spawn(async move {
            let mut text = String::new();
            errors.read_to_string(&mut text).await.unwrap();
            text
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("the service ended before it listened");
            if let Some((_, address)) = line.split_once("listens on http://") {
                break address.to_owned();
            }
        };
        Self { child, log, address }
    }

    /// Stops it in good order and gives back all that it logged.
    pub(super) async fn stop(mut self) -> Log {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        assert!(self.child.wait().await.unwrap().success());
        Log(self.log.await.unwrap())
    }
}

/// What a process has logged.
pub(super) struct Log(pub(super) String);

impl Log {
    /// The lines, each of which must be an object with the usual fields.
    pub(super) fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| -> Value {
            let parsed: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            for field in ["timestamp", "level", "target"] {
                assert!(parsed[field].is_string(), "no {field}: {line}");
            }
            parsed
        };
        self.0.lines().map(parse).collect()
    }
}
