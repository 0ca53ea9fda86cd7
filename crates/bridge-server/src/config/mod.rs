//! The settings: one file, environment variables over it, and a default for whatever can have one.

mod alerts;
mod app_types;
mod audit;
mod batch;
mod cache;
mod check;
mod detection;
mod files;
mod limits;
mod migration;
mod outbound;
mod records;
mod tasks;
mod wal;

pub use alerts::{Alerts, EmailTarget, Smtp, SmtpTls, WebhookTarget};
pub use audit::Audit;
pub use batch::Batch;
pub use cache::Cache;
pub use detection::Detection;
pub use files::{FileStorage, Files, S3};
pub use limits::{Limits, PerMinute};
pub use migration::Migration;
pub use outbound::Outbound;
pub use records::Records;
pub use tasks::Tasks;
pub use wal::Wal;

pub(crate) use alerts::signing_key;

use bridge_model::AddressBlock;
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// All settings. Every queue, page, body and wait has its bound here.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The front door.
    pub server: Server,
    /// The database.
    pub store: Store,
    /// Keys and lifetimes of tokens.
    pub security: Security,
    /// What comes in from the ERPs.
    pub ingest: Ingest,
    /// How changes are seen.
    pub detection: Detection,
    /// How the logs of ERPs' databases are read.
    pub wal: Wal,
    /// What goes out to the devices.
    pub sync: Sync,
    /// What the ERPs show of the devices.
    pub mirror: Mirror,
    /// Open connections.
    pub live: Live,
    /// How ERPs are called.
    pub erp: Erp,
    /// Which addresses systems may have, beside public ones.
    pub outbound: Outbound,
    /// How records are carried from one version to another.
    pub migration: Migration,
    /// How records are read and written.
    pub records: Records,
    /// How several operations are done in one request.
    pub batch: Batch,
    /// How work is done that nobody waits for.
    pub tasks: Tasks,
    /// What is kept of what was read.
    pub cache: Cache,
    /// How files are passed on, and where they are kept.
    pub files: Files,
    /// Who is told when something needs a person.
    pub alerts: Alerts,
    /// How often something may be asked for.
    pub limits: Limits,
    /// What is kept of who changed what.
    pub audit: Audit,
    /// How long things are kept.
    pub retention: Retention,
    /// The log output.
    pub log: Log,
}

/// The front door.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The largest request body, in bytes.
    pub body_bytes_max: usize,
    /// How long one request may take, in milliseconds.
    pub request_timeout_ms: u64,
    /// The most requests worked on at once; more are answered 503.
    pub requests_at_once_max: usize,
    /// The most connections at once, WebSockets among them; further ones wait until one ends.
    pub connections_max: usize,
    /// How long a connection may take for the head of a request, in milliseconds; then it is closed. It is also how
    /// long one may stay open between two requests.
    pub header_timeout_ms: u64,
    /// How long open requests may go on after a stop was asked for, in milliseconds.
    pub shutdown_ms: u64,
    /// The token that `GET /metrics` asks for; empty: it is open to whoever reaches the listener.
    pub metrics_token: String,
    /// The addresses of the proxies in front, as a list of addresses and blocks: `["10.0.0.5", "2001:db8:1::/48"]`. Whom one
    /// of these names in `x-forwarded-for` counts as the address that a request comes from; from anybody else that header
    /// counts for nothing.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub trusted_proxies: Vec<AddressBlock>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listen", &self.listen).finish_non_exhaustive()
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            body_bytes_max: 2 * 1024 * 1024,
            request_timeout_ms: 30_000,
            requests_at_once_max: 4_096,
            connections_max: 20_000,
            header_timeout_ms: 30_000,
            shutdown_ms: 10_000,
            metrics_token: String::new(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// The database.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite:///path/bridgecore.db` or `postgres://user:password@host/database`.
    pub url: String,
    /// The most writes that wait for the database; more are answered 503.
    pub queue_max: usize,
    /// The most writes that share one commit.
    pub commit_rows_max: usize,
    /// Connections for reading (SQLite).
    pub readers: usize,
    /// The most connections (PostgreSQL).
    pub pool_max: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: "sqlite://bridgecore.db".to_owned(),
            queue_max: 4_096,
            commit_rows_max: 500,
            readers: 2,
            pool_max: 10,
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address of a PostgreSQL database holds a password.
        f.debug_struct("Store").field("queue_max", &self.queue_max).finish_non_exhaustive()
    }
}

/// Keys and lifetimes of tokens.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// Signs the tokens; at least 32 characters. `bridgecore keys` makes one.
    pub secret_key: String,
    /// Fernet keys for the connection settings of systems: the first encrypts, all decrypt. `bridgecore keys` makes one.
    pub encryption_keys: Vec<String>,
    /// Life of an access token, in minutes.
    pub access_token_expire_minutes: u64,
    /// Life of a refresh token, in days.
    pub refresh_token_expire_days: u64,
    /// Whether every refresh gives a new refresh token, also to clients that did not ask for it.
    pub rotate_refresh_tokens: bool,
    /// The name of the first admin, made when there is no user at all.
    pub first_admin_username: String,
    /// Their password; if empty, one is made and printed once.
    pub first_admin_password: String,
    /// Password checks at once; each takes a core and 19 MiB for some milliseconds.
    pub password_checks_at_once_max: usize,
    /// How long a session is believed without a look at the database, in milliseconds. On several nodes this bounds
    /// how long a log-out on another node goes unnoticed, and a change of a system; on one node it is noticed at once.
    pub session_cache_ms: u64,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            secret_key: String::new(),
            encryption_keys: Vec::new(),
            access_token_expire_minutes: 30,
            refresh_token_expire_days: 7,
            rotate_refresh_tokens: false,
            first_admin_username: "admin".to_owned(),
            first_admin_password: String::new(),
            password_checks_at_once_max: 2,
            session_cache_ms: 5_000,
        }
    }
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Security").finish_non_exhaustive()
    }
}

/// What comes in from the ERPs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Ingest {
    /// The most events in one push.
    pub push_events_max: usize,
    /// The most rows read from an event table in one call.
    pub pull_rows_max: u32,
    /// The shortest pause between two looks at an event table, in milliseconds.
    pub pull_interval_min_ms: u64,
    /// The longest pause, reached step by step while nothing happens, in milliseconds.
    pub pull_interval_max_ms: u64,
    /// The shortest pause between two looks at an outbox in an ERP's database, in milliseconds.
    pub capture_interval_min_ms: u64,
    /// The longest pause, reached step by step while nothing happens, in milliseconds.
    pub capture_interval_max_ms: u64,
    /// The most rows that are read from an outbox and appended at once.
    pub capture_rows_max: u32,
    /// How often it is looked whether the triggers in an ERP's database are there and fire, in milliseconds.
    pub capture_check_ms: u64,
    /// The longest pause after failures, in milliseconds.
    pub pull_backoff_max_ms: u64,
    /// How long a transaction in the ERP can stay open, in milliseconds, where the add-on can't tell: an event id
    /// that is missing for longer is taken for rolled back.
    pub transaction_age_max_ms: u64,
    /// The most missing event ids that are remembered per system; beyond, reading on waits until they are settled.
    pub gaps_max: usize,
    /// How long a pushed event waits for the reader to get to those before it, in milliseconds, so that no event
    /// overtakes an earlier one of its record. Should be more than `pull_interval_max_ms`, and less than the ERP's
    /// patience with a push.
    pub push_order_wait_ms: u64,
    /// How long a node leads a system's reader without renewing, in milliseconds.
    pub lease_ms: u64,
    /// Models that are never tracked; a `*` stands for any part of a name.
    pub untracked_models: Vec<String>,
    /// The largest `payload` that is kept with an event, in bytes; a larger one is left out.
    pub payload_bytes_max: usize,
}

/// Our own mirrors, messages to browsers, and what Odoo writes down for itself all the time and nobody asks for.
const UNTRACKED: &[&str] = &[
    "update.webhook",
    "user.sync.state",
    "webhook.*",
    "bridgecore.*",
    "bus.*",
    "ir.logging",
    "ir.profile",
    "ir.cron.trigger",
    "ir.cron.progress",
    "res.users.log",
];

impl Default for Ingest {
    fn default() -> Self {
        Self {
            push_events_max: 1_000,
            pull_rows_max: 500,
            pull_interval_min_ms: 250,
            pull_interval_max_ms: 5_000,
            capture_interval_min_ms: 10,
            capture_interval_max_ms: 250,
            capture_rows_max: 2_000,
            capture_check_ms: 10_000,
            pull_backoff_max_ms: 60_000,
            transaction_age_max_ms: 3_600_000,
            gaps_max: 10_000,
            push_order_wait_ms: 6_000,
            lease_ms: 30_000,
            untracked_models: UNTRACKED.iter().map(ToString::to_string).collect(),
            payload_bytes_max: 16_384,
        }
    }
}

/// What goes out to the devices.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// The models of each app type; an empty list means all tracked models.
    pub app_types: BTreeMap<String, Vec<String>>,
    /// Changes in one answer if the request names no limit.
    pub limit_default: u32,
    /// The most changes in one answer.
    pub limit_max: u32,
    /// The most positions looked at for one answer.
    pub scan_max: u32,
    /// The most of the newest changes of each tenant that are kept in memory, already written as JSON; devices that are
    /// further behind are served from the database. 0: none.
    pub tail_rows_max: usize,
    /// The most memory that these take together, for all tenants, in bytes.
    pub tail_bytes_max: usize,
    /// Within how many milliseconds the same pull without a token is taken for a retry and gets the same batch.
    pub retry_window_ms: u64,
    /// The longest that a pull waits for a change (`wait_s`), in seconds; `server.request_timeout_ms` bounds it as well.
    pub wait_max_s: u64,
    /// How old what an ERP user may read can be before it is asked for again, in milliseconds.
    pub rights_fresh_ms: u64,
    /// How old it can be when the ERP can't be asked, in milliseconds; beyond, pulls fail rather than guess.
    pub rights_stale_max_ms: u64,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            app_types: app_types::documented(),
            limit_default: 100,
            limit_max: 1_000,
            scan_max: 20_000,
            tail_rows_max: 20_000,
            tail_bytes_max: 64 * 1024 * 1024,
            retry_window_ms: 10_000,
            wait_max_s: 55,
            rights_fresh_ms: 300_000,
            rights_stale_max_ms: 86_400_000,
        }
    }
}

/// What the ERPs show of the devices, in `user.sync.state`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Mirror {
    /// Whether devices are shown there at all.
    pub enabled: bool,
    /// The pause between two rounds, in milliseconds: however often a device confirms within it, its state is written
    /// once.
    pub interval_ms: u64,
    /// The longest pause after failures, in milliseconds.
    pub backoff_max_ms: u64,
    /// The most calls to one ERP in a round.
    pub calls_max: usize,
}

impl Default for Mirror {
    fn default() -> Self {
        Self { enabled: true, interval_ms: 30_000, backoff_max_ms: 600_000, calls_max: 20 }
    }
}

/// Open connections.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Live {
    /// The most WebSocket connections; more are answered 503.
    pub connections_max: usize,
    /// How long a connection may take to say who it is, in milliseconds.
    pub auth_timeout_ms: u64,
    /// The pause between two heartbeats, in milliseconds; a client that answers none of two is closed.
    pub heartbeat_ms: u64,
    /// How long a message may wait for a client that does not read, in milliseconds.
    pub send_timeout_ms: u64,
    /// The largest message from a client, in bytes.
    pub message_bytes_max: usize,
    /// The most changes read from the log at once for a connection.
    pub batch_rows_max: u32,
    /// Whether `?token=` is accepted in the address, where proxies may log it.
    pub token_in_query: bool,
    /// How often the heads in the database are looked at, in milliseconds, for changes from other nodes.
    pub head_poll_ms: u64,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            auth_timeout_ms: 5_000,
            heartbeat_ms: 30_000,
            send_timeout_ms: 10_000,
            message_bytes_max: 65_536,
            batch_rows_max: 200,
            token_in_query: false,
            head_poll_ms: 1_000,
        }
    }
}

/// How ERPs are called.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Erp {
    /// Time to connect, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Time for one call, in milliseconds.
    pub call_timeout_ms: u64,
    /// The largest answer, in bytes.
    pub reply_bytes_max: usize,
    /// The most calls to one system at once.
    pub calls_at_once_max: usize,
    /// The most requests for records that wait for a call to one system; more are answered 503.
    pub calls_waiting_max: usize,
    /// The longest that a call waits for its turn, in milliseconds.
    pub calls_wait_ms: u64,
    /// After how many failures in a row a system is left alone (its circuit breaker opens).
    pub circuit_failures_max: u32,
    /// For how long, in milliseconds; then one call tries whether it answers again.
    pub circuit_recovery_ms: u64,
    /// How long before its end an API key is renewed, in days.
    pub key_renewal_days: u64,
}

impl Default for Erp {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 5_000,
            call_timeout_ms: 20_000,
            reply_bytes_max: 32 * 1024 * 1024,
            calls_at_once_max: 8,
            calls_waiting_max: 64,
            calls_wait_ms: 5_000,
            circuit_failures_max: 5,
            circuit_recovery_ms: 60_000,
            key_renewal_days: 14,
        }
    }
}

/// How long things are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Changes, in days.
    pub log_days: u64,
    /// Changes, in rows per tenant.
    pub log_rows_max: u64,
    /// Sync states that no device used, in days.
    pub device_days: u64,
    /// Dead letters, in days.
    pub dead_letter_days: u64,
    /// Finished jobs, in days.
    pub job_days: u64,
    /// Tasks that have ended, with their results, in days.
    pub task_days: u64,
    /// Alerts that are over, in days.
    pub alert_days: u64,
    /// The audit, in days.
    pub audit_days: u64,
    /// The answers of writes that came with an `Idempotency-Key`, in hours, at most 144: the add-on keeps its own for
    /// 7 days.
    pub idempotency_hours: u64,
    /// The longest such answer that is kept whole, in bytes; of a longer one the ids of its records are kept.
    pub kept_answer_bytes_max: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            log_days: 30,
            log_rows_max: 10_000_000,
            device_days: 90,
            dead_letter_days: 30,
            job_days: 7,
            task_days: 7,
            alert_days: 30,
            audit_days: 365,
            idempotency_hours: 24,
            kept_answer_bytes_max: 256 * 1024,
        }
    }
}

/// The log output.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// What is written, `info` or `bridge_server=debug,info`.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

impl Config {
    /// Reads the file, if one is named, and the environment (`BRIDGECORE_SERVER__LISTEN`: two underscores between
    /// section and name) over it. The error names the setting and where it was read.
    pub fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = path {
            anyhow::ensure!(path.is_file(), "there is no config file at {}", path.display());
            figment = figment.merge(Toml::file(path));
        }
        // Only names with a section are settings; others may share the prefix for purposes of their own.
        let variables = Env::prefixed("BRIDGECORE_").filter(|name| name.as_str().contains("__")).split("__");
        let config: Self = figment.merge(variables).extract().map_err(without_secrets)?;
        anyhow::ensure!(
            path.is_some() || !config.security.secret_key.is_empty() || !config.security.encryption_keys.is_empty(),
            "no config file was given. `bridgecore keys > bridgecore.toml` makes one, and \
             `bridgecore serve --config bridgecore.toml` starts with it; the settings can also come from variables \
             such as BRIDGECORE_SECURITY__SECRET_KEY"
        );
        config.check()?;
        Ok(config)
    }

    /// Says what can't work, before anything starts; the error names the setting.
    pub fn check(&self) -> anyhow::Result<()> {
        check::check(self)
    }
}

/// Takes out of an error the value that was found, where that is a secret.
fn without_secrets(mut error: figment::Error) -> figment::Error {
    let is_secret = |path: &[String]| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        matches!(
            path.as_slice(),
            ["security" | "alerts", ..] | ["store", "url"] | ["server", "metrics_token"] | ["files", "s3", ..]
        )
    };
    if is_secret(&error.path)
        && let Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) = &error.kind
    {
        error.kind = Kind::Message(format!("it must be {expected}"));
    }
    if let Kind::Message(text) = &mut error.kind
        && text.starts_with("TOML parse error")
    {
        // It shows the line, which may hold a key; its number and the reason are enough.
        *text = text.lines().filter(|line| !line.contains('|')).collect::<Vec<_>>().join(": ");
    }
    error
}

/// Milliseconds as a duration.
pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Days as a duration.
pub fn days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(86_400))
}

#[cfg(test)]
mod written;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    const KEYS: &str = "[security]\nsecret_key='0123456789012345678901234567890123'\nencryption_keys=['k']\n";

    #[test]
    fn a_file_overrides_defaults_and_says_what_it_does_not_know() {
        let good = file(&format!("{KEYS}[server]\nbody_bytes_max=7\n"));
        assert_eq!(Config::load(Some(good.path())).unwrap().server.body_bytes_max, 7);
        let typo = file(&format!("{KEYS}[server]\nbody_byte_max=7\n"));
        let error = format!("{:#}", Config::load(Some(typo.path())).unwrap_err());
        assert!(error.contains("body_byte_max"), "{error}");
    }

    #[test]
    fn missing_keys_and_files_are_named() {
        let empty = file("");
        let error = Config::load(Some(empty.path())).unwrap_err().to_string();
        assert!(error.contains("bridgecore keys"), "{error}");
        let error = Config::load(Some(Path::new("no-such.toml"))).unwrap_err().to_string();
        assert!(error.contains("no-such.toml"), "{error}");
    }

    #[test]
    fn without_a_file_and_without_keys_the_way_to_both_is_told() {
        let error = Config::load(None).unwrap_err().to_string();
        for part in ["no config file", "bridgecore keys", "--config"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn an_error_names_the_setting_and_not_its_secret() {
        let wrong = file("[security]\nencryption_keys = 'hush-hush'\n");
        let error = format!("{:#}", Config::load(Some(wrong.path())).unwrap_err());
        assert!(error.contains("encryption_keys") && !error.contains("hush"), "{error}");
        let broken = file("[security]\nsecret_key = 'hush-hush\n");
        let error = format!("{:#}", Config::load(Some(broken.path())).unwrap_err());
        assert!(error.contains("line 2") && !error.contains("hush"), "{error}");
        let wrong = file(&format!("{KEYS}[server]\nbody_bytes_max='many'\n"));
        let error = format!("{:#}", Config::load(Some(wrong.path())).unwrap_err());
        assert!(error.contains("body_bytes_max") && error.contains("many"), "{error}");
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = Config {
            security: Security { secret_key: "hush-hush".into(), ..Security::default() },
            store: Store { url: "postgres://u:hush@h/d".into(), ..Store::default() },
            server: Server { metrics_token: "hush".into(), ..Server::default() },
            files: Files { s3: S3 { secret_access_key: "hush".into(), ..S3::default() }, ..Files::default() },
            ..Config::default()
        };
        assert!(!format!("{config:?}").contains("hush"));
    }
}
