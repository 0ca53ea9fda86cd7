//! Which records a model has: sets of ids in blocks, each as small as its ids allow.

use std::collections::{BTreeMap, BTreeSet};

/// Ids of a block.
const BLOCK: i64 = 65_536;

/// The most ids that a block keeps as a list; as bits it takes as much room as so many.
const LISTED_MAX: usize = 4_096;

/// 64-bit words of a block.
const WORDS: usize = 1_024;

/// A set of positive ids. It knows which of its blocks have changed since they were last saved.
#[derive(Debug, Default)]
pub(super) struct IdSet {
    blocks: BTreeMap<i64, Block>,
    changed: BTreeSet<i64>,
}

#[derive(Debug)]
enum Block {
    /// Sorted.
    Listed(Vec<u16>),
    Bits {
        words: Vec<u64>,
        count: usize,
    },
}

/// Bytes that are no block.
#[derive(Debug, thiserror::Error)]
#[error("the stored ids of a polled model can't be read")]
pub(super) struct BadBlock;

impl IdSet {
    /// The set that was saved as these blocks.
    pub(super) fn load(blocks: Vec<(i64, Vec<u8>)>) -> Result<Self, BadBlock> {
        let blocks = blocks.into_iter().map(|(number, bytes)| Ok((number, Block::decode(&bytes)?)));
        Ok(Self { blocks: blocks.collect::<Result<_, BadBlock>>()?, changed: BTreeSet::new() })
    }

    /// Adds an id; `false` if it was there.
    pub(super) fn insert(&mut self, id: i64) -> bool {
        let (number, place) = split(id);
        let added = self.blocks.entry(number).or_insert_with(|| Block::Listed(Vec::new())).insert(place);
        if added {
            self.changed.insert(number);
        }
        added
    }

    /// Takes an id out; `false` if it was not there.
    pub(super) fn remove(&mut self, id: i64) -> bool {
        let (number, place) = split(id);
        let Some(block) = self.blocks.get_mut(&number) else { return false };
        let removed = block.remove(place);
        if removed {
            self.changed.insert(number);
            if block.len() == 0 {
                self.blocks.remove(&number);
            }
        }
        removed
    }

    /// Whether an id is there.
    pub(super) fn contains(&self, id: i64) -> bool {
        let (number, place) = split(id);
        self.blocks.get(&number).is_some_and(|block| block.contains(place))
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> u64 {
        self.blocks.values().map(|block| wide(block.len())).sum()
    }

    /// The highest; 0 if there is none.
    pub(super) fn max(&self) -> i64 {
        let last = self.blocks.iter().next_back();
        last.and_then(|(number, block)| Some(number * BLOCK + i64::from(block.places().next_back()?))).unwrap_or(0)
    }

    /// How many there are from `low` to `high`.
    pub(super) fn count(&self, low: i64, high: i64) -> u64 {
        self.within(low, high)
            .map(|(number, block)| {
                if Self::is_whole(number, low, high) {
                    wide(block.len())
                } else {
                    wide(Self::cut(number, block, low, high).count())
                }
            })
            .sum()
    }

    /// Those from `low` to `high`, in order.
    pub(super) fn list(&self, low: i64, high: i64) -> Vec<i64> {
        self.within(low, high).flat_map(|(number, block)| Self::cut(number, block, low, high)).collect()
    }

    /// The first of those from `low` on, in order, at most `most`.
    pub(super) fn list_from(&self, low: i64, most: usize) -> Vec<i64> {
        let blocks = self.within(low, i64::MAX);
        blocks.flat_map(|(number, block)| Self::cut(number, block, low, i64::MAX)).take(most).collect()
    }

    /// The blocks that have changed since this was last asked, as they are to be saved.
    pub(super) fn take_changed(&mut self) -> Vec<(i64, Option<Vec<u8>>)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|number| (number, self.blocks.get(&number).map(Block::encode))).collect()
    }

    fn within(&self, low: i64, high: i64) -> impl Iterator<Item = (i64, &Block)> {
        // A range that is upside down is not one to a map.
        let range = (low <= high).then(|| low.div_euclid(BLOCK)..=high.div_euclid(BLOCK));
        range.into_iter().flat_map(|range| self.blocks.range(range)).map(|(number, block)| (*number, block))
    }

    fn is_whole(number: i64, low: i64, high: i64) -> bool {
        low <= number * BLOCK && number * BLOCK + (BLOCK - 1) <= high
    }

    fn cut(number: i64, block: &Block, low: i64, high: i64) -> impl Iterator<Item = i64> {
        let ids = block.places().map(move |place| number * BLOCK + i64::from(place));
        ids.filter(move |id| (low..=high).contains(id))
    }
}

fn split(id: i64) -> (i64, u16) {
    (id.div_euclid(BLOCK), u16::try_from(id.rem_euclid(BLOCK)).unwrap_or(0))
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The word and the bit of a place.
fn bit(place: u16) -> (usize, u64) {
    (usize::from(place) / 64, 1 << (place % 64))
}

/// The place of a bit in a word.
fn place_of(word: usize, bit: usize) -> u16 {
    u16::try_from(word * 64 + bit).unwrap_or(u16::MAX)
}

impl Block {
    fn len(&self) -> usize {
        match self {
            Self::Listed(places) => places.len(),
            Self::Bits { count, .. } => *count,
        }
    }

    fn contains(&self, place: u16) -> bool {
        match self {
            Self::Listed(places) => places.binary_search(&place).is_ok(),
            Self::Bits { words, .. } => words[bit(place).0] & bit(place).1 != 0,
        }
    }

    fn insert(&mut self, place: u16) -> bool {
        match self {
            Self::Listed(places) => {
                let Err(at) = places.binary_search(&place) else { return false };
                places.insert(at, place);
                if places.len() > LISTED_MAX {
                    *self = Self::bits(places);
                }
                true
            }
            Self::Bits { words, count } => {
                let (word, bit) = bit(place);
                let is_new = words[word] & bit == 0;
                words[word] |= bit;
                *count += usize::from(is_new);
                is_new
            }
        }
    }

    fn remove(&mut self, place: u16) -> bool {
        match self {
            Self::Listed(places) => {
                let Ok(at) = places.binary_search(&place) else { return false };
                places.remove(at);
                true
            }
            Self::Bits { words, count } => {
                let (word, bit) = bit(place);
                let was_there = words[word] & bit != 0;
                words[word] &= !bit;
                *count -= usize::from(was_there);
                was_there
            }
        }
    }

    fn places(&self) -> impl DoubleEndedIterator<Item = u16> {
        let (listed, words): (&[u16], &[u64]) = match self {
            Self::Listed(places) => (places, &[]),
            Self::Bits { words, .. } => (&[], words),
        };
        // Only the words that hold any are gone through bit by bit.
        let held = words.iter().enumerate().filter(|(_, word)| **word != 0);
        let bits = held
            .flat_map(|(at, word)| (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| place_of(at, bit)));
        listed.iter().copied().chain(bits)
    }

    fn bits(places: &[u16]) -> Self {
        let mut words = vec![0; WORDS];
        for place in places {
            words[bit(*place).0] |= bit(*place).1;
        }
        Self::Bits { words, count: places.len() }
    }

    /// A list has two bytes for each id and so never the length of the bits.
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Bits { words, count } if *count > LISTED_MAX => {
                words.iter().flat_map(|word| word.to_le_bytes()).collect()
            }
            _ => {
                let mut bytes: Vec<u8> = vec![0];
                bytes.extend(self.places().flat_map(u16::to_le_bytes));
                bytes
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadBlock> {
        if bytes.len() == WORDS * 8 {
            let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect();
            let count = words.iter().map(|word| word.count_ones() as usize).sum();
            return Ok(Self::Bits { words, count });
        }
        let Some((0, listed)) = bytes.split_first().map(|(first, rest)| (*first, rest)) else { return Err(BadBlock) };
        let (chunks, []) = listed.as_chunks::<2>() else { return Err(BadBlock) };
        let places: Vec<u16> = chunks.iter().map(|chunk| u16::from_le_bytes(*chunk)).collect();
        if places.len() > LISTED_MAX || places.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(BadBlock);
        }
        Ok(Self::Listed(places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _};

    #[test]
    fn it_holds_what_a_plain_set_holds_and_comes_back_from_its_blocks() {
        let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let (mut ids, mut plain, mut saved) = (IdSet::default(), BTreeSet::new(), BTreeMap::new());
        for round in 0..60 {
            // Now a dense part, now a sparse one, and from time to time much is deleted.
            let high = if round % 3 == 0 { 10_000_000 } else { 20_000 };
            for _ in 0..1_000 {
                let id = dice.random_range(1..high);
                if round % 7 == 6 {
                    assert_eq!(ids.remove(id), plain.remove(&id));
                } else {
                    assert_eq!(ids.insert(id), plain.insert(id));
                }
            }
            for (number, bytes) in ids.take_changed() {
                match bytes {
                    Some(bytes) => drop(saved.insert(number, bytes)),
                    None => drop(saved.remove(&number)),
                }
            }
            let loaded = IdSet::load(saved.clone().into_iter().collect()).unwrap();
            for set in [&ids, &loaded] {
                assert_eq!((set.len(), set.max()), (plain.len() as u64, plain.last().copied().unwrap_or(0)));
                let (low, high) = (dice.random_range(0..15_000), dice.random_range(10_000..100_000));
                let wanted: Vec<i64> = if low <= high { plain.range(low..=high).copied().collect() } else { vec![] };
                assert_eq!((set.list(low, high), set.count(low, high)), (wanted.clone(), wanted.len() as u64));
                let first: Vec<i64> = plain.range(low..).take(50).copied().collect();
                assert_eq!(set.list_from(low, 50), first);
                assert!(wanted.iter().all(|id| set.contains(*id)) && !set.contains(10_000_001));
            }
        }
        assert!(ids.take_changed().is_empty());
    }

    #[test]
    fn a_million_ids_in_a_row_are_small() {
        let mut ids = IdSet::default();
        (1..=1_000_000).for_each(|id| assert!(ids.insert(id)));
        let bytes: usize = ids.take_changed().into_iter().map(|(_, bytes)| bytes.unwrap().len()).sum();
        assert!(bytes < 140_000, "{bytes}");
    }

    #[test]
    fn bytes_that_are_no_block_are_refused() {
        for bytes in [&[][..], &[1], &[0, 1], &[0, 5, 0, 4, 0]] {
            assert!(IdSet::load(vec![(0, bytes.to_vec())]).is_err(), "{bytes:?}");
        }
    }
}
