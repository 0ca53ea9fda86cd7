//! How the logs of ERPs' databases are read.

use serde::{Deserialize, Serialize};

/// How the logs of ERPs' databases are read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Wal {
    /// The publication that is read.
    pub publication: String,
    /// How often the slot, the publication and the owners of models are looked at, in milliseconds.
    pub look_interval_ms: u64,
    /// The most changes in one transaction of the store.
    pub batch_rows_max: usize,
    /// When the ERP's database keeps more of its log for us than this, in bytes, it is an alarm.
    pub retained_bytes_alarm: u64,
    /// When it keeps more than this, in bytes, the slot is dropped to save the ERP's disk, and everything that may
    /// have changed is told anew; 0 never drops it.
    pub retained_bytes_max: u64,
    /// How long making a slot may wait for the transactions that are open in the ERP's database, in milliseconds.
    pub slot_wait_ms: u64,
    /// After how long without a word from us the ERP's database ends the connection, in milliseconds.
    pub sender_timeout_ms: u64,
    /// The longest pause after failures, in milliseconds.
    pub backoff_max_ms: u64,
    /// The largest image of a row (`old_data`, `new_data`) that is kept with a change, in bytes; 0 keeps none.
    pub image_bytes_max: usize,
}

impl Default for Wal {
    fn default() -> Self {
        Self {
            publication: "bridgecore".to_owned(),
            look_interval_ms: 2_000,
            batch_rows_max: 2_000,
            retained_bytes_alarm: 4 << 30,
            retained_bytes_max: 16 << 30,
            slot_wait_ms: 600_000,
            sender_timeout_ms: 30_000,
            backoff_max_ms: 60_000,
            image_bytes_max: 0,
        }
    }
}
