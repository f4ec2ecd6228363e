//! A map that many tasks use at once.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;

/// A hash map in sixteen parts, each with its lock. No lock is held for longer than a look.
#[derive(Debug)]
pub struct Sharded<K, V> {
    hasher: RandomState,
    shards: [Mutex<HashMap<K, V>>; SHARDS],
}

impl<K: Hash + Eq, V> Sharded<K, V> {
    pub fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// The part of the map that holds `key`, locked.
    pub fn of(&self, key: &K) -> MutexGuard<'_, HashMap<K, V>> {
        let hash = self.hasher.hash_one(key);
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
        let copy = |shard: &Mutex<HashMap<K, V>>| lock(shard).values().cloned().collect::<Vec<_>>();
        self.shards.iter().flat_map(copy).collect()
    }
}

/// Locks; what a panicking task left behind is as good as what it found.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
