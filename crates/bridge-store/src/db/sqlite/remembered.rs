//! What the one process that has the file open knows to be in it, so that it need not ask again.
//!
//! A value is known from a read that no write of the same key ended during, and from then on by what each write did.
//! Between a write's commit and its end the old value is still given, unless somebody read the new one from the database
//! meanwhile: nobody has been told of the write yet. A write whose outcome nobody can tell, for example since its caller
//! has gone away, makes the key unknown.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Known values by key, of a bounded number of keys.
pub(crate) struct Remembered<K, V> {
    state: Arc<Mutex<State<K, V>>>,
}

struct State<K, V> {
    slots: HashMap<K, Slot<V>>,
    keys_max: usize,
    reads_begun: u64,
    /// Writes of who knows which keys that have not ended.
    wide_writes: usize,
}

struct Slot<V> {
    value: Option<V>,
    /// The read that may make the value known.
    read: Option<u64>,
    /// Writes that have not ended.
    writes: usize,
    /// A write ended in a way that nobody can tell, and others that had begun before it have not ended: what those
    /// did may be older.
    unclear: bool,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self { value: None, read: None, writes: 0, unclear: false }
    }
}

impl<V> Slot<V> {
    fn forget(&mut self) {
        self.value = None;
        self.read = None;
        self.unclear = self.writes > 0;
    }

    fn is_read_by(&self, reading: Option<u64>) -> bool {
        reading.is_some() && self.read == reading
    }

    /// Somebody saw a value that is not kept. It may be that of a write that is committed and has not ended: what is known,
    /// or is being read, may be older, and must not be given to whoever has seen the newer.
    fn read_elsewhere(&mut self) {
        if self.writes > 0 {
            self.value = None;
            self.read = None;
        }
    }

    fn is_needed(&self) -> bool {
        self.value.is_some() || self.read.is_some() || self.writes > 0
    }
}

impl<K: Hash + Eq + Clone, V> Remembered<K, V> {
    pub(crate) fn new(keys_max: usize) -> Self {
        let state = State { slots: HashMap::new(), keys_max: keys_max.max(1), reads_begun: 0, wide_writes: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Looks at the value of a key, if it is known.
    pub(crate) fn look<R>(&self, key: &K, look: impl FnOnce(&V) -> R) -> Option<R> {
        lock(&self.state).slots.get(key)?.value.as_ref().map(look)
    }

    /// Says what a read that was not begun here has shown: from the known value, if any, to the next.
    pub(crate) fn learn(&self, key: &K, change: impl FnOnce(&mut V)) {
        if let Some(slot) = lock(&self.state).slots.get_mut(key) {
            match &mut slot.value {
                Some(value) => change(value),
                None => slot.read_elsewhere(),
            }
        }
    }

    /// To be called before a key is read from the database, to keep what was read. The answer has to live until it was:
    /// also a read that can't be kept, for example since somebody else is reading, may have seen more than is known.
    pub(crate) fn reading(&self, key: &K) -> Reading<K, V> {
        let mut state = lock(&self.state);
        let mut number = None;
        if state.wide_writes == 0 {
            state.make_room();
            state.reads_begun += 1;
            let next = state.reads_begun;
            let slot = state.slots.entry(key.clone()).or_default();
            if slot.read.is_none() && !slot.unclear {
                number = Some(next);
                slot.read = number;
            }
        }
        Reading { state: Arc::clone(&self.state), key: key.clone(), number }
    }

    /// To be called before a key is written. The answer has to live until the write is committed or undone, wherever
    /// its caller is by then: it goes along with the work.
    pub(crate) fn writing(&self, key: &K) -> Writing<K, V> {
        let mut state = lock(&self.state);
        state.make_room();
        state.slots.entry(key.clone()).or_default().writes += 1;
        Writing { state: Arc::clone(&self.state), key: Some(key.clone()) }
    }

    /// The same for a write of keys that nobody can name beforehand. All keys are unknown when it has ended.
    pub(crate) fn writing_any(&self) -> WritingAny<K, V> {
        let mut state = lock(&self.state);
        state.wide_writes += 1;
        state.forget_all();
        WritingAny { state: Arc::clone(&self.state) }
    }
}

impl<K: Hash + Eq + Clone, V> State<K, V> {
    /// Keeps the number of keys bounded; what goes is any eighth of those that nobody works on.
    fn make_room(&mut self) {
        if self.slots.len() < self.keys_max {
            return;
        }
        let mut spare = self.keys_max / 8 + 1;
        self.slots.retain(|_, slot| {
            let goes = spare > 0 && slot.writes == 0 && slot.read.is_none();
            spare -= usize::from(goes);
            !goes
        });
    }

    fn forget_all(&mut self) {
        for slot in self.slots.values_mut() {
            slot.forget();
        }
        self.slots.retain(|_, slot| slot.is_needed());
    }
}

/// A read that is going on.
pub(crate) struct Reading<K: Hash + Eq, V> {
    state: Arc<Mutex<State<K, V>>>,
    key: K,
    /// `None`: what is read can't be kept.
    number: Option<u64>,
}

impl<K: Hash + Eq, V> Reading<K, V> {
    /// Keeps what was read, unless it may be out of date already.
    pub(crate) fn keep(self, value: V) {
        self.keep_by(|_| value);
    }

    /// Keeps what was read as part of the known value, unless it may be out of date already.
    pub(crate) fn keep_in(self, add: impl FnOnce(&mut V))
    where
        V: Default,
    {
        self.keep_by(|known| {
            let mut value = known.unwrap_or_default();
            add(&mut value);
            value
        });
    }

    fn keep_by(self, value: impl FnOnce(Option<V>) -> V) {
        let mut state = lock(&self.state);
        if let Some(slot) = state.slots.get_mut(&self.key)
            && slot.is_read_by(self.number)
        {
            slot.value = Some(value(slot.value.take()));
        }
        // Dropping `self` takes the mark away.
    }
}

impl<K: Hash + Eq, V> Drop for Reading<K, V> {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        let Some(slot) = state.slots.get_mut(&self.key) else { return };
        if slot.is_read_by(self.number) {
            slot.read = None;
        } else {
            slot.read_elsewhere();
        }
        if !slot.is_needed() {
            state.slots.remove(&self.key);
        }
    }
}

/// A write that is going on. Dropping it says that nobody can tell what it did.
pub(crate) struct Writing<K: Hash + Eq, V> {
    state: Arc<Mutex<State<K, V>>>,
    key: Option<K>,
}

impl<K: Hash + Eq, V> Writing<K, V> {
    /// Says what the write did: from the known value, if any, to the next. Several writes of a key may end in another
    /// order than they were committed in, so that `change` has to come to the same whatever their order.
    pub(crate) fn done(mut self, change: impl FnOnce(Option<V>) -> Option<V>) {
        self.end(|slot| {
            slot.read = None;
            if !slot.unclear {
                slot.value = change(slot.value.take());
            }
        });
    }

    fn end(&mut self, change: impl FnOnce(&mut Slot<V>)) {
        let Some(key) = self.key.take() else { return };
        let mut state = lock(&self.state);
        let Some(slot) = state.slots.get_mut(&key) else { return };
        slot.writes = slot.writes.saturating_sub(1);
        change(slot);
        slot.unclear &= slot.writes > 0;
        if !slot.is_needed() {
            state.slots.remove(&key);
        }
    }
}

impl<K: Hash + Eq, V> Drop for Writing<K, V> {
    fn drop(&mut self) {
        self.end(Slot::forget);
    }
}

/// A write of any keys that is going on.
pub(crate) struct WritingAny<K: Hash + Eq + Clone, V> {
    state: Arc<Mutex<State<K, V>>>,
}

impl<K: Hash + Eq + Clone, V> Drop for WritingAny<K, V> {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.forget_all();
        state.wide_writes = state.wide_writes.saturating_sub(1);
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, V> fmt::Debug for Remembered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").field("keys_max", &lock(&self.state).keys_max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(of: &Remembered<u8, u32>, key: u8) -> Option<u32> {
        of.look(&key, |value| *value)
    }

    fn higher(to: u32) -> impl FnOnce(Option<u32>) -> Option<u32> {
        move |before| before.map(|before| before.max(to))
    }

    #[test]
    fn a_read_is_kept_unless_a_write_ended_meanwhile() {
        let of = Remembered::new(8);
        of.reading(&1).keep(5);
        assert_eq!(known(&of, 1), Some(5));

        let reading = of.reading(&2);
        of.reading(&2).keep(4);
        assert_eq!(known(&of, 2), None, "one read at a time");
        drop(of.writing(&2));
        reading.keep(5);
        assert_eq!(known(&of, 2), None);

        // A write that is still open will say what it did.
        let writing = of.writing(&2);
        of.reading(&2).keep(5);
        assert_eq!(known(&of, 2), Some(5));
        writing.done(higher(6));
        assert_eq!(known(&of, 2), Some(6));
    }

    #[test]
    fn whoever_saw_a_write_before_its_end_is_not_shown_what_was_before_it() {
        let of = Remembered::new(8);
        // The first reads before the commit and the second after it; whichever is ready first.
        for second_is_ready_first in [true, false] {
            let writing = of.writing(&1);
            let (first, second) = (of.reading(&1), of.reading(&1));
            if second_is_ready_first {
                second.keep(6);
                first.keep(5);
            } else {
                first.keep(5);
                second.keep(6);
            }
            assert_eq!(known(&of, 1), None);
            of.reading(&1).keep(6);
            writing.done(higher(6));
            assert_eq!(known(&of, 1), Some(6));
            drop(of.writing(&1));
        }
        // The same with one whose read could have been kept, had no other write ended meanwhile.
        let (one, other) = (of.writing(&1), of.writing(&1));
        let second = of.reading(&1);
        one.done(higher(5));
        let first = of.reading(&1);
        second.keep(6);
        first.keep(5);
        assert_eq!(known(&of, 1), None);
        other.done(higher(6));
        // And with one who saw it on the way to something else.
        let writing = of.writing(&1);
        let first = of.reading(&1);
        of.learn(&1, |value| *value = 6);
        first.keep(5);
        assert_eq!(known(&of, 1), None);
        drop(writing);
    }

    #[test]
    fn writes_may_end_in_any_order() {
        let of = Remembered::new(8);
        of.reading(&1).keep(5);
        let (first, second) = (of.writing(&1), of.writing(&1));
        assert_eq!(known(&of, 1), Some(5));
        second.done(higher(7));
        first.done(higher(6));
        assert_eq!(known(&of, 1), Some(7));
    }

    #[test]
    fn a_write_that_nobody_can_tell_of_makes_the_key_unknown_until_all_before_it_have_ended() {
        let of = Remembered::new(8);
        of.reading(&1).keep(5);
        let (first, second) = (of.writing(&1), of.writing(&1));
        drop(second);
        assert_eq!(known(&of, 1), None);
        of.reading(&1).keep(4);
        assert_eq!(known(&of, 1), None);
        first.done(|_| Some(6));
        assert_eq!(known(&of, 1), None, "the second may have undone the first");
        of.reading(&1).keep(9);
        assert_eq!(known(&of, 1), Some(9));
    }

    #[test]
    fn a_write_of_any_keys_forgets_all_and_lets_nothing_be_kept_meanwhile() {
        let of = Remembered::new(8);
        of.reading(&1).keep(5);
        let (reading, writing) = (of.reading(&2), of.writing(&1));
        let any = of.writing_any();
        assert_eq!(known(&of, 1), None);
        reading.keep(6);
        writing.done(|_| Some(7));
        of.reading(&3).keep(3);
        assert_eq!([1, 2, 3].map(|key| known(&of, key)), [None; 3]);
        drop(any);
        of.reading(&1).keep(8);
        assert_eq!(known(&of, 1), Some(8));
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let of = Remembered::new(16);
        let open: Vec<_> = (0..4_u8).map(|key| of.writing(&key)).collect();
        for key in 4..=255_u8 {
            of.reading(&key).keep(u32::from(key));
            assert!(lock(&of.state).slots.len() <= 16);
        }
        assert_eq!(known(&of, 255), Some(255));
        for writing in open {
            writing.done(|_| Some(1));
        }
        assert_eq!(known(&of, 0), Some(1));
    }
}
