//! What can go wrong in the store.

use std::error::Error;
use std::sync::Arc;

/// The cause of an error, shared by all callers whose work one transaction carried.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why the store did not do what was asked. Unless said otherwise nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or its disk fails. A write may or may not have been kept.
    #[error("the database is unavailable")]
    Unavailable {
        /// What the database or its driver said.
        #[source]
        source: Cause,
    },
    /// A queue is full or the database is overloaded: try again later.
    #[error("the store is busy")]
    Busy,
    /// Something of that name exists already.
    #[error("{0} is taken")]
    Conflict(&'static str),
    /// What the write refers to does not exist.
    #[error("not found in the store")]
    NotFound,
    /// The writer's lease, or the life of the source that it writes for, is no longer current.
    #[error("another writer has taken over")]
    Fenced,
    /// Stored data is not as this program writes it.
    #[error("the stored data cannot be read: {what}")]
    Corrupt {
        /// Which data.
        what: &'static str,
    },
    /// The database cannot hold this value, for example text with a zero byte. Trying again will not help.
    #[error("the value cannot be stored")]
    Invalid {
        /// What the database or its driver said.
        #[source]
        source: Cause,
    },
    /// The database's schema cannot be brought to this program's version.
    #[error("migration: {what}")]
    Migration {
        /// What is wrong and what to do.
        what: String,
        /// What the database said, if it was the database.
        #[source]
        source: Option<Cause>,
    },
    /// A secret cannot be encrypted or decrypted with the configured keys.
    #[error("encryption: {what}")]
    Encryption {
        /// What is wrong; never the secret.
        what: String,
    },
}

impl StoreError {
    pub(crate) fn unavailable(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable { source: Arc::new(source) }
    }

    pub(crate) fn invalid(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Invalid { source: Arc::new(source) }
    }

    /// The error of a store that was closed while, or before, it was asked.
    pub(crate) fn closed() -> Self {
        Self::unavailable(Closed)
    }

    /// The conflict that a broken unique constraint stands for, by what the database calls the constraint.
    pub(crate) fn conflict(constraint: &str) -> Self {
        // PostgreSQL names the index, SQLite the columns.
        if constraint.contains("username") {
            Self::Conflict("username")
        } else if constraint.contains("systems_system_id") || constraint.contains("systems.system_id") {
            Self::Conflict("system_id")
        } else {
            Self::Conflict("unique")
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the store is closed")]
struct Closed;
