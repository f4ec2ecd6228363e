//! What is written behind the commands' backs: the index, checkpoints, space.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::engine::{Engine, lock};
use super::hot::{Entry, SHARDS, Take};
use super::index::{Position, Trouble};
use super::stats::add;
use crate::id::SessionId;
use crate::store::Condition;

/// So much log may have to be replayed after a crash before a checkpoint is made.
const CHECKPOINT_BYTES: u64 = 128 << 20;
/// After a start that had to replay so much a checkpoint is made at once: a process that is killed again and again would
/// else replay more each time.
const REPLAYED_BYTES: u64 = 8 << 20;
/// So long after the last a checkpoint is made when [`REPLAYED_BYTES`] are behind it, a row for each chat that has changed; or
/// when it empties a segment.
const CHECKPOINT_AGE: Duration = Duration::from_secs(60);
/// So long after the last one is made for any change. Where many chats say little, each would else have its row written again
/// with nearly each message.
const CHECKPOINT_AGE_MAX: Duration = Duration::from_secs(600);
/// The same on a full disk.
const CHECKPOINT_AGE_FULL: Duration = Duration::from_secs(5);
/// Sleeping sessions are written this soon.
const FLUSH_AGE: Duration = Duration::from_millis(1000);
/// Or when there are so many of them; no more of each shard go into one write than are its share of these.
const FLUSH_SESSIONS: usize = 4096;
/// Left free beside what the next segment takes.
const FREE_BYTES_MIN: u64 = 16 << 20;

/// When the index was written last.
#[derive(Debug)]
pub struct Keeper {
    flushed: Instant,
    checkpointed: Instant,
    indexed: Position,
    bytes: u64,
    replayed: u64,
    /// A segment was copied out of after it.
    tidying: bool,
}

impl Keeper {
    /// Nothing behind `indexed` is in the index.
    pub fn new(indexed: Position) -> Self {
        Self {
            flushed: Instant::now(),
            checkpointed: Instant::now(),
            indexed,
            bytes: 0,
            replayed: 0,
            tidying: false,
        }
    }

    /// The same, after so many bytes of log behind it were replayed.
    pub fn after_replay(indexed: Position, replayed: u64) -> Self {
        Self {
            replayed,
            ..Self::new(indexed)
        }
    }
}

impl Engine {
    /// What the keeping thread does again and again: writes to the index what is ripe. Whether so much waits that it should
    /// go on soon: where chats fall asleep faster than they are written, all that wait are in memory.
    pub fn keep(&self) -> bool {
        let mut keeper = lock(&self.keeper);
        if self.condition() == Condition::ReadOnly {
            return false;
        }
        if self.is_ripe(&keeper) {
            if self.checkpoint_as(&mut keeper) {
                drop(keeper);
                let tidying = self.tidy();
                lock(&self.keeper).tidying = tidying;
            }
            return false;
        }
        let resting = self.hot.resting();
        let aged = keeper.flushed.elapsed() >= FLUSH_AGE;
        let waiting = resting > 0 || self.letters.is_waiting();
        (resting >= FLUSH_SESSIONS || (aged && waiting))
            && self.flush_as(&mut keeper)
            && self.hot.resting() >= FLUSH_SESSIONS
    }

    /// Whether a checkpoint is to be made. On a full disk it is made soon: only then is the space of sessions that are
    /// gone given back.
    fn is_ripe(&self, keeper: &Keeper) -> bool {
        let age = keeper.checkpointed.elapsed();
        let behind = self.stats.bytes.load(Relaxed) - keeper.bytes;
        let worth_it = behind >= REPLAYED_BYTES || keeper.tidying;
        let full = self.condition() == Condition::NoSpace;
        behind >= CHECKPOINT_BYTES
            || keeper.replayed >= REPLAYED_BYTES
            || (age >= CHECKPOINT_AGE && worth_it)
            || (age >= CHECKPOINT_AGE_MAX && keeper.indexed != self.head())
            || (age >= CHECKPOINT_AGE_FULL && full)
    }

    /// Writes sleeping sessions to the index.
    #[cfg(test)]
    pub fn flush(&self) -> bool {
        self.flush_as(&mut lock(&self.keeper))
    }

    /// Writes every change to the index, so that a replay starts here.
    pub fn checkpoint(&self) -> bool {
        self.checkpoint_as(&mut lock(&self.keeper))
    }

    fn flush_as(&self, keeper: &mut Keeper) -> bool {
        keeper.flushed = Instant::now();
        let share = Take::Resting(FLUSH_SESSIONS / SHARDS);
        self.write_index(self.hot.take(share), None)
    }

    fn checkpoint_as(&self, keeper: &mut Keeper) -> bool {
        // The head first: what becomes durable while the rows are gathered is replayed, which does no harm.
        let head = self.head();
        let bytes = self.stats.bytes.load(Relaxed);
        if !self.write_index(self.hot.take(Take::Everything), Some(head)) {
            return false;
        }
        *keeper = Keeper {
            bytes,
            ..Keeper::new(head)
        };
        true
    }

    fn write_index(&self, taken: Vec<(SessionId, Entry)>, position: Option<Position>) -> bool {
        add(&self.stats.index_writes, 1);
        // After the sessions: none sleeps or is gone in the index before its dead letters are in it.
        let letters = self.letters.bundle();
        match self.index.write(&taken, &letters, position) {
            Ok(dropped) => {
                self.hot.flushed(taken);
                self.letters.written(&letters);
                self.note_dropped(dropped);
                true
            }
            Err(trouble) => {
                self.hot.untake(taken);
                self.after_failed_write(&trouble);
                false
            }
        }
    }

    /// More dead letters than are kept.
    pub fn note_dropped(&self, dropped: u64) {
        if dropped > 0 {
            add(&self.stats.dead_letters_dropped, dropped);
            tracing::warn!(
                dropped,
                "limit reached: [push] dead-letters-kept; the oldest dead letters were dropped"
            );
        }
    }

    /// The file is as it was before, and memory still has what it lacks.
    fn after_failed_write(&self, trouble: &Trouble) {
        self.note_trouble(trouble);
        if let Err(error) = self.index.reopen() {
            self.note_trouble(&error);
        }
    }

    /// What the space thread does again and again: keeps a segment in reserve, and sees when there is room again.
    pub fn make_space(&self) {
        let free = self.disk.free_bytes().unwrap_or(u64::MAX);
        let gauge = |gauge: &AtomicU64, value| {
            gauge.store(value, Relaxed);
        };
        gauge(&self.stats.free_bytes, free);
        gauge(&self.stats.segments, self.segments.count() as u64);
        if self.condition() == Condition::ReadOnly {
            return;
        }
        let roomy = free >= self.segments.next_bytes().saturating_add(FREE_BYTES_MIN);
        if self.segments.is_short() {
            if !roomy {
                return self.segments.report_full();
            }
            if let Err(error) = self.segments.prepare(true) {
                // Commands are refused when the present segment is full, not before.
                tracing::warn!(%error, "no segment could be made ready");
                return;
            }
        }
        if self.condition() == Condition::NoSpace && roomy {
            self.empty_out();
        }
    }
}
