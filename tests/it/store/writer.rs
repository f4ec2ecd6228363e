//! Who writes to a store and asks it.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use parlor::chat::{
    Author, Change, Event, EventKind, KvList, Session, UserData, UserType, Visibility,
};
use parlor::clock::{Instant, Wall};
use parlor::id::{Epoch, ParticipantId, SessionId};
use parlor::store::embedded::{Embedded, Options, Sizes};
use parlor::store::{
    Answer, Batch, Completion, Error, Lane, Record, Remembered, Shared, Snapshot, Stored,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// One session, written through a lane of its own.
pub struct Writer {
    pub session: SessionId,
    pub epoch: Epoch,
    pub lane: Box<dyn Lane>,
    completions: Receiver<Completion>,
    ticket: u64,
    settled: u64,
}

impl Writer {
    pub fn new(store: &Shared, number: u64) -> Self {
        let (told, completions) = channel();
        let lane = store.lane(Box::new(move |news| {
            for one in news {
                // Whoever has gone does not want to know.
                let _ = told.send(one);
            }
        }));
        Self {
            session: numbered(number),
            epoch: Epoch(0),
            lane,
            completions,
            ticket: 0,
            settled: 0,
        }
    }

    pub fn begin(&mut self) {
        let created = Change::Created {
            at: Wall(1),
            service: "support".into(),
            subject: None,
            async_mode: false,
        };
        let joined = Change::Event(self.event(1, EventKind::ParticipantJoined));
        self.commit(vec![created, joined]);
    }

    pub fn say(&mut self, index: u64) {
        let name = if self.session == numbered(1) {
            "alice"
        } else {
            "bob"
        };
        let message = EventKind::Message {
            text: format!("{name} says {index}"),
            message_type: None,
        };
        let event = self.event(index, message);
        self.commit(vec![Change::Event(event)]);
    }

    pub fn commit(&mut self, changes: Vec<Change>) {
        self.ticket += 1;
        let record = Record {
            changes,
            push: Vec::new(),
            remembered: None,
        };
        let batch = Batch {
            session: self.session,
            epoch: self.epoch,
            record,
        };
        self.lane.commit(self.ticket, batch);
    }

    pub fn next(&mut self) -> Completion {
        self.settled += 1;
        self.completions.recv_timeout(PATIENCE).unwrap()
    }

    /// Waits until everything is durable.
    pub fn settle(&mut self) {
        while self.settled < self.ticket {
            assert_eq!(self.next().result, Ok(()));
        }
    }

    fn event(&self, index: u64, kind: EventKind) -> Event {
        Event {
            index,
            at: Wall(index),
            from: Author {
                participant: ParticipantId(1),
                nickname: "someone".into(),
                user_type: UserType::Client,
                bot: false,
            },
            visibility: Visibility::All,
            to: None,
            kind,
            user_data: UserData::new(),
            attributes: KvList::default(),
        }
    }
}

pub fn open(folder: &Path) -> Shared {
    Arc::new(Embedded::open(&options(folder)).unwrap())
}

pub fn options(folder: &Path) -> Options {
    Options {
        folder: folder.to_owned(),
        worker_threads: 2,
        sizes: Sizes {
            first_bytes: 256 << 10,
            most_bytes: 256 << 10,
        },
        dead_letters_kept: 10,
    }
}

pub fn snapshot() -> Snapshot {
    let remembered = Remembered {
        key: 7,
        at: Instant(8),
        index: Some(9),
    };
    Snapshot {
        remembered: vec![remembered],
        ..Snapshot::new(Session::new(), Instant(8))
    }
}

pub fn numbered(number: u64) -> SessionId {
    SessionId::new(Wall(1_700_000_000_000 + number), number)
}

pub fn peek(store: &Shared, session: SessionId) -> Option<Stored> {
    let (whose, stored) = ask(store.peek(vec![session])).pop()?;
    assert_eq!(whose, session);
    Some(stored.unwrap())
}

pub fn ask<T>(answer: Answer<T>) -> T {
    try_ask(answer).unwrap()
}

pub fn try_ask<T>(answer: Answer<T>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(answer)
}
