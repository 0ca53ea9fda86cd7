//! The way into the demo ERP's database for tests: transactions that commit when they are told to.

use super::Shared;
use super::call::{self, Call};
use super::engine::state::{CommittedEvent, Tx};
use super::engine::work::{Values, Work};
use super::refusal::Refusal;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A handle on the database, inside the process.
#[derive(Debug, Clone)]
pub struct Db {
    pub(super) shared: Arc<Shared>,
}

/// An open transaction. What a refused operation did before it was refused stays in the transaction until it is
/// rolled back. Two transactions that write one record do not wait for each other: the fields of the later commit win.
/// Ids are given at the time of the write, as a sequence gives them, and rows are seen by others
/// at the commit. One that is dropped is rolled back.
#[derive(Debug)]
pub struct Transaction {
    shared: Arc<Shared>,
    number: u64,
}

impl Db {
    /// Opens a transaction of a user.
    pub fn begin(&self, uid: i64) -> Transaction {
        let number = self.shared.work(|state, now| {
            state.opened += 1;
            state.open.insert(state.opened, Tx::new(uid, now));
            state.opened
        });
        Transaction { shared: Arc::clone(&self.shared), number }
    }

    /// The events whose transactions were committed, in the order of the commits: the truth to compare with. The
    /// oldest are left out once there are more than the options allow.
    pub fn events_committed(&self) -> Vec<CommittedEvent> {
        self.shared.read(|state| state.committed.iter().cloned().collect())
    }

    /// How many events were committed, for waiting without copying them.
    pub fn events_count(&self) -> usize {
        self.shared.read(|state| state.committed.len())
    }

    /// The last id that was given to an event, whether or not its transaction was committed.
    pub fn last_event_id(&self) -> i64 {
        self.shared.read(|state| state.schema.find("update.webhook").map_or(0, |model| state.tables[model].last_id))
    }

    /// How many records of a model are committed, archived ones included; 0 for an unknown model.
    pub fn count(&self, model: &str) -> usize {
        self.shared.read(|state| state.schema.find(model).map_or(0, |model| state.tables[model].rows.len()))
    }

    /// The ids of a model's committed records, in ascending order.
    pub fn ids(&self, model: &str) -> Vec<i64> {
        let all =
            |model: usize, state: &super::engine::state::State| state.tables[model].rows.keys().copied().collect();
        self.shared.read(|state| state.schema.find(model).map_or_else(Vec::new, |model| all(model, state)))
    }
}

impl Transaction {
    /// Creates a record and answers its id. Rights are not asked for.
    pub fn create(&mut self, model: &str, values: Value) -> Result<i64, Refusal> {
        let values = object(values)?;
        self.at_work(|work| work.create(work.model(model)?, &values))
    }

    /// Writes the same values to some records.
    pub fn write(&mut self, model: &str, ids: &[i64], values: Value) -> Result<(), Refusal> {
        let values = object(values)?;
        self.at_work(|work| work.write(work.model(model)?, ids, &values))
    }

    /// Deletes records.
    pub fn unlink(&mut self, model: &str, ids: &[i64]) -> Result<(), Refusal> {
        self.at_work(|work| work.unlink(work.model(model)?, ids))
    }

    /// Calls a method of a model, with its rights; the first argument is the list of ids where it takes one. A method
    /// without a result answers null.
    pub fn call(&mut self, model: &str, method: &str, args: Vec<Value>) -> Result<Value, Refusal> {
        let (model, method) = (model.to_owned(), method.to_owned());
        self.at_work(|work| {
            let uid = work.tx.uid;
            let call = Call { uid, model, method, args, kwargs: Map::new() };
            call::run_in(work, call).map(|answer| answer.unwrap_or(Value::Null))
        })
    }

    /// The key that goes into this transaction's events, as a write that came through BridgeCore has one.
    pub fn set_idempotency_key(&mut self, key: &str) {
        let number = self.number;
        self.shared.work(|state, _| {
            if let Some(tx) = state.open.get_mut(&number) {
                tx.idempotency_key = Some(key.to_owned());
            }
        });
    }

    /// Makes what was done visible.
    pub fn commit(self) {
        let number = self.number;
        self.shared.work(|state, _| {
            if let Some(tx) = state.open.remove(&number) {
                state.commit(tx);
            }
        });
    }

    /// Undoes what was done; the ids that it took stay taken.
    pub fn rollback(self) {
        // Dropping does it.
        drop(self);
    }

    fn at_work<T>(&mut self, act: impl FnOnce(&mut Work<'_>) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let number = self.number;
        self.shared.work(|state, now| {
            let gone = || Refusal::operational("this transaction is over");
            let tx = state.open.remove(&number).ok_or_else(gone)?;
            let mut work = Work { state, tx, now };
            let outcome = act(&mut work);
            let Work { state, tx, .. } = work;
            state.open.insert(number, tx);
            outcome
        })
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let number = self.number;
        self.shared.work(|state, _| state.open.remove(&number));
    }
}

fn object(values: Value) -> Result<Values, Refusal> {
    match values {
        Value::Object(values) => Ok(values),
        _ => Err(Refusal::type_error("values are a JSON object")),
    }
}
