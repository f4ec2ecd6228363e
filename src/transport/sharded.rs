//! A map that many tasks use at once.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::IdHasher;

const SHARDS: usize = 16;

/// A hash map in sixteen parts, each with its lock. No lock is held for longer than a look.
///
/// Keys that callers may choose need a `RandomState`.
#[derive(Debug)]
pub struct Sharded<K, V, S = BuildHasherDefault<IdHasher>> {
    hasher: S,
    shards: [Mutex<HashMap<K, V, S>>; SHARDS],
}

impl<K: Hash + Eq, V, S: BuildHasher + Clone + Default> Sharded<K, V, S> {
    pub fn new() -> Self {
        let hasher = S::default();
        let shard = |_| Mutex::new(HashMap::with_hasher(hasher.clone()));
        Self {
            shards: std::array::from_fn(shard),
            hasher,
        }
    }

    /// The part of the map that holds `key`, locked.
    pub fn of(&self, key: &K) -> MutexGuard<'_, HashMap<K, V, S>> {
        // The bits in the middle: the maps themselves use those at both ends.
        let hash = self.hasher.hash_one(key) >> 32;
        let place = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        lock(&self.shards[place])
    }

    pub fn get(&self, key: &K) -> Option<V>
    where
        V: Clone,
    {
        self.of(key).get(key).cloned()
    }

    pub fn insert(&self, key: K, value: V) {
        self.of(&key).insert(key, value);
    }

    pub fn remove(&self, key: &K) -> Option<V> {
        self.of(key).remove(key)
    }

    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// All values of this moment, part by part.
    pub fn values(&self) -> Vec<V>
    where
        V: Clone,
    {
        let copy =
            |shard: &Mutex<HashMap<K, V, S>>| lock(shard).values().cloned().collect::<Vec<_>>();
        self.shards.iter().flat_map(copy).collect()
    }
}

/// Locks; what a panicking task left behind is as good as what it found.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
