//! What a tail holds: changes without a hole between them.

use crate::sync::page::{Event, Kind, Page, Written};
use crate::sync::scope::Scope;
use bridge_model::Position;
use bridge_store::LogQuery;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The changes above a position: the one at `after + 1 + n` is the `n`-th.
#[derive(Debug, Default)]
pub(super) struct Held {
    after: Position,
    changes: VecDeque<Entry>,
    bytes: usize,
    kinds: Vec<Arc<Kind>>,
    numbers: HashMap<Arc<Kind>, usize>,
}

#[derive(Debug)]
struct Entry {
    /// Its place in `kinds`.
    kind: usize,
    text: Arc<str>,
}

/// What a change takes besides its text.
const ENTRY_BYTES: usize = 64;

impl Entry {
    fn bytes(&self) -> usize {
        self.text.len() + ENTRY_BYTES
    }
}

impl Held {
    /// The position before the first change.
    pub(super) fn after(&self) -> Position {
        self.after
    }

    /// The position of the last.
    pub(super) fn up_to(&self) -> Position {
        self.after.plus(i64::try_from(self.changes.len()).unwrap_or(i64::MAX))
    }

    /// How many changes.
    pub(super) fn rows(&self) -> usize {
        self.changes.len()
    }

    /// How many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many different models of systems it has seen.
    pub(super) fn kinds(&self) -> usize {
        self.kinds.len()
    }

    /// Drops everything; what comes next is after `after`.
    pub(super) fn begin_after(&mut self, after: Position) {
        *self = Self { after, ..Self::default() };
    }

    /// Adds the changes that come next.
    pub(super) fn add_newer(&mut self, changes: Vec<Written>) {
        for change in changes {
            let entry = self.entry(change);
            self.changes.push_back(entry);
        }
    }

    /// Adds the changes that come before those that are held.
    pub(super) fn add_older(&mut self, changes: Vec<Written>) {
        for change in changes.into_iter().rev() {
            let entry = self.entry(change);
            self.changes.push_front(entry);
            self.after = self.after.plus(-1);
        }
    }

    /// Drops the oldest until there are at most so many, which take at most so much.
    pub(super) fn shrink(&mut self, rows_max: usize, bytes_max: usize) {
        while self.changes.len() > rows_max || self.bytes > bytes_max {
            let Some(oldest) = self.changes.pop_front() else { return };
            self.bytes -= oldest.bytes();
            self.after = self.after.plus(1);
        }
    }

    /// What the log would answer whose end is `head`; `None` if more is needed for that than is held.
    pub(super) fn page(&self, scope: &Scope, query: &LogQuery, head: Position) -> Option<Page> {
        let head = head.max(self.up_to());
        let scan_end = query.scan_end().min(head);
        if query.after < self.after || query.after > self.up_to() {
            return None;
        }
        let mut page = Page { events: Vec::new(), kinds: Vec::new(), scanned_to: scan_end, head };
        let first = usize::try_from(query.after.get() - self.after.get()).ok()?;
        let limit = usize::try_from(query.limit.max(1)).ok()?;
        // For each kind: not looked at yet, not asked for, or its place in the page's kinds.
        let mut places = vec![Place::Unknown; self.kinds.len()];
        let mut position = query.after;
        for entry in self.changes.range(first..) {
            if position >= scan_end {
                return Some(page);
            }
            position = position.plus(1);
            let (Some(place), Some(kind)) = (places.get_mut(entry.kind), self.kinds.get(entry.kind)) else {
                return None;
            };
            if let Place::Unknown = place {
                *place = Place::NotWanted;
                if scope.asks_for(kind) {
                    *place = Place::At(page.kinds.len());
                    page.kinds.push(Arc::clone(kind));
                }
            }
            if let Place::At(kind) = *place {
                page.events.push(Event { kind, position, text: Arc::clone(&entry.text) });
                if page.events.len() >= limit {
                    page.scanned_to = position;
                    return Some(page);
                }
            }
        }
        (position >= scan_end).then_some(page)
    }

    fn entry(&mut self, change: Written) -> Entry {
        let kind = if let Some(number) = self.numbers.get(&change.kind) {
            *number
        } else {
            let kind = Arc::new(change.kind);
            self.kinds.push(Arc::clone(&kind));
            self.numbers.insert(kind, self.kinds.len() - 1);
            self.kinds.len() - 1
        };
        let entry = Entry { kind, text: change.text };
        self.bytes += entry.bytes();
        entry
    }
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Unknown,
    NotWanted,
    At(usize),
}
