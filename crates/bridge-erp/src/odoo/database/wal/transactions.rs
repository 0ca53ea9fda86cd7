//! From the log's messages to changes of rows.

use super::image::image;
use super::lsn::Lsn;
use super::pgoutput::{Malformed, Message, Old, Relation, Row, Value, read};
use crate::odoo::database::{RowChange, RowKey, RowOperation};
use crate::odoo::trail::holds_secrets;
use bridge_model::{SourceId, Timestamp};
use serde_json::{Map, Value as Json};
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// The most tables that are known at once. A database that tells of more is not one that can be followed.
const TABLES_MAX: usize = 50_000;

/// How long before its commit a transaction may have begun for it to be known when, since a row also keeps what an
/// earlier transaction wrote there.
const TRANSACTION_AGE_MAX: Duration = Duration::from_mins(1);

/// The most ended transactions of which the start is remembered.
const BEGAN_MAX: usize = 10_000;

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
    began: Began,
}

/// The transaction under way.
#[derive(Debug)]
struct Open {
    commit: Lsn,
    committed_at: Timestamp,
    /// How many changes it has had so far.
    count: u64,
    /// The latest time that Odoo has written into one of its rows as the start of a transaction.
    written: Option<Timestamp>,
}

/// What is known of a changed row besides its key.
#[derive(Default)]
struct Known {
    changed_columns: Option<Vec<String>>,
    old: Option<Map<String, Json>>,
    new: Option<Map<String, Json>>,
    began_at: Option<Timestamp>,
    user_id: Option<i64>,
}

impl Transactions {
    /// For a stream in the life that `life` names. Images of rows are kept up to `image_bytes_max`.
    pub fn new(life: &str, image_bytes_max: usize) -> Self {
        Self { life: life.to_owned(), image_bytes_max, tables: HashMap::new(), open: None, began: Began::default() }
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
            Message::Begin { commit, committed_at, .. } => {
                self.open = Some(Open { commit, committed_at, count: 0, written: None });
            }
            Message::Commit { end, .. } => {
                if let Some(open) = self.open.take() {
                    self.began.settle(&open, changes);
                }
                return Ok(Some(end));
            }
            Message::Relation(relation) => self.describe(relation)?,
            Message::Insert { relation, new } => {
                let mut teller = self.teller(relation, changes)?;
                let known = Known { new: teller.image(&new), ..teller.written(&new) };
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
        Ok(Teller {
            life: &self.life,
            image_bytes_max: self.image_bytes_max,
            ended: &self.began.known,
            table,
            open,
            changes,
        })
    }
}

/// Tells of rows of one table.
struct Teller<'a> {
    life: &'a str,
    image_bytes_max: usize,
    /// When transactions began that have ended.
    ended: &'a HashSet<Timestamp>,
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
            let known = Known { new: self.image(new), ..self.written(new) };
            self.tell(new_key, RowOperation::Insert, known);
            return;
        }
        let mut known = Known { new: self.image(new), ..self.written(new) };
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
            began_at: known.began_at,
            user_id: known.user_id,
        });
    }

    /// Who wrote a row, and the start of the transaction in which Odoo wrote it, if that may be this one.
    fn written(&mut self, row: &Row<'_>) -> Known {
        let Some((user, date)) = self.table.writer else { return Known::default() };
        let (Some(Value::Text(date)), user_id) = (row.get(date), row.get(user).and_then(number)) else {
            return Known::default();
        };
        let date = std::str::from_utf8(date).ok().and_then(|text| Timestamp::parse_odoo(text).ok());
        let is_recent = |date: &Timestamp| {
            *date <= self.open.committed_at
                && self.open.committed_at.since(*date) <= TRANSACTION_AGE_MAX
                && !self.ended.contains(date)
        };
        let Some(began_at) = date.filter(is_recent) else { return Known::default() };
        self.open.written = self.open.written.max(Some(began_at));
        Known { began_at: Some(began_at), user_id, ..Known::default() }
    }

    fn image(&self, row: &Row<'_>) -> Option<Map<String, Json>> {
        let bytes_max = if self.table.holds_secrets { 0 } else { self.image_bytes_max };
        image(&self.table.relation.columns, row, bytes_max)
    }
}

/// A table as far as its rows must be understood.
#[derive(Debug)]
struct Table {
    relation: Relation,
    /// Which column is `id`.
    id: Option<usize>,
    /// Which columns say who wrote a row, and when.
    writer: Option<(usize, usize)>,
    /// Whether it is made for secrets: there are no images of its rows.
    holds_secrets: bool,
}

/// When transactions began that have ended lately, by which it is told whether a row was written by Odoo in the
/// transaction that changed it, or by something else that left in it what Odoo wrote there before.
#[derive(Debug, Default)]
struct Began {
    known: HashSet<Timestamp>,
    order: VecDeque<Timestamp>,
}

impl Began {
    /// Keeps with the changes of a transaction that has ended what holds for this transaction.
    fn settle(&mut self, open: &Open, changes: &mut [RowChange]) {
        let count = usize::try_from(open.count).unwrap_or(usize::MAX).min(changes.len());
        let first = changes.len() - count;
        let Some(began_at) = open.written else { return };
        for change in &mut changes[first..] {
            change.user_id = change.user_id.filter(|_| change.began_at == Some(began_at));
            change.began_at = Some(began_at);
        }
        if self.order.len() >= BEGAN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(began_at);
        self.order.push_back(began_at);
    }
}

impl Table {
    fn of(relation: Relation) -> Self {
        let id = relation.columns.iter().position(|column| column.name == "id");
        let column = |name: &str| relation.columns.iter().position(|column| column.name == name);
        let writer = column("write_uid").zip(column("write_date"));
        Self { id, writer, holds_secrets: holds_secrets(&relation.table), relation }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn row(began: Option<i64>) -> RowChange {
        RowChange {
            source_id: SourceId("wal:1".to_owned()),
            table: "res_partner".to_owned(),
            record: RowKey::Id(1),
            operation: RowOperation::Update,
            occurred_at: second(100),
            changed_columns: None,
            old: None,
            new: None,
            began_at: began.map(second),
            user_id: began.map(|_| 7),
        }
    }

    #[test]
    fn a_row_belongs_to_its_writer_only_if_odoo_wrote_it_in_this_transaction() {
        let open = Open { commit: Lsn(1), committed_at: second(100), count: 3, written: Some(second(99)) };
        let mut began = Began::default();
        // One of another transaction; then one written by Odoo, one that keeps an earlier write, and a deleted one.
        let mut rows = vec![row(Some(40)), row(Some(99)), row(Some(60)), row(None)];
        began.settle(&open, &mut rows);
        let settled: Vec<_> = rows.iter().map(|row| (row.began_at, row.user_id)).collect();
        let this = Some(second(99));
        assert_eq!(settled, [(Some(second(40)), Some(7)), (this, Some(7)), (this, None), (this, None)]);
        assert!(began.known.contains(&second(99)), "no later transaction began then");
    }
}
