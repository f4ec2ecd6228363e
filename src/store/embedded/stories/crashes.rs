//! Many lives of one store, on a disk that lies: each ends in the middle of something, and the next must find all that was
//! completed.
//!
//! `PARLOR_CRASH_POINTS=1000000 cargo test --lib crash_points` for more of them, `PARLOR_CRASH_FROM` for others than usual. A
//! life that fails says its seed; `PARLOR_CRASH_POINTS=1 PARLOR_CRASH_FROM=SEED` is that life again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::life::{CRASHES, Life, Tally};
use super::world::{World, alice, numbered, texts};
use crate::store::Lane as _;
use crate::store::embedded::sim::{Fault, Kind, SimDisk, Times};

#[test]
fn whatever_was_completed_is_there_after_ten_thousand_crash_points() {
    let points = variable("PARLOR_CRASH_POINTS").unwrap_or(10_000);
    let from = variable("PARLOR_CRASH_FROM").unwrap_or(1);
    let tally = live(from, points.div_ceil(CRASHES));
    assert!(tally.crashes >= points, "{tally:?}");
    if points >= 10_000 {
        // A run in which one of these never happened would prove less than it says.
        assert!(tally.retired > points / 50, "compaction: {tally:?}");
        assert!(tally.restarts_cut > points / 10, "in a start: {tally:?}");
        assert!(tally.breaks > points / 20, "broken disks: {tally:?}");
        assert!(tally.refills > points / 20, "full disks: {tally:?}");
        assert!(tally.index_writes > points / 2, "index writes: {tally:?}");
        // The index is as it was at its last write, wherever the next one was cut.
        assert!(tally.rebuilds < points / 5_000, "rebuilds: {tally:?}");
    }
}

/// A segment, or the secret, was named by a process that was killed before it had synced that. The next process saw it and
/// relied on it, and a power loss took it away with all that had been stored by then.
#[test]
fn whatever_a_start_finds_is_there_for_good() {
    for point in 1..40 {
        for seed in 1..5 {
            let disk = SimDisk::new();
            disk.die_after(point);
            drop(World::try_open(&disk));
            disk.restart();
            let mut world = World::on(disk);
            world.begin(alice());
            assert_eq!(world.completed(), [Ok(())]);
            world.lose_power(seed * 7919);
            let events = world.events(alice());
            assert_eq!(events.len(), 1, "point {point}, seed {seed}");
        }
    }
}

/// After a failed sync the system still shows what was written, and syncs no more of it. A restart took it for stored, told
/// it to everybody, and a power loss took it away again.
#[test]
fn what_a_start_finds_after_a_failed_sync_is_there_for_good() {
    for seed in 1..40 {
        let mut world = World::new();
        world.begin(alice());
        world.disk.fail(Fault::broken(Kind::Sync, Times::Once, 0));
        world.say(alice(), "shown, not stored");
        world.kill();
        let shown = texts(&world.events(alice())).len();
        world.begin(numbered(9));
        assert_eq!(world.completed().last(), Some(&Ok(())));
        world.lose_power(seed * 7919);
        assert_eq!(texts(&world.events(alice())).len(), shown, "seed {seed}");
        assert_eq!(world.events(numbered(9)).len(), 1, "seed {seed}");
    }
}

/// What was refused for want of room was left where the log ended. When the next record went to the next segment, a
/// restart found the refused one first, and took the accepted one, which had the same number, for a leftover.
#[test]
fn what_was_refused_never_stands_in_the_way_of_what_was_accepted() {
    for spared in 0..8 {
        let mut world = World::new();
        world.begin(alice());
        world.disk.fail(Fault::full(Times::Once, spared % 2));
        world.say(alice(), "refused");
        let stored = world.completed().last() == Some(&Ok(()));
        world.disk.heal();
        world.engine().make_space();
        world.lane().reset();
        let count = 1 + u64::from(stored);
        world.next_is(alice(), count + 1);
        // Too long for the first segment.
        let long = "x".repeat(15_900);
        world.say(alice(), &long);
        assert_eq!(world.completed().last(), Some(&Ok(())));
        world.lose_power(spared + 3);
        let events = world.events(alice());
        assert_eq!(texts(&events).last(), Some(&long.as_str()), "{spared}");
        assert_eq!(events.len() as u64, count + 1);
    }
}

/// Lives so many lives, on every core there is.
fn live(from: u64, lives: u64) -> Tally {
    let next = AtomicU64::new(from);
    let until = from + lives;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= until {
                return tally;
            }
            tally.add(&Life::new(seed).live());
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut tally = Tally::default();
        for worker in workers {
            tally.add(&worker.join().unwrap());
        }
        tally
    })
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap())
}
