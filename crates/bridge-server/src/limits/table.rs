//! What a node itself remembers of those who ask, with a bound.

use super::rate::Rate;
use super::{Class, Who};
use bridge_model::Timestamp;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

/// Who asks for what.
pub(super) type Key = (Who, Class);

/// The most limits that hold for one request.
pub(super) const RATES_MAX: usize = 2;

/// What the limits of a request are, by place.
pub(super) type Rates = [Option<Rate>; RATES_MAX];

/// How far ahead of now a request puts each of its limits, in microseconds.
pub(super) type Ahead = [i64; RATES_MAX];

/// In how many parts the table is, each with a lock of its own.
const PARTS: usize = 16;

/// How many of the oldest entries are looked at when there is no room for another.
const LOOKS: usize = 8;

/// When the allowances of each are whole again. Whoever's are is not in it.
#[derive(Debug)]
pub(super) struct Table {
    parts: [Mutex<Part>; PARTS],
    part_entries_max: usize,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Part {
    whole_at_us: HashMap<Key, [i64; RATES_MAX]>,
    /// Every key once, the one that was looked at longest ago first.
    order: VecDeque<Key>,
}

impl Table {
    /// Of at least one entry in each part.
    pub(super) fn new(entries_max: usize) -> Self {
        let part_entries_max = entries_max.div_ceil(PARTS).max(1);
        Self { parts: Default::default(), part_entries_max, hasher: RandomState::new() }
    }

    /// How far ahead a request puts each of its limits. It is counted if all of them let it in.
    pub(super) fn ask(&self, key: Key, rates: &Rates, now: Timestamp) -> Ahead {
        let now_us = now.as_micros();
        let number = usize::try_from(self.hasher.hash_one(key) % PARTS as u64).unwrap_or_default();
        let mut part = self.parts[number].lock().unwrap_or_else(PoisonError::into_inner);
        let whole_at_us = part.whole_at_us.get(&key).copied().unwrap_or([i64::MIN; RATES_MAX]);
        let mut ahead_us = [0; RATES_MAX];
        let mut is_in = true;
        for (place, rate) in rates.iter().enumerate() {
            if let Some(rate) = rate {
                ahead_us[place] = rate.ahead_us(whole_at_us[place], now_us);
                is_in &= rate.judge(ahead_us[place]).again_in_us.is_none();
            }
        }
        if is_in {
            part.keep(key, ahead_us.map(|ahead_us| now_us.saturating_add(ahead_us)), now_us, self.part_entries_max);
        }
        ahead_us
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner).order.len()).sum()
    }
}

impl Part {
    fn keep(&mut self, key: Key, whole_at_us: [i64; RATES_MAX], now_us: i64, entries_max: usize) {
        if self.whole_at_us.insert(key, whole_at_us).is_none() {
            self.forget_whole(now_us);
            if self.order.len() >= entries_max {
                self.forget_one();
            }
            self.order.push_back(key);
        }
    }

    /// Looks at the two oldest: more go than come, so that nobody who is long gone stays.
    fn forget_whole(&mut self, now_us: i64) {
        for _ in 0..2 {
            let Some(key) = self.order.pop_front() else { return };
            if self.whole_at_us.get(&key).is_some_and(|times| times.iter().any(|time| *time > now_us)) {
                self.order.push_back(key);
            } else {
                self.whole_at_us.remove(&key);
            }
        }
    }

    /// Forgets, of some that were not looked at for longest, the one whose allowances are whole first: it has used least,
    /// and gains least by it. Whoever floods the table with names that are used once drives out those, and nobody who has
    /// used up all.
    fn forget_one(&mut self) {
        let whole_at = |part: &Self, key: &Key| part.whole_at_us.get(key).and_then(|times| times.iter().max().copied());
        let Some(mut least) = self.order.pop_front() else { return };
        for _ in 1..LOOKS {
            let Some(next) = self.order.pop_front() else { break };
            let kept =
                if whole_at(self, &next) < whole_at(self, &least) { std::mem::replace(&mut least, next) } else { next };
            self.order.push_back(kept);
        }
        self.whole_at_us.remove(&least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn start() -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn name(number: usize) -> Key {
        (Who::login(&number.to_string(), None), Class::Authentication)
    }

    fn rates(count: u32) -> Rates {
        [Rate::new(count, Duration::from_mins(1)), None]
    }

    fn is_let_in(table: &Table, key: Key, rates: &Rates, now: Timestamp) -> bool {
        let ahead_us = table.ask(key, rates, now);
        rates[0].unwrap().judge(ahead_us[0]).again_in_us.is_none()
    }

    #[test]
    fn a_full_table_stays_full() {
        let table = Table::new(PARTS * 50);
        for number in 0..20_000 {
            assert!(is_let_in(&table, name(number), &rates(10), start()), "{number}");
        }
        let kept: usize = table.parts.iter().map(|part| part.lock().unwrap().whole_at_us.len()).sum();
        assert_eq!((table.len(), kept), (PARTS * 50, PARTS * 50));
    }

    #[test]
    fn who_has_used_most_is_not_driven_out() {
        let mut part = Part::default();
        // Fewer than are looked at together, and next to each other.
        let used_up = 0..LOOKS - 1;
        for number in 0..5_000 {
            let whole_at_us = if used_up.contains(&number) { 60_000_000 } else { 6_000_000 };
            part.keep(name(number), [whole_at_us, 0], 0, 50);
        }
        assert_eq!((part.order.len(), part.whole_at_us.len()), (50, 50));
        for number in used_up {
            assert!(part.whole_at_us.contains_key(&name(number)), "{number}");
        }
    }

    #[test]
    fn whoever_is_whole_again_leaves_the_table() {
        let table = Table::new(100_000);
        let rates = rates(1);
        for number in 0..1_000 {
            table.ask(name(number), &rates, start());
        }
        assert_eq!(table.len(), 1_000);
        let later = start().plus(Duration::from_mins(1));
        for number in 0..1_100 {
            assert!(is_let_in(&table, name(10_000 + number), &rates, later));
        }
        // Each that came took away two that were gone.
        assert!(table.len() < 1_150, "{}", table.len());
    }

    #[test]
    fn a_request_counts_for_all_its_limits_or_for_none() {
        let table = Table::new(10);
        let tight = Rate::new(2, Duration::from_hours(1)).unwrap();
        let wide = Rate::new(3, Duration::from_mins(1)).unwrap();
        let rates = [Some(wide), Some(tight)];
        let asked = |now: Timestamp| {
            let ahead_us = table.ask(name(0), &rates, now);
            (wide.judge(ahead_us[0]).remaining, tight.judge(ahead_us[1]).again_in_us)
        };
        assert_eq!(asked(start()), (2, None));
        assert_eq!(asked(start()), (1, None));
        for _ in 0..5 {
            assert_eq!(asked(start()), (0, Some(1_800_000_000)), "refused, and not counted by the other");
        }
        // Twenty seconds give one place back of the three; one is still left of before.
        assert_eq!(asked(start().plus(Duration::from_mins(30))), (2, None));
    }
}
