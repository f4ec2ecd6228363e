//! A full disk passes, a broken one does not.

use super::world::{World, alice, numbered};
use crate::store::embedded::disk::Disk;
use crate::store::embedded::sim::{Fault, Kind, SimDisk, Times};
use crate::store::{Condition, Error, Lane};

#[test]
fn a_full_disk_refuses_and_accepts_again_by_itself() {
    let mut world = World::new();
    world.begin(alice());
    world.disk.set_free(1000);
    let said = fill(&mut world);
    assert_eq!(world.engine().condition(), Condition::NoSpace);
    world.queue_say(alice(), "refused");
    world.pump();
    assert_eq!(world.completed(), [Err(Error::Abandoned)]);

    world.lane().reset();
    world.engine().make_space();
    world.say(alice(), "still full");
    assert_eq!(world.completed(), [Err(Error::NoSpace)]);

    world.disk.set_free(1 << 30);
    world.engine().make_space();
    assert_eq!(world.engine().condition(), Condition::Writable);
    world.lane().reset();
    world.next_is(alice(), said + 2);
    world.say(alice(), "accepted");
    assert_eq!(world.completed(), [Ok(())]);
    world.lose_power(9);
    let events = world.events(alice());
    assert_eq!(events.len() as u64, said + 2);
    assert!(events.iter().map(|event| event.index).eq(1..=said + 2));
}

/// A process that was killed when the disk was full could not be started again before there was room, not even to be read.
#[test]
fn a_start_on_a_full_disk_can_be_read_and_accepts_again_by_itself() {
    let mut world = World::new();
    world.begin(alice());
    world.disk.set_free(1000);
    let said = fill(&mut world);
    world.kill();
    assert_eq!(world.engine().condition(), Condition::NoSpace);
    assert_eq!(world.events(alice()).len() as u64, said + 1);
    world.next_is(alice(), said + 2);
    world.say(alice(), "refused");
    assert_eq!(world.completed().last(), Some(&Err(Error::NoSpace)));

    world.disk.set_free(1 << 30);
    world.engine().make_space();
    assert_eq!(world.engine().condition(), Condition::Writable);
    world.lane().reset();
    world.next_is(alice(), said + 2);
    world.say(alice(), "accepted");
    assert_eq!(world.completed(), [Ok(())]);
    world.lose_power(9);
    assert_eq!(world.events(alice()).len() as u64, said + 2);
}

#[test]
fn a_new_folder_on_a_full_disk_is_refused() {
    let disk = SimDisk::new();
    disk.set_free(5000);
    let refused = World::try_open(&disk).map(drop).unwrap_err().to_string();
    assert!(refused.contains("has room"), "{refused}");
}

#[test]
fn after_a_failed_sync_nothing_is_accepted_until_restart() {
    let mut world = World::new();
    world.begin(alice());
    world
        .disk
        .fail(Fault::broken(Kind::Sync, Times::Forever, 0));
    world.say(alice(), "lost");
    world.lane().reset();
    world.say(alice(), "refused");
    assert_eq!(
        world.completed()[1..],
        [Err(Error::ReadOnly), Err(Error::ReadOnly)]
    );
    assert_eq!(world.engine().condition(), Condition::ReadOnly);
    assert_eq!(
        world.events(alice()).len(),
        1,
        "what was stored can be read"
    );
    world.engine().make_space();
    assert_eq!(world.engine().condition(), Condition::ReadOnly);
}

#[test]
fn an_index_without_room_keeps_everything_in_memory() {
    let mut world = World::new();
    for number in 1..=200 {
        world.begin(numbered(number));
        world.put_away(numbered(number), None);
    }
    world.disk.set_free(0);
    while world.engine().flush() && world.engine().hot.resting() > 0 {}
    for number in 1..=200 {
        assert_eq!(world.events(numbered(number)).len(), 1);
    }
    world.disk.set_free(1 << 30);
    world.engine().make_space();
    assert!(world.engine().checkpoint());
    world.kill();
    assert!(world.engine().awake_at_start.is_empty());
    for number in 1..=200 {
        assert!(
            world
                .engine()
                .peek(numbered(number))
                .unwrap()
                .unwrap()
                .snapshot
                .is_some()
        );
    }
}

/// A million chats fell asleep at 23,000 a second, and 4,096 were written four times a second at most: those that waited took
/// 844 MiB, and were in memory for 40 seconds.
#[test]
fn the_index_is_written_on_and_on_while_much_waits() {
    let mut world = World::new();
    for number in 1..=9_000 {
        world.queue_begin(numbered(number));
        if number % 500 == 0 {
            world.pump();
        }
    }
    for number in 1..=9_000 {
        world.put_away(numbered(number), None);
    }
    assert!(world.engine().keep(), "more than one write is waiting");
    let left = world.engine().hot.resting();
    assert!((4_096..9_000).contains(&left), "{left}");
    while world.engine().keep() {}
    assert!(world.engine().hot.resting() < 4_096);
}

/// A write of the index that found no room closed the index, and opening it again wrote to it: sleeping sessions were said to
/// be damaged as long as the disk was full, and the store was read-only for good when there was room again.
#[test]
fn an_index_that_found_no_room_is_used_again_when_there_is_some() {
    for spared in 0..12 {
        let mut world = World::new();
        world.begin(alice());
        world.put_away(alice(), None);
        assert!(world.engine().checkpoint());
        world.begin(numbered(2));
        world.disk.fail(Fault::full(Times::Forever, spared));
        let written = world.engine().checkpoint();
        match world.engine().read(alice(), 1, 999) {
            Ok(events) => assert_eq!(events.len(), 1),
            Err(error) => assert_eq!((error, written), (Error::NoSpace, false), "{spared}"),
        }
        world.disk.heal();
        world.engine().make_space();
        assert_eq!(world.engine().condition(), Condition::Writable, "{spared}");
        assert_eq!(world.events(alice()).len(), 1, "{spared}");
        assert!(world.engine().checkpoint());
        world.lane().reset();
        world.say(numbered(2), "accepted");
        assert_eq!(world.completed().last(), Some(&Ok(())));
    }
}

#[test]
fn sessions_that_are_gone_give_their_space_back() {
    let mut world = World::new();
    world.begin(alice());
    let mut most = 0;
    for number in 2..=400 {
        world.begin(numbered(number));
        world.say(numbered(number), &"x".repeat(900));
        world.engine().hot.forget(numbered(number));
        if number % 20 == 0 {
            assert!(world.engine().checkpoint());
            world.engine().tidy();
        }
        most = most.max(world.disk.list("log").unwrap().len());
    }
    assert!(most < 12, "the log stays small: {most} segments");
    assert_eq!(world.events(alice()).len(), 1, "who stayed was moved");
    world.lose_power(11);
    assert_eq!(world.events(alice()).len(), 1);
}

/// Says things until the disk is full; how many were stored.
fn fill(world: &mut World) -> u64 {
    for said in 0.. {
        world.say(alice(), &"x".repeat(2000));
        match world.completed().pop() {
            Some(Ok(())) => {}
            other => {
                assert_eq!(other, Some(Err(Error::NoSpace)));
                return said;
            }
        }
    }
    0
}
