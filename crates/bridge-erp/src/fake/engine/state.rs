//! The tables, the open transactions, and what a commit does.

use super::cell::{Cell, Row};
use super::schema::{Kind, MAGIC, Schema};
use super::view::View;
use crate::fake::Addon;
use crate::fake::keys::Keys;
use bridge_model::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// All that the demo ERP keeps.
#[derive(Debug)]
pub(in crate::fake) struct State {
    pub(in crate::fake) schema: Arc<Schema>,
    pub(in crate::fake) addon: Addon,
    pub(in crate::fake) tables: Vec<Table>,
    /// The transactions that are open between calls; only the in-process handle has such.
    pub(in crate::fake) open: BTreeMap<u64, Tx>,
    pub(in crate::fake) opened: u64,
    /// Names this life of the event numbering.
    pub(in crate::fake) epoch: String,
    pub(in crate::fake) committed: VecDeque<CommittedEvent>,
    pub(in crate::fake) events_max: usize,
    /// The highest event id that was dropped for that.
    pub(in crate::fake) events_cleaned_to: i64,
    /// Committed events that are to be pushed, oldest first.
    pub(in crate::fake) to_push: VecDeque<i64>,
    /// The API keys that were made, besides the one that each user has.
    pub(in crate::fake) keys: Keys,
}

/// An event whose transaction was committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommittedEvent {
    /// The id in `update.webhook`.
    pub id: i64,
    /// The model of the record.
    pub model: String,
    /// The record.
    pub record_id: i64,
    /// `create`, `write` or `unlink`.
    pub event: String,
}

/// The committed rows of one model.
#[derive(Debug, Default)]
pub(in crate::fake) struct Table {
    pub(in crate::fake) rows: BTreeMap<i64, Arc<Row>>,
    /// The last id given out: like a sequence, it does not go back when a transaction does.
    pub(in crate::fake) last_id: i64,
    /// For each indexed field, the records that point to an id.
    pub(in crate::fake) pointing: HashMap<usize, HashMap<i64, BTreeSet<i64>>>,
}

/// A transaction: what it has changed so far, seen by nobody else.
#[derive(Debug)]
pub(in crate::fake) struct Tx {
    pub(in crate::fake) uid: i64,
    pub(in crate::fake) started: Timestamp,
    pub(in crate::fake) changes: BTreeMap<(usize, i64), Change>,
    /// The records whose write is under way, the innermost last, with what was computed for each meanwhile: it is named
    /// in the event of that write.
    pub(in crate::fake) writing: Vec<Writing>,
    /// Goes into the events of this transaction.
    pub(in crate::fake) idempotency_key: Option<String>,
}

/// A record whose write is under way.
#[derive(Debug)]
pub(in crate::fake) struct Writing {
    pub(in crate::fake) model: usize,
    pub(in crate::fake) id: i64,
    pub(in crate::fake) computed: Vec<&'static str>,
}

/// What a transaction did to one record.
#[derive(Debug)]
pub(in crate::fake) enum Change {
    /// The record as the transaction sees it, and which fields it set.
    Put {
        row: Arc<Row>,
        fields: BTreeSet<usize>,
        is_new: bool,
    },
    Deleted,
}

/// The most events that wait to be pushed; older ones are left to the pull.
const TO_PUSH_MAX: usize = 10_000;

impl Tx {
    pub(in crate::fake) fn new(uid: i64, started: Timestamp) -> Self {
        Self { uid, started, changes: BTreeMap::new(), writing: Vec::new(), idempotency_key: None }
    }
}

impl State {
    pub(in crate::fake) fn new(schema: Schema, addon: Addon, epoch: String, events_max: usize) -> Self {
        let tables = schema.models.iter().map(|_| Table::default()).collect();
        Self {
            schema: Arc::new(schema),
            addon,
            tables,
            open: BTreeMap::new(),
            opened: 0,
            epoch,
            committed: VecDeque::new(),
            events_max: events_max.max(1),
            events_cleaned_to: 0,
            to_push: VecDeque::new(),
            keys: Keys::default(),
        }
    }

    /// What is committed.
    pub(in crate::fake) fn view(&self) -> View<'_> {
        View { schema: &self.schema, tables: &self.tables, tx: None }
    }

    /// Makes a transaction's changes visible. Fields that it did not set keep what others have committed meanwhile.
    pub(in crate::fake) fn commit(&mut self, tx: Tx) {
        let events = self.schema.find("update.webhook");
        for ((model, id), change) in tx.changes {
            match change {
                Change::Deleted => self.remove(model, id),
                Change::Put { row, is_new: true, .. } => {
                    if Some(model) == events {
                        self.note_event(model, id, &row);
                    }
                    self.put(model, id, row);
                }
                Change::Put { row, fields, is_new: false } => {
                    let Some(current) = self.tables[model].rows.get(&id) else { continue };
                    let mut merged = Row::clone(current);
                    for field in fields {
                        merged[field] = row[field].clone();
                    }
                    self.put(model, id, Arc::new(merged));
                }
            }
        }
        if let Some(events) = events {
            let table = &mut self.tables[events];
            while table.rows.len() > self.events_max {
                if let Some((id, _)) = table.rows.pop_first() {
                    self.events_cleaned_to = self.events_cleaned_to.max(id);
                }
            }
        }
    }

    fn note_event(&mut self, model: usize, id: i64, row: &Row) {
        let fields = &self.schema.models[model];
        let cell = |name: &str| fields.find(name).map_or(&Cell::Unset, |place| &row[place]);
        let text = |name: &str| cell(name).as_text().unwrap_or_default().to_owned();
        let event =
            CommittedEvent { id, model: text("model"), record_id: cell("record_id").as_int(), event: text("event") };
        if cell("priority").as_text() == Some("high") && super::addon::is_instant(&event.model) {
            self.to_push.push_back(id);
            if self.to_push.len() > TO_PUSH_MAX {
                self.to_push.pop_front();
            }
        }
        self.committed.push_back(event);
        if self.committed.len() > self.events_max {
            self.committed.pop_front();
        }
    }

    fn put(&mut self, model: usize, id: i64, row: Arc<Row>) {
        let indexed = &self.schema.models[model].indexed;
        let table = &mut self.tables[model];
        for field in indexed {
            let before = table.rows.get(&id).and_then(|old| old[*field].as_one());
            let after = row[*field].as_one();
            if before != after {
                table.point(*field, id, before, after);
            }
        }
        table.last_id = table.last_id.max(id);
        table.rows.insert(id, row);
    }

    fn remove(&mut self, model: usize, id: i64) {
        let indexed = &self.schema.models[model].indexed;
        let table = &mut self.tables[model];
        if let Some(row) = table.rows.remove(&id) {
            for field in indexed {
                table.point(*field, id, row[*field].as_one(), None);
            }
        }
    }

    /// An empty row of a model.
    pub(in crate::fake) fn blank(&self, model: usize) -> Row {
        let fields = &self.schema.models[model].fields;
        let mut row: Row = fields
            .iter()
            .map(|field| match field.kind {
                Kind::Bool => Cell::Bool(false),
                Kind::Int => Cell::Int(0),
                Kind::Float | Kind::Money => Cell::Float(0.0),
                _ => Cell::Unset,
            })
            .collect();
        row[..MAGIC].fill(Cell::Unset);
        row
    }
}

impl Table {
    fn point(&mut self, field: usize, id: i64, before: Option<i64>, after: Option<i64>) {
        let index = self.pointing.entry(field).or_default();
        if let Some(before) = before
            && let Some(ids) = index.get_mut(&before)
        {
            ids.remove(&id);
            if ids.is_empty() {
                index.remove(&before);
            }
        }
        if let Some(after) = after {
            index.entry(after).or_default().insert(id);
        }
    }
}
