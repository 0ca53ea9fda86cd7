//! From the log's messages to changes of rows.

use super::image::image;
use super::lsn::Lsn;
use super::pgoutput::{Malformed, Message, Old, Relation, Row, Value, read};
use crate::odoo::database::{RowChange, RowKey, RowOperation};
use bridge_model::{SourceId, Timestamp};
use serde_json::{Map, Value as Json};
use std::collections::HashMap;

/// The most tables that are known at once. A database that tells of more is not one that can be followed.
const TABLES_MAX: usize = 50_000;

/// Puts the messages of one stream together. It remembers what the tables look like and which transaction is under
/// way, so that each stream needs one of its own.
#[derive(Debug)]
pub struct Transactions {
    /// Names the life of the database and of the slot, for the ids of changes.
    life: String,
    /// The largest image of a row that is kept, in bytes of its values; 0 keeps none.
    image_bytes_max: usize,
    tables: HashMap<u32, Table>,
    open: Option<Open>,
}

/// The transaction under way.
#[derive(Debug)]
struct Open {
    commit: Lsn,
    committed_at: Timestamp,
    /// How many changes it has had so far.
    count: u64,
}

/// What is known of a changed row besides its key.
#[derive(Default)]
struct Known {
    changed_columns: Option<Vec<String>>,
    old: Option<Map<String, Json>>,
    new: Option<Map<String, Json>>,
}

impl Transactions {
    /// For a stream in the life that `life` names. Images of rows are kept up to `image_bytes_max`.
    pub fn new(life: &str, image_bytes_max: usize) -> Self {
        Self { life: life.to_owned(), image_bytes_max, tables: HashMap::new(), open: None }
    }

    /// Whether a transaction has begun and not ended.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Where the transaction under way was committed.
    pub fn commit(&self) -> Option<Lsn> {
        self.open.as_ref().map(|open| open.commit)
    }

    /// Takes the next message and puts the changes that it tells of into `changes`. Answers, at the end of a
    /// transaction, up to where everything was told.
    ///
    /// Each change is known by the place of its transaction's commit and its number in it, so that the same change
    /// has the same id however often it is read.
    pub fn take(&mut self, message: &[u8], changes: &mut Vec<RowChange>) -> Result<Option<Lsn>, Malformed> {
        match read(message)? {
            Message::Begin { commit, committed_at, .. } => self.open = Some(Open { commit, committed_at, count: 0 }),
            Message::Commit { end, .. } => {
                self.open = None;
                return Ok(Some(end));
            }
            Message::Relation(relation) => self.describe(relation)?,
            Message::Insert { relation, new } => {
                let mut teller = self.teller(relation, changes)?;
                let known = Known { new: teller.image(&new), ..Known::default() };
                teller.tell(teller.table.key(&new), RowOperation::Insert, known);
            }
            Message::Update { relation, old, new } => self.teller(relation, changes)?.update(old.as_ref(), &new),
            Message::Delete { relation, old } => {
                let mut teller = self.teller(relation, changes)?;
                let (key, known) = match &old {
                    Old::Key(row) => (teller.table.key(row), Known::default()),
                    Old::Full(row) => (teller.table.key(row), Known { old: teller.image(row), ..Known::default() }),
                };
                teller.tell(key, RowOperation::Delete, known);
            }
            Message::Truncate { relations } => {
                for relation in relations {
                    self.teller(relation, changes)?.tell(None, RowOperation::Truncate, Known::default());
                }
            }
            Message::Origin | Message::Type | Message::Emitted { .. } => {}
        }
        Ok(None)
    }

    fn describe(&mut self, relation: Relation) -> Result<(), Malformed> {
        if self.tables.len() >= TABLES_MAX && !self.tables.contains_key(&relation.id) {
            return Err(Malformed { what: "more tables than can be known" });
        }
        self.tables.insert(relation.id, Table::of(relation));
        Ok(())
    }

    fn teller<'a>(&'a mut self, relation: u32, changes: &'a mut Vec<RowChange>) -> Result<Teller<'a>, Malformed> {
        let table = self.tables.get(&relation).ok_or(Malformed { what: "a row of a table that was not described" })?;
        let open = self.open.as_mut().ok_or(Malformed { what: "a row outside of a transaction" })?;
        Ok(Teller { life: &self.life, image_bytes_max: self.image_bytes_max, table, open, changes })
    }
}

/// Tells of rows of one table.
struct Teller<'a> {
    life: &'a str,
    image_bytes_max: usize,
    table: &'a Table,
    open: &'a mut Open,
    changes: &'a mut Vec<RowChange>,
}

impl Teller<'_> {
    fn update(&mut self, old: Option<&Old<'_>>, new: &Row<'_>) {
        let new_key = self.table.key(new);
        let before = match old {
            None => None,
            Some(Old::Key(row) | Old::Full(row)) => Some(self.table.key(row)),
        };
        if let Some(old_key) = before.filter(|old_key| *old_key != new_key) {
            // Another key is another record to whoever knows it by its key.
            self.tell(old_key, RowOperation::Delete, Known::default());
            let known = Known { new: self.image(new), ..Known::default() };
            self.tell(new_key, RowOperation::Insert, known);
            return;
        }
        let mut known = Known { new: self.image(new), ..Known::default() };
        if let Some(Old::Full(row)) = old {
            known.changed_columns = Some(self.table.changed(row, new));
            known.old = self.image(row);
        }
        self.tell(new_key, RowOperation::Update, known);
    }

    fn tell(&mut self, record: Option<RowKey>, operation: RowOperation, known: Known) {
        self.open.count += 1;
        self.changes.push(RowChange {
            source_id: SourceId(format!("wal:{}:{}:{}", self.life, self.open.commit, self.open.count)),
            table: self.table.relation.table.clone(),
            // Of a row that can't be named it can only be told that something of its table has changed.
            operation: if record.is_some() { operation } else { RowOperation::Truncate },
            record: record.unwrap_or(RowKey::Table),
            occurred_at: self.open.committed_at,
            changed_columns: known.changed_columns,
            old: known.old,
            new: known.new,
        });
    }

    fn image(&self, row: &Row<'_>) -> Option<Map<String, Json>> {
        image(&self.table.relation.columns, row, self.image_bytes_max)
    }
}

/// A table as far as its rows must be understood.
#[derive(Debug)]
struct Table {
    relation: Relation,
    /// Which column is `id`.
    id: Option<usize>,
}

impl Table {
    fn of(relation: Relation) -> Self {
        let id = relation.columns.iter().position(|column| column.name == "id");
        Self { relation, id }
    }

    /// What a row is known by; `None` if the values that are there don't tell.
    fn key(&self, row: &Row<'_>) -> Option<RowKey> {
        if let Some(id) = self.id {
            return number(row.get(id)?).map(RowKey::Id);
        }
        let columns = self.relation.columns.iter().zip(row).filter(|(column, _)| column.is_key);
        let links: Vec<_> = columns.filter_map(|(column, value)| Some((column.name.clone(), number(value)?))).collect();
        (!links.is_empty()).then_some(RowKey::Links(links))
    }

    /// The columns that have other values now.
    fn changed(&self, old: &Row<'_>, new: &Row<'_>) -> Vec<String> {
        let pairs = self.relation.columns.iter().zip(old.iter().zip(new));
        let changed = pairs.filter(|(_, (old, new))| match (old, new) {
            (_, Value::Unchanged) => false,
            // What was left out can't be compared.
            (Value::Omitted, _) | (_, Value::Omitted) => true,
            (old, new) => old != new,
        });
        changed.map(|(column, _)| column.name.clone()).collect()
    }
}

fn number(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        Value::Null | Value::Unchanged | Value::Omitted => None,
    }
}
