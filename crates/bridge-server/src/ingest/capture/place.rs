//! What the reader of an outbox remembers between two looks, saved in the same transaction as what it read.

use bridge_erp::odoo::database::capture::outbox::Witness;
use bridge_model::entropy::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Where a reader stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// What tells this life of the outbox from others, as the database says it.
    pub(super) life: String,
    /// How often the outbox was seen to begin anew although all of that stayed the same.
    pub(super) restarts: u32,
    /// The row that was read last, which is left in the outbox.
    pub(super) witness: Option<Witness>,
    /// The id of the one before it. It may still be there if we were cut off before it was deleted.
    pub(super) previous_id: i64,
    /// Errors of triggers that were answered, in all and by table.
    pub(super) marks: i64,
    pub(super) marks_by_table: BTreeMap<String, i64>,
    /// Errors whose transactions may still be open.
    pub(super) unsettled: Option<Unsettled>,
}

/// The triggers of each table as they were last seen. Kept apart from the place, since it is large and changes rarely.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Triggers {
    /// The life of the outbox that they were seen in.
    pub(super) incarnation: String,
    /// What they were like, by table; `None` where they did not fire.
    pub(super) by_table: BTreeMap<String, Option<String>>,
}

/// Errors that were answered once, and are to be answered again when every transaction that may have had them has
/// ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unsettled {
    /// The tables.
    pub(super) tables: Vec<String>,
    /// The transactions with numbers below this are waited for.
    pub(super) until: i64,
}

impl Place {
    /// At the beginning of a life.
    pub(super) fn of_life(life: String, restarts: u32) -> Self {
        Self { life, restarts, ..Self::default() }
    }

    /// The short name of this life in source ids.
    pub(super) fn incarnation(&self) -> String {
        let digest = Sha256::digest(format!("{}#{}", self.life, self.restarts));
        hex(&digest[..8])
    }

    /// Remembers that `rows` were read: their witnesses. Answers the ids that may be deleted once that is durable.
    pub(super) fn pass(&mut self, rows: &[Witness]) -> Vec<i64> {
        let mut ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let Some(last) = rows.iter().max_by_key(|row| row.id) else { return ids };
        match self.witness {
            // Rows that came late leave the witness where it is.
            Some(witness) if witness.id >= last.id => ids.retain(|id| *id != witness.id),
            witness => {
                ids.retain(|id| *id != last.id);
                ids.extend(witness.map(|witness| witness.id));
                self.previous_id = witness.map_or(0, |witness| witness.id);
                self.witness = Some(*last);
            }
        }
        ids
    }

    /// Whether a row was put into the log before: it is only still there because it is the witness, or because we were
    /// cut off before it was deleted.
    pub(super) fn has_passed(&self, id: i64) -> bool {
        self.witness.is_some_and(|witness| witness.id == id) || (self.previous_id != 0 && self.previous_id == id)
    }
}

impl Triggers {
    /// The tables whose triggers are other ones than were seen before, or fire again: something of theirs may have been
    /// missed. At the first time in a life there are none.
    pub(super) fn interrupted(&self, now: &Self) -> Vec<String> {
        if self.incarnation != now.incarnation {
            return Vec::new();
        }
        let changed = |table: &String, triggers: &Option<String>| {
            triggers.is_some() && self.by_table.get(table).is_none_or(|before| before != triggers)
        };
        now.by_table
            .iter()
            .filter(|(table, triggers)| changed(table, triggers))
            .map(|(table, _)| table.clone())
            .collect()
    }

    /// Whether the changes of this table are written down.
    pub(super) fn fire_on(&self, table: &str) -> bool {
        matches!(self.by_table.get(table), Some(Some(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness(id: i64) -> Witness {
        Witness { id, txid: id, occurred_us: id }
    }

    #[test]
    fn the_last_row_stays_until_the_next_is_read() {
        let mut place = Place::of_life("a".to_owned(), 0);
        assert_eq!(place.pass(&[witness(3), witness(5)]), [3]);
        assert!(place.has_passed(5) && !place.has_passed(3));
        assert_eq!(place.pass(&[witness(4)]), [4], "one that came late does not take its place");
        assert_eq!(place.pass(&[witness(6), witness(8)]), [6, 5]);
        assert!(place.has_passed(8) && place.has_passed(5), "the one before may not have been deleted yet");
    }

    #[test]
    fn every_life_has_a_name_of_its_own() {
        let name = |life: &str, restarts| Place::of_life(life.to_owned(), restarts).incarnation();
        assert_eq!(name("a", 0), name("a", 0));
        assert_ne!(name("a", 0), name("a", 1));
        assert_ne!(name("a", 0), name("b", 0));
        assert_eq!(name("a", 0).len(), 16);
    }

    #[test]
    fn a_trigger_that_was_away_has_missed_something() {
        let seen = |incarnation: &str, entries: &[(&str, Option<&str>)]| Triggers {
            incarnation: incarnation.to_owned(),
            by_table: entries.iter().map(|(table, it)| ((*table).to_owned(), it.map(str::to_owned))).collect(),
        };
        let before = seen("life", &[("a", Some("1")), ("b", Some("2")), ("c", None)]);
        let now = seen("life", &[("a", Some("1")), ("b", None), ("c", Some("3")), ("d", Some("4"))]);
        assert_eq!(before.interrupted(&now), ["c", "d"]);
        assert_eq!(before.interrupted(&seen("life", &[("a", Some("9"))])), ["a"]);
        assert!(before.interrupted(&seen("next", &[("a", Some("9"))])).is_empty(), "told by the new life");
        assert!(Triggers::default().interrupted(&now).is_empty(), "the first time");
        assert!(now.fire_on("a") && !now.fire_on("b") && !now.fire_on("x"));
    }
}
