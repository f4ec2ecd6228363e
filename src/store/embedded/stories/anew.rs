//! The index is made anew from the log only where it must be, and then nothing is missing.

use super::world::{World, alice, bob, numbered, texts};
use crate::store::embedded::disk::Disk as _;
use crate::store::embedded::sim::{Fault, Kind, Times};

/// Alice's records lay in two files. She was copied out of the second, which was emptied; the first stayed, for Bob's sake.
/// When the index was made anew, her records in the first were followed by the copy of all of them, with more records than
/// were known: it was taken for one of another time, and what had lain in the second was lost.
#[test]
fn the_copy_of_a_session_counts_although_some_of_what_was_copied_is_still_there() {
    let mut world = World::new();
    world.begin(alice());
    world.begin(bob());
    for _ in 0..9 {
        world.say(bob(), &"x".repeat(1000));
    }
    world.say(alice(), "in the first file");
    let carol = numbered(3);
    world.begin(carol);
    fill_up_to(&mut world, 2);
    world.say(alice(), "in the second file");
    fill_up_to(&mut world, 3);
    world.engine().hot.forget(carol);
    for _ in 0..2 {
        assert!(world.engine().checkpoint());
        world.engine().tidy();
    }
    // An emptied file bears its name until it is filled again.
    world.engine().segments.prepare(false).unwrap();
    let files = world.engine().segments.numbers();
    assert!(files.contains(&1) && !files.contains(&2), "{files:?}");

    world.drop_engine();
    world.remove("index.redb");
    world.open();
    assert_eq!(
        texts(&world.events(alice())),
        ["", "in the first file", "in the second file"]
    );
    assert_eq!(world.events(bob()).len(), 10);
}

/// After a broken disk the index is made anew once. The request for that was taken back and the folder not synced: a power
/// loss brought it back, and the whole log was read again.
#[test]
fn the_index_is_made_anew_once_after_a_failed_sync() {
    for seed in 1..40 {
        let mut world = World::new();
        world.begin(alice());
        world.disk.fail(Fault::broken(Kind::Sync, Times::Once, 0));
        assert!(!world.engine().checkpoint());
        world.kill();
        assert!(world.was_made_anew(), "after the failed sync, seed {seed}");
        world.lose_power(seed * 7919);
        assert!(!world.was_made_anew(), "after that, seed {seed}");
    }
}

/// The first page of the index is the only one that is written over. A power loss in the middle of that, or a flipped bit in
/// the page, had the whole log read.
#[test]
fn a_first_page_that_is_torn_is_mended() {
    let mut world = World::new();
    world.begin(alice());
    assert!(world.engine().checkpoint());
    let old = world.disk.contents("index.redb");
    world.say(alice(), "hello");
    assert!(world.engine().checkpoint());
    world.drop_engine();
    let new = world.disk.contents("index.redb");
    for until in 0..=512 {
        let torn = world.disk.fork();
        let file = torn.open("index.redb").unwrap();
        file.write_at(&[&new[..until], &old[until..512]].concat(), 0)
            .unwrap();
        see_hello(World::on(torn), &format!("torn at {until}"));
    }
    for bit in 0..512 * 8 {
        let hurt = world.disk.fork();
        hurt.flip("index.redb", bit / 8, 1 << (bit % 8));
        see_hello(World::on(hurt), &format!("bit {bit}"));
    }
}

/// One of the copies that mend it is hurt: it is not mended by the other, which may be too old.
#[test]
fn a_hurt_copy_of_the_first_page_mends_nothing() {
    let mut world = World::new();
    world.begin(alice());
    world.say(alice(), "hello");
    assert!(world.engine().checkpoint());
    world.drop_engine();
    for at in (8..8224).step_by(97) {
        let hurt = world.disk.fork();
        hurt.flip("index.sums", at, 1);
        see_nothing_lost(World::on(hurt), at);
        let hurt = world.disk.fork();
        hurt.flip("index.sums", at, 1);
        hurt.flip("index.redb", 9, 1);
        see_nothing_lost(World::on(hurt), at);
    }
}

fn see_hello(world: World, how: &str) {
    assert!(!world.was_made_anew(), "{how}");
    assert_eq!(texts(&world.events(alice())), ["", "hello"], "{how}");
}

fn see_nothing_lost(world: World, at: usize) {
    assert_eq!(texts(&world.events(alice())), ["", "hello"], "byte {at}");
}

/// Carol talks until the log goes on in another file.
fn fill_up_to(world: &mut World, segment: u32) {
    while world.engine().head().segment < segment {
        world.say(numbered(3), &"x".repeat(700));
    }
}
