//! What every store promises, as stories, told to each of them.

mod folder;
mod writer;

use std::sync::Arc;

use bytes::Bytes;
use parlor::chat::Change;
use parlor::clock::{Instant, Wall};
use parlor::id::{DeliveryId, Epoch, SessionId};
use parlor::store::memory::Memory;
use parlor::store::{Condition, DeadLetter, Error, Shared};

use writer::{Writer, ask, numbered, open, peek, snapshot};

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
