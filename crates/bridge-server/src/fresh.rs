//! A cache for what every request asks for and what must nevertheless never be believed after a change.

use crate::problem::Problem;
use bridge_model::Timestamp;
use moka::sync::Cache;
use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The most entries kept; beyond, the least used go.
const ENTRIES_MAX: u64 = 10_000;

/// Keeps what was read for at most `age_max` by our own clock. One change makes all entries worthless: changes are
/// rare beside requests, reading again is one indexed read, and a single counter cannot miss the entry that is being
/// read at the moment of the change.
pub struct Fresh<K, V> {
    kept: Cache<K, Kept<V>>,
    changes: AtomicU64,
    age_max: Duration,
}

#[derive(Clone)]
struct Kept<V> {
    value: V,
    read_at: Timestamp,
    /// The count of changes before the value was read.
    changes: u64,
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Fresh<K, V> {
    /// Nothing is kept yet.
    pub fn new(age_max: Duration) -> Self {
        Self { kept: Cache::new(ENTRIES_MAX), changes: AtomicU64::new(0), age_max }
    }

    /// The value of a key, from the cache or else by `load`. That there is none is not kept.
    pub async fn get<Q>(
        &self,
        key: &Q,
        now: Timestamp,
        load: impl Future<Output = Result<Option<V>, Problem>>,
    ) -> Result<Option<V>, Problem>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        // Counted before reading: a change during the read makes the entry worthless.
        let changes = self.changes.load(Ordering::SeqCst);
        if let Some(kept) = self.kept.get(key)
            && kept.changes == changes
            && now.since(kept.read_at) < self.age_max
        {
            return Ok(Some(kept.value));
        }
        let value = load.await?;
        if let Some(value) = &value {
            self.kept.insert(key.to_owned(), Kept { value: value.clone(), read_at: now, changes });
        }
        Ok(value)
    }

    /// Makes one entry be read anew. Whoever is reading it at this moment may still put what it was in its place: for
    /// what may be late by `age_max`, and must not make everybody else's entries worthless.
    pub fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.kept.invalidate(key);
    }

    /// Makes every entry be read anew.
    pub fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

impl<K, V> fmt::Debug for Fresh<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").field("age_max", &self.age_max).finish_non_exhaustive()
    }
}
