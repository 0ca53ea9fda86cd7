//! How the reading of each database's log is doing, for people who ask.

use bridge_model::{SystemKey, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use utoipa::ToSchema;

/// What a reader of a database's log does now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WalState {
    /// It begins.
    #[default]
    Starting,
    /// It waits for the transactions that are open in the ERP's database, to begin behind them.
    MakingSlot,
    /// Reading.
    Running,
    /// The last try failed; it is tried again.
    Failing,
}

/// The state of a reader and how far it has come.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct WalStatus {
    /// What it does now.
    pub state: WalState,
    /// The slot that it reads through.
    pub slot: Option<String>,
    /// Everything that was committed before this place in the database's log is in ours (`16/B374D848`).
    pub read_to: Option<String>,
    /// How much of the database's log is still to be read and confirmed, in bytes.
    pub lag_bytes: Option<u64>,
    /// How much of its log the database keeps for us, in bytes.
    pub retained_bytes: Option<u64>,
    /// Whether that is more than `wal.retained_bytes_alarm`.
    pub retained_alarm: bool,
    /// How much of its log the database would keep before it gives the slot up by itself, in bytes; `null` if it
    /// never does, which leaves a full disk possible while nobody reads.
    pub server_keeps_bytes: Option<u64>,
    /// Published tables that should not be, with the reason.
    pub refused_tables: BTreeMap<String, String>,
    /// Models that should be seen this way and whose tables are not published: run `bridgecore wal install`.
    pub unpublished_models: Vec<String>,
    /// When everything up to the end of the database's log was last read.
    pub last_success_at: Option<Timestamp>,
    /// What went wrong last, while it does.
    pub last_error: Option<String>,
}

/// The states of the readers of databases' logs on this node.
#[derive(Debug, Default)]
pub struct WalReaders(Mutex<HashMap<SystemKey, WalStatus>>);

impl WalReaders {
    pub(super) fn update(&self, system: SystemKey, change: impl FnOnce(&mut WalStatus)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(system).or_default());
    }

    /// Drops what is kept of a system that is no more.
    pub fn forget(&self, system: SystemKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&system);
    }

    /// The systems whose databases keep more of their log for us than `wal.retained_bytes_alarm`, with how much that is.
    pub fn alarmed(&self) -> Vec<(SystemKey, u64)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alarmed = all.iter().filter(|(_, status)| status.retained_alarm);
        alarmed.map(|(key, status)| (*key, status.retained_bytes.unwrap_or(0))).collect()
    }

    /// How a system's reader is doing; `None` if this node runs none, or it has nothing to read.
    pub fn get(&self, system: SystemKey) -> Option<WalStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&system).cloned()
    }
}
