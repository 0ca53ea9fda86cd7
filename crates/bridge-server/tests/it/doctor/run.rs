//! Running the binary and reading what it found.

use crate::support::Setup;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::process::Command;

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_bridgecore");

/// How the doctor is called.
pub(crate) struct Doctor {
    environment: Vec<(String, String)>,
    /// What must never be printed.
    secrets: Vec<String>,
}

/// What it said.
pub(crate) struct Diagnosis {
    /// The exit code.
    pub(crate) code: i32,
    /// The report.
    pub(crate) report: Value,
}

impl Doctor {
    /// For the service of this setup, which listens (or would) at this address.
    pub(crate) fn of(setup: &Setup, address: SocketAddr) -> Self {
        let environment = setup.environment();
        let secret = |name: &str| environment.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        let secrets = vec![
            secret("BRIDGECORE_SECURITY__SECRET_KEY"),
            secret("BRIDGECORE_SECURITY__ENCRYPTION_KEYS").trim_matches(['[', ']', '"']).to_owned(),
        ];
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let doctor = Self { environment, secrets };
        doctor.with("BRIDGECORE_SERVER__LISTEN", &address.to_string()).with("BRIDGECORE_DETECTION__ENABLED", "false")
    }

    /// The same with another setting.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, which must not print this either.
    pub(crate) fn hiding(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self
    }

    /// Runs it and gives back its exit code and what it printed.
    pub(crate) async fn print(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(BINARY);
        command.arg("doctor").args(arguments).env_remove("RUST_LOG");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        for secret in &self.secrets {
            assert!(!text.contains(secret) && !errors.contains(secret), "a secret was printed: {text}{errors}");
        }
        assert_eq!(errors, "", "{text}");
        (output.status.code().unwrap(), text)
    }

    /// Runs it and reads its report.
    pub(crate) async fn examine(&self, arguments: &[&str]) -> Diagnosis {
        let (code, text) = self.print(&[&["--json"], arguments].concat()).await;
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(report["exit_code"], code, "{report:#}");
        let diagnosis = Diagnosis { code, report };
        diagnosis.check();
        diagnosis
    }
}

impl Diagnosis {
    /// Every finding is whole, and the numbers are those of the findings.
    fn check(&self) {
        for finding in self.findings() {
            let severity = finding["severity"].as_str().unwrap();
            assert!(["ok", "warning", "error", "unknown"].contains(&severity), "{finding}");
            assert!(finding["seen"].as_str().is_some_and(|seen| !seen.is_empty()), "{finding}");
            let advice = finding["advice"].as_str();
            assert_eq!(advice.is_some(), severity != "ok", "{finding}");
            assert!(!advice.unwrap_or_default().contains('{'), "a fact that the advice names is missing: {finding}");
            assert_eq!(finding["code"] == "OK", severity == "ok", "{finding}");
            assert_eq!(finding["code"] == "NOT_CHECKED" || finding["code"] == "SLOT_UNTRACED", severity == "unknown");
        }
        let count = |severity: &str| self.findings().filter(|finding| finding["severity"] == severity).count();
        let [ok, warning, error, unknown] = ["ok", "warning", "error", "unknown"].map(count);
        let expected = serde_json::json!({ "ok": ok, "warning": warning, "error": error, "unknown": unknown });
        assert_eq!(self.report["summary"], expected);
        let code = match (error, warning, unknown) {
            (1.., ..) => 2,
            (0, 1.., _) => 1,
            (0, 0, 1..) => 3,
            (0, 0, 0) => 0,
        };
        assert_eq!(self.code, code, "{:#}", self.report);
    }

    pub(crate) fn findings(&self) -> impl Iterator<Item = &Value> {
        self.report["findings"].as_array().unwrap().iter()
    }

    /// The codes of a check, of the service (`None`) or of a system.
    pub(crate) fn codes(&self, system: Option<&str>, check: &str) -> Vec<&str> {
        self.of(system, check).iter().map(|finding| finding["code"].as_str().unwrap()).collect()
    }

    /// The findings of a check.
    pub(crate) fn of(&self, system: Option<&str>, check: &str) -> Vec<&Value> {
        self.findings()
            .filter(|finding| {
                finding["system_id"] == system.map_or(Value::Null, Value::from) && finding["check"] == check
            })
            .collect()
    }

    /// The one finding of a code.
    #[track_caller]
    pub(crate) fn finding(&self, code: &str) -> &Value {
        let found: Vec<_> = self.findings().filter(|finding| finding["code"] == code).collect();
        assert_eq!(found.len(), 1, "{code}: {:#}", self.report);
        found[0]
    }

    /// What was seen by the one finding of a code.
    #[track_caller]
    pub(crate) fn seen(&self, code: &str) -> &str {
        self.finding(code)["seen"].as_str().unwrap()
    }

    /// What to do about the one finding of a code.
    #[track_caller]
    pub(crate) fn advice(&self, code: &str) -> &str {
        self.finding(code)["advice"].as_str().unwrap()
    }
}
