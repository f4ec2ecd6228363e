//! What every store promises, as stories, told to each of them; and what a restart and a flipped bit do to the embedded
//! one.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::Bytes;
use parlor::chat::{
    Author, Change, Event, EventKind, KvList, Session, UserData, UserType, Visibility,
};
use parlor::clock::{Instant, Wall};
use parlor::id::{DeliveryId, Epoch, ParticipantId, SessionId};
use parlor::store::embedded::{Embedded, OpenError, Options, Sizes};
use parlor::store::memory::Memory;
use parlor::store::{
    Answer, Batch, Completion, Condition, DeadLetter, Error, Lane, Record, Remembered, Shared,
    Snapshot, Stored, summed,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn the_store_in_memory_keeps_the_promises() {
    suite(|| Arc::new(Memory::new()));
}

#[test]
fn the_embedded_store_keeps_the_promises() {
    let root = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    suite(|| {
        count.set(count.get() + 1);
        open(&root.path().join(count.get().to_string()))
    });
}

/// Every promise of [`Store`](parlor::store::Store) that does not need a restart.
pub fn suite(open: impl Fn() -> Shared) {
    records_come_back_in_order_and_once(&open());
    completions_come_in_order(&open());
    reading_stops_after_the_bytes_asked_for(&open());
    after_a_failure_everything_is_abandoned_until_reset(&open());
    a_lane_fails_alone(&open());
    whoever_loaded_last_owns_the_session(&open());
    a_sleeping_session_is_due_until_it_wakes(&open());
    open_sessions_are_listed_by_creation_and_in_pages(&open());
    what_is_forgotten_is_gone(&open());
    nobody_is_there_before_somebody_comes(&open());
    a_dead_letter_is_kept_once_and_listed_in_pages(&open());
}

fn records_come_back_in_order_and_once(store: &Shared) {
    let mut alice = Writer::new(store, 1);
    alice.begin();
    for index in 2..=200 {
        alice.say(index);
    }
    alice.settle();
    let stored = peek(store, alice.session).unwrap();
    assert!(stored.snapshot.is_none());
    assert_eq!(stored.records.len(), 200);
    for from in [1, 64, 65, 199, 200] {
        let events = ask(store.read(alice.session, from, usize::MAX));
        let indexes: Vec<_> = events.iter().map(|event| event.index).collect();
        assert_eq!(indexes, (from..=200).collect::<Vec<_>>());
    }
}

fn a_dead_letter_is_kept_once_and_listed_in_pages(store: &Shared) {
    let first = dead_letter(2, 1);
    let again = DeadLetter {
        body: Bytes::new(),
        ..first.clone()
    };
    let letters = [
        dead_letter(1, 9),
        first,
        dead_letter(2, 2),
        dead_letter(3, 1),
    ];
    for letter in [&letters[3], &letters[1], &letters[0], &letters[2], &again] {
        store.keep_dead_letter(letter.clone());
    }
    let page = ask(store.dead_letters(None, 3));
    assert_eq!(
        page,
        letters[..3],
        "by time, then by number; the first word counts"
    );
    let rest = ask(store.dead_letters(Some(page[2].place()), 3));
    assert_eq!(rest, letters[3..]);
}

fn dead_letter(at: u64, number: u64) -> DeadLetter {
    let session = SessionId::new(Wall(1), 1);
    DeadLetter {
        delivery: DeliveryId { session, number },
        destination: "customhttp".to_owned(),
        reason: "HTTP 404".to_owned(),
        at: Wall(at),
        owed_at: Wall(1),
        body: Bytes::from_static("{\"deviceId\":\"dev-42, grüße\"}".as_bytes()),
    }
}

#[test]
fn dead_letters_outlive_a_restart_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    (1..=5).for_each(|at| store.keep_dead_letter(dead_letter(at, 1)));
    ask(store.close());
    (6..=12).for_each(|at| store.keep_dead_letter(dead_letter(at, 1)));
    store.keep_dead_letter(dead_letter(5, 1));
    let before: Vec<u64> = times(&store);
    assert_eq!(before, (1..=12).collect::<Vec<_>>(), "written or not");
    ask(store.close());
    drop(store);
    assert_eq!(times(&open(folder.path())), (3..=12).collect::<Vec<_>>());
}

fn times(store: &Shared) -> Vec<u64> {
    let letters = ask(store.dead_letters(None, 100));
    letters.iter().map(|letter| letter.at.0).collect()
}

fn completions_come_in_order(store: &Shared) {
    let mut alice = Writer::new(store, 1);
    alice.begin();
    (2..=500).for_each(|index| alice.say(index));
    let tickets: Vec<_> = (0..500).map(|_| alice.next().ticket).collect();
    assert_eq!(tickets, (1..=500).collect::<Vec<_>>());
}

fn reading_stops_after_the_bytes_asked_for(store: &Shared) {
    let mut alice = Writer::new(store, 1);
    alice.begin();
    (2..=9).for_each(|index| alice.say(index));
    alice.settle();
    assert_eq!(
        ask(store.read(alice.session, 3, 1)).len(),
        1,
        "at least one"
    );
    let some = ask(store.read(alice.session, 3, 500)).len();
    assert!((2..7).contains(&some), "{some}");
    assert!(ask(store.read(alice.session, 10, 500)).is_empty());
}

fn after_a_failure_everything_is_abandoned_until_reset(store: &Shared) {
    let mut alice = Writer::new(store, 1);
    alice.begin();
    alice.settle();
    ask(store.load(alice.session));
    alice.say(2);
    alice.say(3);
    assert_eq!(alice.next().result, Err(Error::Fenced));
    assert_eq!(alice.next().result, Err(Error::Abandoned));
    alice.epoch = Epoch(1);
    alice.say(2);
    assert_eq!(alice.next().result, Err(Error::Abandoned));
    alice.lane.reset();
    alice.say(2);
    assert_eq!(alice.next().result, Ok(()));
    assert_eq!(ask(store.read(alice.session, 1, 999)).len(), 2);
}

fn a_lane_fails_alone(store: &Shared) {
    let mut alice = Writer::new(store, 1);
    let mut bob = Writer::new(store, 2);
    alice.begin();
    bob.begin();
    alice.settle();
    ask(store.load(alice.session));
    alice.say(2);
    bob.say(2);
    assert!(alice.next().result.is_err());
    bob.settle();
}

fn whoever_loaded_last_owns_the_session(store: &Shared) {
    let mut alice = Writer::new(store, 1);
    alice.begin();
    alice.settle();
    let first = ask(store.load(alice.session)).unwrap().epoch;
    peek(store, alice.session).unwrap();
    let second = ask(store.load(alice.session)).unwrap().epoch;
    assert!(second > first);
    alice.epoch = first;
    alice.say(2);
    assert_eq!(alice.next().result, Err(Error::Fenced));
    alice.lane.reset();
    alice.epoch = second;
    alice.say(2);
    alice.settle();
}

fn a_sleeping_session_is_due_until_it_wakes(store: &Shared) {
    let mut writers: Vec<_> = (1..=3).map(|number| Writer::new(store, number)).collect();
    for (writer, deadline) in writers.iter_mut().zip([30, 10, 20]) {
        writer.begin();
        writer.settle();
        store.put_away(writer.session, snapshot(), Some(Instant(deadline)));
    }
    let [a, b, c] = [1, 2, 3].map(numbered);
    assert_eq!(ask(store.due(Instant(9), 9)), []);
    assert_eq!(ask(store.due(Instant(20), 9)), [b, c]);
    assert_eq!(ask(store.due(Instant(99), 1)), [b]);
    writers[1].say(2);
    writers[1].settle();
    let stored = ask(store.load(c)).unwrap();
    assert_eq!(
        (stored.snapshot, stored.records.len()),
        (Some(snapshot()), 0)
    );
    assert_eq!(ask(store.due(Instant(99), 9)), [a]);
    let stored = peek(store, b).unwrap();
    assert_eq!(
        (stored.snapshot, stored.records.len()),
        (Some(snapshot()), 1)
    );
}

fn open_sessions_are_listed_by_creation_and_in_pages(store: &Shared) {
    let mut writers: Vec<_> = (1..=5).map(|number| Writer::new(store, number)).collect();
    for writer in writers.iter_mut().rev() {
        writer.begin();
        writer.settle();
    }
    writers[2].commit(vec![Change::Closed { at: Wall(9) }]);
    writers[2].settle();
    store.put_away(writers[0].session, snapshot(), None);
    let [a, b, _, d, e] = [1, 2, 3, 4, 5].map(numbered);
    assert_eq!(ask(store.open_sessions(None, 99)), [a, b, d, e]);
    assert_eq!(ask(store.open_sessions(None, 2)), [a, b]);
    assert_eq!(ask(store.open_sessions(Some(b), 2)), [d, e]);
    assert_eq!(ask(store.open_sessions(Some(e), 2)), []);
}

fn what_is_forgotten_is_gone(store: &Shared) {
    let mut alice = Writer::new(store, 1);
    alice.begin();
    alice.settle();
    store.put_away(alice.session, snapshot(), Some(Instant(1)));
    store.forget(alice.session);
    assert!(ask(store.load(alice.session)).is_none());
    assert!(ask(store.read(alice.session, 1, 999)).is_empty());
    assert!(ask(store.due(Instant(9), 9)).is_empty());
    assert!(ask(store.open_sessions(None, 9)).is_empty());
}

fn nobody_is_there_before_somebody_comes(store: &Shared) {
    assert!(ask(store.load(numbered(1))).is_none());
    assert!(peek(store, numbered(1)).is_none());
    assert!(ask(store.read(numbered(1), 1, 999)).is_empty());
    assert!(store.awake_at_start().is_empty());
    assert_eq!(store.condition(), Condition::Writable);
    ask(store.close());
}

#[test]
fn a_restart_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let mut alice = Writer::new(&store, 1);
    let mut bob = Writer::new(&store, 2);
    alice.begin();
    bob.begin();
    (2..=100).for_each(|index| alice.say(index));
    alice.settle();
    bob.settle();
    store.put_away(bob.session, snapshot(), Some(Instant(5)));
    ask(store.close());
    let secret = store.secret();
    let sessions = (alice.session, bob.session);
    drop((alice, bob, store));

    let store = open(root.path());
    assert_eq!(store.secret(), secret);
    assert_eq!(store.awake_at_start(), [sessions.0]);
    assert_eq!(ask(store.read(sessions.0, 1, usize::MAX)).len(), 100);
    assert_eq!(ask(store.due(Instant(5), 9)), [sessions.1]);
    assert_eq!(peek(&store, sessions.1).unwrap().snapshot, Some(snapshot()));
    assert_eq!(ask(store.open_sessions(None, 9)), [sessions.0, sessions.1]);
}

#[test]
fn a_flipped_bit_hurts_the_session_it_belongs_to_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let mut alice = Writer::new(&store, 1);
    let mut bob = Writer::new(&store, 2);
    for writer in [&mut alice, &mut bob] {
        writer.begin();
        (2..=9).for_each(|index| writer.say(index));
        writer.settle();
    }
    let sessions = (alice.session, bob.session);
    drop((alice, bob, store));

    let (file, offset) = find(&root.path().join("log"), b"alice says 5").unwrap();
    let file = fs::File::options().write(true).open(file).unwrap();
    file.write_at(b"m", offset).unwrap();
    let store = open(root.path());
    let damaged = |error| matches!(error, Error::Damaged { session, .. } if session == sessions.0);
    assert!(damaged(
        try_ask(store.read(sessions.0, 1, usize::MAX)).unwrap_err()
    ));
    assert!(damaged(try_ask(store.load(sessions.0)).unwrap_err()));
    assert_eq!(ask(store.read(sessions.1, 1, usize::MAX)).len(), 9);
}

#[test]
fn a_folder_in_use_is_refused_and_free_again_after_the_end() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let second = Embedded::open(&options(root.path()));
    assert!(matches!(second, Err(OpenError::Locked(_))));
    drop(store);
    open(root.path());
}

#[test]
fn a_folder_of_a_later_format_is_refused() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("FORMAT"), summed::line("parlor store 2")).unwrap();
    let refused = Embedded::open(&options(root.path()));
    assert!(matches!(refused, Err(OpenError::TooNew { version: 2 })));
}

/// With a flipped bit in its secret the server started, and told every customer that the key was wrong.
#[test]
fn a_hurt_secret_ends_the_start_with_74_and_names_the_file() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path()));
    let file = root.path().join("secret");
    let mut bytes = fs::read(&file).unwrap();
    bytes[20] ^= 1;
    fs::write(&file, bytes).unwrap();
    let started = std::process::Command::new(env!("CARGO_BIN_EXE_parlor"))
        .args(["--public", "127.0.0.1:0", "--internal", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(root.path())
        .output()
        .unwrap();
    let said = String::from_utf8(started.stderr).unwrap();
    assert_eq!(started.status.code(), Some(74), "{said}");
    assert!(
        said.contains("secret in the data folder is damaged"),
        "{said}"
    );
    assert!(said.contains("restore it from a backup"), "{said}");
}

#[test]
fn nobody_else_may_look_into_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    drop(open(&folder));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("log")), 0o700);
    assert_eq!(mode(&folder.join("secret")), 0o600);
}

/// One session, written through a lane of its own.
struct Writer {
    session: SessionId,
    epoch: Epoch,
    lane: Box<dyn Lane>,
    completions: Receiver<Completion>,
    ticket: u64,
    settled: u64,
}

impl Writer {
    fn new(store: &Shared, number: u64) -> Self {
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

    fn begin(&mut self) {
        let created = Change::Created {
            at: Wall(1),
            service: "support".into(),
            subject: None,
            async_mode: false,
        };
        let joined = Change::Event(self.event(1, EventKind::ParticipantJoined));
        self.commit(vec![created, joined]);
    }

    fn say(&mut self, index: u64) {
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

    fn commit(&mut self, changes: Vec<Change>) {
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

    fn next(&mut self) -> Completion {
        self.settled += 1;
        self.completions.recv_timeout(PATIENCE).unwrap()
    }

    /// Waits until everything is durable.
    fn settle(&mut self) {
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

fn open(folder: &Path) -> Shared {
    Arc::new(Embedded::open(&options(folder)).unwrap())
}

fn options(folder: &Path) -> Options {
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

fn snapshot() -> Snapshot {
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

fn numbered(number: u64) -> SessionId {
    SessionId::new(Wall(1_700_000_000_000 + number), number)
}

fn peek(store: &Shared, session: SessionId) -> Option<Stored> {
    let (whose, stored) = ask(store.peek(vec![session])).pop()?;
    assert_eq!(whose, session);
    Some(stored.unwrap())
}

fn ask<T>(answer: Answer<T>) -> T {
    try_ask(answer).unwrap()
}

fn try_ask<T>(answer: Answer<T>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(answer)
}

fn find(folder: &Path, text: &[u8]) -> Option<(PathBuf, u64)> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files.into_iter().find_map(|file| {
        let bytes = fs::read(&file).unwrap();
        let offset = bytes
            .windows(text.len())
            .position(|window| window == text)?;
        Some((file, offset as u64))
    })
}
