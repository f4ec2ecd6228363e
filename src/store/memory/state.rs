//! What a store keeps, without the disk: each change at once, and nothing lost.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use crate::chat;
use crate::clock::Instant;
use crate::id::{Epoch, SessionId};
use crate::store::{
    Batch, Condition, DEAD_LETTERS_KEPT, DeadLetter, DeadLetterPlace, Error, Peeked, Record,
    Snapshot, Stored, codec,
};

/// Everything that is kept. Its methods are those of [`Store`](crate::store::Store), and mean the same.
#[derive(Clone, Debug, Default)]
pub struct State {
    sessions: BTreeMap<SessionId, Session>,
    dead_letters: BTreeMap<DeadLetterPlace, DeadLetter>,
    pub(super) fail_next: Option<Error>,
    pub(super) condition: Option<Condition>,
}

#[derive(Clone, Debug, Default)]
struct Session {
    records: Vec<Record>,
    snapshot: Option<(usize, Snapshot)>,
    epoch: u64,
    open: bool,
    asleep: bool,
    deadline: Option<Instant>,
}

#[expect(missing_docs, reason = "each is told by the trait")]
impl State {
    pub fn commit(&mut self, batch: Batch) -> Result<(), Error> {
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

    pub fn load(&mut self, session: SessionId) -> Option<Stored> {
        let session = self.sessions.get_mut(&session)?;
        session.epoch += 1;
        session.asleep = false;
        session.deadline = None;
        Some(session.stored())
    }

    pub fn read(&self, session: SessionId, from: u64, bytes_max: usize) -> Vec<chat::Event> {
        let mut events = Vec::new();
        let mut bytes = 0;
        for record in self.records(session) {
            let before = events.len();
            events.extend(record.changes.iter().filter_map(|change| match change {
                chat::Change::Event(event) if event.index >= from => Some(event.clone()),
                _ => None,
            }));
            if events.len() > before {
                bytes += codec::encode_record(record).len();
                if bytes >= bytes_max {
                    break;
                }
            }
        }
        events
    }

    pub fn put_away(&mut self, session: SessionId, snapshot: Snapshot, deadline: Option<Instant>) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.snapshot = Some((session.records.len(), snapshot));
            session.asleep = true;
            session.deadline = deadline;
        }
    }

    pub fn forget(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    pub fn due(&self, now: Instant, limit: usize) -> Vec<SessionId> {
        let asleep = self.sessions.iter().filter(|(_, session)| session.asleep);
        let mut due: Vec<_> = asleep
            .filter_map(|(id, session)| Some((session.deadline.filter(|at| *at <= now)?, *id)))
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        due.into_iter().map(|(_, id)| id).collect()
    }

    pub fn awake_at_start(&self) -> Vec<SessionId> {
        let awake = self.sessions.iter().filter(|(_, session)| !session.asleep);
        awake.map(|(id, _)| *id).collect()
    }

    pub fn open_count(&self) -> u64 {
        let open = self.sessions.values().filter(|session| session.open);
        open.count() as u64
    }

    pub fn open_sessions(&self, after: Option<SessionId>, limit: usize) -> Vec<SessionId> {
        let from = after.map_or(Unbounded, Excluded);
        let open = self
            .sessions
            .range((from, Unbounded))
            .filter(|(_, session)| session.open);
        open.take(limit).map(|(id, _)| *id).collect()
    }

    pub fn peek(&self, sessions: Vec<SessionId>) -> Peeked {
        let known = sessions
            .into_iter()
            .filter_map(|session| Some((session, Ok(self.sessions.get(&session)?.stored()))));
        known.collect()
    }

    pub fn keep_dead_letter(&mut self, letter: DeadLetter) {
        let letters = &mut self.dead_letters;
        letters.entry(letter.place()).or_insert(letter);
        while letters.len() > DEAD_LETTERS_KEPT {
            letters.pop_first();
        }
    }

    pub fn dead_letters(&self, after: Option<DeadLetterPlace>, limit: usize) -> Vec<DeadLetter> {
        let from = after.map_or(Unbounded, Excluded);
        let letters = self.dead_letters.range((from, Unbounded)).take(limit);
        letters.map(|(_, letter)| letter.clone()).collect()
    }

    /// Every record of a session, in order.
    pub fn records(&self, session: SessionId) -> &[Record] {
        let session = self.sessions.get(&session);
        session.map_or(&[], |session| &session.records)
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
