//! A committed change of a row, in whatever way it was seen.

use bridge_model::{SourceId, Timestamp};
use serde_json::{Map, Value};

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowOperation {
    /// It was inserted.
    Insert,
    /// It was updated, also if no column has another value now.
    Update,
    /// It was deleted.
    Delete,
    /// The whole table was emptied; there is no row.
    Truncate,
}

/// What a row is known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RowKey {
    /// The `id` of a model's record.
    Id(i64),
    /// A row without an `id`, which links records: the columns that hold ids, by name.
    Links(Vec<(String, i64)>),
    /// No row: the table as a whole.
    Table,
}

/// A change of a row whose transaction has committed.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange {
    /// What this change is known by: the same one seen again has the same id.
    pub source_id: SourceId,
    /// The table, without its schema.
    pub table: String,
    /// The row.
    pub record: RowKey,
    /// What happened to it.
    pub operation: RowOperation,
    /// When it happened, by the database's clock.
    pub occurred_at: Timestamp,
    /// The columns that have other values now, where the source tells.
    pub changed_columns: Option<Vec<String>>,
    /// The row before, where the source tells and it is not too large.
    pub old: Option<Map<String, Value>>,
    /// The row after, where the source tells and it is not too large.
    pub new: Option<Map<String, Value>>,
    /// When the transaction began, where that is known: Odoo writes the same time into everything that it makes.
    pub began_at: Option<Timestamp>,
    /// Odoo's user who wrote the row, where Odoo says so and said it in this transaction.
    pub user_id: Option<i64>,
}
