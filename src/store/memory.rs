//! A store that forgets everything with the process: for tests, and to measure what durability costs.
//!
//! Completions come from a thread of its own, as the trait promises, so that nothing depends on their coming at once.

use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Answer, Batch, Completion, Condition, DEAD_LETTERS_KEPT, DeadLetter, DeadLetterPlace, Error,
    Lane, Peeked, Record, Snapshot, Store, Stored,
};
use crate::chat;
use crate::clock::Instant;
use crate::id::{Epoch, SessionId};

/// Batches of one lane that may wait.
const QUEUE_MAX: usize = 1024;

/// A store in memory; clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<SessionId, Session>,
    fail_next: Option<Error>,
    condition: Option<Condition>,
    dead_letters: BTreeMap<DeadLetterPlace, DeadLetter>,
}

#[derive(Debug, Default)]
struct Session {
    records: Vec<Record>,
    snapshot: Option<(usize, Snapshot)>,
    epoch: u64,
    open: bool,
    asleep: bool,
    deadline: Option<Instant>,
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
        if let Some(session) = self.state().sessions.get_mut(&session) {
            session.snapshot = Some((session.records.len(), snapshot));
            session.asleep = true;
            session.deadline = deadline;
        }
    }

    fn forget(&self, session: SessionId) {
        self.state().sessions.remove(&session);
    }

    fn due(&self, now: Instant, limit: usize) -> Answer<Vec<SessionId>> {
        let state = self.state();
        let mut due: Vec<_> = state
            .sessions
            .iter()
            .filter(|(_, session)| session.asleep)
            .filter_map(|(id, session)| Some((session.deadline.filter(|at| *at <= now)?, *id)))
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        answer(due.into_iter().map(|(_, id)| id).collect())
    }

    fn awake_at_start(&self) -> Vec<SessionId> {
        let state = self.state();
        let awake = state.sessions.iter().filter(|(_, session)| !session.asleep);
        awake.map(|(id, _)| *id).collect()
    }

    fn open_count(&self) -> Result<u64, Error> {
        let state = self.state();
        Ok(state
            .sessions
            .values()
            .filter(|session| session.open)
            .count() as u64)
    }

    fn open_sessions(&self, after: Option<SessionId>, limit: usize) -> Answer<Vec<SessionId>> {
        let state = self.state();
        let open = state
            .sessions
            .iter()
            .filter(|(id, session)| session.open && after.is_none_or(|after| **id > after));
        answer(open.take(limit).map(|(id, _)| *id).collect())
    }

    fn peek(&self, sessions: Vec<SessionId>) -> Answer<Peeked> {
        let state = self.state();
        let known = sessions
            .into_iter()
            .filter_map(|session| Some((session, Ok(state.sessions.get(&session)?.stored()))));
        answer(known.collect())
    }

    fn keep_dead_letter(&self, letter: DeadLetter) {
        let letters = &mut self.state().dead_letters;
        letters.entry(letter.place()).or_insert(letter);
        while letters.len() > DEAD_LETTERS_KEPT {
            letters.pop_first();
        }
    }

    fn dead_letters(
        &self,
        after: Option<DeadLetterPlace>,
        limit: usize,
    ) -> Answer<Vec<DeadLetter>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let state = self.state();
        let from = after.map_or(Unbounded, Excluded);
        let letters = state.dead_letters.range((from, Unbounded)).take(limit);
        answer(letters.map(|(_, letter)| letter.clone()).collect())
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

impl State {
    fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        if let Some(error) = self.fail_next.take() {
            return Err(error);
        }
        match self.condition {
            Some(Condition::NoSpace) => return Err(Error::NoSpace),
            Some(Condition::ReadOnly) => return Err(Error::ReadOnly),
            Some(Condition::Writable) | None => {}
        }
        let session = self.sessions.entry(batch.session).or_default();
        if batch.epoch.0 < session.epoch {
            return Err(Error::Fenced);
        }
        session.append(batch.epoch, batch.record);
        Ok(())
    }

    fn load(&mut self, session: SessionId) -> Option<Stored> {
        let session = self.sessions.get_mut(&session)?;
        session.epoch += 1;
        session.asleep = false;
        session.deadline = None;
        Some(session.stored())
    }

    fn read(&self, session: SessionId, from: u64, bytes_max: usize) -> Vec<chat::Event> {
        let mut events = Vec::new();
        let mut bytes = 0;
        let records = self.sessions.get(&session).map(|session| &session.records);
        for record in records.into_iter().flatten() {
            let before = events.len();
            events.extend(record.changes.iter().filter_map(|change| match change {
                chat::Change::Event(event) if event.index >= from => Some(event.clone()),
                _ => None,
            }));
            if events.len() > before {
                bytes += super::codec::encode_record(record).len();
                if bytes >= bytes_max {
                    break;
                }
            }
        }
        events
    }
}

impl Session {
    fn append(&mut self, epoch: Epoch, record: Record) {
        self.epoch = epoch.0;
        self.asleep = false;
        self.deadline = None;
        for change in &record.changes {
            match change {
                chat::Change::Created { .. } => self.open = true,
                chat::Change::Closed { .. } => self.open = false,
                _ => {}
            }
        }
        self.records.push(record);
    }

    fn stored(&self) -> Stored {
        let folded = self.snapshot.as_ref().map_or(0, |(folded, _)| *folded);
        Stored {
            snapshot: self.snapshot.as_ref().map(|(_, snapshot)| snapshot.clone()),
            records: self.records[folded..].to_vec(),
            epoch: Epoch(self.epoch),
        }
    }
}

fn answer<T: Send + 'static>(value: T) -> Answer<T> {
    Box::pin(async move { Ok(value) })
}
