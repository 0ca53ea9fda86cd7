//! Doing something to Odoo's database in steps, each of which is one transaction: the same text whether it is done or
//! only shown.

use super::{Database, DatabaseError, DatabaseErrorKind};
use std::time::Duration;

/// A step of an installation or a removal: statements that are one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is for, in words.
    pub purpose: String,
    /// The statements.
    pub statements: Vec<String>,
}

impl Step {
    pub(super) fn new(purpose: impl Into<String>, statements: Vec<String>) -> Self {
        Self { purpose: purpose.into(), statements }
    }

    /// The whole transaction as the server gets it.
    pub fn sql(&self, patience: LockPatience) -> String {
        format!(
            "BEGIN;\nSET LOCAL lock_timeout = {};\n{};\nCOMMIT;",
            patience.attempt.as_millis().max(1),
            self.statements.join(";\n")
        )
    }
}

/// How locks on Odoo's tables are waited for: while one waits, whoever wants the table waits behind it.
#[derive(Debug, Clone, Copy)]
pub struct LockPatience {
    /// How long one attempt waits for a lock.
    pub attempt: Duration,
    /// The pause between two attempts, in which Odoo gets its turn.
    pub pause: Duration,
    /// How many attempts there are for each table.
    pub attempts_max: u32,
}

impl Default for LockPatience {
    fn default() -> Self {
        Self { attempt: Duration::from_millis(500), pause: Duration::from_secs(2), attempts_max: 30 }
    }
}

/// The lock that keeps two installations from running at once, of whatever they install: both give and take rights.
const ADVISORY_LOCK: &str = "SELECT pg_try_advisory_lock(hashtext('bridgecore install'))";

/// How often that lock is asked for, and the pause between.
const LOCK_ATTEMPTS: u32 = 15;
const LOCK_PAUSE: Duration = Duration::from_millis(200);

/// Takes the lock that keeps two installations apart; the connection's end gives it back.
pub(super) async fn lock(database: &Database) -> Result<(), DatabaseError> {
    // The server may not have noticed yet that a command before this one has ended.
    for attempt in 1..=LOCK_ATTEMPTS {
        let row = database.query_opt(ADVISORY_LOCK, &[]).await?;
        if row.map(|row| row.try_get(0)).transpose()? == Some(true) {
            return Ok(());
        }
        if attempt < LOCK_ATTEMPTS {
            tokio::time::sleep(LOCK_PAUSE).await;
        }
    }
    let message = "somebody else installs or removes something of ours in this database at the moment";
    Err(DatabaseError::new(DatabaseErrorKind::Unavailable, message))
}

/// Does a step. A lock that is not had in time is asked for again after a pause.
pub(super) async fn run(database: &Database, step: &Step, patience: LockPatience) -> Result<(), DatabaseError> {
    let sql = step.sql(patience);
    let mut attempt = 1;
    loop {
        let Err(error) = database.batch_execute(&sql).await else { return Ok(()) };
        // A failed batch leaves its transaction open.
        database.batch_execute("ROLLBACK").await?;
        if error.kind != DatabaseErrorKind::Timeout || attempt >= patience.attempts_max {
            return Err(error.doing(&step.purpose));
        }
        tracing::info!(step = %step.purpose, attempt, "a lock was not had in time; trying again");
        attempt += 1;
        tokio::time::sleep(patience.pause).await;
    }
}
