//! What is known of sessions that the index does not know yet, or that are awake.
//!
//! It lies over the index: a session that is here is as it is here. A sleeping session leaves when its row is durable in
//! the index.

mod flush;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::frame::{Flags, Header, Place};
use super::row::Row;
use crate::clock::Instant;
use crate::id::{Epoch, SessionId, SessionMap};

/// Parts of it, each with its lock.
pub const SHARDS: usize = 64;

/// The sessions in memory.
#[derive(Debug)]
pub struct Hot {
    shards: Vec<Mutex<Shard>>,
    sets: Mutex<Sets>,
}

/// A session in memory.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// As it stands; `None`: it was forgotten.
    pub row: Option<Row>,
    /// A snapshot that the index does not have yet.
    pub snapshot: Option<Kept>,
    /// Counts the changes; a flush is only complete if it is still the same afterwards.
    pub version: u64,
    /// There are changes that the index does not have.
    dirty: bool,
}

/// An encoded snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// How many records are folded into it.
    pub records: u32,
    /// What the codec made of it.
    pub bytes: Arc<[u8]>,
}

/// What the next record of a session builds on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    /// The last record.
    pub tail: Place,
    /// Its number.
    pub records: u32,
    /// The index of the next event.
    pub next: u64,
    /// The newest ownership.
    pub epoch: u64,
}

/// Which changed sessions a flush takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Those that sleep, moved or are forgotten, up to so many of each shard.
    Resting(usize),
    /// All.
    Everything,
}

#[derive(Debug, Default)]
struct Shard {
    /// Boxed, because half of a map's places are empty.
    entries: SessionMap<Box<Entry>>,
    touched: Vec<SessionId>,
    resting: Vec<SessionId>,
    evictions: u64,
}

#[derive(Debug, Default)]
struct Sets {
    sleeping: BTreeSet<(Instant, SessionId)>,
    opened: BTreeSet<SessionId>,
    resting: usize,
}

impl Entry {
    /// A session as the index has it.
    pub fn indexed(row: Option<Row>) -> Self {
        Self {
            row,
            ..Self::default()
        }
    }
}

impl Default for Hot {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            sets: Mutex::default(),
        }
    }
}

impl Hot {
    /// A session as it is here; `None`: ask the index.
    pub fn entry(&self, session: SessionId) -> Option<Entry> {
        self.shard(session)
            .entries
            .get(&session)
            .map(|entry| Entry::clone(entry))
    }

    /// Whether the session is here.
    pub fn has(&self, session: SessionId) -> bool {
        self.shard(session).entries.contains_key(&session)
    }

    /// Whether what the index says is true: the session sleeps until `deadline`.
    pub fn sleeps_until(&self, session: SessionId, deadline: Instant) -> bool {
        let shard = self.shard(session);
        match shard.entries.get(&session) {
            Some(entry) => entry
                .row
                .as_ref()
                .is_some_and(|row| row.deadline == Some(deadline)),
            None => true,
        }
    }

    /// Whether the session is here and open.
    pub fn is_open(&self, session: SessionId) -> Option<bool> {
        let shard = self.shard(session);
        let entry = shard.entries.get(&session)?;
        Some(entry.row.as_ref().is_some_and(|row| row.open))
    }

    /// What its next record builds on; `None`: ask the index.
    pub fn brief(&self, session: SessionId) -> Option<Option<Brief>> {
        let shard = self.shard(session);
        let entry = shard.entries.get(&session)?;
        Some(entry.row.as_ref().map(brief))
    }

    /// How often something left the shard of this session: tells whether a row read from the index is still the newest.
    pub fn evictions(&self, session: SessionId) -> u64 {
        self.shard(session).evictions
    }

    /// Takes in what the index says, unless the session is here already or something has left since `evictions`.
    pub fn adopt(&self, session: SessionId, row: Option<Row>, evictions: u64) -> bool {
        let mut shard = self.shard(session);
        if shard.entries.contains_key(&session) {
            return true;
        }
        if shard.evictions != evictions {
            return false;
        }
        let entry = Box::new(Entry::indexed(row));
        shard.entries.insert(session, entry);
        true
    }

    /// Wakes a session that is here and gives its new ownership; `None`: it was forgotten, or is not here.
    pub fn wake(&self, session: SessionId) -> Option<Epoch> {
        let mut shard = self.shard(session);
        let row = shard.entries.get_mut(&session)?.row.as_mut()?;
        row.epoch += 1;
        let epoch = Epoch(row.epoch);
        self.awaken(session, row);
        shard.touch(session);
        Some(epoch)
    }

    /// A record is durable.
    pub fn append(&self, header: &Header, place: Place) {
        let session = header.session;
        let mut shard = self.shard(session);
        let entry = shard.entries.entry(session).or_default();
        let row = entry.row.get_or_insert_default();
        row.append(header, place);
        self.awaken(session, row);
        if header.flags.has(Flags::CREATED) {
            self.sets().opened.insert(session);
        }
        shard.touch(session);
    }

    /// Puts a whole row in place of what is known: at replay.
    pub fn replace(&self, session: SessionId, mut row: Row) {
        let mut shard = self.shard(session);
        self.awaken(session, &mut row);
        if row.open {
            self.sets().opened.insert(session);
        }
        shard.entries.entry(session).or_default().row = Some(row);
        shard.touch(session);
    }

    /// A record of the session is missing: it cannot be read.
    pub fn damage(&self, session: SessionId, place: Place) {
        let mut shard = self.shard(session);
        if let Some(row) = shard.entries.get_mut(&session).and_then(|e| e.row.as_mut()) {
            row.damaged = Some(place);
        }
        shard.touch(session);
    }

    /// The records of a session that is here lie elsewhere now, unless there are more of them than were copied.
    pub fn relocate(&self, session: SessionId, copy: Row) -> bool {
        let mut shard = self.shard(session);
        let Some(row) = shard.entries.get_mut(&session).and_then(|e| e.row.as_mut()) else {
            return false;
        };
        if row.records != copy.records {
            return false;
        }
        row.relocate(copy);
        let asleep = !row.awake;
        shard.touch(session);
        if asleep {
            self.rest(&mut shard, session);
        }
        true
    }

    /// A session that is here goes to sleep.
    pub fn put_away(&self, session: SessionId, bytes: Arc<[u8]>, deadline: Option<Instant>) {
        let mut shard = self.shard(session);
        let Some(entry) = shard.entries.get_mut(&session) else {
            return;
        };
        let Some(row) = entry.row.as_mut() else {
            return;
        };
        self.awaken(session, row);
        row.awake = false;
        row.deadline = deadline;
        entry.snapshot = Some(Kept {
            records: row.records,
            bytes,
        });
        if let Some(deadline) = deadline {
            self.sets().sleeping.insert((deadline, session));
        }
        shard.touch(session);
        self.rest(&mut shard, session);
    }

    /// The session may go.
    pub fn forget(&self, session: SessionId) {
        let mut shard = self.shard(session);
        let entry = shard.entries.entry(session).or_default();
        if let Some(mut row) = entry.row.take() {
            self.awaken(session, &mut row);
        }
        entry.snapshot = None;
        self.sets().opened.remove(&session);
        shard.touch(session);
        self.rest(&mut shard, session);
    }

    /// Sleeping sessions here whose deadline is not after `now`, the earliest first.
    pub fn due(&self, now: Instant, limit: usize) -> Vec<(Instant, SessionId)> {
        let sets = self.sets();
        let due = sets
            .sleeping
            .iter()
            .take_while(|(deadline, _)| *deadline <= now);
        due.take(limit).copied().collect()
    }

    /// Sessions begun here after `after` that the index may not know, in order.
    pub fn opened(&self, after: Option<SessionId>, limit: usize) -> Vec<SessionId> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let sets = self.sets();
        let opened = sets.opened.range((from, Unbounded));
        opened.take(limit).copied().collect()
    }

    /// How many sessions wait to be flushed and to leave.
    pub fn resting(&self) -> usize {
        self.sets().resting
    }

    /// Takes the sleep off a row.
    fn awaken(&self, session: SessionId, row: &mut Row) {
        row.awake = true;
        if let Some(deadline) = row.deadline.take() {
            self.sets().sleeping.remove(&(deadline, session));
        }
    }

    fn rest(&self, shard: &mut Shard, session: SessionId) {
        shard.resting.push(session);
        self.sets().resting += 1;
    }

    fn shard(&self, session: SessionId) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard_of(session)])
    }

    fn sets(&self) -> MutexGuard<'_, Sets> {
        lock(&self.sets)
    }
}

impl Shard {
    fn touch(&mut self, session: SessionId) {
        let Some(entry) = self.entries.get_mut(&session) else {
            return;
        };
        entry.version += 1;
        if !entry.dirty {
            entry.dirty = true;
            self.list(session);
        }
    }

    /// Puts a session on the list of those that have changed. Those that were written since are on it still, and come and go
    /// even where nothing is added to the log that would have the list emptied.
    fn list(&mut self, session: SessionId) {
        if self.touched.len() == self.touched.capacity() {
            let entries = &self.entries;
            self.touched
                .retain(|listed| entries.get(listed).is_some_and(|entry| entry.dirty));
            self.touched.reserve(self.touched.len());
        }
        self.touched.push(session);
    }

    fn drain_resting(&mut self, limit: usize) -> Vec<SessionId> {
        let count = limit.min(self.resting.len());
        self.resting.drain(..count).collect()
    }
}

fn shard_of(session: SessionId) -> usize {
    usize::try_from(session.spread() % SHARDS as u64).unwrap_or(0)
}

/// What the next record of a session with this row builds on.
pub fn brief(row: &Row) -> Brief {
    Brief {
        tail: row.tail,
        records: row.records,
        next: row.next,
        epoch: row.epoch,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
