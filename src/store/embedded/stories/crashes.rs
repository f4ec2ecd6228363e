//! Many lives of one store, on a disk that lies: each ends in the middle of something, and the next must find all that was
//! completed.
//!
//! `PARLOR_CRASH_POINTS=1000000 cargo test --lib crash_points` for more of them, `PARLOR_CRASH_FROM` for others than usual. A
//! life that fails says its seed; `PARLOR_CRASH_POINTS=1 PARLOR_CRASH_FROM=SEED` is that life again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::life::{CRASHES, Life, Tally};

#[test]
fn whatever_was_completed_is_there_after_ten_thousand_crash_points() {
    let points = variable("PARLOR_CRASH_POINTS").unwrap_or(10_000);
    let from = variable("PARLOR_CRASH_FROM").unwrap_or(1);
    let tally = live(from, points.div_ceil(CRASHES));
    assert!(tally.crashes >= points, "{tally:?}");
    if points >= 10_000 {
        // A run in which one of these never happened would prove less than it says.
        assert!(tally.retired > points / 10, "compaction: {tally:?}");
        assert!(tally.restarts_cut > points / 10, "in a start: {tally:?}");
        assert!(tally.breaks > points / 20, "broken disks: {tally:?}");
        assert!(tally.refills > points / 20, "full disks: {tally:?}");
        assert!(tally.index_writes > points, "index writes: {tally:?}");
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
