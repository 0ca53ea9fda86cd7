//! The last state of every record, deletions included.

use super::super::odoo::{Asked, rows};
use super::super::script::TABLES;
use super::super::writers::Change;
use super::Told;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Client;

/// A record.
type Key = (String, i64);

/// What is known of all records of a path's ERP, round after round.
#[derive(Debug, Default)]
pub(in super::super) struct Lives {
    /// The records that a committed transaction has written, and whether it made them.
    written: BTreeMap<Key, bool>,
    /// What was last told of each record.
    told: BTreeMap<Key, Told>,
    created: BTreeSet<Key>,
}

impl Lives {
    /// Takes in what was committed.
    pub(in super::super) fn commit(&mut self, changes: &[Change]) {
        for change in changes {
            let Some(record) = change.record else { continue };
            *self.written.entry((change.model.clone(), record)).or_default() |= change.event == "create";
        }
    }

    /// Takes in what was told. The error says what no life of a record looks like.
    pub(in super::super) fn tell(&mut self, told: &[Told]) -> Result<(), String> {
        for told in told {
            let Some(record) = told.record else { return Err(format!("{told:?}: nothing was to be reset")) };
            let key = (told.model.clone(), record);
            let before = self.told.insert(key.clone(), told.clone());
            if before.as_ref().is_some_and(|before| before.event == "unlink") {
                return Err(format!("{told:?}: the record was deleted before, in {before:?}"));
            }
            if told.event == "create" && (before.is_some() || !self.created.insert(key.clone())) {
                return Err(format!("{told:?}: the record was there before, in {before:?}"));
            }
            if before.is_none() && told.event == "write" && self.written.get(&key) == Some(&true) {
                return Err(format!("{told:?}: nobody was told that the record was made"));
            }
        }
        Ok(())
    }

    /// Whether the last that was told of each record is how it is. `states` are the records that there are.
    pub(in super::super) fn are_told(&self, states: &BTreeMap<Key, u64>) -> Result<(), String> {
        for key in self.written.keys() {
            let told = self.told.get(key);
            let is_right = match (states.get(key), told) {
                (Some(state), Some(told)) => told.event != "unlink" && digest_in(told) == Some(*state),
                (Some(_), None) => false,
                (None, told) => told.is_none_or(|told| told.event == "unlink"),
            };
            if !is_right {
                return Err(format!("{key:?} is {:016x?}, and last told is {told:?}", states.get(key)));
            }
        }
        Ok(())
    }

    /// Whether only such records are told of as a committed transaction has written, or as are gone, which emptying a
    /// table does to all.
    pub(in super::super) fn are_real(&self, states: &BTreeMap<Key, u64>) -> Result<(), String> {
        let is_real = |key: &Key, told: &Told| {
            self.written.contains_key(key) || (told.event == "unlink" && !states.contains_key(key))
        };
        match self.told.iter().find(|(key, told)| !is_real(key, told)) {
            None => Ok(()),
            Some((_, told)) => Err(format!("{told:?}: nobody has written this record")),
        }
    }
}

/// The digest of a record's contents that a polled change bears at the end of its source's id.
fn digest_in(told: &Told) -> Option<u64> {
    u64::from_str_radix(told.source_id.as_ref()?.rsplit(':').next()?, 16).ok()
}

/// All records of the ERP at this moment, each with a digest of its contents, as polling makes it.
pub(in super::super) async fn states(erp: &Client) -> Option<BTreeMap<Key, u64>> {
    let mut states = BTreeMap::new();
    for (table, model) in TABLES {
        for record in rows(erp, table, &Asked::all(json!([]))).await.ok()? {
            states.insert((model.to_owned(), record["id"].as_i64()?), digest(&record));
        }
    }
    Some(states)
}

/// The digest of a record's contents.
pub(in super::super) fn digest(record: &Value) -> u64 {
    // An object's names are sorted.
    let mut hash = Sha256::new();
    for (name, value) in record.as_object().unwrap() {
        hash.update(format!("{name}\0{value}\0"));
    }
    hash.finalize().iter().take(8).fold(0, |digest, byte| (digest << 8) | u64::from(*byte))
}
