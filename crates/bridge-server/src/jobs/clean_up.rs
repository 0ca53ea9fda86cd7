//! Keeps the store within its limits.

use crate::config::{days, ms};
use crate::context::Context;
use anyhow::Context as _;
use bridge_store::{Retention, StoreError};
use std::time::Duration;

/// The most rows that one transaction removes, so that writers never wait long.
const BATCH_ROWS: u32 = 1_000;

/// Removes what is older than the config keeps. What fails is logged and hinders nothing else; the first failure is
/// answered at the end.
pub(super) async fn clean_up(cx: &Context) -> anyhow::Result<()> {
    let (store, keep, now) = (&cx.store, &cx.config.retention, cx.clock.now());
    let mut first_failure = Ok(());
    let mut note = |what: String, done: Result<u64, StoreError>| match done {
        Ok(rows) => tracing::debug!(rows, "{what}"),
        Err(error) => {
            tracing::warn!(error = %error, "{what}");
            if first_failure.is_ok() {
                first_failure = Err(error).context(what);
            }
        }
    };
    let retention = Retention {
        received_before: now.minus(days(keep.log_days)),
        rows_max: keep.log_rows_max,
        // Younger changes may still have neighbours in an ERP transaction that is open.
        keep_after: now.minus(ms(cx.config.ingest.transaction_age_max_ms)),
        batch_rows_max: BATCH_ROWS,
    };
    for tenant in store.tenants().await.context("find the tenants")? {
        let trimmed = store.trim(tenant.id, &retention).await;
        note(format!("trim the log of tenant {}", tenant.id), trimmed.map(|trimmed| trimmed.rows));
    }
    let old = |age_days: u64| now.minus(days(age_days));
    note("purge sessions".to_owned(), store.purge_sessions(now, BATCH_ROWS).await);
    note("purge sync states".to_owned(), store.purge_cursors(old(keep.device_days), BATCH_ROWS).await);
    note("purge dead letters".to_owned(), store.purge_dead_letters(old(keep.dead_letter_days), BATCH_ROWS).await);
    note("purge tasks".to_owned(), store.purge_tasks(old(keep.task_days), BATCH_ROWS).await);
    note("purge alerts".to_owned(), store.purge_alerts(old(keep.alert_days), BATCH_ROWS).await);
    note("purge jobs".to_owned(), store.purge_jobs(old(keep.job_days), BATCH_ROWS).await);
    note("purge the audit".to_owned(), store.purge_audit(old(keep.audit_days), BATCH_ROWS).await);
    let keys_before = now.minus(Duration::from_hours(keep.idempotency_hours));
    note("purge writes with a key".to_owned(), store.purge_keyed_writes(keys_before, BATCH_ROWS).await);
    first_failure
}
