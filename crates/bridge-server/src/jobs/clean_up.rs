//! Keeps the store within its limits.

use crate::config::{days, ms};
use crate::context::Context;
use bridge_store::{Retention, StoreError};

/// The most rows that one transaction removes, so that writers never wait long.
const BATCH_ROWS: u32 = 1_000;

/// Removes what is older than the config keeps. Each step removes a batch at a time until nothing is left to remove.
pub(super) async fn clean_up(cx: &Context) -> Result<(), StoreError> {
    trim_log(cx).await?;
    let (store, keep, now) = (&cx.store, &cx.config.retention, cx.clock.now());
    while store.purge_sessions(now, BATCH_ROWS).await? >= u64::from(BATCH_ROWS) {}
    while store.purge_cursors(now.minus(days(keep.device_days)), BATCH_ROWS).await? >= u64::from(BATCH_ROWS) {}
    while store.purge_dead_letters(now.minus(days(keep.dead_letter_days)), BATCH_ROWS).await? >= u64::from(BATCH_ROWS) {
    }
    while store.purge_jobs(now.minus(days(keep.job_days)), BATCH_ROWS).await? >= u64::from(BATCH_ROWS) {}
    Ok(())
}

async fn trim_log(cx: &Context) -> Result<(), StoreError> {
    let now = cx.clock.now();
    let retention = Retention {
        received_before: now.minus(days(cx.config.retention.log_days)),
        rows_max: cx.config.retention.log_rows_max,
        // Younger changes may still have neighbours in an ERP transaction that is open.
        keep_after: now.minus(ms(cx.config.ingest.transaction_age_max_ms)),
        batch_rows_max: BATCH_ROWS,
    };
    for tenant in cx.store.tenants().await? {
        loop {
            let trimmed = cx.store.trim(tenant.id, &retention).await?;
            if trimmed.rows < u64::from(BATCH_ROWS) {
                break;
            }
        }
    }
    Ok(())
}
