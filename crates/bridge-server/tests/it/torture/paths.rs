//! The ways in that are tortured.

use super::{Path, Promise, Reaches, Versions, odoo, transaction_age_max};
use crate::support::OdooDatabase;
use bridge_erp::odoo::database::capture::CaptureOptions;
use bridge_model::Strategy;
use futures_util::FutureExt as _;

/// Odoo tells times in whole seconds: what is open for less is never late.
const POLL_HOLD_MS_MIN: u64 = 3_000;

/// Every way in.
pub(super) const PATHS: &[Path] = &[
    CAPTURE,
    Path {
        name: "capture_rows",
        promise: Promise::EachChange(Versions::OfAllRows),
        prepare: |database| {
            async {
                let rows = CaptureOptions { row_image_bytes_max: 2_000, notify: true, ..database.options() };
                database.install(&rows).await;
            }
            .boxed()
        },
        ..CAPTURE
    },
    Path {
        name: "wal",
        strategy: Strategy::Wal,
        promise: Promise::EachChange(Versions::OfRowsThatAre),
        can_lose_slot: true,
        prepare: |database| {
            async {
                // As `bridgecore wal install` does: a table of links belongs to its model.
                let publish = "CREATE PUBLICATION bridgecore
                    FOR TABLE res_partner, sale_order, sale_order_line, sale_order_tag_rel";
                database.client().await.batch_execute(publish).await.unwrap();
            }
            .boxed()
        },
        reader_url: OdooDatabase::url,
        variables: |_| {
            let own = [
                ("BRIDGECORE_WAL__LOOK_INTERVAL_MS", "200"),
                ("BRIDGECORE_WAL__BATCH_ROWS_MAX", "50"),
                ("BRIDGECORE_WAL__BACKOFF_MAX_MS", "300"),
                ("BRIDGECORE_WAL__IMAGE_BYTES_MAX", "2000"),
            ];
            quick(&own)
        },
        // What was there before the slot is made up for by a reset of each model.
        is_ready: "SELECT count(*) = 3 FROM changes WHERE event = 'reset'",
        is_drained: None,
        left: None,
        ..CAPTURE
    },
    Path {
        name: "pull",
        strategy: Strategy::Addon,
        reaches: Reaches::Api { has_feed: true },
        promise: Promise::EachChange(Versions::OfAllRows),
        tells_truncate: false,
        prepare: |database| odoo::keep_events(database).boxed(),
        variables: |_| {
            let own = [
                ("BRIDGECORE_INGEST__PULL_INTERVAL_MIN_MS", "20"),
                ("BRIDGECORE_INGEST__PULL_INTERVAL_MAX_MS", "200"),
                ("BRIDGECORE_INGEST__PULL_ROWS_MAX", "200"),
            ];
            quick(&own)
        },
        is_drained: None,
        // The ERP cleans up before it is seen again: all that is there is told again.
        on_restore: "UPDATE torture_cleaned SET id = (SELECT greatest(max(id) - 300, 0) FROM update_webhook);
            DELETE FROM update_webhook WHERE id <= (SELECT id FROM torture_cleaned)",
        left: Some(
            "SELECT model::text, record_id::bigint, event::text, (payload ->> 'version')::bigint FROM update_webhook
             ORDER BY id",
        ),
        ..CAPTURE
    },
    Path {
        name: "poll",
        strategy: Strategy::Poll,
        reaches: Reaches::Api { has_feed: false },
        promise: Promise::LastState,
        sees_restores: false,
        hold_ms_min: POLL_HOLD_MS_MIN,
        prepare: |database| odoo::keep_times(database).boxed(),
        variables: |asked| {
            let age = transaction_age_max(asked.hold_ms_max.max(POLL_HOLD_MS_MIN));
            let own = [
                ("BRIDGECORE_DETECTION__ENABLED", "true"),
                ("BRIDGECORE_DETECTION__POLL__SHARE_PERCENT", "100"),
                ("BRIDGECORE_DETECTION__POLL__OVERLAP_MS", "0"),
                ("BRIDGECORE_DETECTION__POLL__THOROUGH_INTERVAL_MS", "500"),
                ("BRIDGECORE_DETECTION__POLL__ROWS_MAX", "40"),
                ("BRIDGECORE_DETECTION__POLL__IDS_MAX", "100"),
                ("BRIDGECORE_DETECTION__POLL__CRITICAL_INTERVAL_MS", "100"),
                ("BRIDGECORE_DETECTION__POLL__CRITICAL_IDLE_MS", "300"),
                ("BRIDGECORE_DETECTION__POLL__IMPORTANT_INTERVAL_MS", "100"),
                ("BRIDGECORE_DETECTION__POLL__IMPORTANT_IDLE_MS", "300"),
                ("BRIDGECORE_DETECTION__POLL__STANDARD_INTERVAL_MS", "100"),
                ("BRIDGECORE_DETECTION__POLL__STANDARD_IDLE_MS", "300"),
                ("BRIDGECORE_INGEST__TRANSACTION_AGE_MAX_MS", &age.as_millis().to_string()),
            ];
            quick(&own)
        },
        is_ready: "SELECT count(*) = 3 FROM polled_models",
        is_drained: None,
        left: None,
        ..CAPTURE
    },
];

/// What most others are like.
const CAPTURE: Path = Path {
    name: "capture",
    strategy: Strategy::Capture,
    promise: Promise::EachChange(Versions::Untold),
    reaches: Reaches::Database,
    tells_truncate: true,
    sees_restores: true,
    can_lose_slot: false,
    hold_ms_min: 0,
    prepare: |database| async { database.install(&database.options()).await }.boxed(),
    reader_url: OdooDatabase::role_url,
    variables: |_| {
        let own = [("BRIDGECORE_INGEST__CAPTURE_ROWS_MAX", "20"), ("BRIDGECORE_INGEST__CAPTURE_CHECK_MS", "1000")];
        quick(&own)
    },
    is_ready: "SELECT count(DISTINCT model) = 3 FROM changes",
    is_drained: Some("SELECT count(*) <= 1 FROM bridgecore.outbox"),
    on_restore: "",
    left: Some(
        "SELECT table_name, record_id, operation::text, (coalesce(new_row, old_row) ->> 'version')::bigint
         FROM bridgecore.outbox ORDER BY id",
    ),
};

/// The settings of a service that comes back soon after what went wrong.
fn quick(own: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let all = [
        ("BRIDGECORE_DETECTION__ENABLED", "false"),
        ("BRIDGECORE_INGEST__LEASE_MS", "2000"),
        ("BRIDGECORE_INGEST__PULL_BACKOFF_MAX_MS", "300"),
    ];
    all.iter().chain(own).map(|(name, value)| (*name, (*value).to_owned())).collect()
}
