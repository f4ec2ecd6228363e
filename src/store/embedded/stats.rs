//! What the engine counts, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets of [`Stats::latency`], in microseconds; one more bucket holds the rest.
pub const LATENCY_BOUNDS_MICROS: [u64; 11] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000,
];
/// Upper bounds of the buckets of [`Stats::group_sizes`], in records; one more bucket holds the rest.
pub const GROUP_BOUNDS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 1_024, 4_096];

/// Counters and gauges of one engine.
#[derive(Debug, Default)]
pub struct Stats {
    /// Groups that were synced.
    pub groups: AtomicU64,
    /// Records that became durable.
    pub records: AtomicU64,
    /// Bytes that were written to the log.
    pub bytes: AtomicU64,
    /// Sessions that were loaded or looked at, and transcripts that were read.
    pub reads: AtomicU64,
    /// Batches that failed.
    pub failures: AtomicU64,
    /// How many records the groups had.
    pub group_sizes: Histogram,
    /// From queueing to durable, in microseconds.
    pub latency: Histogram,
    /// How often a commit had to wait because the queue was full.
    pub queue_full: AtomicU64,
    /// Writes of the index.
    pub index_writes: AtomicU64,
    /// Sessions whose record was found to be damaged.
    pub damaged: AtomicU64,
    /// Dead letters that had to go because there were too many.
    pub dead_letters_dropped: AtomicU64,
    /// Segments emptied by compaction or because nobody needed them.
    pub segments_retired: AtomicU64,
    /// Segments there are.
    pub segments: AtomicU64,
    /// Bytes free on the disk.
    pub free_bytes: AtomicU64,
}

/// A histogram with fixed bounds.
#[derive(Debug, Default)]
pub struct Histogram {
    /// How many fell into each bucket; the last has no bound.
    pub buckets: [AtomicU64; 12],
    /// The sum of all.
    pub sum: AtomicU64,
}

impl Stats {
    pub(super) fn group(&self, records: usize, bytes: usize) {
        add(&self.groups, 1);
        add(&self.records, records as u64);
        add(&self.bytes, bytes as u64);
        self.group_sizes.add(&GROUP_BOUNDS, records as u64);
    }

    pub(super) fn waited(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.latency.add(&LATENCY_BOUNDS_MICROS, micros);
    }
}

impl Histogram {
    fn add(&self, bounds: &[u64], value: u64) {
        let bucket = bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(bucket) {
            add(bucket, 1);
        }
        add(&self.sum, value);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }
}

/// Counts.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for value in [1, 2, 3, 5_000] {
            histogram.add(&GROUP_BOUNDS, value);
        }
        let counts = histogram.buckets.each_ref().map(|b| b.load(Relaxed));
        assert_eq!(counts, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(histogram.count(), 4);
    }
}
