//! How the capture in a database is doing.

use super::super::{Database, DatabaseError, TableMap};
use super::install::{OF_ALL_TABLES, current_functions};
use super::present::Present;
use bridge_model::ModelName;
use serde::Serialize;

/// Whether a table's changes are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableState {
    /// All its triggers are there and fire.
    Live,
    /// A trigger is missing: the table was made anew, or somebody removed it.
    Missing,
    /// A trigger is there but switched off.
    Disabled,
}

/// A captured table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableStatus {
    /// The table.
    pub table: String,
    /// The models that it holds something of.
    pub models: Vec<ModelName>,
    /// Whether its changes are written down.
    pub state: TableState,
    /// How many errors its triggers have caught: after each, something of the table was missing in the outbox.
    pub errors: i64,
}

/// How the capture is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and scripts read them by name")]
pub struct CaptureStatus {
    /// Whether it is installed.
    pub installed: bool,
    /// The role that reads the outbox.
    pub role: Option<String>,
    /// The captured tables.
    pub tables: Vec<TableStatus>,
    /// Tables of models that are not captured.
    pub tables_not_captured: Vec<String>,
    /// Whether it was installed for all tables that there are, and not for some that were named.
    pub of_all_tables: bool,
    /// Whether the trigger functions are those of this program.
    pub functions_are_current: bool,
    /// Whether the role that asks may take rows out of the outbox.
    pub may_read: bool,
    /// Rows in the outbox, counted up to a million.
    pub backlog_rows: i64,
    /// The age of the oldest of them, in milliseconds.
    pub oldest_row_age_ms: Option<i64>,
    /// The same without the first row, which stays until the next is read: the age of the oldest that waits, if one
    /// does.
    pub oldest_waiting_age_ms: Option<i64>,
}

impl CaptureStatus {
    /// Whether all that was installed does its work.
    pub fn is_live(&self) -> bool {
        self.installed && self.tables.iter().all(|table| table.state == TableState::Live)
    }
}

/// Looks at the capture in this database. The role that reads the outbox may do this.
pub async fn status(database: &Database) -> Result<CaptureStatus, DatabaseError> {
    let map = TableMap::read(database).await?;
    let present = Present::read(database, map.schema()).await?;
    let mut status = CaptureStatus {
        installed: present.is_installed(),
        role: present.settings.get("role").cloned(),
        tables: Vec::new(),
        tables_not_captured: Vec::new(),
        of_all_tables: present.settings.get(OF_ALL_TABLES).is_some_and(|of_all| of_all == "true"),
        functions_are_current: present.settings.get("functions") == Some(&current_functions()),
        may_read: false,
        backlog_rows: 0,
        oldest_row_age_ms: None,
        oldest_waiting_age_ms: None,
    };
    let is_captured = |table: &str| present.tables.contains_key(table);
    status.tables_not_captured =
        map.iter().filter(|(name, _)| !is_captured(name)).map(|(name, _)| name.to_owned()).collect();
    if !status.installed {
        return Ok(status);
    }
    let marks = marks(database).await?;
    for (name, registered) in &present.tables {
        let found = present.triggers.get(name).map_or(&[][..], Vec::as_slice);
        let all_there = registered.triggers.iter().all(|wanted| found.iter().any(|found| found.name == *wanted));
        let state = match (all_there, found.iter().all(|found| found.is_enabled)) {
            (false, _) => TableState::Missing,
            (true, false) => TableState::Disabled,
            (true, true) => TableState::Live,
        };
        let errors = marks.iter().find(|(table, _)| table == name).map_or(0, |(_, errors)| *errors);
        let models = map.get(name).map(|table| table.models().into_iter().cloned().collect()).unwrap_or_default();
        status.tables.push(TableStatus { table: name.clone(), models, state, errors });
    }
    if let Some(row) = database.query_opt(BACKLOG, &[]).await? {
        status.backlog_rows = row.try_get(0)?;
        status.oldest_row_age_ms = row.try_get(1)?;
    }
    if let Some(row) = database.query_opt(WAITING, &[]).await? {
        (status.may_read, status.oldest_waiting_age_ms) = (row.try_get(0)?, row.try_get(1)?);
    }
    Ok(status)
}

const WAITING: &str = "SELECT has_table_privilege('bridgecore.outbox', 'SELECT')
        AND has_table_privilege('bridgecore.outbox', 'DELETE'),
    (SELECT (extract(epoch FROM clock_timestamp() - occurred_at) * 1000)::bigint
        FROM bridgecore.outbox ORDER BY id OFFSET 1 LIMIT 1)";

/// The tables whose triggers have ever caught an error, with how many.
pub(super) async fn marks(database: &Database) -> Result<Vec<(String, i64)>, DatabaseError> {
    let sql = "SELECT t.table_name, s.last_value FROM bridgecore.tables AS t
        JOIN pg_sequences AS s ON s.schemaname = 'bridgecore' AND s.sequencename = 'mark_' || t.number
        WHERE s.last_value IS NOT NULL ORDER BY 1";
    let rows = database.query(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// How many rows wait, and how old the first of them is.
const BACKLOG: &str = "SELECT count(*), (SELECT (extract(epoch FROM clock_timestamp() - occurred_at) * 1000)::bigint
        FROM bridgecore.outbox ORDER BY id LIMIT 1)
    FROM (SELECT FROM bridgecore.outbox LIMIT 1000000) AS waiting";
