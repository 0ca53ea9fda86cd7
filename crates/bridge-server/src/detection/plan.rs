//! Who should own a model, and which step leads there. Nothing here does input or output.

use bridge_model::{ModelName, Strategy, Timestamp};
use bridge_store::{Choice, Ownership, StrategyHealth, TrackedModel};
use std::collections::BTreeSet;
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
    let around = Around { has_addon, busy: models.iter().flat_map(|model| [model.owner, model.successor]).collect() };
    models.iter().filter_map(|model| next(model, wanted(model, fallback), &around, judge)).collect()
}

/// What matters beside the model itself.
struct Around {
    has_addon: bool,
    /// The strategies that have a share in any model.
    busy: BTreeSet<Option<Strategy>>,
}

impl Around {
    /// Whether a strategy reads nothing now because no model is its own, so that nothing is known of how it works.
    fn is_idle(&self, strategy: Strategy) -> bool {
        matches!(strategy, Strategy::Wal | Strategy::Poll) && !self.busy.contains(&Some(strategy))
    }
}

fn next(model: &TrackedModel, wanted: Option<Strategy>, around: &Around, judge: &Judge<'_>) -> Option<Move> {
    let step = |step| Some(Move { model: model.found.model.clone(), step, with_reset: false });
    let Some(wanted) = wanted else {
        // Also where nobody owned it so far: that is decided as well, since until then the add-on's events are taken.
        let is_open = model.owner.is_some() || model.successor.is_some() || model.owned_since.is_none();
        return is_open.then_some(Ownership::Cut { from: model.owner, to: None }).and_then(step);
    };
    if model.owned_since.is_none() {
        // Until now the add-on's events were taken, whatever it told of: it is the one who hands over.
        let first = if around.has_addon { Strategy::Addon } else { wanted };
        return step(Ownership::Cut { from: None, to: Some(first) });
    }
    let may_keep = model.owner.is_some_and(|owner| judge.may_keep(owner, model.owned_since));
    let others = model.found.available.iter().copied().filter(|other| *other != wanted);
    let target = std::iter::once(wanted).chain(others).find(|strategy| {
        if Some(*strategy) == model.owner {
            return may_keep && model.found.available.contains(strategy);
        }
        // One that says nothing is begun with only if it is asked for.
        judge.works(*strategy) || (*strategy == wanted && may_be_tried(wanted, model, may_keep, around, judge))
    });
    let target = target.or(model.owner).unwrap_or(wanted);
    match model.successor {
        None if model.owner == Some(target) => None,
        Some(successor) if successor == target => {
            // Nobody, or an owner that fails, can say that everything from before its successor was ready was read.
            (model.successor_ready && !may_keep).then(|| Move {
                model: model.found.model.clone(),
                step: Ownership::Cut { from: model.owner, to: Some(target) },
                with_reset: true,
            })
        }
        // With the owner as its target, this calls the hand-over off.
        _ => step(Ownership::HandOver(target)),
    }
}

/// Whether it is worth a try to hand a model over to a strategy that is asked for and does not say that it works.
fn may_be_tried(wanted: Strategy, model: &TrackedModel, may_keep: bool, around: &Around, judge: &Judge<'_>) -> bool {
    if model.successor == Some(wanted) {
        // It goes on trying, and the owner on reading.
        return may_keep;
    }
    match judge.of(wanted) {
        None => true,
        // What it last said was said when it had something to read. If that was an error, it is tried again only after
        // a while.
        Some(health) => {
            let is_rested = model.owned_since.is_none_or(|since| judge.now.since(since) >= judge.patience);
            around.is_idle(wanted) && (health.failing_since.is_none() || is_rested)
        }
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
        let moving = TrackedModel { owner: Some(ADDON), ..polled(Some(at(990))) };
        assert_eq!(step_of(&moving, &[health(ADDON, 999, None)]), Some((Ownership::HandOver(POLL), false)));
    }

    #[test]
    fn what_changed_while_nobody_owned_a_model_is_made_up_for_by_a_reset() {
        let nobodys = |successor, ready| TrackedModel {
            choice: Choice::Strategy(POLL),
            owned_since: Some(at(5)),
            ..model(None, successor, ready)
        };
        let begin = Some((Ownership::HandOver(POLL), false));
        for health in [vec![], vec![health(POLL, 999, None)], vec![health(POLL, 5, None)]] {
            assert_eq!(step_of(&nobodys(None, false), &health), begin, "{health:?}");
        }
        assert_eq!(step_of(&nobodys(Some(POLL), false), &[]), None, "it has not looked yet");
        let cut = Ownership::Cut { from: None, to: Some(POLL) };
        assert_eq!(step_of(&nobodys(Some(POLL), true), &[health(POLL, 999, None)]), Some((cut, true)));
        let none = TrackedModel { choice: Choice::Nothing, ..nobodys(Some(POLL), true) };
        assert_eq!(step_of(&none, &[]), Some((Ownership::Cut { from: None, to: None }, false)), "called off");
    }

    #[test]
    fn one_that_rests_because_nothing_is_its_own_is_begun_with_when_it_is_asked_for() {
        let addon = health(ADDON, 999, None);
        let chosen = |since: i64| TrackedModel {
            choice: Choice::Strategy(POLL),
            owned_since: Some(at(since)),
            ..model(Some(ADDON), None, false)
        };
        let begin = Some((Ownership::HandOver(POLL), false));
        assert_eq!(step_of(&chosen(990), &[addon.clone(), health(POLL, 5, None)]), begin, "it said nothing for long");
        let failed = [addon, health(POLL, 5, Some(6))];
        assert_eq!(step_of(&chosen(990), &failed), None, "it has just been taken away from one that fails");
        assert_eq!(step_of(&chosen(900), &failed), begin);
        let trying = TrackedModel { successor: Some(POLL), ..chosen(900) };
        assert_eq!(step_of(&trying, &failed), None, "it goes on trying");
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
