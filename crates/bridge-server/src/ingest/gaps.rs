//! Which event ids are still to be asked for.
//!
//! An ERP gives its event ids before commit, so that an event can appear below the highest id that was seen. The ids
//! in between that were not there are gaps: they are remembered and asked for again, until they appear or until every
//! transaction that could hold them has ended. Nothing here does input or output.

use bridge_model::Timestamp;
use bridge_store::{Gap, SourceState};
use std::collections::BTreeSet;

/// What a look at the rows above `read_to` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Advance {
    /// The new highest id.
    pub(super) read_to: i64,
    /// Ids at or below it that did not appear.
    pub(super) opened: Vec<i64>,
    /// Whether rows were left for later because too many ids are missing.
    pub(super) held_back: bool,
}

/// What bounds the noting of gaps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The most gaps that may be opened.
    pub(super) room: usize,
    /// Ids up to this one were deleted in the ERP: they are not waited for.
    pub(super) cleaned_to: i64,
    /// Whether the first hole that is too large for the room may be passed over, because every transaction that could
    /// fill it has ended.
    pub(super) may_cross: bool,
}

/// Goes through `ids` (ascending, all above `read_to`) and notes what is missing between them, as far as there is room;
/// rows beyond wait until older gaps are settled, or until the hole before them is.
///
/// At the very beginning (`read_to` is 0) the ids below the first row are mostly of rows that were cleaned away long
/// ago; only the nearest of them can belong to a transaction that is still open, and only they are noted.
pub(super) fn advance(read_to: i64, ids: &[i64], bounds: Bounds) -> Advance {
    let mut result = Advance { read_to, opened: Vec::new(), held_back: false };
    let mut may_cross = bounds.may_cross;
    for &id in ids {
        let room_left = i64::try_from(bounds.room - result.opened.len().min(bounds.room)).unwrap_or(i64::MAX);
        let first_missing = (result.read_to.max(bounds.cleaned_to) + 1).min(id);
        let from = if id - first_missing <= room_left {
            first_missing
        } else if result.read_to == 0 {
            id - room_left
        } else if std::mem::take(&mut may_cross) {
            id
        } else {
            result.held_back = true;
            break;
        };
        result.opened.extend(from..id);
        result.read_to = id;
    }
    result
}

/// The gaps that will never be filled, of those that a look just now did not find.
///
/// `finished_before`: every transaction that was open before this moment (by our clock) had ended before that look.
/// An id that was missed at `seen_at` had been given to a transaction that began before `seen_at`.
pub(super) fn settled(gaps: &[Gap], found: &BTreeSet<i64>, finished_before: Timestamp) -> Vec<i64> {
    gaps.iter().filter(|gap| !found.contains(&gap.id) && gap.seen_at < finished_before).map(|gap| gap.id).collect()
}

/// Whether rows up to `cleaned_to` were deleted in the ERP before they were read, beyond those up to `told`: they lie
/// above what was read, or among the missing ids.
pub(super) fn lost(source: &SourceState, told: i64, cleaned_to: i64) -> bool {
    let missing = source.gaps.iter().any(|gap| told < gap.id && gap.id <= cleaned_to);
    missing || source.read_to.max(told) < cleaned_to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(room: usize) -> Bounds {
        Bounds { room, cleaned_to: 0, may_cross: false }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    #[test]
    fn missing_ids_are_noted_and_none_is_passed_over() {
        let step = advance(10, &[11, 14, 15, 18], room(100));
        assert_eq!(step, Advance { read_to: 18, opened: vec![12, 13, 16, 17], held_back: false });
        assert_eq!(advance(10, &[], room(100)), Advance { read_to: 10, opened: vec![], held_back: false });
    }

    #[test]
    fn too_many_missing_ids_hold_reading_back_instead_of_being_forgotten() {
        let step = advance(10, &[12, 20, 21], room(3));
        assert_eq!(step, Advance { read_to: 12, opened: vec![11], held_back: true });
        assert_eq!(advance(10, &[12], room(0)), Advance { read_to: 10, opened: vec![], held_back: true });
    }

    #[test]
    fn the_first_look_notes_only_the_nearest_ids_below_the_first_row() {
        let step = advance(0, &[500, 502], room(4));
        assert_eq!(step, Advance { read_to: 500, opened: vec![496, 497, 498, 499], held_back: true });
        assert_eq!(advance(0, &[3], room(4)).opened, vec![1, 2]);
    }

    #[test]
    fn a_hole_that_nobody_can_fill_is_passed_over_once() {
        let crossing = Bounds { may_cross: true, ..room(3) };
        let step = advance(10, &[100, 102, 200], crossing);
        assert_eq!(step, Advance { read_to: 102, opened: vec![101], held_back: true });
    }

    #[test]
    fn what_was_deleted_is_not_waited_for() {
        let cleaned = Bounds { cleaned_to: 95, ..room(5) };
        assert_eq!(advance(10, &[98], cleaned), Advance { read_to: 98, opened: vec![96, 97], held_back: false });
        assert_eq!(advance(10, &[90], cleaned), Advance { read_to: 90, opened: vec![], held_back: false });
    }

    #[test]
    fn rows_that_were_deleted_unread_are_noticed_once() {
        let gaps = vec![Gap { id: 7, seen_at: at(1) }];
        let source = SourceState { read_to: 10, gaps, ..SourceState::default() };
        assert!(!lost(&source, 0, 6), "all of it had been read");
        assert!(lost(&source, 0, 8), "7 was never seen");
        assert!(lost(&source, 0, 12), "11 and 12 lie above");
        assert!(!lost(&source, 8, 8) && !lost(&source, 12, 12), "told before");
        assert!(lost(&source, 6, 7) && !lost(&source, 7, 10));
    }

    #[test]
    fn a_gap_is_settled_only_when_its_transaction_must_have_ended() {
        let gaps = [Gap { id: 3, seen_at: at(10) }, Gap { id: 4, seen_at: at(20) }, Gap { id: 5, seen_at: at(5) }];
        assert_eq!(settled(&gaps, &BTreeSet::from([5]), at(15)), vec![3]);
        assert_eq!(settled(&gaps, &BTreeSet::new(), at(10)), vec![5]);
    }
}
