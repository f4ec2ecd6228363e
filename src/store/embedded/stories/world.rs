//! An engine without threads, on a simulated disk, and a few things to do to it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::chat::{Author, Change, Event, EventKind, KvList, UserData, UserType, Visibility};
use crate::clock::{Instant, Wall};
use crate::id::{Epoch, ParticipantId, SessionId};
use crate::store::embedded::EmbeddedLane;
use crate::store::embedded::disk::Disk;
use crate::store::embedded::engine::Engine;
use crate::store::embedded::folder::{self, OpenError};
use crate::store::embedded::queue::LaneState;
use crate::store::embedded::segments::Sizes;
use crate::store::embedded::sim::SimDisk;
use crate::store::{Batch, Completion, Error, Lane, Record, Remembered, Snapshot, codec};

/// What the disk's randomness makes.
pub(super) const SECRET: [u8; 32] = [7; 32];

pub(super) struct World {
    pub(super) disk: SimDisk,
    pub(super) epochs: HashMap<SessionId, Epoch>,
    engine: Option<Arc<Engine>>,
    lane: Option<EmbeddedLane>,
    completions: Arc<Mutex<Vec<Completion>>>,
    next: HashMap<SessionId, u64>,
    ticket: u64,
}

impl World {
    pub(super) fn new() -> Self {
        Self::on(SimDisk::new())
    }

    pub(super) fn on(disk: SimDisk) -> Self {
        let mut world = Self {
            disk,
            epochs: HashMap::new(),
            engine: None,
            lane: None,
            completions: Arc::default(),
            next: HashMap::new(),
            ticket: 0,
        };
        world.open();
        world
    }

    pub(super) fn try_open(disk: &SimDisk) -> Result<Engine, OpenError> {
        let sizes = Sizes {
            first_bytes: 16 << 10,
            most_bytes: 16 << 10,
        };
        let disk = Arc::new(disk.clone());
        folder::open(disk, Path::new("simulated"), sizes, true, &|| Ok(SECRET))
    }

    pub(super) fn open(&mut self) {
        self.adopt(Self::try_open(&self.disk).unwrap());
    }

    pub(super) fn adopt(&mut self, engine: Engine) {
        let engine = Arc::new(engine);
        let completions = self.completions.clone();
        let done = move |mut news: Vec<Completion>| completions.lock().unwrap().append(&mut news);
        self.lane = Some(EmbeddedLane {
            engine: engine.clone(),
            state: Arc::new(LaneState::new(Box::new(done))),
            generation: 0,
        });
        self.engine = Some(engine);
    }

    pub(super) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// Whether the start made the index anew: only then does it write it.
    pub(super) fn was_made_anew(&self) -> bool {
        self.engine().stats.index_writes.load(Relaxed) > 0
    }

    pub(super) fn lane(&mut self) -> &mut EmbeddedLane {
        self.lane.as_mut().unwrap()
    }

    pub(super) fn drop_engine(&mut self) {
        self.lane = None;
        self.engine = None;
    }

    pub(super) fn lose_power(&mut self, seed: u64) {
        self.drop_engine();
        self.disk.lose_power(seed);
        self.open();
    }

    pub(super) fn kill(&mut self) {
        self.drop_engine();
        self.disk.restart();
        self.open();
    }

    pub(super) fn remove(&self, name: &str) {
        self.disk.remove(name).unwrap();
    }

    /// Lets the commit thread's work be done.
    pub(super) fn pump(&self) {
        self.engine().commit_round(Duration::ZERO);
        self.engine().barrier();
    }

    pub(super) fn begin(&mut self, session: SessionId) {
        self.queue_begin(session);
        self.pump();
    }

    pub(super) fn say(&mut self, session: SessionId, text: &str) {
        self.queue_say(session, text);
        self.pump();
    }

    pub(super) fn begin_or_say(&mut self, session: SessionId, number: u64) {
        if self.next.contains_key(&session) {
            self.say(session, &number.to_string());
        } else {
            self.begin(session);
        }
    }

    pub(super) fn close_session(&mut self, session: SessionId) {
        self.commit(session, vec![Change::Closed { at: Wall(9) }]);
        self.pump();
    }

    pub(super) fn queue_begin(&mut self, session: SessionId) -> u64 {
        let created = Change::Created {
            at: Wall(1),
            service: "support".to_owned(),
            subject: None,
            async_mode: false,
        };
        let first = self.event(session, EventKind::ParticipantJoined);
        self.commit(session, vec![created, first])
    }

    pub(super) fn queue_say(&mut self, session: SessionId, text: &str) -> u64 {
        let message = EventKind::Message {
            text: text.to_owned(),
            message_type: None,
        };
        let event = self.event(session, message);
        self.commit(session, vec![event])
    }

    pub(super) fn commit(&mut self, session: SessionId, changes: Vec<Change>) -> u64 {
        self.ticket += 1;
        let ticket = self.ticket;
        let epoch = self.epochs.get(&session).copied().unwrap_or_default();
        let record = Record {
            changes,
            push: Vec::new(),
            remembered: None,
        };
        let batch = Batch {
            session,
            epoch,
            record,
        };
        self.lane().commit(ticket, batch);
        ticket
    }

    pub(super) fn put_away(&mut self, session: SessionId, deadline: Option<Instant>) {
        let stored = self.engine().peek(session).unwrap().unwrap();
        let folded = stored
            .snapshot
            .map_or(0, |snapshot| snapshot.remembered[0].key);
        let bytes = codec::encode_snapshot(&snapshot(folded + stored.records.len() as u128));
        self.engine().put_away(session, bytes.into(), deadline);
    }

    /// What became of the batches since the last call, in order.
    pub(super) fn completed(&self) -> Vec<Result<(), Error>> {
        let completions = std::mem::take(&mut *self.completions.lock().unwrap());
        let sorted = completions.is_sorted_by_key(|completion| completion.ticket);
        assert!(sorted, "completions come in the order of the commits");
        completions.into_iter().map(|one| one.result).collect()
    }

    pub(super) fn tickets(&self) -> Vec<(u64, bool)> {
        let completions = std::mem::take(&mut *self.completions.lock().unwrap());
        let ticket = |one: Completion| (one.ticket, one.result.is_ok());
        completions.into_iter().map(ticket).collect()
    }

    pub(super) fn events(&self, session: SessionId) -> Vec<Event> {
        self.engine().read(session, 1, usize::MAX).unwrap()
    }

    pub(super) fn next_is(&mut self, session: SessionId, next: u64) {
        self.next.insert(session, next);
    }

    fn event(&mut self, session: SessionId, kind: EventKind) -> Change {
        let next = self.next.entry(session).or_insert(1);
        let index = *next;
        *next += 1;
        Change::Event(Event {
            index,
            at: Wall(index),
            from: Author {
                participant: ParticipantId(1),
                nickname: "alice".to_owned(),
                user_type: UserType::Client,
                bot: false,
            },
            visibility: Visibility::All,
            to: None,
            kind,
            user_data: UserData::new(),
            attributes: KvList::default(),
        })
    }
}

pub(super) fn texts(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .map(|event| match &event.kind {
            EventKind::Message { text, .. } => text.as_str(),
            _ => "",
        })
        .collect()
}

/// A snapshot that says how many records are folded into it.
pub(super) fn snapshot(records: u128) -> Snapshot {
    Snapshot {
        chat: crate::chat::Session::new(),
        push: None,
        remembered: vec![Remembered {
            key: records,
            at: Instant(0),
            index: None,
        }],
        presence: crate::chat::Liveness::default(),
    }
}

pub(super) fn alice() -> SessionId {
    numbered(1)
}

pub(super) fn bob() -> SessionId {
    numbered(2)
}

pub(super) fn numbered(number: u64) -> SessionId {
    SessionId::new(Wall(1_700_000_000_000 + number), number * 7919)
}
