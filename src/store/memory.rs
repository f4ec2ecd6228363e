//! A store that forgets everything with the process: for tests, and to measure what durability costs.
//!
//! Completions come from a thread of its own, as the trait promises, so that nothing depends on their coming at once.

mod state;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::state::State;
use super::{
    Answer, Batch, Completion, Condition, DeadLetter, DeadLetterPlace, Error, Lane, Peeked,
    Snapshot, Store, Stored,
};
use crate::chat;
use crate::clock::Instant;
use crate::id::SessionId;

/// Batches of one lane that may wait.
const QUEUE_MAX: usize = 1024;

/// A store in memory; clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

struct MemoryLane {
    queue: SyncSender<(u64, u64, Batch)>,
    generation: u64,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next batch, of whatever lane, fails with this.
    pub fn fail_next(&self, error: Error) {
        self.state().fail_next = Some(error);
    }

    /// From now on the store says that it is in this condition; batches fail accordingly.
    pub fn set_condition(&self, condition: Condition) {
        self.state().condition = Some(condition);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn lane(&self, done: Box<dyn Fn(Vec<Completion>) + Send>) -> Box<dyn Lane> {
        let (queue, waiting) = sync_channel::<(u64, u64, Batch)>(QUEUE_MAX);
        let store = self.clone();
        std::thread::spawn(move || {
            let mut failed = None;
            while let Ok((generation, ticket, batch)) = waiting.recv() {
                let result = if failed == Some(generation) {
                    Err(Error::Abandoned)
                } else {
                    store.state().commit(batch)
                };
                if result.is_err() {
                    failed = Some(generation);
                }
                done(vec![Completion { ticket, result }]);
            }
        });
        Box::new(MemoryLane {
            queue,
            generation: 0,
        })
    }

    fn load(&self, session: SessionId) -> Answer<Option<Stored>> {
        answer(self.state().load(session))
    }

    fn read(&self, session: SessionId, from: u64, bytes_max: usize) -> Answer<Vec<chat::Event>> {
        answer(self.state().read(session, from, bytes_max))
    }

    fn put_away(&self, session: SessionId, snapshot: Snapshot, deadline: Option<Instant>) {
        self.state().put_away(session, snapshot, deadline);
    }

    fn forget(&self, session: SessionId) {
        self.state().forget(session);
    }

    fn due(&self, now: Instant, limit: usize) -> Answer<Vec<SessionId>> {
        answer(self.state().due(now, limit))
    }

    fn awake_at_start(&self) -> Vec<SessionId> {
        self.state().awake_at_start()
    }

    fn open_count(&self) -> Result<u64, Error> {
        Ok(self.state().open_count())
    }

    fn open_sessions(&self, after: Option<SessionId>, limit: usize) -> Answer<Vec<SessionId>> {
        answer(self.state().open_sessions(after, limit))
    }

    fn peek(&self, sessions: Vec<SessionId>) -> Answer<Peeked> {
        answer(self.state().peek(sessions))
    }

    fn keep_dead_letter(&self, letter: DeadLetter) {
        self.state().keep_dead_letter(letter);
    }

    fn dead_letters(
        &self,
        after: Option<DeadLetterPlace>,
        limit: usize,
    ) -> Answer<Vec<DeadLetter>> {
        answer(self.state().dead_letters(after, limit))
    }

    fn secret(&self) -> [u8; 32] {
        [0x5E; 32]
    }

    fn condition(&self) -> Condition {
        self.state().condition.unwrap_or(Condition::Writable)
    }

    fn close(&self) -> Answer<()> {
        answer(())
    }
}

impl Lane for MemoryLane {
    fn commit(&mut self, ticket: u64, batch: Batch) {
        // The other end lives as long as this one.
        let _ = self.queue.send((self.generation, ticket, batch));
    }

    fn reset(&mut self) {
        self.generation += 1;
    }
}

fn answer<T: Send + 'static>(value: T) -> Answer<T> {
    Box::pin(async move { Ok(value) })
}
