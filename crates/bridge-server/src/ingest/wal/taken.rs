//! From which place of the database's log on each model's changes are put into ours.
//!
//! What comes again after a crash of the database was read before. What is not in our log although it was read means
//! that this is another history; unless its model was somebody else's when it was read.

use super::Work;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_erp::odoo::database::wal::Lsn;
use bridge_model::ModelName;
use bridge_store::ReaderNote;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The name under which the store keeps it.
const NOTE: &str = "wal_taken";

/// The models that are read for.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Taken {
    /// Names the life of the database and of the slot that the places belong to.
    life: String,
    /// For each model the place that had been read to when it was first read for.
    since: BTreeMap<ModelName, u64>,
}

impl Taken {
    /// What was saved in this life.
    pub(super) async fn load(work: &Work<'_>, life: &str) -> Result<Self, Problem> {
        let note = work.cx.store.reader_note(work.system.tenant, work.system.key, NOTE).await?;
        let saved: Option<Self> = note.and_then(|note| serde_json::from_str(&note).ok());
        let here = || Self { life: life.to_owned(), since: BTreeMap::new() };
        Ok(saved.filter(|saved| saved.life == life).unwrap_or_else(here))
    }

    /// From `place` on, these models are read for and no others. True: these were others before.
    pub(super) fn update(&mut self, models: &BTreeSet<&ModelName>, place: Lsn) -> bool {
        let since = |model: &&ModelName| ((*model).clone(), self.since.get(*model).copied().unwrap_or(place.0));
        let updated: BTreeMap<_, _> = models.iter().map(since).collect();
        let is_new = updated != self.since;
        self.since = updated;
        is_new
    }

    /// The models of which everything that was committed behind `place`, and was read, is in our log.
    pub(super) fn before(&self, place: Lsn) -> BTreeSet<ModelName> {
        self.since.iter().filter(|(_, since)| **since <= place.0).map(|(model, _)| model.clone()).collect()
    }

    /// As it is saved with an append.
    pub(super) fn note(&self, work: &Work<'_>) -> Result<ReaderNote, Problem> {
        let note = serde_json::to_string(self)
            .map_err(|error| Problem::new(ProblemKind::Internal, Message::internal()).caused_by(error))?;
        Ok(ReaderNote { system: work.system.key, reader: NOTE, note })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_from_the_place_on_at_which_it_was_taken() {
        let (partner, order) = (ModelName::parse("res.partner").unwrap(), ModelName::parse("sale.order").unwrap());
        let mut taken = Taken::default();
        assert!(taken.update(&BTreeSet::from([&partner]), Lsn(100)));
        assert!(!taken.update(&BTreeSet::from([&partner]), Lsn(150)));
        assert!(taken.update(&BTreeSet::from([&partner, &order]), Lsn(200)));
        assert_eq!(taken.before(Lsn(199)), BTreeSet::from([partner.clone()]));
        assert_eq!(taken.before(Lsn(200)), BTreeSet::from([partner.clone(), order.clone()]));
        assert!(taken.update(&BTreeSet::from([&order]), Lsn(300)));
        assert!(taken.update(&BTreeSet::from([&partner, &order]), Lsn(400)), "given up and taken again");
        assert_eq!(taken.before(Lsn(399)), BTreeSet::from([order]));
    }
}
