//! Decay: a flipped bit hurts one session, which is named, and no other.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::super::letters::Bundle;
use super::world::{World, alice, bob, texts};
use crate::store::Error;
use crate::store::embedded::chain;
use crate::store::embedded::frame::{Flags, Place};
use crate::store::embedded::queue::{Job, Signal};

const LOG: &str = "log/0000000001.seg";

#[test]
fn a_flipped_payload_is_noticed_when_it_is_read() {
    let mut world = conversation();
    let place = world.engine().hot.brief(alice()).flatten().unwrap().tail;
    world.disk.flip(LOG, place.offset as usize + 100, 1);
    let error = world.engine().read(alice(), 1, 999).unwrap_err();
    let at = place.to_string();
    assert_eq!(
        error,
        Error::Damaged {
            session: alice(),
            place: at
        }
    );
    assert!(world.engine().load(alice()).is_err());
    assert_eq!(texts(&world.events(bob())), ["", "I am bob"]);
    world.say(bob(), "and go on");
    assert_eq!(world.events(bob()).len(), 3);
}

#[test]
fn a_flipped_payload_is_noticed_at_the_start() {
    let mut world = conversation();
    let place = world.engine().hot.brief(alice()).flatten().unwrap().tail;
    world.disk.flip(LOG, place.offset as usize + 100, 1);
    world.kill();
    assert_eq!(world.engine().stats.damaged.load(Relaxed), 1);
    assert!(world.engine().read(alice(), 1, 999).is_err());
    assert_eq!(world.events(bob()).len(), 2);
}

#[test]
fn a_flipped_header_takes_its_session_and_no_other() {
    let mut world = conversation();
    let place = world.engine().hot.brief(alice()).flatten().unwrap().tail;
    world.say(alice(), "after the damage");
    world.say(bob(), "too");
    world.disk.flip(LOG, place.offset as usize + 20, 1);
    world.kill();
    assert!(
        matches!(world.engine().read(alice(), 1, 999), Err(Error::Damaged { session, .. }) if session == alice())
    );
    assert_eq!(texts(&world.events(bob())), ["", "I am bob", "too"]);
}

#[test]
fn a_header_flipped_long_ago_is_noticed_without_an_index() {
    let mut world = conversation();
    world.disk.flip(LOG, 20, 1);
    world.say(bob(), "goes on");
    world.drop_engine();
    world.remove("index.redb");
    world.open();
    assert!(world.engine().peek(alice()).is_err());
    assert_eq!(world.events(bob()).len(), 3);
}

#[test]
fn a_flipped_index_is_made_anew() {
    let mut world = conversation();
    assert!(world.engine().checkpoint());
    world.drop_engine();
    for offset in 0..512 {
        world.disk.flip("index.redb", offset, 1);
    }
    world.open();
    assert_eq!(world.events(alice()).len(), 2);
    assert_eq!(world.events(bob()).len(), 2);
}

#[test]
fn a_missing_segment_is_said_so() {
    let mut world = conversation();
    assert!(world.engine().checkpoint());
    world.drop_engine();
    world.remove(LOG);
    let error = World::try_open(&world.disk).unwrap_err().to_string();
    assert!(error.contains(LOG), "{error}");
}

#[test]
fn a_session_that_moved_is_found_by_its_next_record() {
    let mut world = conversation();
    for _ in 0..10 {
        world.say(
            bob(),
            &"so that the copy lies in another segment ".repeat(50),
        );
    }
    assert!(world.engine().checkpoint());
    copy(&world);
    // The index knows the log, but not yet that the session has moved.
    let head = world.engine().head();
    world
        .engine()
        .index
        .write(&[], &Bundle::default(), Some(head))
        .unwrap();
    world.say(alice(), "here now");
    let copied = world.engine().entry(alice()).unwrap().unwrap().row;
    world.kill();
    let entry = world.engine().entry(alice()).unwrap().unwrap();
    assert_eq!(entry.row, copied, "tail and space are those of the copy");
    assert_eq!(
        texts(&world.events(alice())),
        ["", "I am alice", "here now"]
    );
}

fn conversation() -> World {
    let mut world = World::new();
    world.begin(alice());
    world.begin(bob());
    world.say(alice(), "I am alice");
    world.say(bob(), "I am bob");
    world
}

/// Copies alice's records to the head of the log.
fn copy(world: &World) {
    let engine = world.engine();
    let tail: Place = engine.brief(alice(), Flags::default()).unwrap().tail;
    let mut frames: Vec<_> = chain::backwards(&engine.segments, alice(), tail)
        .map(|frame| frame.map(|(header, _, payload)| (header, payload)).unwrap())
        .collect();
    frames.reverse();
    let signal = Arc::new(Signal::default());
    engine.push(Job::Copy {
        frames,
        last: true,
        signal: signal.clone(),
    });
    assert!(engine.wait(&signal));
}
