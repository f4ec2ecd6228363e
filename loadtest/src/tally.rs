//! What was received, held to what was sent: latency, and whether anything is lost, twice or out of order.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::mark::Mark;

/// The record of one run. A *stream* is one reader of one writer.
pub struct Tally {
    latencies: Histogram<u64>,
    from: Duration,
    until: Duration,
    last: Vec<u32>,
    /// Messages received, each once.
    pub delivered: u64,
    /// Of them, those that were due within the measured time.
    pub measured: u64,
    /// Received again.
    pub duplicates: u64,
    /// Received with a gap before them. What filled the gap later counts as a duplicate.
    pub gaps: u64,
}

/// Latencies of a run, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    /// Half were faster.
    pub p50: f64,
    /// All but one in a hundred were faster.
    pub p99: f64,
    /// All but one in a thousand were faster.
    pub p999: f64,
}

impl Tally {
    /// For so many streams.
    pub fn new(streams: usize) -> Self {
        let highest = Duration::from_secs(600).as_nanos() as u64;
        Self {
            latencies: Histogram::new_with_bounds(1_000, highest, 3)
                .expect("bounds that make sense"),
            from: Duration::ZERO,
            until: Duration::MAX,
            last: vec![0; streams],
            delivered: 0,
            measured: 0,
            duplicates: 0,
            gaps: 0,
        }
    }

    /// From now on what is due in `from..until` is timed; the rest is checked only.
    pub fn measure(&mut self, from: Duration, until: Duration) {
        (self.from, self.until, self.measured) = (from, until, 0);
        self.latencies.reset();
    }

    /// One message of one stream has come.
    pub fn saw(&mut self, stream: usize, mark: Mark, now: Duration) {
        let last = &mut self.last[stream];
        if mark.number <= *last {
            self.duplicates += 1;
            return;
        }
        self.gaps += u64::from(mark.number != *last + 1);
        *last = mark.number;
        self.delivered += 1;
        if mark.due >= self.from && mark.due < self.until {
            self.measured += 1;
            let latency = now.saturating_sub(mark.due).as_nanos() as u64;
            self.latencies.saturating_record(latency);
        }
    }

    /// How long messages took.
    pub fn latency(&self) -> Latency {
        let at = |quantile| self.latencies.value_at_quantile(quantile) as f64 / 1e6;
        Latency {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
        }
    }

    /// What is wrong, in words; `expected` deliveries were owed.
    pub fn wrong(&self, expected: u64) -> Vec<String> {
        let lost = expected.saturating_sub(self.delivered);
        let counts = [
            (lost, "lost"),
            (self.duplicates, "received twice or too late"),
            (self.gaps, "received before an earlier one"),
        ];
        counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} messages were {what}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u32) -> Mark {
        Mark {
            writer: 0,
            number,
            due: Duration::from_millis(10),
        }
    }

    #[test]
    fn a_gap_a_repetition_and_a_loss_are_told_apart() {
        let mut tally = Tally::new(1);
        for number in [1, 2, 2, 4] {
            tally.saw(0, mark(number), Duration::from_millis(12));
        }
        assert_eq!((tally.delivered, tally.duplicates, tally.gaps), (3, 1, 1));
        assert_eq!(tally.wrong(4).len(), 3);
        assert!((tally.latency().p50 - 2.0).abs() < 0.01);
    }
}
