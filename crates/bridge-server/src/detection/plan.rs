//! Who should own a model, and which step leads there. Nothing here does input or output.

use bridge_model::{ModelName, Strategy, Timestamp};
use bridge_store::{Choice, Ownership, StrategyHealth, TrackedModel};
use std::time::Duration;

/// By what it is judged whether a strategy works.
#[derive(Debug)]
pub struct Judge<'a> {
    /// How the strategies said to be.
    pub health: &'a [StrategyHealth],
    /// The time.
    pub now: Timestamp,
    /// Since when somebody has been watching: before that, nobody may have been there to say how it was.
    pub watched_since: Timestamp,
    /// How long a strategy may fail.
    pub patience: Duration,
}

impl Judge<'_> {
    fn of(&self, strategy: Strategy) -> Option<&StrategyHealth> {
        self.health.iter().find(|health| health.strategy == strategy)
    }

    /// Whether a strategy that has had a model since `since` may keep it: it works, or has not failed for long.
    fn may_keep(&self, strategy: Strategy, since: Option<Timestamp>) -> bool {
        let silent_since = match self.of(strategy) {
            Some(StrategyHealth { failing_since: Some(failing), .. }) => *failing,
            Some(StrategyHealth { succeeded_at: Some(succeeded), .. }) => *succeeded,
            // It may be about to begin.
            _ => since.unwrap_or(self.now),
        };
        self.now.since(silent_since.max(self.watched_since)) < self.patience
    }

    /// Whether a strategy is known to work now.
    fn works(&self, strategy: Strategy) -> bool {
        self.of(strategy).is_some_and(|health| health.failing_since.is_none() && health.succeeded_at.is_some())
            && self.may_keep(strategy, None)
    }
}

/// A step in the ownership of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The model.
    pub model: ModelName,
    /// The step.
    pub step: Ownership,
    /// Whether something may have been missed, so that the log must say that everything of the model may have changed.
    pub with_reset: bool,
}

/// The strategy that an admin's choice, or else the recommendation, asks for; `None` if the model is not to be
/// tracked. A choice that is not available now waits until it is.
pub fn wanted(model: &TrackedModel, fallback: Choice) -> Option<Strategy> {
    let available = |strategy: &Strategy| model.found.available.contains(strategy);
    match (model.choice, fallback) {
        (Choice::Nothing, _) | (Choice::Auto, Choice::Nothing) => None,
        (Choice::Strategy(strategy), _) | (Choice::Auto, Choice::Strategy(strategy)) if available(&strategy) => {
            Some(strategy)
        }
        _ => model.found.recommended,
    }
}

/// The steps that bring each model closer to who should own it. `has_addon`: an add-on keeps an event table, whether
/// or not it tells of the model.
pub fn plan(models: &[TrackedModel], fallback: Choice, has_addon: bool, judge: &Judge<'_>) -> Vec<Move> {
    models.iter().filter_map(|model| next(model, wanted(model, fallback), has_addon, judge)).collect()
}

fn next(model: &TrackedModel, wanted: Option<Strategy>, has_addon: bool, judge: &Judge<'_>) -> Option<Move> {
    let step = |step| Some(Move { model: model.found.model.clone(), step, with_reset: false });
    let Some(wanted) = wanted else {
        // Also where nobody owned it so far: that is decided as well, since until then the add-on's events are taken.
        let is_open = model.owner.is_some() || model.successor.is_some() || model.owned_since.is_none();
        return is_open.then_some(Ownership::Cut { from: model.owner, to: None }).and_then(step);
    };
    let Some(owner) = model.owner else {
        // Until now the add-on's events were taken, whatever it told of: it is the one who hands over.
        let first = if has_addon && model.owned_since.is_none() { Strategy::Addon } else { wanted };
        return step(Ownership::Cut { from: None, to: Some(first) });
    };
    let may_keep = judge.may_keep(owner, model.owned_since);
    let others = model.found.available.iter().copied().filter(|other| *other != wanted);
    let target = std::iter::once(wanted).chain(others).find(|strategy| {
        if *strategy == owner {
            return may_keep && model.found.available.contains(&owner);
        }
        // One that never said anything is begun with only if it is asked for.
        judge.works(*strategy) || (*strategy == wanted && judge.of(wanted).is_none())
    });
    let target = target.unwrap_or(owner);
    match model.successor {
        None if target == owner => None,
        Some(successor) if successor == target => {
            // The owner can't say any more that it read everything from before its successor was ready.
            (model.successor_ready && !may_keep).then(|| Move {
                model: model.found.model.clone(),
                step: Ownership::Cut { from: Some(owner), to: Some(target) },
                with_reset: true,
            })
        }
        // With the owner as its target, this calls the hand-over off.
        _ => step(Ownership::HandOver(target)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_model::ModelClass;
    use bridge_store::FoundModel;

    const ADDON: Strategy = Strategy::Addon;
    const POLL: Strategy = Strategy::Poll;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn model(owner: Option<Strategy>, successor: Option<Strategy>, successor_ready: bool) -> TrackedModel {
        TrackedModel {
            found: FoundModel {
                model: ModelName::parse("res.partner").unwrap(),
                label: None,
                table_name: None,
                modules: None,
                class: ModelClass::Critical,
                has_write_date: true,
                available: vec![ADDON, POLL],
                recommended: Some(ADDON),
            },
            choice: Choice::Auto,
            owner,
            owned_since: owner.map(|_| at(100)),
            successor,
            successor_ready,
            found_at: at(100),
        }
    }

    fn health(strategy: Strategy, succeeded: i64, failing: Option<i64>) -> StrategyHealth {
        StrategyHealth { strategy, succeeded_at: Some(at(succeeded)), failing_since: failing.map(at), last_error: None }
    }

    /// The step at second 1,000 with 60 s of patience.
    fn step_of(model: &TrackedModel, health: &[StrategyHealth]) -> Option<(Ownership, bool)> {
        let judge = Judge { health, now: at(1_000), watched_since: at(0), patience: Duration::from_mins(1) };
        plan(std::slice::from_ref(model), Choice::Auto, true, &judge).pop().map(|found| (found.step, found.with_reset))
    }

    #[test]
    fn what_an_admin_chose_is_handed_over_in_steps() {
        let both = [health(ADDON, 999, None), health(POLL, 999, None)];
        let chosen =
            |owner, successor, ready| TrackedModel { choice: Choice::Strategy(POLL), ..model(owner, successor, ready) };
        assert_eq!(step_of(&chosen(Some(ADDON), None, false), &both), Some((Ownership::HandOver(POLL), false)));
        assert_eq!(step_of(&chosen(Some(ADDON), Some(POLL), false), &both), None);
        assert_eq!(step_of(&chosen(Some(ADDON), Some(POLL), true), &both), None, "the owner gives up by itself");
        assert_eq!(step_of(&chosen(Some(POLL), None, false), &both), None);
        let nothing = TrackedModel { choice: Choice::Nothing, ..model(Some(ADDON), None, false) };
        assert_eq!(step_of(&nothing, &both), Some((Ownership::Cut { from: Some(ADDON), to: None }, false)));
        let untold = TrackedModel { choice: Choice::Nothing, ..model(None, None, false) };
        assert_eq!(step_of(&untold, &both), Some((Ownership::Cut { from: None, to: None }, false)));
        assert_eq!(step_of(&TrackedModel { owned_since: Some(at(5)), ..untold }, &both), None);
        let back = model(Some(ADDON), Some(POLL), true);
        assert_eq!(step_of(&back, &both), Some((Ownership::HandOver(ADDON), false)), "called off");
    }

    #[test]
    fn a_new_model_is_taken_over_from_the_add_on_that_may_have_told_of_it() {
        let polled = |owned_since| {
            let mut new = model(None, None, false);
            (new.found.available, new.found.recommended, new.owned_since) = (vec![POLL], Some(POLL), owned_since);
            new
        };
        let first = Ownership::Cut { from: None, to: Some(ADDON) };
        assert_eq!(step_of(&polled(None), &[]), Some((first, false)));
        let again = Ownership::Cut { from: None, to: Some(POLL) };
        assert_eq!(step_of(&polled(Some(at(5))), &[]), Some((again, false)));
        let moving = TrackedModel { owner: Some(ADDON), ..polled(Some(at(990))) };
        assert_eq!(step_of(&moving, &[health(ADDON, 999, None)]), Some((Ownership::HandOver(POLL), false)));
    }

    #[test]
    fn the_next_best_takes_over_from_one_that_fails_for_long_and_gives_back() {
        let works = health(POLL, 999, None);
        let briefly = [health(ADDON, 900, Some(980)), works.clone()];
        assert_eq!(step_of(&model(Some(ADDON), None, false), &briefly), None);
        let long = [health(ADDON, 900, Some(930)), works.clone()];
        assert_eq!(step_of(&model(Some(ADDON), None, false), &long), Some((Ownership::HandOver(POLL), false)));
        let cut = Ownership::Cut { from: Some(ADDON), to: Some(POLL) };
        assert_eq!(step_of(&model(Some(ADDON), Some(POLL), true), &long), Some((cut, true)), "something may be missed");
        assert_eq!(step_of(&model(Some(POLL), None, false), &long), None);
        let mended = [health(ADDON, 999, None), works];
        assert_eq!(step_of(&model(Some(POLL), None, false), &mended), Some((Ownership::HandOver(ADDON), false)));
        let alone = [health(ADDON, 900, Some(930)), health(POLL, 900, Some(990))];
        assert_eq!(step_of(&model(Some(ADDON), None, false), &alone), None, "there is nobody to take over");
    }

    #[test]
    fn what_happened_before_anybody_watched_is_not_held_against_a_strategy() {
        let health = [health(ADDON, 10, None), health(POLL, 10, None)];
        let judge = Judge { health: &health, now: at(1_000), watched_since: at(990), patience: Duration::from_mins(1) };
        assert_eq!(plan(&[model(Some(ADDON), None, false)], Choice::Auto, true, &judge), []);
    }
}
