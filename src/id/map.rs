//! Maps by identifier.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::{Deref, DerefMut};

use super::SessionId;

/// A map by identifier. The identifiers in it are random and were made here, so nobody can choose them to collide, and
/// one multiplication spreads them well enough.
pub type ById<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// A map by session that gives memory back as it empties: where a million chats have passed through, it is as small as
/// the few that are left.
#[derive(Clone, Debug)]
pub struct SessionMap<V>(ById<SessionId, V>);

impl<V> SessionMap<V> {
    /// Smaller tables are kept, however empty they are.
    const CAPACITY_KEPT: usize = 1024;
    /// A table is made smaller when no more than one in so many places is taken.
    const SPARE: usize = 8;

    /// Takes a session out.
    pub fn remove(&mut self, session: &SessionId) -> Option<V> {
        let removed = self.0.remove(session);
        let (len, capacity) = (self.0.len(), self.0.capacity());
        if capacity > Self::CAPACITY_KEPT && len < capacity / Self::SPARE {
            // Room for as many again, so that it does not grow at once.
            self.0.shrink_to(2 * len);
        }
        removed
    }
}

impl<V> Default for SessionMap<V> {
    fn default() -> Self {
        Self(ById::default())
    }
}

impl<V> Deref for SessionMap<V> {
    type Target = ById<SessionId, V>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<V> DerefMut for SessionMap<V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// Hashes one identifier.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl IdHasher {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

    fn fold(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value) * u128::from(Self::ODD);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "both halves are folded together"
        )]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        self.0 = folded;
    }
}

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.fold(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.fold(value);
    }

    fn write_u128(&mut self, value: u128) {
        #[expect(clippy::cast_possible_truncation, reason = "the other half follows")]
        self.fold(value as u64);
        self.fold((value >> 64) as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;
    use crate::clock::Wall;

    /// After a million chats had gone to sleep, the empty tables of those that had been awake kept 200 MiB.
    #[test]
    fn a_map_that_was_large_is_small_again() {
        let mut map = SessionMap::default();
        for number in 0..100_000 {
            map.insert(session(number), number);
        }
        for number in 10..100_000 {
            assert_eq!(map.remove(&session(number)), Some(number));
        }
        assert!(map.capacity() <= 2048, "{}", map.capacity());
        assert_eq!(
            map.get(&session(3)),
            Some(&3),
            "those that are left are found"
        );
    }

    #[test]
    fn hashes_of_one_millisecond_differ_at_both_ends() {
        let hash = |number| BuildHasherDefault::<IdHasher>::default().hash_one(session(number));
        let low: HashSet<u64> = (0..1000).map(|number| hash(number) & 0xFFFF).collect();
        let high: HashSet<u64> = (0..1000).map(|number| hash(number) >> 48).collect();
        assert!(
            low.len() > 950 && high.len() > 950,
            "{} {}",
            low.len(),
            high.len()
        );
    }

    fn session(number: u64) -> SessionId {
        SessionId::new(Wall(1_700_000_000_000), number)
    }
}
