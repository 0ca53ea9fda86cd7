//! How changes of a model are seen, and how much the model matters.

use crate::Priority;
use crate::change::words;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A way in which changes are detected. One of them owns each model: what it finds goes into the log, and the others
/// only wake it. They are ordered, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// An event table kept by an add-on inside the ERP.
    Addon,
    /// Triggers of ours in the ERP's database, which write into an outbox table.
    Capture,
    /// The log of the ERP's database.
    Wal,
    /// Comparing records over the ERP's API.
    Poll,
}
words!(Strategy { Addon = "addon", Capture = "capture", Wal = "wal", Poll = "poll" });

impl Strategy {
    /// Every strategy, the best first.
    pub const ALL: [Self; 4] = [Self::Addon, Self::Capture, Self::Wal, Self::Poll];

    /// What the log holds of a model that this strategy owns.
    pub fn promise(self) -> &'static str {
        match self {
            Self::Addon => "every write through the ERP's own code, not raw SQL",
            Self::Capture | Self::Wal => "every committed change of a row",
            Self::Poll => {
                "the final state of each record: several writes between two looks are one change, and a record that \
                 was created and deleted between two looks is never seen"
            }
        }
    }
}

/// How much a model matters: it decides how often a polled model is looked at, and how urgent its changes are where
/// the source does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelClass {
    /// What the business stands on.
    Critical,
    /// What belongs to it.
    Important,
    /// Everything else.
    Standard,
    /// Wizards and the like, which are never tracked.
    Transient,
}
words!(ModelClass {
    Critical = "critical",
    Important = "important",
    Standard = "standard",
    Transient = "transient"
});

impl ModelClass {
    /// The urgency of a change where its source does not tell.
    pub fn priority(self) -> Priority {
        match self {
            Self::Critical => Priority::High,
            Self::Important => Priority::Medium,
            Self::Standard | Self::Transient => Priority::Low,
        }
    }
}
