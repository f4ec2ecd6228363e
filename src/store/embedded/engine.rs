//! The engine without its threads: what the trait promises, as plain calls.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::commit::{Committer, error_of};
use super::disk::{self, Disk};
use super::frame::{Flags, Place};
use super::hot::{Brief, Entry, Hot, brief};
use super::index::{Index, Position, Trouble};
use super::keeper::Keeper;
use super::letters::Letters;
use super::queue::{Job, Queue, Signal};
use super::row::Row;
use super::segments::{Segment, Segments};
use super::stats::Stats;
use crate::clock::Instant;
use crate::id::SessionId;
use crate::store::{Condition, DeadLetter, DeadLetterPlace, Error};

/// Everything that the threads of the engine share.
#[derive(Debug)]
pub struct Engine {
    /// Where it is kept.
    pub disk: Arc<dyn Disk>,
    /// The files of the log.
    pub segments: Segments,
    /// Sessions in memory.
    pub hot: Hot,
    /// The index.
    pub index: Index,
    /// Dead letters that the index does not have yet.
    pub letters: Letters,
    /// What waits to be committed.
    pub queue: Queue,
    /// What is counted.
    pub stats: Arc<Stats>,
    /// Sessions to be loaded after the start.
    pub awake_at_start: Vec<SessionId>,
    /// No threads: whoever would wait for one does its work.
    pub inline: bool,
    pub(super) committer: Mutex<Committer>,
    pub(super) keeper: Mutex<Keeper>,
    pub(super) head: Mutex<Position>,
    pub(super) condition: AtomicU8,
    pub(super) secret: [u8; 32],
    pub(super) _lock: Held,
}

/// The lock of the data folder.
pub struct Held(pub Box<dyn Send + Sync>);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let _ = &self.0;
        f.write_str("Held")
    }
}

const WRITABLE: u8 = 0;
const NO_SPACE: u8 = 1;
const READ_ONLY: u8 = 2;

/// Writing.
impl Engine {
    /// Queues a job.
    pub fn push(&self, job: Job) {
        self.queue.push(job, !self.inline, &self.stats);
    }

    /// What the commit thread does again and again; waits so long for something to do. Seals where nothing comes. Returns how
    /// many jobs there were.
    pub fn commit_round(&self, patience: Duration) -> usize {
        let jobs = self.queue.take(patience);
        let many = jobs.len();
        let mut committer = lock(&self.committer);
        if jobs.is_empty() {
            committer.seal(self);
        } else {
            committer.round(self, jobs);
        }
        many
    }

    /// Waits until everything queued before is dealt with; whether it is durable.
    pub fn barrier(&self) -> bool {
        let signal = Arc::new(Signal::default());
        self.push(Job::Barrier(signal.clone()));
        self.wait(&signal)
    }

    /// Waits for the commit thread, or does its work.
    pub fn wait(&self, signal: &Signal) -> bool {
        while self.inline && signal.outcome().is_none() {
            self.commit_round(Duration::ZERO);
        }
        signal.wait()
    }

    /// What the next record of a session builds on. One that begins its session builds on nothing: the index is not asked.
    pub fn brief(&self, session: SessionId, flags: Flags) -> Result<Brief, Error> {
        if let Some(known) = self.hot.brief(session) {
            return Ok(known.unwrap_or_default());
        }
        if flags.has(Flags::CREATED) {
            return Ok(Brief::default());
        }
        let row = self.warm(session)?;
        Ok(row.as_ref().map(brief).unwrap_or_default())
    }

    /// The next segment to write to.
    pub fn next_segment(&self, patience: Duration) -> io::Result<Segment> {
        if self.inline && self.segments.is_short() {
            self.segments.prepare(false)?;
        }
        if let Some(segment) = self.segments.take() {
            return Ok(segment);
        }
        self.segments.wait(patience)?;
        self.segments.take().ok_or(io::ErrorKind::TimedOut.into())
    }

    /// A session's records lie elsewhere now; whether that still fits.
    pub fn relocate(&self, session: SessionId, copy: Row) -> bool {
        self.warm(session).is_ok() && self.hot.relocate(session, copy)
    }

    /// The log is durable up to here, and the sessions say so.
    pub fn set_head(&self, head: Position) {
        *lock(&self.head) = head;
    }

    /// Up to where the log is durable.
    pub fn head(&self) -> Position {
        *lock(&self.head)
    }
}

/// Reading.
impl Engine {
    /// A session as it stands, in memory or in the index.
    pub fn entry(&self, session: SessionId) -> Result<Option<Entry>, Error> {
        if let Some(entry) = self.hot.entry(session) {
            return Ok(Some(entry).filter(|entry| entry.row.is_some()));
        }
        let row = self
            .index
            .row(session)
            .map_err(|t| self.unreadable(session, &t))?;
        Ok(row.map(|row| Entry::indexed(Some(row))))
    }

    /// The same, and in memory from now on.
    pub fn warm(&self, session: SessionId) -> Result<Option<Row>, Error> {
        loop {
            if let Some(entry) = self.hot.entry(session) {
                return Ok(entry.row);
            }
            let evictions = self.hot.evictions(session);
            let row = self
                .index
                .row(session)
                .map_err(|t| self.unreadable(session, &t))?;
            if row.is_none() {
                return Ok(None);
            }
            self.hot.adopt(session, row, evictions);
        }
    }

    /// The session goes to sleep.
    pub fn put_away(&self, session: SessionId, bytes: Arc<[u8]>, deadline: Option<Instant>) {
        // A session that cannot be read keeps its records; its owner will hear of it when it is loaded.
        if self.warm(session).is_ok() {
            self.hot.put_away(session, bytes, deadline);
        }
    }

    /// Sleeping sessions that are due.
    pub fn due(&self, now: Instant, limit: usize) -> Result<Vec<SessionId>, Error> {
        let mut due = self.hot.due(now, limit);
        let indexed = self
            .index
            .due(now, limit, |session, deadline| {
                self.hot.sleeps_until(session, deadline)
            })
            .map_err(|trouble| self.unusable(&trouble))?;
        due.extend(indexed);
        due.sort_unstable();
        due.dedup();
        due.truncate(limit);
        Ok(due.into_iter().map(|(_, session)| session).collect())
    }

    /// How many sessions are open: what the index has, and what was opened since it was written.
    pub fn open_count(&self) -> Result<u64, Error> {
        let unusable = |trouble| self.unusable(&trouble);
        let mut open = self.index.opened_count().map_err(unusable)?;
        for session in self.hot.opened(None, usize::MAX) {
            let is_new = self.index.row(session).map_err(unusable)?.is_none();
            open += u64::from(is_new && self.hot.is_open(session) == Some(true));
        }
        Ok(open)
    }

    /// Open sessions by creation time.
    pub fn open_sessions(
        &self,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, Error> {
        let is_open = |session| self.hot.is_open(session);
        let mut open = Vec::new();
        let mut last = after;
        while open.len() < limit {
            let some = self.hot.opened(last, limit);
            let Some(end) = some.last() else { break };
            last = Some(*end);
            open.extend(some.into_iter().filter(|one| is_open(*one) == Some(true)));
        }
        let indexed = self
            .index
            .opened(after, limit, |session| is_open(session) != Some(false))
            .map_err(|trouble| self.unusable(&trouble))?;
        open.extend(indexed);
        open.sort_unstable();
        open.dedup();
        open.truncate(limit);
        Ok(open)
    }

    /// Keeps a dead letter.
    pub fn keep_dead_letter(&self, letter: &DeadLetter) {
        let dropped = self.letters.keep(letter);
        self.note_dropped(dropped);
    }

    /// Dead letters, the oldest first.
    pub fn dead_letters(
        &self,
        after: Option<DeadLetterPlace>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        self.letters
            .list(&self.index, after, limit)
            .map_err(|trouble| self.unusable(&trouble))
    }

    /// A session's row could not be read: only where the row itself is damaged, the session is.
    fn unreadable(&self, session: SessionId, trouble: &Trouble) -> Error {
        match trouble {
            Trouble::Damaged => {
                self.note_trouble(trouble);
                Error::Damaged {
                    session,
                    place: "index.redb".to_owned(),
                }
            }
            Trouble::Full | Trouble::Closed | Trouble::Rotten(_) | Trouble::Redb(_) => {
                self.unusable(trouble)
            }
        }
    }

    fn unusable(&self, trouble: &Trouble) -> Error {
        self.note_trouble(trouble);
        self.refusal()
    }

    /// The damage of a session, counted and logged.
    pub fn damaged(&self, session: SessionId, place: Place) -> Error {
        super::stats::add(&self.stats.damaged, 1);
        tracing::error!(%session, %place, "a stored record is damaged");
        Error::Damaged {
            session,
            place: place.to_string(),
        }
    }
}

/// Trouble.
impl Engine {
    /// Whether writes are taken.
    pub fn condition(&self) -> Condition {
        match self.condition.load(Relaxed) {
            WRITABLE => Condition::Writable,
            NO_SPACE => Condition::NoSpace,
            _ => Condition::ReadOnly,
        }
    }

    /// What a batch is told that is not tried.
    pub fn refusal(&self) -> Error {
        match self.condition() {
            Condition::NoSpace => Error::NoSpace,
            Condition::Writable | Condition::ReadOnly => Error::ReadOnly,
        }
    }

    /// A write failed: a full disk passes, anything else does not.
    pub fn fail_write(&self, error: &io::Error) -> Error {
        if disk::is_full(error) {
            self.fill_up();
        } else {
            self.fail_for_good("write to the log", error);
        }
        error_of(error)
    }

    /// The disk is full.
    pub fn fill_up(&self) {
        let before = self
            .condition
            .compare_exchange(WRITABLE, NO_SPACE, Relaxed, Relaxed);
        if before.is_ok() {
            tracing::error!("no space on the disk of the data folder: commands are refused");
        }
        self.segments.nudge();
    }

    /// There is room again.
    pub fn empty_out(&self) {
        let before = self
            .condition
            .compare_exchange(NO_SPACE, WRITABLE, Relaxed, Relaxed);
        if before.is_ok() {
            tracing::info!("there is space on the disk again: commands are accepted");
        }
    }

    /// Nothing is written any more.
    pub fn fail_for_good(&self, what: &'static str, error: &(dyn std::error::Error + 'static)) {
        if self.condition.swap(READ_ONLY, Relaxed) != READ_ONLY {
            tracing::error!(what, error, "failed: read-only until restart");
        }
    }

    /// The index could not be used: if a row is damaged, it is made anew at the next start.
    pub fn note_trouble(&self, trouble: &Trouble) {
        match trouble {
            Trouble::Full => self.fill_up(),
            // Whoever closed it has said why.
            Trouble::Closed => {}
            Trouble::Damaged => {
                tracing::error!("a row of the index is damaged: it is made anew at the next start");
                self.ask_for_rebuild();
            }
            Trouble::Rotten(error) => {
                self.fail_for_good("index.redb", error);
                self.ask_for_rebuild();
            }
            Trouble::Redb(error) => {
                self.fail_for_good("index.redb", error);
                // After a failed sync nobody knows what is on the disk, and the log knows everything that it said.
                self.ask_for_rebuild();
            }
        }
    }

    fn ask_for_rebuild(&self) {
        if self.disk.create(super::folder::REBUILD).is_ok() {
            // Best effort: there is nowhere else to say so.
            let _ = self.disk.sync_folder("");
        }
    }
}

/// A lock that a panicking thread leaves usable: what it guards is changed in single steps.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
