//! Each committed change once, and those of a record in the order of their commits.

use super::super::Versions;
use super::super::script::TABLES;
use super::super::writers::Change;
use super::Told;
use std::collections::{BTreeMap, BTreeSet};

/// What the log should tell.
pub(in super::super) enum Course {
    /// Each of these changes.
    Whole(Vec<Change>),
    /// These changes up to some place; then that everything may have changed; then those that were committed after a
    /// later place. What lies between was committed before the log said so.
    Gap(Vec<Change>),
    /// The changes of a life of the ERP, as far as they were read; that everything may have changed; the changes of
    /// the next life.
    Restored {
        before: Vec<Change>,
        is_whole: bool,
        after: Vec<Change>,
        /// Whether changes of the next life may be missing that were committed before the log said so.
        may_gap: bool,
    },
}

/// A record, or a whole model.
type Key = (String, Option<i64>);

/// What happened to each, in its order: the event, the version where it is told, and when it was committed or told.
type Histories = BTreeMap<Key, Vec<(String, i64, i64)>>;

/// The error says which record's changes are not told as they should be.
pub(in super::super) fn compare(course: &Course, told: &[Told], versions: Versions) -> Result<(), String> {
    let breaks: BTreeMap<&str, &Told> =
        told.iter().filter(|told| told.is_break()).map(|told| (told.model.as_str(), told)).rev().collect();
    let broken = |told: &&Told| breaks.get(told.model.as_str()).is_some_and(|at| at.position < told.position);
    let is_ours = |told: &&Told| TABLES.iter().any(|(_, model)| told.model == *model) && !told.is_break();
    let (second, first): (Vec<&Told>, Vec<&Told>) = told.iter().filter(is_ours).partition(broken);
    let (first, second) = (of_told(&first), of_told(&second));
    let times = |model: &str| told.iter().filter(|told| told.is_break() && told.model == model).collect::<Vec<_>>();
    let wanted_times = usize::from(!matches!(course, Course::Whole(_)));
    if let Some((_, model)) = TABLES.iter().find(|(_, model)| times(model).len() != wanted_times) {
        return Err(format!("{wanted_times} resets of {model} were to be told: {:#?}", times(model)));
    }
    match course {
        Course::Whole(changes) => {
            let wanted = of_changes(changes, versions);
            each(&[&wanted, &first], |key| equal(key, &at(&wanted, key), &at(&first, key)))
        }
        Course::Gap(changes) => {
            let wanted = of_changes(changes, versions);
            each(&[&wanted, &first, &second], |key| {
                let wanted = at(&wanted, key);
                let rest = after_beginning(key, &wanted, &at(&first, key))?;
                end(key, rest, &at(&second, key), breaks[key.0.as_str()].received_us)
            })
        }
        Course::Restored { before, is_whole, after, may_gap } => {
            let (before, after) = (of_changes(before, versions), of_changes(after, versions));
            each(&[&before, &after, &first, &second], |key| {
                let wanted = at(&before, key);
                let lost = after_beginning(key, &wanted, &at(&first, key))?;
                if *is_whole && !lost.is_empty() {
                    return Err(format!("{key:?}: what had been read before the restore is missing: {lost:?}"));
                }
                let (wanted, told) = (at(&after, key), at(&second, key));
                if *may_gap {
                    end(key, &wanted, &told, breaks[key.0.as_str()].received_us)
                } else {
                    equal(key, &wanted, &told)
                }
            })
        }
    }
}

fn each(all: &[&Histories], judge: impl Fn(&Key) -> Result<(), String>) -> Result<(), String> {
    let keys: BTreeSet<&Key> = all.iter().flat_map(|histories| histories.keys()).collect();
    keys.into_iter().try_for_each(judge)
}

fn at(histories: &Histories, key: &Key) -> Vec<(String, i64, i64)> {
    histories.get(key).cloned().unwrap_or_default()
}

fn is_same((event, version, _): &(String, i64, i64), (other, told, _): &(String, i64, i64)) -> bool {
    event == other && version == told
}

fn are_same(wanted: &[(String, i64, i64)], told: &[(String, i64, i64)]) -> bool {
    wanted.len() == told.len() && wanted.iter().zip(told).all(|(wanted, told)| is_same(wanted, told))
}

fn equal(key: &Key, wanted: &[(String, i64, i64)], told: &[(String, i64, i64)]) -> Result<(), String> {
    if are_same(wanted, told) {
        return Ok(());
    }
    Err(format!("{key:?}: committed was {wanted:?}, and told is {told:?}"))
}

/// What is left of a history when its beginning was told.
fn after_beginning<'a>(
    key: &Key,
    wanted: &'a [(String, i64, i64)],
    told: &[(String, i64, i64)],
) -> Result<&'a [(String, i64, i64)], String> {
    let (beginning, rest) = wanted.split_at(told.len().min(wanted.len()));
    equal(key, beginning, told).map(|()| rest)
}

/// Whether the end of a history was told, and what was not told was committed before `said_us`.
fn end(key: &Key, wanted: &[(String, i64, i64)], told: &[(String, i64, i64)], said_us: i64) -> Result<(), String> {
    let (gap, end) = wanted.split_at(wanted.len().saturating_sub(told.len()));
    equal(key, end, told)?;
    match gap.iter().find(|(.., committed_us)| *committed_us > said_us) {
        None => Ok(()),
        Some(missing) => Err(format!("{key:?}: {missing:?} was committed after the reset and is not told")),
    }
}

fn of_changes(changes: &[Change], versions: Versions) -> Histories {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    // A record's deletion bears the version of its last write, and comes after it. Emptied tables have no version, and
    // whoever empties one holds it alone until the commit.
    sorted.sort_by_key(|change| (change.version, change.event == "unlink", change.committed_us));
    let mut histories = Histories::new();
    for change in sorted {
        let one = (change.event.to_owned(), versions.of(change.event, change.version), change.committed_us);
        histories.entry((change.model.clone(), change.record)).or_default().push(one);
    }
    histories
}

fn of_told(told: &[&Told]) -> Histories {
    let mut histories = Histories::new();
    for told in told {
        let one = (told.event.clone(), told.version, told.received_us);
        histories.entry((told.model.clone(), told.record)).or_default().push(one);
    }
    histories
}
