//! What is known of the ERP's clock, from the times that it writes.

use tokio::time::Instant;

/// The ERP's clock, from below: a time that it wrote has passed there, and so has what went by since it was read.
///
/// Nothing is assumed of how its clock and ours differ, only that both go on at the same pace.
#[derive(Debug, Default)]
pub(super) struct ErpClock {
    seen: Option<(i64, Instant)>,
}

impl ErpClock {
    /// Notes that the ERP had written `second` when it was read at `at`.
    pub(super) fn observe(&mut self, second: i64, at: Instant) {
        if self.at_least(at).is_none_or(|known| known < second) {
            self.seen = Some((second, at));
        }
    }

    /// The second that the ERP's clock had reached by `at`, at least; `None` while nothing is known.
    pub(super) fn at_least(&self, at: Instant) -> Option<i64> {
        let (second, seen_at) = self.seen?;
        let passed = i64::try_from(at.saturating_duration_since(seen_at).as_secs()).unwrap_or(0);
        Some(second.saturating_add(passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_never_runs_ahead_of_what_was_seen_and_what_has_passed() {
        let (mut clock, start) = (ErpClock::default(), Instant::now());
        assert_eq!(clock.at_least(start), None);
        clock.observe(1_000, start);
        assert_eq!(clock.at_least(start + Duration::from_millis(2_900)), Some(1_002));
        clock.observe(990, start + Duration::from_secs(1));
        assert_eq!(clock.at_least(start + Duration::from_secs(3)), Some(1_003), "an older record tells nothing");
        clock.observe(2_000, start + Duration::from_secs(3));
        assert_eq!(clock.at_least(start + Duration::from_secs(3)), Some(2_000));
    }
}
