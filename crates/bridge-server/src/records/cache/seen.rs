//! What the log says has changed, as far as this node has read it.

use bridge_model::{Change, ModelName, NewChange, Position, RecordId, SystemKey, TenantId};
use bridge_store::{LogQuery, LogRead, Store, StoreError};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

/// What an answer was made of, and so which changes make it worthless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Made {
    /// Of these records of the model and of nothing else.
    Records(Vec<RecordId>),
    /// Of any records of the model.
    Model,
    /// Of records of other models as well.
    System,
}

/// A tenant's log as it was followed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How far before the log's head it begins to be followed.
    look_back: i64,
    state: RwLock<State>,
    /// Held while the log is read, by one for all.
    reading: tokio::sync::Mutex<()>,
    /// Held while the log's head is asked for, by one for all.
    asking: tokio::sync::Mutex<()>,
    /// How many times the head began to be asked for.
    asks_begun: AtomicU64,
    /// The number of the last time that ended, and what it gave.
    told: Mutex<(u64, Position)>,
    /// Answers that came out of the cache.
    pub(super) hits: AtomicU64,
    /// Answers that could have, and had to be read.
    pub(super) misses: AtomicU64,
    /// The hits that another node had kept.
    pub(super) shared_hits: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// How far the log was read; `None`: not at all.
    read_to: Option<Position>,
    /// What is older can't be judged.
    known_after: Position,
    systems: HashMap<SystemKey, OfSystem>,
    /// How many models and records are told apart.
    told_apart: usize,
}

#[derive(Debug, Default)]
struct OfSystem {
    last: Position,
    /// A source said that it may have missed something: what it told of before need not be all.
    reset: Position,
    models: HashMap<ModelName, OfModel>,
}

#[derive(Debug, Default)]
struct OfModel {
    last: Position,
    /// Every record is taken to have changed there.
    every: Position,
    records: HashMap<RecordId, Position>,
}

/// How many changes are read at once.
const ROWS: u32 = 500;

/// Who is further behind than this takes everything to have changed: reading it all would take longer.
const BEHIND_MAX: i64 = 20_000;

/// The most records of a model whose changes are told apart; beyond, all of them are taken to have changed.
const RECORDS_MAX: usize = 4_096;

/// The most models and records that are told apart, over all systems of the tenant, so that no log takes much memory;
/// beyond, everything is taken to have changed.
const TOLD_APART_MAX: usize = 20_000;

/// How far back a node looks that can get answers which were kept before it began to follow the log.
pub(super) const LOOK_BACK: i64 = 2_000;

impl Seen {
    /// Nothing is followed yet; `look_back` positions before the head it will begin.
    pub(super) fn new(look_back: i64) -> Self {
        Self { look_back, ..Self::default() }
    }

    /// Where the log ends at some moment after this was called, with everything up to there taken note of.
    pub(super) async fn follow(&self, store: &Store, tenant: TenantId) -> Result<Position, StoreError> {
        let head = self.head(store, tenant).await?;
        if self.has_read_to(head) {
            return Ok(head);
        }
        let _turn = self.reading.lock().await;
        loop {
            let read_to = self.state.read().unwrap_or_else(PoisonError::into_inner).read_to;
            let after = match read_to {
                Some(read_to) if read_to >= head => return Ok(head),
                Some(read_to) if head.get() - read_to.get() <= BEHIND_MAX => read_to,
                _ => {
                    self.begin_at(Position::new(head.get() - self.look_back));
                    continue;
                }
            };
            let query = LogQuery { after, models: None, system: None, limit: ROWS, scan_max: ROWS, contents: false };
            match store.read(tenant, &query).await? {
                LogRead::Page(page) => self.note(page.changes, page.scanned_to),
                LogRead::Trimmed { head, .. } | LogRead::Ahead { head } => self.begin_at(head),
            }
        }
    }

    /// Whether something that an answer is made of may have changed after `position`.
    pub(super) fn has_changed(&self, after: Position, system: SystemKey, model: &ModelName, made: &Made) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if after < state.known_after {
            return true;
        }
        let Some(of_system) = state.systems.get(&system) else { return false };
        if of_system.reset > after {
            return true;
        }
        if *made == Made::System {
            return of_system.last > after;
        }
        let Some(of_model) = of_system.models.get(model) else { return false };
        match made {
            Made::Records(ids) => {
                let is_newer = |id| of_model.records.get(id).is_some_and(|changed| *changed > after);
                of_model.every > after || ids.iter().any(is_newer)
            }
            Made::Model | Made::System => of_model.last > after,
        }
    }

    /// The log's end at some moment after this was called. Those who ask at the same time share one look at the database:
    /// the next one that begins, never one that had begun before they came.
    async fn head(&self, store: &Store, tenant: TenantId) -> Result<Position, StoreError> {
        let begun = self.asks_begun.load(Ordering::SeqCst);
        let _turn = self.asking.lock().await;
        let (number, head) = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if number > begun {
            return Ok(head);
        }
        let number = self.asks_begun.fetch_add(1, Ordering::SeqCst) + 1;
        let head = store.head(tenant).await?;
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = (number, head);
        Ok(head)
    }

    fn has_read_to(&self, head: Position) -> bool {
        self.state.read().unwrap_or_else(PoisonError::into_inner).read_to.is_some_and(|read_to| read_to >= head)
    }

    /// Everything before `head` may have changed; from there on it is known.
    fn begin_at(&self, head: Position) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = State { read_to: Some(head), known_after: head, ..State::default() };
    }

    fn note(&self, changes: Vec<Change>, read_to: Position) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            state.note(change);
        }
        state.read_to = Some(read_to);
        if state.told_apart > TOLD_APART_MAX {
            *state = State { read_to: Some(read_to), known_after: read_to, ..State::default() };
        }
    }
}

impl State {
    fn note(&mut self, change: Change) {
        let Change { position, body: NewChange { system, model, record_id, .. }, .. } = change;
        let of_system = self.systems.entry(system).or_default();
        of_system.last = position;
        let told_apart = &mut self.told_apart;
        let of_model = of_system.models.entry(model).or_insert_with(|| {
            *told_apart += 1;
            OfModel::default()
        });
        of_model.last = position;
        match record_id {
            None => of_system.reset = position,
            Some(id) if of_model.records.len() < RECORDS_MAX || of_model.records.contains_key(&id) => {
                *told_apart += usize::from(of_model.records.insert(id, position).is_none());
            }
            Some(_) => {
                of_model.every = position;
                *told_apart -= of_model.records.len();
                of_model.records.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_model::{Event, Timestamp};

    const SYSTEM: SystemKey = SystemKey(1);

    fn model(name: &str) -> ModelName {
        ModelName::parse(name).unwrap()
    }

    fn change(position: i64, name: &str, record_id: Option<i64>) -> Change {
        let (now, event) = (Timestamp::default(), if record_id.is_some() { Event::Write } else { Event::Reset });
        let record = RecordId::Number(record_id.unwrap_or_default());
        let mut body = NewChange::of(SYSTEM, model(name), record, event, now);
        body.record_id = record_id.map(RecordId::Number);
        Change { position: Position::new(position), received_at: now, body }
    }

    fn changed(seen: &Seen, after: i64, name: &str, made: &Made) -> bool {
        seen.has_changed(Position::new(after), SYSTEM, &model(name), made)
    }

    #[test]
    fn a_change_ends_its_record_and_every_query_of_its_model_and_nothing_else() {
        let seen = Seen::default();
        seen.begin_at(Position::new(10));
        seen.note(vec![change(11, "res.partner", Some(7))], Position::new(11));
        let of = |ids: &[i64]| Made::Records(ids.iter().copied().map(RecordId::Number).collect());
        assert!(changed(&seen, 10, "res.partner", &of(&[3, 7])));
        assert!(!changed(&seen, 10, "res.partner", &of(&[3])), "another record");
        assert!(!changed(&seen, 11, "res.partner", &of(&[7])), "read after it");
        assert!(changed(&seen, 10, "res.partner", &Made::Model));
        assert!(!changed(&seen, 10, "sale.order", &Made::Model), "another model");
        assert!(changed(&seen, 10, "sale.order", &Made::System));
        assert!(changed(&seen, 9, "sale.order", &of(&[1])), "from before the log was followed");
        seen.note(vec![change(12, "res.partner", None)], Position::new(12));
        for made in [of(&[3]), Made::Model, Made::System] {
            assert!(changed(&seen, 11, "res.partner", &made) && changed(&seen, 11, "sale.order", &made), "a reset");
        }
    }

    #[test]
    fn more_than_can_be_told_apart_is_all_taken_to_have_changed() {
        let seen = Seen::default();
        seen.begin_at(Position::START);
        let many = i64::try_from(RECORDS_MAX).unwrap() + 1;
        seen.note((1..=many).map(|n| change(n, "res.partner", Some(n))).collect(), Position::new(many));
        let untouched = Made::Records(vec![RecordId::Number(many + 5)]);
        assert!(changed(&seen, many - 1, "res.partner", &untouched));
        assert!(!changed(&seen, many, "res.partner", &untouched));
        // A model and a record of it each.
        let models = i64::try_from(TOLD_APART_MAX).unwrap() / 2 + 1;
        let end = many + models;
        let some = |from: i64, to: i64| {
            let changes = (from..=to).map(|n| change(many + n, &format!("m.n{n}"), Some(1))).collect();
            seen.note(changes, Position::new(many + to));
        };
        some(1, models - 2);
        assert!(!changed(&seen, many, "other.model", &Made::Model));
        some(models - 1, models);
        assert!(changed(&seen, end - 1, "other.model", &Made::Model));
        assert!(!changed(&seen, end, "other.model", &Made::Model));
    }
}
