//! Dead letters: on their way to the index, and in it.
//!
//! They are derived, as everything in the index is: until one is durable there, the record of its chat that says how the
//! push ended makes it again. One that is there already is not written over.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use redb::{
    ReadTransaction, ReadableTable as _, ReadableTableMetadata as _, TableDefinition,
    WriteTransaction,
};

use super::engine::lock;
use super::index::{Index, Trouble};
use super::row::{seal, unseal};
use crate::clock::Wall;
use crate::id::{DeliveryId, SessionId};
use crate::store::codec;
use crate::store::{DEAD_LETTERS_KEPT, DeadLetter, DeadLetterPlace};

type Key = (u64, [u8; 12], u64);
type Encoded = Arc<[u8]>;

const DEAD_LETTERS: TableDefinition<Key, &[u8]> = TableDefinition::new("dead_letters");

/// Dead letters that the index does not have yet.
#[derive(Debug)]
pub struct Letters {
    waiting: Mutex<BTreeMap<DeadLetterPlace, Encoded>>,
    kept: AtomicUsize,
}

/// What one write to the index takes of them.
#[derive(Debug, Default)]
pub struct Bundle {
    letters: Vec<(DeadLetterPlace, Encoded)>,
    kept: usize,
}

impl Default for Letters {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            kept: AtomicUsize::new(DEAD_LETTERS_KEPT),
        }
    }
}

impl Letters {
    /// From now on so many are kept, the newest.
    pub fn keep_up_to(&self, kept: usize) {
        self.kept.store(kept, Relaxed);
    }

    /// Takes one in; says how many older ones had to go for it.
    pub fn keep(&self, letter: &DeadLetter) -> u64 {
        let mut waiting = lock(&self.waiting);
        waiting
            .entry(letter.place())
            .or_insert_with(|| codec::encode_dead_letter(letter).into());
        let mut dropped = 0;
        while waiting.len() > self.kept.load(Relaxed) {
            waiting.pop_first();
            dropped += 1;
        }
        dropped
    }

    /// Whether any waits.
    pub fn is_waiting(&self) -> bool {
        !lock(&self.waiting).is_empty()
    }

    /// Everything that waits. It goes on waiting until it is [`written`](Self::written).
    pub fn bundle(&self) -> Bundle {
        let waiting = lock(&self.waiting);
        Bundle {
            letters: waiting
                .iter()
                .map(|(place, letter)| (*place, letter.clone()))
                .collect(),
            kept: self.kept.load(Relaxed),
        }
    }

    /// These are in the index.
    pub fn written(&self, bundle: &Bundle) {
        let mut waiting = lock(&self.waiting);
        for (place, _) in &bundle.letters {
            waiting.remove(place);
        }
    }

    /// Up to `limit` after `after`, of those that wait and those in the index, the oldest first.
    pub fn list(
        &self,
        index: &Index,
        after: Option<DeadLetterPlace>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Trouble> {
        // First what waits: one that is written meanwhile is found twice, not missed.
        let mut found: BTreeMap<DeadLetterPlace, Encoded> = lock(&self.waiting)
            .range((after.map_or(Unbounded, Excluded), Unbounded))
            .take(limit)
            .map(|(place, letter)| (*place, letter.clone()))
            .collect();
        found.extend(index.dead_letters(after, limit)?);
        let letters = found.into_iter().take(limit);
        // One that cannot be read is left out: the others are worth as much as before.
        Ok(letters
            .filter_map(|(place, bytes)| codec::decode_dead_letter(place, &bytes).ok())
            .collect())
    }
}

impl Index {
    fn dead_letters(
        &self,
        after: Option<DeadLetterPlace>,
        limit: usize,
    ) -> Result<Vec<(DeadLetterPlace, Encoded)>, Trouble> {
        self.reading(|read| {
            let table = read.open_table(DEAD_LETTERS)?;
            let from = after.map_or(Unbounded, |after| Excluded(key(after)));
            let mut letters = Vec::new();
            for row in table.range::<Key>((from, Unbounded))?.take(limit) {
                let (key, bytes) = row?;
                if let Some(bytes) = unseal(bytes.value()) {
                    letters.push((place(key.value()), bytes.into()));
                }
            }
            Ok(letters)
        })
    }
}

/// Whether the table is there.
pub(super) fn has_letters(read: &ReadTransaction) -> bool {
    read.open_table(DEAD_LETTERS).is_ok()
}

/// Writes a bundle; says how many older ones had to go for it.
pub(super) fn write_letters(write: &WriteTransaction, bundle: &Bundle) -> Result<u64, Trouble> {
    let mut table = write.open_table(DEAD_LETTERS)?;
    for (place, letter) in &bundle.letters {
        let key = key(*place);
        if table.get(key)?.is_none() {
            table.insert(key, seal(letter.to_vec()).as_slice())?;
        }
    }
    if bundle.letters.is_empty() {
        return Ok(0);
    }
    let mut dropped = 0;
    while table.len()? > bundle.kept as u64 && table.pop_first()?.is_some() {
        dropped += 1;
    }
    Ok(dropped)
}

fn key(place: DeadLetterPlace) -> Key {
    let DeadLetterPlace { at, delivery } = place;
    (at.0, delivery.session.to_bytes(), delivery.number)
}

fn place((at, session, number): Key) -> DeadLetterPlace {
    let session = SessionId::from_bytes(session);
    DeadLetterPlace {
        at: Wall(at),
        delivery: DeliveryId { session, number },
    }
}
