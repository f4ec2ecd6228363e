//! The engine on a simulated disk: what survives, and what is noticed.

mod anew;
mod crashes;
mod damage;
mod decay;
mod life;
mod space;
mod world;

use self::world::{World, alice, bob, texts};
use crate::clock::Instant;
use crate::id::Epoch;
use crate::store::embedded::disk::Disk as _;
use crate::store::embedded::sim::SimDisk;
use crate::store::{Error, codec};

#[test]
fn what_was_completed_is_there_after_a_power_loss() {
    let mut world = World::new();
    world.begin(alice());
    world.say(alice(), "hello");
    assert_eq!(world.completed(), [Ok(()), Ok(())]);
    world.lose_power(3);
    assert_eq!(texts(&world.events(alice())), ["", "hello"]);
    assert_eq!(world.engine().awake_at_start, [alice()]);
}

#[test]
fn many_records_share_one_sync() {
    let mut world = World::new();
    world.queue_begin(alice());
    for number in 0..50 {
        world.queue_say(alice(), &number.to_string());
    }
    let before = world.disk.operations();
    world.pump();
    assert_eq!(world.completed().len(), 51);
    assert_eq!(
        world.disk.operations() - before,
        2,
        "one write and one sync"
    );
}

#[test]
fn a_long_session_is_read_from_anywhere_within_bytes() {
    let mut world = World::new();
    world.begin(alice());
    for number in 2..=300 {
        world.say(alice(), &number.to_string());
        world.begin_or_say(bob(), number);
    }
    for from in [1, 2, 63, 64, 65, 128, 129, 299, 300] {
        let events = world.engine().read(alice(), from, usize::MAX).unwrap();
        let indexes: Vec<_> = events.iter().map(|event| event.index).collect();
        assert_eq!(indexes, (from..=300).collect::<Vec<_>>());
        let events = world.engine().read(alice(), from, 1).unwrap();
        assert_eq!((events.len(), events[0].index), (1, from));
    }
    assert!(world.engine().read(alice(), 301, 9).unwrap().is_empty());
}

#[test]
fn long_texts_are_read_in_order_with_short_ones() {
    let mut world = World::new();
    world.begin(alice());
    // Around the length up to which a record is read with its header.
    let text = |index: usize| "x".repeat([1, 700, 800, 900, 1_100, 3_000][index % 6]);
    for index in 2..=150 {
        world.say(alice(), &text(index));
    }
    for from in [2, 63, 64, 100, 150] {
        let events = world.engine().read(alice(), from as u64, 5_000).unwrap();
        assert!(!events.is_empty());
        let expected: Vec<_> = (from..).take(events.len()).map(text).collect();
        assert_eq!(texts(&events), expected);
        let bytes: usize = expected.iter().map(String::len).sum();
        assert!(bytes < 10_000, "no more than one beyond what was asked for");
    }
}

#[test]
fn a_sleeping_session_keeps_its_snapshot_and_only_later_records_are_folded() {
    let mut world = World::new();
    world.begin(alice());
    world.say(alice(), "one");
    world.put_away(alice(), Some(Instant(50)));
    assert!(world.engine().flush());
    assert!(!world.engine().hot.has(alice()), "it costs no memory");
    world.lose_power(1);
    assert_eq!(world.engine().awake_at_start, []);
    assert_eq!(world.engine().due(Instant(50), 9).unwrap(), [alice()]);
    world.say(alice(), "two");
    let stored = world.engine().peek(alice()).unwrap().unwrap();
    assert_eq!(stored.snapshot, Some(world::snapshot(2)));
    assert_eq!(stored.records.len(), 1);
    assert!(world.engine().due(Instant(50), 9).unwrap().is_empty());
}

#[test]
fn a_sleeping_session_that_was_looked_at_is_still_due() {
    let mut world = World::new();
    world.begin(alice());
    world.put_away(alice(), Some(Instant(50)));
    assert!(world.engine().flush());
    world.engine().warm(alice()).unwrap();
    assert_eq!(world.engine().due(Instant(50), 9).unwrap(), [alice()]);
}

#[test]
fn after_a_checkpoint_nothing_is_replayed() {
    let mut world = World::new();
    world.begin(alice());
    world.put_away(alice(), None);
    assert!(world.engine().checkpoint());
    world.kill();
    assert!(world.engine().awake_at_start.is_empty());
    assert_eq!(texts(&world.events(alice())).len(), 1);
}

#[test]
fn an_older_owner_is_fenced() {
    let mut world = World::new();
    world.begin(alice());
    assert_eq!(
        world.engine().load(alice()).unwrap().unwrap().epoch,
        Epoch(1)
    );
    world.queue_say(alice(), "too late");
    world.pump();
    world.queue_say(alice(), "after that");
    world.pump();
    let outcomes = world.completed();
    assert_eq!(outcomes[1..], [Err(Error::Fenced), Err(Error::Abandoned)]);
    assert_eq!(world.events(alice()).len(), 1);
}

#[test]
fn without_its_index_the_store_is_made_anew_from_the_log() {
    let mut world = World::new();
    world.begin(alice());
    world.begin(bob());
    world.say(alice(), "hello");
    world.close_session(bob());
    world.put_away(alice(), None);
    assert!(world.engine().checkpoint());
    world.drop_engine();
    world.remove("index.redb");
    world.open();
    assert_eq!(texts(&world.events(alice())), ["", "hello"]);
    assert_eq!(world.engine().open_sessions(None, 9).unwrap(), [alice()]);
    assert_eq!(world.engine().awake_at_start, [alice(), bob()]);
}

#[test]
fn a_snapshot_of_a_later_version_is_not_used() {
    let mut world = World::new();
    world.begin(alice());
    let mut bytes = codec::encode_snapshot(&world::snapshot(1));
    bytes[0] = 99;
    world.engine().put_away(alice(), bytes.into(), None);
    let stored = world.engine().peek(alice()).unwrap().unwrap();
    assert!(stored.snapshot.is_none());
    assert_eq!(stored.records.len(), 1);
}

#[test]
fn a_second_process_is_refused() {
    let world = World::new();
    let second = World::try_open(&world.disk);
    assert!(matches!(second, Err(super::OpenError::Locked(_))));
}

/// With a fresh secret the server started, and no customer could come back to any chat. A folder of a later version whose
/// format was gone would have been taken for one of this version.
#[test]
fn a_used_folder_without_its_secret_or_format_is_refused_rather_than_given_another() {
    for missing in ["secret", "FORMAT"] {
        let disk = SimDisk::new();
        drop(World::try_open(&disk).unwrap());
        disk.remove(missing).unwrap();
        let refused = World::try_open(&disk).map(drop).unwrap_err();
        assert!(
            matches!(&refused, super::OpenError::Corrupt { file, .. } if file == missing),
            "{refused}"
        );
    }
}

/// A secret without a checksum may be one that was cut, or that has a flipped bit.
#[test]
fn a_secret_without_its_checksum_is_refused() {
    let disk = SimDisk::new();
    drop(World::try_open(&disk).unwrap());
    let file = disk.create("secret").unwrap();
    file.write_at(&world::SECRET, 0).unwrap();
    let refused = World::try_open(&disk).map(drop).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("secret in the data folder is damaged")
    );
}

#[test]
fn the_secret_stays() {
    let mut world = World::new();
    let secret = world.engine().secret;
    world.lose_power(5);
    assert_eq!(world.engine().secret, secret);
}
