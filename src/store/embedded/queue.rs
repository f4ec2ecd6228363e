//! What waits for the commit thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::frame::{Flags, HEADER_BYTES, Header};
use super::stats::{Stats, add};
use crate::id::SessionId;
use crate::store::{Completion, Error};

/// Waiting jobs that are allowed; whoever commits more waits until the disk has caught up.
const JOBS_MAX: usize = 65_536;
/// Bytes of waiting jobs that are allowed.
const BYTES_MAX: usize = 64 << 20;
/// A group takes no more, so that nobody waits long for the sync of others.
const GROUP_BYTES_MAX: usize = 2 << 20;

/// A record that has not been given its place.
#[derive(Debug)]
pub struct Draft {
    /// Whose.
    pub session: SessionId,
    /// What it is.
    pub flags: Flags,
    /// The writer's ownership.
    pub epoch: u64,
    /// The first event's index and how many there are; `None`: no event.
    pub events: Option<(u64, u32)>,
    /// The encoded record.
    pub payload: Vec<u8>,
}

/// Work for the commit thread.
#[derive(Debug)]
pub enum Job {
    /// A batch of a shard.
    Commit {
        /// Whose way in.
        lane: Arc<LaneState>,
        /// The lane's resets when it was committed.
        generation: u64,
        /// The lane's number for it.
        ticket: u64,
        /// What is written; an error if it cannot be.
        draft: Result<Draft, Error>,
        /// When it was queued: for the metrics.
        queued: Instant,
    },
    /// A stretch of a session's records, moved to the head of the log by compaction.
    Copy {
        /// The frames as they lie elsewhere.
        frames: Vec<(Header, Vec<u8>)>,
        /// There are no more.
        last: bool,
        /// Told the outcome.
        signal: Arc<Signal>,
    },
    /// Everything queued before has been dealt with.
    Barrier(Arc<Signal>),
}

/// The commit thread's side of a lane.
pub struct LaneState {
    done: Mutex<Box<dyn Fn(Vec<Completion>) + Send>>,
    /// One more than the generation in which a batch failed; 0: none did.
    failed: AtomicU64,
}

/// Tells one waiting thread an outcome.
#[derive(Debug, Default)]
pub struct Signal {
    outcome: Mutex<Option<bool>>,
    told: Condvar,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// The commit thread waits for a job. Telling it when it does not would cost a system call for each message.
    idle: bool,
    /// How many wait for room.
    crowd: usize,
    stopped: bool,
}

impl Queue {
    /// Queues a job; waits where the queue is full, if `patient`.
    pub fn push(&self, job: Job, patient: bool, stats: &Stats) {
        let mut state = self.state();
        if patient && state.is_full() {
            add(&stats.queue_full, 1);
            state.crowd += 1;
            state = self
                .drained
                .wait_while(state, |state| state.is_full() && !state.stopped)
                .unwrap_or_else(PoisonError::into_inner);
            state.crowd -= 1;
        }
        state.bytes += job.bytes();
        state.jobs.push_back(job);
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        if idle {
            self.filled.notify_one();
        }
    }

    /// Takes what one group may hold, after waiting for it for so long.
    pub fn take(&self, patience: Duration) -> Vec<Job> {
        let state = self.state();
        let mut state = self
            .filled
            .wait_timeout_while(state, patience, |state| {
                state.idle = state.jobs.is_empty() && !state.stopped;
                state.idle
            })
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        state.idle = false;
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(job) = state.jobs.pop_front() {
            bytes += job.bytes();
            taken.push(job);
            if bytes >= GROUP_BYTES_MAX {
                break;
            }
        }
        state.bytes -= bytes;
        let crowd = state.crowd;
        drop(state);
        if crowd > 0 {
            self.drained.notify_all();
        }
        taken
    }

    /// Puts back what did not fit into the group, in its order.
    pub fn put_back(&self, jobs: Vec<Job>) {
        let mut state = self.state();
        for job in jobs.into_iter().rev() {
            state.bytes += job.bytes();
            state.jobs.push_front(job);
        }
    }

    /// Nobody waits any longer.
    pub fn stop(&self) {
        self.state().stopped = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Whether it was stopped and nothing is left.
    pub fn is_done(&self) -> bool {
        let state = self.state();
        state.stopped && state.jobs.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.jobs.len() >= JOBS_MAX || self.bytes >= BYTES_MAX
    }
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Job::Commit { draft, .. } => {
                let payload = draft.as_ref().map_or(0, |draft| draft.payload.len());
                HEADER_BYTES + payload
            }
            Job::Copy { frames, .. } => frames.iter().map(|(header, _)| header.frame_bytes()).sum(),
            Job::Barrier(_) => 0,
        }
    }
}

impl LaneState {
    /// A lane that tells its completions to `done`.
    pub fn new(done: Box<dyn Fn(Vec<Completion>) + Send>) -> Self {
        Self {
            done: Mutex::new(done),
            failed: AtomicU64::new(0),
        }
    }

    /// Tells completions, in their order.
    pub fn complete(&self, completions: Vec<Completion>) {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done(completions);
    }

    /// Whether a batch of this generation has failed already.
    pub fn has_failed(&self, generation: u64) -> bool {
        self.failed.load(Relaxed) == generation + 1
    }

    /// A batch of this generation has failed.
    pub fn fail(&self, generation: u64) {
        self.failed.store(generation + 1, Relaxed);
    }
}

impl std::fmt::Debug for LaneState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneState").finish_non_exhaustive()
    }
}

impl Signal {
    /// Tells the outcome.
    pub fn tell(&self, outcome: bool) {
        *self.lock() = Some(outcome);
        self.told.notify_all();
    }

    /// Waits for the outcome.
    pub fn wait(&self) -> bool {
        self.told
            .wait_while(self.lock(), |outcome| outcome.is_none())
            .unwrap_or_else(PoisonError::into_inner)
            .unwrap_or(false)
    }

    /// The outcome, if it was told.
    pub fn outcome(&self) -> Option<bool> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<bool>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
