//! Says what can't work, before anything starts.

use super::{Config, FileStorage, Limits, PerMinute, alerts, ms};
use anyhow::ensure;
use redis::Client;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The longest time that a setting may name, in milliseconds: a hundred years. Beyond, sums of times overflow.
const MS_MAX: u64 = 36_500 * 86_400 * 1_000;

/// The longest time that a setting may name, in days.
const DAYS_MAX: u64 = 36_500;

/// The error names the setting.
/// The words that stand for a level by themselves.
const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    keys(config)?;
    let level = config.log.level.as_str();
    ensure!(
        level.contains(['=', ',']) || LOG_LEVELS.contains(&level),
        "log.level must be one of {}, or a list such as bridge_server=debug,info; not {level:?}",
        LOG_LEVELS.join(", ")
    );
    numbers(config)?;
    times(config)?;
    files(config)?;
    alerts::check(&config.alerts)?;
    let Config { sync, ingest, .. } = config;
    ensure!(
        sync.limit_default <= sync.limit_max,
        "sync.limit_default must be between 1 and sync.limit_max, {}",
        sync.limit_max
    );
    ensure!(sync.scan_max >= sync.limit_max, "sync.scan_max must be at least sync.limit_max, {}", sync.limit_max);
    ensure!(
        ingest.pull_interval_min_ms <= ingest.pull_interval_max_ms,
        "ingest.pull_interval_min_ms must be between 1 and ingest.pull_interval_max_ms, {}",
        ingest.pull_interval_max_ms
    );
    ensure!(
        ingest.capture_interval_min_ms <= ingest.capture_interval_max_ms,
        "ingest.capture_interval_min_ms must be between 1 and ingest.capture_interval_max_ms, {}",
        ingest.capture_interval_max_ms
    );
    ensure!(
        sync.rights_fresh_ms <= sync.rights_stale_max_ms,
        "sync.rights_stale_max_ms must be at least sync.rights_fresh_ms, {}",
        sync.rights_fresh_ms
    );
    Ok(())
}

fn keys(config: &Config) -> anyhow::Result<()> {
    ensure!(
        config.security.secret_key.len() >= 32,
        "security.secret_key must have at least 32 characters; `bridgecore keys` makes one"
    );
    ensure!(
        !config.security.encryption_keys.is_empty(),
        "security.encryption_keys must hold at least one Fernet key; `bridgecore keys` makes one"
    );
    Ok(())
}

/// The largest file that S3 takes by one request, in bytes.
const S3_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

fn files(config: &Config) -> anyhow::Result<()> {
    let files = &config.files;
    ensure!(
        files.storage != FileStorage::Folder || !files.folder.is_empty(),
        "files.folder must name the folder in which files are kept, since files.storage is \"folder\""
    );
    let s3 = &files.s3;
    ensure!(
        files.storage != FileStorage::S3 || !s3.bucket.is_empty(),
        "files.s3.bucket must name the bucket in which files are kept, since files.storage is \"s3\""
    );
    ensure!(
        s3.bucket.is_empty() || !(s3.access_key_id.is_empty() || s3.secret_access_key.is_empty()),
        "files.s3.access_key_id and files.s3.secret_access_key must be given with files.s3.bucket"
    );
    for (name, text, further) in [("bucket", &s3.bucket, "."), ("prefix", &s3.prefix, "./"), ("region", &s3.region, "")]
    {
        // They stand in addresses and signatures as they are.
        let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c) || further.contains(c));
        ensure!(is_plain && !text.contains(".."), "files.s3.{name} may hold letters, digits and -_{further} only");
    }
    ensure!(
        files.storage != FileStorage::S3 || files.bytes_max as u64 <= S3_BYTES_MAX,
        "files.bytes_max may be at most {S3_BYTES_MAX} with files in a bucket"
    );
    let hours = files.removal_hours;
    ensure!((1..=24 * DAYS_MAX).contains(&hours), "files.removal_hours must be between 1 and {}", 24 * DAYS_MAX);
    // Or the bytes of an upload that is still under way could be removed.
    ensure!(
        ms(files.transfer_timeout_ms) * 2 <= Duration::from_secs(hours * 3_600),
        "files.removal_hours must be at least twice as long as files.transfer_timeout_ms"
    );
    Ok(())
}

/// Each count is at least 1, and small enough for what it counts.
fn numbers(config: &Config) -> anyhow::Result<()> {
    let Config { server, store, security, ingest, wal, sync, mirror, live, erp, migration, retention, .. } = config;
    for (name, number) in [
        ("server.requests_at_once_max", server.requests_at_once_max),
        ("server.connections_max", server.connections_max),
        ("security.password_checks_at_once_max", security.password_checks_at_once_max),
        ("live.connections_max", live.connections_max),
        ("files.transfers_at_once_max", config.files.transfers_at_once_max),
        ("erp.calls_at_once_max", erp.calls_at_once_max),
    ] {
        let max = Semaphore::MAX_PERMITS;
        ensure!((1..=max).contains(&number), "{name} must be between 1 and {max}, and is {number}");
    }
    for (name, number) in [
        ("server.body_bytes_max", server.body_bytes_max),
        ("store.queue_max", store.queue_max),
        ("store.commit_rows_max", store.commit_rows_max),
        ("store.readers", store.readers),
        ("store.pool_max", store.pool_max),
        ("ingest.push_events_max", ingest.push_events_max),
        ("ingest.gaps_max", ingest.gaps_max),
        ("mirror.calls_max", mirror.calls_max),
        ("wal.batch_rows_max", wal.batch_rows_max),
        ("live.message_bytes_max", live.message_bytes_max),
        ("erp.reply_bytes_max", erp.reply_bytes_max),
        ("files.bytes_max", config.files.bytes_max),
        ("migration.records_max", migration.records_max),
        ("tasks.at_once_max", config.tasks.at_once_max),
        ("batch.operations_max", config.batch.operations_max),
        ("batch.rows_per_call_max", config.batch.rows_per_call_max),
        ("batch.answer_bytes_max", config.batch.answer_bytes_max),
        ("migration.batch_records", migration.batch_records),
    ] {
        ensure!(number >= 1, "{name} must be at least 1");
    }
    for (name, number) in [
        ("erp.circuit_failures_max", erp.circuit_failures_max),
        ("ingest.pull_rows_max", ingest.pull_rows_max),
        ("ingest.capture_rows_max", ingest.capture_rows_max),
        ("sync.limit_default", sync.limit_default),
        ("sync.limit_max", sync.limit_max),
        ("live.batch_rows_max", live.batch_rows_max),
    ] {
        ensure!(number >= 1, "{name} must be at least 1");
    }
    let records = &config.records;
    for (name, number) in [
        ("records.limit_default", records.limit_default),
        ("records.limit_max", records.limit_max),
        ("records.binary_rows_max", records.binary_rows_max),
    ] {
        ensure!((1..=100_000).contains(&number), "{name} must be between 1 and 100000");
    }
    ensure!(
        records.limit_default <= records.limit_max,
        "records.limit_default must be between 1 and records.limit_max, {}",
        records.limit_max
    );
    limits(&config.limits)?;
    ensure!(config.tasks.open_max >= 1, "tasks.open_max must be at least 1");
    ensure!(records.write_rows_max >= 1, "records.write_rows_max must be at least 1");
    ensure!(records.user_connections_max >= 1, "records.user_connections_max must be at least 1");
    let trail = &config.detection.trail;
    ensure!(
        (1..=10_000).contains(&trail.changes_max),
        "detection.trail.changes_max must be between 1 and 10000, and is {}",
        trail.changes_max
    );
    ensure!(
        (1..=100_000).contains(&trail.values_max),
        "detection.trail.values_max must be between 1 and 100000, and is {}",
        trail.values_max
    );
    let cache = &config.cache;
    ensure!(cache.entries_max >= 1, "cache.entries_max must be at least 1");
    ensure!(cache.bytes_max >= 1, "cache.bytes_max must be at least 1");
    ensure!(cache.entry_bytes_max >= 1, "cache.entry_bytes_max must be at least 1");
    let is_address = |url: &str| ["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme));
    ensure!(
        cache.redis_url.is_empty() || (is_address(&cache.redis_url) && Client::open(&*cache.redis_url).is_ok()),
        "cache.redis_url must be an address like redis://host:6379/0 or rediss://host:6379/0"
    );
    let poll = &config.detection.poll;
    for (name, number) in [("rows_max", poll.rows_max), ("ids_max", poll.ids_max)] {
        ensure!((1..=100_000).contains(&number), "detection.poll.{name} must be between 1 and 100000");
    }
    let share = poll.share_percent;
    ensure!(
        share > 0.0 && share <= 100.0,
        "detection.poll.share_percent must be above 0 and at most 100, and is {share}"
    );
    ensure!(retention.log_rows_max >= 1, "retention.log_rows_max must be at least 1");
    Ok(())
}

/// The largest limit: beyond, a place would become free in less than the time that is measured.
const REQUESTS_MAX: u32 = 1_000_000;

fn limits(limits: &Limits) -> anyhow::Result<()> {
    ensure!(limits.entries_max >= 1, "limits.entries_max must be at least 1");
    let PerMinute { authentication, reads, writes, deletes, batch, files, .. } = limits.per_minute;
    let PerMinute { webhook_events, webhook_receive, sync_pull, sync_state, .. } = limits.per_minute;
    let numbers = [
        ("per_minute.authentication", authentication),
        ("per_minute.reads", reads),
        ("per_minute.writes", writes),
        ("per_minute.deletes", deletes),
        ("per_minute.batch", batch),
        ("per_minute.files", files),
        ("per_minute.webhook_events", webhook_events),
        ("per_minute.webhook_receive", webhook_receive),
        ("per_minute.sync_pull", sync_pull),
        ("per_minute.sync_state", sync_state),
        ("per_hour.sync_reset", limits.per_hour.sync_reset),
    ];
    let numbers = numbers.map(|(name, number)| (name.to_owned(), number)).into_iter();
    let of_plans = [
        ("webhook_events_per_hour", &limits.webhook_events_per_hour),
        ("sync_pull_per_hour", &limits.sync_pull_per_hour),
    ];
    let of_plan = |(name, plans): (&str, &BTreeMap<String, u32>)| -> Vec<(String, u32)> {
        plans.iter().map(|(plan, number)| (format!("{name}.{plan}"), *number)).collect()
    };
    for (name, number) in numbers.chain(of_plans.into_iter().flat_map(of_plan)) {
        ensure!(number <= REQUESTS_MAX, "limits.{name} must be at most {REQUESTS_MAX}, and is {number}");
    }
    for (name, plans) in of_plans {
        ensure!(
            plans.contains_key(&limits.plan_default),
            "limits.{name} must name the plan of limits.plan_default, {:?}",
            limits.plan_default
        );
    }
    Ok(())
}

/// The add-on keeps the answers of writes for a week; a key that outlived them would be taken for a new one there.
const IDEMPOTENCY_HOURS_MAX: u64 = 6 * 24;

/// Each time is long enough to neither spin nor end everything at once, and short enough to be added to another.
fn times(config: &Config) -> anyhow::Result<()> {
    let Config { server, security, ingest, detection, wal, sync, mirror, live, erp, retention, .. } = config;
    for (name, least, time_ms) in [
        ("server.request_timeout_ms", 1, server.request_timeout_ms),
        ("server.header_timeout_ms", 10, server.header_timeout_ms),
        ("server.shutdown_ms", 0, server.shutdown_ms),
        ("security.session_cache_ms", 0, security.session_cache_ms),
        ("ingest.pull_interval_min_ms", 1, ingest.pull_interval_min_ms),
        ("ingest.pull_interval_max_ms", 1, ingest.pull_interval_max_ms),
        ("ingest.pull_backoff_max_ms", 1, ingest.pull_backoff_max_ms),
        ("ingest.capture_interval_min_ms", 1, ingest.capture_interval_min_ms),
        ("ingest.capture_interval_max_ms", 1, ingest.capture_interval_max_ms),
        ("ingest.capture_check_ms", 10, ingest.capture_check_ms),
        ("ingest.transaction_age_max_ms", 1, ingest.transaction_age_max_ms),
        ("ingest.push_order_wait_ms", 0, ingest.push_order_wait_ms),
        ("ingest.lease_ms", 1_000, ingest.lease_ms),
        ("wal.look_interval_ms", 10, wal.look_interval_ms),
        ("wal.slot_wait_ms", 1, wal.slot_wait_ms),
        ("wal.sender_timeout_ms", 1_000, wal.sender_timeout_ms),
        ("wal.backoff_max_ms", 1, wal.backoff_max_ms),
        ("detection.owners_fresh_ms", 0, detection.owners_fresh_ms),
        ("detection.discover_interval_ms", 1, detection.discover_interval_ms),
        ("detection.watch_interval_ms", 10, detection.watch_interval_ms),
        ("detection.failover_ms", 1, detection.failover_ms),
        ("detection.poll.critical_interval_ms", 1, detection.poll.critical_interval_ms),
        ("detection.poll.critical_idle_ms", 1, detection.poll.critical_idle_ms),
        ("detection.poll.important_interval_ms", 1, detection.poll.important_interval_ms),
        ("detection.poll.important_idle_ms", 1, detection.poll.important_idle_ms),
        ("detection.poll.standard_interval_ms", 1, detection.poll.standard_interval_ms),
        ("detection.poll.standard_idle_ms", 1, detection.poll.standard_idle_ms),
        ("detection.poll.overlap_ms", 0, detection.poll.overlap_ms),
        ("detection.poll.thorough_interval_ms", 0, detection.poll.thorough_interval_ms),
        ("detection.trail.timeout_ms", 1, detection.trail.timeout_ms),
        ("detection.trail.call_timeout_ms", 1, detection.trail.call_timeout_ms),
        ("detection.trail.rest_ms", 0, detection.trail.rest_ms),
        ("sync.retry_window_ms", 1, sync.retry_window_ms),
        ("sync.rights_fresh_ms", 0, sync.rights_fresh_ms),
        ("sync.rights_stale_max_ms", 0, sync.rights_stale_max_ms),
        ("files.transfer_timeout_ms", 1, config.files.transfer_timeout_ms),
        ("files.s3.timeout_ms", 1, config.files.s3.timeout_ms),
        ("tasks.lease_ms", 1_000, config.tasks.lease_ms),
        ("records.fields_fresh_ms", 0, config.records.fields_fresh_ms),
        ("cache.ttl_ms", 1, config.cache.ttl_ms),
        ("cache.wait_ms", 0, config.cache.wait_ms),
        ("cache.redis_timeout_ms", 1, config.cache.redis_timeout_ms),
        ("mirror.interval_ms", 10, mirror.interval_ms),
        ("mirror.backoff_max_ms", 10, mirror.backoff_max_ms),
        ("live.auth_timeout_ms", 1, live.auth_timeout_ms),
        ("live.heartbeat_ms", 10, live.heartbeat_ms),
        ("live.send_timeout_ms", 1, live.send_timeout_ms),
        ("live.head_poll_ms", 10, live.head_poll_ms),
        ("alerts.look_interval_ms", 10, config.alerts.look_interval_ms),
        ("alerts.settle_ms", 1, config.alerts.settle_ms),
        ("alerts.repeat_ms", 1, config.alerts.repeat_ms),
        ("alerts.send_timeout_ms", 1, config.alerts.send_timeout_ms),
        ("alerts.retry_min_ms", 1, config.alerts.retry_min_ms),
        ("alerts.retry_max_ms", 1, config.alerts.retry_max_ms),
        ("erp.connect_timeout_ms", 1, erp.connect_timeout_ms),
        ("erp.call_timeout_ms", 1, erp.call_timeout_ms),
        ("erp.calls_wait_ms", 1, erp.calls_wait_ms),
        ("erp.circuit_recovery_ms", 1, erp.circuit_recovery_ms),
    ] {
        ensure!((least..=MS_MAX).contains(&time_ms), "{name} must be between {least} and {MS_MAX}, and is {time_ms}");
    }
    for (name, days) in [
        ("security.refresh_token_expire_days", security.refresh_token_expire_days),
        ("erp.key_renewal_days", erp.key_renewal_days),
        ("retention.log_days", retention.log_days),
        ("retention.device_days", retention.device_days),
        ("retention.dead_letter_days", retention.dead_letter_days),
        ("retention.job_days", retention.job_days),
        ("retention.task_days", retention.task_days),
        ("retention.alert_days", retention.alert_days),
        ("retention.audit_days", retention.audit_days),
    ] {
        ensure!((1..=DAYS_MAX).contains(&days), "{name} must be between 1 and {DAYS_MAX}, and is {days}");
    }
    let hours = retention.idempotency_hours;
    ensure!(
        (1..=IDEMPOTENCY_HOURS_MAX).contains(&hours),
        "retention.idempotency_hours must be between 1 and {IDEMPOTENCY_HOURS_MAX}, and is {hours}"
    );
    let minutes = security.access_token_expire_minutes;
    let minutes_max = DAYS_MAX * 24 * 60;
    ensure!(
        (1..=minutes_max).contains(&minutes),
        "security.access_token_expire_minutes must be between 1 and {minutes_max}, and is {minutes}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spoils a config.
    type Change = fn(&mut Config);

    fn good() -> Config {
        let mut config = Config::default();
        config.security.secret_key = "x".repeat(32);
        config.security.encryption_keys = vec!["k".to_owned()];
        config
    }

    #[test]
    fn what_would_panic_or_spin_is_refused_by_name() {
        check(&good()).unwrap();
        let wrong: [(&str, Change); 21] = [
            ("live.heartbeat_ms", |config| config.live.heartbeat_ms = 9),
            ("live.head_poll_ms", |config| config.live.head_poll_ms = 0),
            ("ingest.pull_interval_min_ms", |config| config.ingest.pull_interval_min_ms = 0),
            ("ingest.pull_backoff_max_ms", |config| config.ingest.pull_backoff_max_ms = 0),
            ("ingest.pull_rows_max", |config| config.ingest.pull_rows_max = 0),
            ("server.requests_at_once_max", |config| config.server.requests_at_once_max = usize::MAX),
            ("server.connections_max", |config| config.server.connections_max = 0),
            ("live.connections_max", |config| config.live.connections_max = usize::MAX),
            ("sync.limit_max", |config| config.sync.limit_max = 0),
            ("sync.retry_window_ms", |config| config.sync.retry_window_ms = u64::MAX),
            ("retention.log_days", |config| config.retention.log_days = 0),
            ("erp.calls_at_once_max", |config| config.erp.calls_at_once_max = 0),
            ("files.folder", |config| config.files.storage = FileStorage::Folder),
            ("files.s3.bucket", |config| config.files.storage = FileStorage::S3),
            ("files.s3.access_key_id", |config| config.files.s3.bucket = "files".to_owned()),
            ("files.s3.prefix", |config| config.files.s3.prefix = "a b".to_owned()),
            ("files.removal_hours", |config| config.files.transfer_timeout_ms = 13 * 3_600_000),
            ("limits.entries_max", |config| config.limits.entries_max = 0),
            ("limits.per_minute.reads", |config| config.limits.per_minute.reads = 1_000_001),
            ("limits.sync_pull_per_hour.free", |config| {
                config.limits.sync_pull_per_hour.insert("free".to_owned(), u32::MAX);
            }),
            ("limits.webhook_events_per_hour", |config| config.limits.plan_default = "gold".to_owned()),
        ];
        for (name, change) in wrong {
            let mut config = good();
            change(&mut config);
            let error = check(&config).unwrap_err().to_string();
            assert!(error.contains(name), "{name}: {error}");
        }
    }
}
