//! Who owns which model, as last read from the store.

use crate::config::ms;
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::{Event, ModelClass, ModelName, Strategy, SystemKey};
use bridge_store::{System, TrackedModel};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// The owners of the models of each system that this node has asked for.
#[derive(Debug, Default)]
pub struct Owners {
    kept: Mutex<HashMap<SystemKey, Kept>>,
    /// When this node last noted in the store how a strategy works, and whether it did.
    pub(super) noted: Mutex<HashMap<(SystemKey, Strategy), (Instant, bool)>>,
}

#[derive(Debug, Clone)]
struct Kept {
    looked_at: Instant,
    owners: Arc<ModelOwners>,
}

impl Owners {
    /// Makes the next question read the store: something was changed on this node, or the system is no more.
    pub fn forget(&self, system: SystemKey) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&system);
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).retain(|(kept, _), _| *kept != system);
    }

    fn get(&self, system: SystemKey) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&system).cloned()
    }

    fn keep(&self, system: SystemKey, owners: Arc<ModelOwners>) {
        let kept = Kept { looked_at: Instant::now(), owners };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(system, kept);
    }
}

/// The owners of a system's models at one moment.
///
/// A reader takes one of these before a look and judges everything that the look finds by it. It may be old by
/// `detection.owners_fresh_ms`: a hand-over waits for looks that knew of it, so that nothing falls between two owners.
#[derive(Debug, Default)]
pub struct ModelOwners {
    version: Option<i64>,
    models: HashMap<ModelName, Shares>,
}

/// Who has a share in a model.
#[derive(Debug, Clone, Copy)]
struct Shares {
    class: ModelClass,
    has_write_date: bool,
    /// Whether it was ever decided who owns it, if only that nobody does.
    is_decided: bool,
    owner: Option<Strategy>,
    successor: Option<Strategy>,
    successor_ready: bool,
}

/// Who owns the models of a system now.
pub async fn owners(cx: &Context, system: &System) -> Result<Arc<ModelOwners>, Problem> {
    let kept = cx.owners.get(system.key);
    if let Some(Kept { looked_at, owners }) = &kept
        && looked_at.elapsed() < ms(cx.config.detection.owners_fresh_ms)
    {
        return Ok(Arc::clone(owners));
    }
    // The version before the models: a change in between is seen the next time.
    let version = cx.store.detection(system.tenant, system.key).await?.map(|detection| detection.version);
    let owners = match kept {
        Some(Kept { owners, .. }) if owners.version == version => owners,
        _ if version.is_none() => Arc::default(),
        _ => {
            let models = cx.store.tracked_models(system.tenant, system.key).await?;
            Arc::new(ModelOwners::of(version, models))
        }
    };
    cx.owners.keep(system.key, Arc::clone(&owners));
    Ok(owners)
}

impl ModelOwners {
    fn of(version: Option<i64>, models: Vec<TrackedModel>) -> Self {
        let shares = |model: &TrackedModel| Shares {
            class: model.found.class,
            has_write_date: model.found.has_write_date,
            is_decided: model.owned_since.is_some(),
            owner: model.owner,
            successor: model.successor,
            successor_ready: model.successor_ready,
        };
        Self { version, models: models.into_iter().map(|model| (model.found.model.clone(), shares(&model))).collect() }
    }

    /// The strategy in charge of a model; `None` if it is not tracked. Of a model that was not discovered yet, or of
    /// which nothing was decided yet, it is the add-on: that its feed tells of it is reason enough.
    pub fn owner(&self, model: &ModelName) -> Option<Strategy> {
        let decided = self.models.get(model).filter(|shares| shares.is_decided);
        decided.map_or(Some(Strategy::Addon), |shares| shares.owner)
    }

    /// The same, but nobody where it was not decided yet: until then nobody promises anything.
    pub fn decided_owner(&self, model: &ModelName) -> Option<Strategy> {
        self.models.get(model).filter(|shares| shares.is_decided)?.owner
    }

    /// Changes with every change of who owns what; `None` before anything was discovered.
    pub fn version(&self) -> Option<i64> {
        self.version
    }

    /// Whether what `strategy` finds of this model goes into the log: it is in charge, or is taking over.
    pub fn takes(&self, model: &ModelName, strategy: Strategy) -> bool {
        self.owner(model) == Some(strategy)
            || self.models.get(model).is_some_and(|shares| shares.successor == Some(strategy))
    }

    /// The same for an event that the add-on tells of. One that somebody asked for is no change of a row, so that no
    /// other strategy would see it.
    pub fn takes_from_addon(&self, model: &ModelName, event: Event) -> bool {
        event == Event::Manual || self.takes(model, Strategy::Addon)
    }

    /// How much a model matters; `None` if it was not discovered yet.
    pub fn class(&self, model: &ModelName) -> Option<ModelClass> {
        self.models.get(model).map(|shares| shares.class)
    }

    /// Whether a model's records tell when they were written last; `None` if it was not discovered yet.
    pub fn has_write_date(&self, model: &ModelName) -> Option<bool> {
        self.models.get(model).map(|shares| shares.has_write_date)
    }

    /// Whether this strategy has to read once more what there is of a model, and then gives it up.
    pub fn is_to_give_up(&self, model: &ModelName, strategy: Strategy) -> bool {
        self.models.get(model).is_some_and(|shares| shares.owner == Some(strategy) && shares.successor_ready)
    }

    /// Whether a model is being handed over.
    pub fn is_moving(&self, model: &ModelName) -> bool {
        self.models.get(model).is_some_and(|shares| shares.successor.is_some())
    }

    /// The models that a strategy is in charge of or is taking over, by name.
    pub fn models_of(&self, strategy: Strategy) -> BTreeSet<&ModelName> {
        let has_share = |shares: &Shares| shares.owner == Some(strategy) || shares.successor == Some(strategy);
        self.models.iter().filter(|(_, shares)| has_share(shares)).map(|(model, _)| model).collect()
    }

    /// The models that a strategy is to take over and has not said to be ready for.
    pub(super) fn awaited_of(&self, strategy: Strategy) -> impl Iterator<Item = &ModelName> {
        let awaited = move |shares: &Shares| shares.successor == Some(strategy) && !shares.successor_ready;
        self.models.iter().filter(move |(_, shares)| awaited(shares)).map(|(model, _)| model)
    }

    /// The models of a strategy whose successor is ready.
    pub(super) fn to_give_up_of(&self, strategy: Strategy) -> impl Iterator<Item = &ModelName> {
        let ready = move |shares: &Shares| shares.owner == Some(strategy) && shares.successor_ready;
        self.models.iter().filter(move |(_, shares)| ready(shares)).map(|(model, _)| model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> ModelName {
        ModelName::parse(name).unwrap()
    }

    fn owned(owner: Option<Strategy>, successor: Option<Strategy>) -> ModelOwners {
        let shares = Shares {
            class: ModelClass::Standard,
            has_write_date: true,
            is_decided: true,
            owner,
            successor,
            successor_ready: false,
        };
        ModelOwners { version: Some(1), models: HashMap::from([(model("res.partner"), shares)]) }
    }

    #[test]
    fn before_anything_was_discovered_the_add_on_owns_what_it_tells() {
        let nothing = ModelOwners::default();
        assert_eq!(nothing.owner(&model("res.partner")), Some(Strategy::Addon));
        assert!(nothing.takes(&model("res.partner"), Strategy::Addon));
        assert!(!nothing.takes(&model("res.partner"), Strategy::Poll));
        // Between the look-up of the models and the decision about them, nothing of what it tells may be left out.
        let mut undecided = owned(None, None);
        undecided.models.values_mut().for_each(|shares| shares.is_decided = false);
        assert_eq!(undecided.owner(&model("res.partner")), Some(Strategy::Addon));
        assert!(undecided.takes(&model("res.partner"), Strategy::Addon));
    }

    #[test]
    fn while_a_model_is_handed_over_both_put_what_they_find_into_the_log() {
        let moving = owned(Some(Strategy::Addon), Some(Strategy::Poll));
        for (strategy, expected) in [(Strategy::Addon, true), (Strategy::Poll, true), (Strategy::Wal, false)] {
            assert_eq!(moving.takes(&model("res.partner"), strategy), expected, "{strategy}");
        }
        assert_eq!(moving.awaited_of(Strategy::Poll).count(), 1);
        assert_eq!(moving.to_give_up_of(Strategy::Addon).count(), 0);
    }

    #[test]
    fn what_somebody_asked_for_is_taken_from_the_add_on_whoever_owns_the_model() {
        for untaken in [owned(Some(Strategy::Wal), None), owned(None, None)] {
            assert!(!untaken.takes_from_addon(&model("res.partner"), Event::Write));
            assert!(untaken.takes_from_addon(&model("res.partner"), Event::Manual));
        }
    }
}
