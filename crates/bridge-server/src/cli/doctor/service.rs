//! The service itself: its settings, its database, its disk, and whether it runs.

use super::code::{Check, Code};
use super::finding::{Finding, Findings};
use crate::cli::words;
use crate::config::Config;
use crate::redis;
use bridge_model::{Clock, Entropy, Timestamp};
use bridge_store::{LeftSlot, Schema, Store, StoreError, StoreOptions, StoreServer};
use std::collections::BTreeSet;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(super) use super::told::TellTale;
use super::told::{self, Answer};

/// What is known of the service.
pub(super) struct ServiceState {
    pub(super) findings: Findings,
    /// Its settings and its database, if both can be read.
    pub(super) opened: Option<(Config, Store)>,
    /// What it tells of itself, if it runs.
    pub(super) told: Option<TellTale>,
}

/// Looks at the service.
pub(super) async fn examine(
    path: Option<&Path>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    patience: Duration,
) -> ServiceState {
    let mut findings = Findings::default();
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            findings.add(Finding::new(Check::Config, Code::ConfigInvalid, format!("{error:#}")));
            findings.complete(&[Check::Store, Check::Server], "the config can't be used");
            return ServiceState { findings, opened: None, told: None };
        }
    };
    examine_config(path, &mut findings);
    let (store, about_redis, (about_server, told)) = tokio::join!(
        async {
            let mut findings = Findings::default();
            let opened = tokio::time::timeout(patience, examine_store(&config, path, clock, entropy, &mut findings));
            let opened = opened.await.unwrap_or_default();
            findings.complete(&[Check::Store], &format!("it did not answer within {}", words::duration(patience)));
            (findings, opened)
        },
        examine_redis(&config, patience),
        examine_server(&config, path, patience),
    );
    findings.0.extend(store.0.0);
    findings.0.extend(about_redis.0);
    findings.0.extend(about_server.0);
    ServiceState { findings, opened: store.1.map(|store| (config, store)), told }
}

/// How the file is named in advice.
fn shown(path: Option<&Path>) -> String {
    path.map_or_else(|| "FILE".to_owned(), |path| path.display().to_string())
}

fn examine_config(path: Option<&Path>, findings: &mut Findings) {
    let Some(path) = path else {
        findings.fine(Check::Config, "from the environment alone");
        return;
    };
    let mode = std::fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
    if let Ok(mode) = mode
        && mode & 0o007 != 0
    {
        let seen = format!("{} has the mode {mode:04o}: every user of this machine gets at the keys", path.display());
        findings.add(Finding::new(Check::Config, Code::ConfigExposed, seen).with("path", path.display().to_string()));
    } else {
        findings.fine(Check::Config, path.display().to_string());
    }
}

/// Opens the database and looks at it; `None` if what is in it can't be read.
async fn examine_store(
    config: &Config,
    path: Option<&Path>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    findings: &mut Findings,
) -> Option<Store> {
    let file = config.store.url.strip_prefix("sqlite://").map(PathBuf::from);
    let missing = |what: String| Finding::new(Check::Store, Code::StoreMissing, what).with("config", shown(path));
    if let Some(file) = file.as_deref().filter(|file| !file.exists()) {
        findings.add(missing(format!("there is no file {}", file.display())));
        return None;
    }
    let mut options = StoreOptions::new(config.store.url.clone(), config.security.encryption_keys.clone());
    (options.readers, options.pool_max) = (1, 2);
    (options.busy_timeout_ms, options.statement_timeout_ms) = (2_000, 10_000);
    let looked = async {
        let store = Store::look(options, Arc::clone(clock), Arc::clone(entropy)).await?;
        let schema = store.schema().await?;
        Ok::<_, StoreError>((store, schema))
    };
    let (store, schema) = match looked.await {
        Ok(looked) => looked,
        Err(error) => {
            let code = match &error {
                StoreError::Encryption { .. } => Code::KeysUnusable,
                _ => Code::StoreUnreachable,
            };
            findings.add(Finding::new(Check::Store, code, causes(&error)));
            return None;
        }
    };
    let Schema { version, known } = schema;
    if version != known {
        let numbered = |code, seen: String| {
            Finding::new(Check::Store, code, seen).with("schema_version", version).with("schema_known", known)
        };
        findings.add(match version {
            0 => missing("the database is empty".to_owned()),
            _ if version < known => {
                numbered(Code::StoreOld, format!("it is at schema version {version}, and this program at {known}"))
            }
            _ => numbered(Code::StoreNew, format!("it is at schema version {version}, and this program at {known}")),
        });
        return None;
    }
    let asked_at = clock.now();
    match (file, store.server().await) {
        (Some(file), _) => {
            let size = size_of(&file);
            let seen = format!("SQLite {}, {}, schema version {version}", file.display(), words::bytes(size));
            findings.fine(Check::Store, seen);
            findings.add(examine_disk(&file, size));
        }
        (None, Ok(Some(server))) => {
            examine_store_server(&server, version, (asked_at, clock.now()), findings);
        }
        (None, Ok(None)) => findings.unchecked(Check::Store, "the server does not tell how it is"),
        (None, Err(error)) => findings.unchecked(Check::Store, &causes(&error)),
    }
    examine_dead_letters(&store, findings).await;
    Some(store)
}

/// The size of a database's file with its write-ahead log, in bytes.
fn size_of(file: &Path) -> u64 {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    size(file) + size(Path::new(&log))
}

fn examine_store_server(server: &StoreServer, schema: i64, asked: (Timestamp, Timestamp), findings: &mut Findings) {
    let (major, size) = (server.version / 10_000, words::bytes(server.size_bytes));
    if server.is_standby {
        let seen = format!("PostgreSQL {major} that follows another server");
        findings.add(Finding::new(Check::Store, Code::StoreStandby, seen));
    } else if server.is_durable {
        findings.fine(Check::Store, format!("PostgreSQL {major}, {size}, schema version {schema}"));
    } else {
        let seen = format!("PostgreSQL {major}, {size}, with fsync or full_page_writes off");
        findings.add(Finding::new(Check::Store, Code::StoreNotDurable, seen));
    }
    if let Some(finding) = super::skew::judge(Check::Store, "its database's server", server.clock, asked) {
        findings.add(finding);
    }
}

/// Free space below which the disk is nearly full, in bytes, and below which it is as good as full.
const DISK_LOW: u64 = 1 << 30;
const DISK_FULL: u64 = 100 << 20;

fn examine_disk(file: &Path, size: u64) -> Finding {
    // A name without a folder is in this one.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    match rustix::fs::statvfs(folder) {
        Ok(found) => judge_disk(
            found.f_bavail.saturating_mul(found.f_frsize),
            found.f_blocks.saturating_mul(found.f_frsize),
            size,
            folder,
        ),
        Err(error) => Finding::new(Check::Disk, Code::NotChecked, format!("not checked: {error}")),
    }
}

/// A database needs room for its own write-ahead log, which a backup or a long read can make grow.
fn judge_disk(free: u64, total: u64, size: u64, folder: &Path) -> Finding {
    let code = if free < DISK_FULL {
        Code::DiskFull
    } else if free < DISK_LOW.max(size / 4) {
        Code::DiskLow
    } else {
        Code::Fine
    };
    let seen = format!("{} of {} are free in {}", words::bytes(free), words::bytes(total), folder.display());
    Finding::new(Check::Disk, code, seen).with("path", folder.display().to_string()).with("free_bytes", free)
}

async fn examine_dead_letters(store: &Store, findings: &mut Findings) {
    let counted = async {
        let mut count = 0;
        for tenant in store.tenants().await? {
            count += store.dead_letter_count(tenant.id).await?;
        }
        Ok::<_, StoreError>(count)
    };
    match counted.await {
        Ok(0) => findings.fine(Check::DeadLetters, "none"),
        Ok(count) => {
            let seen = words::count(usize::try_from(count).unwrap_or(usize::MAX), "event was", "events were");
            let finding = Finding::new(Check::DeadLetters, Code::DeadLetters, format!("{seen} put aside"));
            findings.add(finding.with("count", count));
        }
        Err(error) => findings.unchecked(Check::DeadLetters, &causes(&error)),
    }
}

/// Asks Redis, where one is configured.
async fn examine_redis(config: &Config, patience: Duration) -> Findings {
    let mut findings = Findings::default();
    let url = &config.cache.redis_url;
    if url.is_empty() {
        return findings;
    }
    match redis::reach(url, patience).await {
        Ok(()) => findings.fine(Check::Redis, "it answers"),
        Err(error) => {
            findings.add(Finding::new(Check::Redis, Code::RedisUnreachable, format!("it does not answer: {error:#}")));
        }
    }
    findings
}

/// Asks the service whether it works.
async fn examine_server(config: &Config, path: Option<&Path>, patience: Duration) -> (Findings, Option<TellTale>) {
    let mut findings = Findings::default();
    let address = reachable(config.server.listen);
    if address.port() == 0 {
        findings.unchecked(Check::Server, "server.listen names no port");
        return (findings, None);
    }
    let add = |findings: &mut Findings, code, seen: String| {
        let finding = Finding::new(Check::Server, code, seen);
        findings.add(finding.with("config", shown(path)).with("address", address.to_string()));
    };
    let version = match told::health(address, patience).await {
        Ok(Answer::Healthy { version }) => version,
        Ok(Answer::NotReady { status }) => {
            add(&mut findings, Code::ServerNotReady, format!("{address} answers with the status {status}"));
            return (findings, None);
        }
        Ok(Answer::Other) => {
            add(&mut findings, Code::ServerOther, format!("what answers at {address} is no BridgeCore"));
            return (findings, None);
        }
        Err(error) => {
            add(&mut findings, Code::ServerDown, format!("nothing answers at {address}: {error:#}"));
            return (findings, None);
        }
    };
    let ours = env!("CARGO_PKG_VERSION");
    if version == ours {
        findings.fine(Check::Server, format!("version {version} answers at {address}"));
    } else {
        let seen = format!("version {version} answers at {address}, and this program is {ours}");
        add(&mut findings, Code::ServerVersion, seen);
    }
    let told = match told::metrics(address, &config.server.metrics_token, patience).await {
        Ok(told) => told,
        Err(error) => {
            findings.unchecked(Check::Server, &format!("its metrics can't be read: {error:#}"));
            return (findings, None);
        }
    };
    let panics = told.sum("panics_total");
    if panics > 0.0 {
        add(&mut findings, Code::ServerPanics, format!("{panics} mistakes were caught since its start"));
    }
    (findings, Some(told))
}

/// Where to ask a service that listens on any address of the machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Says of the slots of deleted systems whether they are on any server that was looked at.
pub(super) fn examine_left_slots(left: &[LeftSlot], seen: &BTreeSet<String>, findings: &mut Findings) {
    // Those that were seen are told of where they were seen, with the database that they are in.
    for left in left.iter().filter(|left| !seen.contains(&left.slot)) {
        let told = format!(
            "the system {} was deleted at {} while it was read through the slot {}, which may still keep the log of its \
             database",
            left.system_id,
            left.deleted_at.whole_seconds(),
            left.slot
        );
        findings.add(Finding::new(Check::Systems, Code::SlotUntraced, told).with("slot", left.slot.as_str()));
    }
}

/// An error with its causes. None of the store's errors holds a secret.
pub(super) fn causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_what_is_free_and_by_the_size_of_the_database() {
        let judge = |free, size| judge_disk(free, 100 << 30, size, Path::new("/data"));
        assert_eq!(judge(50 << 30, 0).code, Code::Fine);
        assert_eq!(judge(1 << 29, 0).code, Code::DiskLow);
        assert_eq!(judge(10 << 30, 80 << 30).code, Code::DiskLow);
        assert_eq!(judge(1 << 20, 0).code, Code::DiskFull);
        assert_eq!(judge(1 << 20, 0).advice().unwrap().split(';').next(), Some("make room in /data now"));
        assert_eq!(judge(5 << 30, 0).seen, "5.0 GiB of 100.0 GiB are free in /data");
    }

    #[test]
    fn a_service_on_every_address_is_asked_on_this_machines_own() {
        for (listen, asked) in
            [("0.0.0.0:8000", "127.0.0.1:8000"), ("[::]:8000", "[::1]:8000"), ("10.0.0.7:80", "10.0.0.7:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
