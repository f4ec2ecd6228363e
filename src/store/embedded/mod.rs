//! The embedded engine: a log of checksummed records, and an index over it that can be made anew.
//!
//! **The log is the truth.** A command's record is appended to a segment and synced together with all others that wait
//! ([`commit`]); then it counts. The index (redb) says where a session's last record lies and holds what is derived: the
//! snapshots and deadlines of sleeping sessions, the lists. It is written in the background and never waited for; after a
//! crash the log behind its last checkpoint is replayed ([`replay`]), and if it is lost it is made from the whole log.
//! That reads everything there is, so no crash alone asks for it: what a crash may tear is only what the last whole write does
//! not need ([`index`]). A page that is damaged asks for it, and a write or sync of the index that failed for good.
//!
//! What was weighed: one engine for everything (redb, SQLite, LMDB) pays 2 ms and 9–23 KB of device writes for a record of
//! 300 bytes where the log pays 0.2 ms and 800 bytes; LSM engines come near the log, but their durability bugs would be
//! ours, and a flipped page hurts many sessions. A log of our own is small, runs under a simulated disk that tears and
//! loses what was not synced ([`sim`]), and a damaged record hurts one session, which is named ([`verdict`]).
//!
//! Three threads: *commit* is the only writer of the log, *index* writes the index and compacts, *space* keeps a zeroed
//! segment in reserve and sees when a full disk has room again. Reads run on the callers' blocking pool.

mod chain;
mod commit;
mod compact;
pub mod disk;
pub(crate) mod engine;
pub(crate) mod folder;
pub(crate) mod frame;
mod hot;
mod index;
mod keeper;
mod letters;
mod queue;
mod read;
mod replay;
pub(crate) mod row;
mod scan;
mod segments;
pub mod sim;
mod stats;
mod verdict;

#[cfg(test)]
mod stories;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Semaphore;

use self::disk::{Disk, Folder};
use self::engine::Engine;
pub use self::folder::OpenError;
use self::frame::{Flags, frame_bytes};
use self::queue::{Draft, Job, LaneState};
pub use self::segments::Sizes;
pub use self::stats::{GROUP_BOUNDS, Histogram, LATENCY_BOUNDS_MICROS, Stats};
use super::{
    Answer, Batch, Completion, Condition, DeadLetter, DeadLetterPlace, Error, Lane, Peeked,
    Snapshot, Store, Stored, codec,
};
use crate::chance;
use crate::chat;
use crate::clock::Instant;
use crate::id::SessionId;

/// After a group the commit thread waits so long for the next before it proves the last one durable.
const SEAL_AFTER: Duration = Duration::from_millis(500);
/// How far apart groups begin at least while records come together: each costs a write, a sync and two changes of threads,
/// so waiting for more of them is cheaper. After one that came alone nobody is kept waiting.
const APART: Duration = Duration::from_millis(1);
/// How often the index thread looks whether something is ripe.
const KEEP_EVERY: Duration = Duration::from_millis(250);
/// How often the space thread looks whether there is room.
const SPACE_EVERY: Duration = Duration::from_secs(1);

/// What the engine is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data folder (`[store] path`).
    pub folder: PathBuf,
    /// Reads at once (`[store] worker-threads`).
    pub worker_threads: usize,
    /// How large segments are.
    pub sizes: Sizes,
    /// How many dead letters are kept (`[push] dead-letters-kept`), the newest.
    pub dead_letters_kept: usize,
}

/// The embedded engine. Lanes are to be dropped before it: they hold the lock of the folder, and are not served any more.
#[derive(Debug)]
pub struct Embedded {
    engine: Arc<Engine>,
    readers: Arc<Semaphore>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Embedded {
    /// Opens the data folder, makes it if it is not there, and replays what the index does not know.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let disk = Folder::new(&options.folder).map_err(|error| OpenError::Unreadable {
            path: options.folder.clone(),
            error,
        })?;
        Self::open_on(Arc::new(disk), options)
    }

    /// Opens the engine on any disk.
    pub fn open_on(disk: Arc<dyn Disk>, options: &Options) -> Result<Self, OpenError> {
        let engine = folder::open(disk, &options.folder, options.sizes, false, &random)?;
        engine.letters.keep_up_to(options.dead_letters_kept);
        let engine = Arc::new(engine);
        let stop = Arc::new(AtomicBool::new(false));
        let threads = threads(&engine, &stop).map_err(OpenError::Io)?;
        Ok(Self {
            engine,
            readers: Arc::new(Semaphore::new(options.worker_threads.max(1))),
            stop,
            threads,
        })
    }

    /// What is counted.
    pub fn stats(&self) -> Arc<Stats> {
        self.engine.stats.clone()
    }

    fn answer<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Engine) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        let (engine, readers) = (self.engine.clone(), self.readers.clone());
        Box::pin(async move {
            let permit = readers.acquire_owned().await;
            let read = tokio::task::spawn_blocking(move || {
                let result = read(&engine);
                drop(permit);
                result
            });
            // Fails only when the runtime ends.
            read.await.unwrap_or(Err(Error::ReadOnly))
        })
    }
}

impl Store for Embedded {
    fn lane(&self, done: Box<dyn Fn(Vec<Completion>) + Send>) -> Box<dyn Lane> {
        Box::new(EmbeddedLane {
            engine: self.engine.clone(),
            state: Arc::new(LaneState::new(done)),
            generation: 0,
        })
    }

    fn load(&self, session: SessionId) -> Answer<Option<Stored>> {
        self.answer(move |engine| engine.load(session))
    }

    fn read(&self, session: SessionId, from: u64, bytes_max: usize) -> Answer<Vec<chat::Event>> {
        self.answer(move |engine| engine.read(session, from, bytes_max))
    }

    fn put_away(&self, session: SessionId, snapshot: Snapshot, deadline: Option<Instant>) {
        let bytes = codec::encode_snapshot(&snapshot);
        self.engine.put_away(session, bytes.into(), deadline);
    }

    fn forget(&self, session: SessionId) {
        self.engine.hot.forget(session);
    }

    fn due(&self, now: Instant, limit: usize) -> Answer<Vec<SessionId>> {
        self.answer(move |engine| engine.due(now, limit))
    }

    fn awake_at_start(&self) -> Vec<SessionId> {
        self.engine.awake_at_start.clone()
    }

    fn open_count(&self) -> Result<u64, Error> {
        self.engine.open_count()
    }

    fn open_sessions(&self, after: Option<SessionId>, limit: usize) -> Answer<Vec<SessionId>> {
        self.answer(move |engine| engine.open_sessions(after, limit))
    }

    fn peek(&self, sessions: Vec<SessionId>) -> Answer<Peeked> {
        self.answer(move |engine| {
            let peek = |session| Some((session, engine.peek(session).transpose()?));
            Ok(sessions.into_iter().filter_map(peek).collect())
        })
    }

    fn keep_dead_letter(&self, letter: DeadLetter) {
        self.engine.keep_dead_letter(&letter);
    }

    fn dead_letters(
        &self,
        after: Option<DeadLetterPlace>,
        limit: usize,
    ) -> Answer<Vec<DeadLetter>> {
        self.answer(move |engine| engine.dead_letters(after, limit))
    }

    fn secret(&self) -> [u8; 32] {
        self.engine.secret
    }

    fn condition(&self) -> Condition {
        self.engine.condition()
    }

    fn close(&self) -> Answer<()> {
        self.answer(|engine| {
            if engine.barrier() && engine.checkpoint() {
                Ok(())
            } else {
                Err(engine.refusal())
            }
        })
    }
}

impl Drop for Embedded {
    /// Everything queued is written; what the index lacks is replayed at the next start.
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.engine.queue.stop();
        self.engine.segments.nudge();
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

struct EmbeddedLane {
    engine: Arc<Engine>,
    state: Arc<LaneState>,
    generation: u64,
}

impl Lane for EmbeddedLane {
    fn commit(&mut self, ticket: u64, batch: Batch) {
        self.engine.push(Job::Commit {
            lane: self.state.clone(),
            generation: self.generation,
            ticket,
            draft: draft(&batch, self.engine.segments.frame_bytes_max()),
            queued: std::time::Instant::now(),
        });
    }

    fn reset(&mut self) {
        self.generation += 1;
    }
}

/// A batch as it is written. It is encoded here, on the shard's thread: the commit thread only copies bytes.
fn draft(batch: &Batch, bytes_max: usize) -> Result<Draft, Error> {
    let payload = codec::encode_record(&batch.record);
    if frame_bytes(payload.len()) > bytes_max {
        return Err(Error::TooLarge { bytes_max });
    }
    let mut flags = Flags::default();
    let mut events: Option<(u64, u32)> = None;
    for change in &batch.record.changes {
        match change {
            chat::Change::Created { .. } => flags = flags.with(Flags::CREATED),
            chat::Change::Closed { .. } => flags = flags.with(Flags::CLOSED),
            chat::Change::Event(event) => {
                let (first, count) = events.unwrap_or((event.index, 0));
                events = Some((first, count + 1));
            }
            _ => {}
        }
    }
    Ok(Draft {
        session: batch.session,
        flags,
        epoch: batch.epoch.0,
        events,
        payload,
    })
}

fn threads(engine: &Arc<Engine>, stop: &Arc<AtomicBool>) -> io::Result<Vec<JoinHandle<()>>> {
    let spawn = |name: &str, body: fn(&Engine, &AtomicBool)| {
        let (engine, stop) = (engine.clone(), stop.clone());
        std::thread::Builder::new()
            .name(format!("store-{name}"))
            .spawn(move || body(&engine, &stop))
    };
    Ok(vec![
        spawn("commit", |engine, _| {
            while !engine.queue.is_done() {
                let began = std::time::Instant::now();
                let jobs = engine.commit_round(SEAL_AFTER);
                std::thread::sleep(pause(jobs, began.elapsed()));
            }
        })?,
        spawn("index", |engine, stop| {
            let mut pause = KEEP_EVERY;
            while !stop.load(Relaxed) {
                std::thread::park_timeout(pause);
                let began = std::time::Instant::now();
                // Where much waits it works for half of the time: others have to do as well.
                pause = match engine.keep() {
                    true => began.elapsed().min(KEEP_EVERY),
                    false => KEEP_EVERY,
                };
            }
        })?,
        spawn("space", |engine, stop| {
            while !stop.load(Relaxed) {
                engine.make_space();
                engine.segments.wait_for_demand(SPACE_EVERY);
            }
        })?,
    ])
}

/// How long the commit thread waits after a round of so many jobs, which it began to wait for so long ago.
fn pause(jobs: usize, took: Duration) -> Duration {
    match jobs {
        0 | 1 => Duration::ZERO,
        _ => APART.saturating_sub(took),
    }
}

fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    chance::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_come_together_wait_for_more_and_one_that_comes_alone_does_not() {
        let soon = Duration::from_micros(300);
        assert_eq!(pause(1, soon), Duration::ZERO);
        assert_eq!(pause(2, soon), APART - soon);
        assert_eq!(pause(2, Duration::from_secs(1)), Duration::ZERO);
    }
}
