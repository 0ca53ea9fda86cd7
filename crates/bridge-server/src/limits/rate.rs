//! The arithmetic of a limit: the generic cell rate algorithm.
//!
//! All that is kept of somebody is one time, the one at which their allowance is whole again. A request moves it on by the
//! interval in which one place becomes free, and is refused if that would put it further ahead than a whole allowance. So
//! as many requests as the limit names may come at once, further ones as places become free, and within any time there are
//! never more than the limit and those that became free meanwhile. Someone whose time has come is as if never seen.

use std::time::Duration;

/// So many requests within a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    count: u32,
    window: Duration,
    /// In which a place becomes free, in microseconds. Rounded up, so that there are never more than the limit says.
    interval_us: i64,
}

/// What a limit says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) rate: Rate,
    /// How many more may follow at once.
    pub(super) remaining: u32,
    /// When the allowance is whole again if nothing follows, in microseconds from now.
    pub(super) whole_in_us: i64,
    /// When it may come again, in microseconds from now; `None` if it is let in.
    pub(super) again_in_us: Option<i64>,
}

impl Rate {
    /// `None` for a limit of 0, which is none.
    pub(super) fn new(count: u32, window: Duration) -> Option<Self> {
        let window_us = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
        let interval_us = window_us.checked_add(i64::from(count) - 1)?.checked_div(i64::from(count))?;
        Some(Self { count, window, interval_us })
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn window(&self) -> Duration {
        self.window
    }

    pub(super) fn interval_us(&self) -> i64 {
        self.interval_us
    }

    /// The time that a whole allowance takes to become free.
    pub(super) fn span_us(&self) -> i64 {
        self.interval_us.saturating_mul(i64::from(self.count))
    }

    /// How far ahead of now a request puts the time at which the allowance is whole, if that was `whole_at`. A time that
    /// no request can have led to comes from a clock that was put back, or from a limit that was larger.
    pub(super) fn ahead_us(&self, whole_at_us: i64, now_us: i64) -> i64 {
        whole_at_us.saturating_sub(now_us).clamp(0, self.span_us()).saturating_add(self.interval_us)
    }

    /// What becomes of a request that puts the time so far ahead.
    pub(super) fn judge(self, ahead_us: i64) -> Verdict {
        let left_us = self.span_us() - ahead_us;
        if left_us < 0 {
            let whole_in_us = ahead_us - self.interval_us;
            return Verdict { rate: self, remaining: 0, whole_in_us, again_in_us: Some(-left_us) };
        }
        // At most the count, since no more fit into the span.
        let remaining = u32::try_from(left_us / self.interval_us).unwrap_or(self.count);
        Verdict { rate: self, remaining, whole_in_us: ahead_us, again_in_us: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    /// The same cases each time.
    fn cases() -> ProptestConfig {
        ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(20), ..ProptestConfig::with_cases(512) }
    }

    const MINUTE: Duration = Duration::from_mins(1);

    /// Somebody who asks at these times, and which of them were let in.
    fn let_in(rate: Rate, times_us: &[i64]) -> Vec<i64> {
        let mut whole_at = i64::MIN;
        let asks = times_us.iter().copied().filter(|now| {
            let ahead = rate.ahead_us(whole_at, *now);
            let is_in = rate.judge(ahead).again_in_us.is_none();
            if is_in {
                whole_at = now + ahead;
            }
            is_in
        });
        asks.collect()
    }

    #[test]
    fn an_allowance_is_used_up_at_once_and_comes_back_piece_by_piece() {
        let rate = Rate::new(3, MINUTE).unwrap();
        let second = 1_000_000;
        let mut whole_at = 0;
        let mut ask = |now: i64| {
            let ahead = rate.ahead_us(whole_at, now);
            let verdict = rate.judge(ahead);
            if verdict.again_in_us.is_none() {
                whole_at = now + ahead;
            }
            (verdict.remaining, verdict.whole_in_us, verdict.again_in_us)
        };
        let start = 1_000 * second;
        assert_eq!(ask(start), (2, 20 * second, None));
        assert_eq!(ask(start), (1, 40 * second, None));
        assert_eq!(ask(start), (0, 60 * second, None));
        assert_eq!(ask(start), (0, 60 * second, Some(20 * second)));
        assert_eq!(ask(start + 5 * second), (0, 55 * second, Some(15 * second)));
        assert_eq!(ask(start + 20 * second - 1), (0, 40 * second + 1, Some(1)));
        assert_eq!(ask(start + 20 * second), (0, 60 * second, None));
        assert_eq!(ask(start + 70 * second), (1, 30 * second, None));
        assert_eq!(ask(start + 7_000 * second), (2, 20 * second, None));
    }

    #[test]
    fn zero_is_no_limit_and_odd_numbers_are_never_more_than_they_say() {
        assert_eq!(Rate::new(0, MINUTE), None);
        let rate = Rate::new(7, MINUTE).unwrap();
        assert_eq!(rate.interval_us(), 8_571_429);
        let every_millisecond: Vec<i64> = (0..600_000).map(|ms| ms * 1_000).collect();
        // Seven at once, and as many in each of the ten minutes that follow; the last one lies just beyond them.
        assert_eq!(let_in(rate, &every_millisecond).len(), 7 + 69);
    }

    #[test]
    fn a_clock_that_was_put_back_keeps_nobody_out_for_long() {
        let rate = Rate::new(10, MINUTE).unwrap();
        let ahead = rate.ahead_us(5_000_000_000_000, 0);
        assert_eq!(rate.judge(ahead).again_in_us, Some(6_000_000));
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn within_any_time_there_are_never_more_than_the_limit_and_what_became_free(
            count in 1_u32..40,
            window_s in 1_u64..120,
            gaps in proptest::collection::vec(0_i64..4_000_000, 1..300),
        ) {
            let rate = Rate::new(count, Duration::from_secs(window_s)).unwrap();
            let times: Vec<i64> = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) }).collect();
            let entered = let_in(rate, &times);
            for (first, from) in entered.iter().enumerate() {
                for (last, to) in entered.iter().enumerate().skip(first) {
                    let became_free = (to - from) / rate.interval_us();
                    let came = i64::try_from(last - first + 1).unwrap();
                    prop_assert!(came <= i64::from(count) + became_free, "{came} from {from} to {to}");
                }
            }
        }

        #[test]
        fn whoever_waits_as_told_is_let_in_and_nobody_who_comes_sooner(
            count in 1_u32..40,
            window_s in 1_u64..120,
            gaps in proptest::collection::vec(0_i64..2_000_000, 1..300),
        ) {
            let rate = Rate::new(count, Duration::from_secs(window_s)).unwrap();
            let (mut now, mut whole_at) = (0, i64::MIN);
            for gap in gaps {
                now += gap;
                let ahead = rate.ahead_us(whole_at, now);
                let verdict = rate.judge(ahead);
                match verdict.again_in_us {
                    None => {
                        whole_at = now + ahead;
                        // As many follow as it says, and not one more.
                        let mut then = whole_at;
                        for _ in 0..verdict.remaining {
                            let ahead = rate.ahead_us(then, now);
                            prop_assert_eq!(rate.judge(ahead).again_in_us, None);
                            then = now + ahead;
                        }
                        prop_assert!(rate.judge(rate.ahead_us(then, now)).again_in_us.is_some());
                    }
                    Some(wait) => {
                        prop_assert!(rate.judge(rate.ahead_us(whole_at, now + wait - 1)).again_in_us.is_some());
                        prop_assert_eq!(rate.judge(rate.ahead_us(whole_at, now + wait)).again_in_us, None);
                    }
                }
            }
        }

        #[test]
        fn whoever_comes_no_faster_than_places_become_free_is_never_refused(
            count in 1_u32..40,
            window_s in 1_u64..120,
            more in proptest::collection::vec(0_i64..1_000_000, 1..200),
        ) {
            let rate = Rate::new(count, Duration::from_secs(window_s)).unwrap();
            let steps = more.iter().scan(0, |now, more| { *now += rate.interval_us() + more; Some(*now) });
            let times: Vec<i64> = steps.collect();
            prop_assert_eq!(let_in(rate, &times).len(), times.len());
        }
    }
}
