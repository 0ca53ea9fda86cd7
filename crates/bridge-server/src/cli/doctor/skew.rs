//! How far a clock is from ours.

use super::code::{Check, Code};
use super::finding::Finding;
use crate::cli::words;
use bridge_model::Timestamp;
use std::time::Duration;

/// A difference from which on it is worth a warning: below, it is less than what a slow call takes.
const SKEW_MAX: Duration = Duration::from_secs(5);

/// Judges a clock that showed `theirs` at some time between our two times; nothing if it is right. `whose` names it.
pub(super) fn judge(
    check: Check,
    whose: &str,
    theirs: Timestamp,
    (before, after): (Timestamp, Timestamp),
) -> Option<Finding> {
    let (ahead, behind) = (theirs.since(after), before.since(theirs));
    let (skew, direction) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    if skew < SKEW_MAX {
        return None;
    }
    let seen = format!("the clock of {whose} is {} {direction} this machine's", words::duration(skew));
    let signed = if ahead > behind { skew.as_secs_f64() } else { -skew.as_secs_f64() };
    Some(Finding::new(check, Code::ClockSkew, seen).with("skew_seconds", (signed * 10.0).round() / 10.0))
}

/// The same of a time without fractions of a second, which is up to a second earlier than the clock was.
pub(super) fn judge_whole_seconds(
    check: Check,
    whose: &str,
    theirs: Timestamp,
    (before, after): (Timestamp, Timestamp),
) -> Option<Finding> {
    judge(check, whose, theirs, (before.minus(Duration::from_secs(1)), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_is_no_skew_and_a_wrong_clock_is() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let judge = |theirs, before, after| judge(Check::ErpClock, "Odoo", at(theirs), (at(before), at(after)));
        assert!(judge(1_000, 995, 1_020).is_none(), "the answer took 25 s");
        assert!(judge(1_004, 1_000, 1_000).is_none());
        let ahead = judge(1_090, 1_000, 1_000).unwrap();
        assert_eq!(ahead.seen, "the clock of Odoo is 1 min 30 s ahead of this machine's");
        assert_eq!(ahead.facts["skew_seconds"], 90.0);
        let behind = judge(900, 1_000, 1_001).unwrap();
        assert_eq!(behind.seen, "the clock of Odoo is 1 min 40 s behind this machine's");
        assert_eq!(behind.facts["skew_seconds"], -100.0);
    }
}
