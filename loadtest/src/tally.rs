//! What was received, held to what was sent: latency, and whether anything is lost, twice or out of order.

use std::collections::HashSet;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::mark::Mark;

/// The stream of a message that came to somebody whom it was not for, or that nobody wrote.
pub const STRANGE: usize = usize::MAX;

/// The record of one run. A *stream* is one reader of one writer.
pub struct Tally {
    latencies: Histogram<u64>,
    from: Duration,
    until: Duration,
    last: Vec<u32>,
    // Not yet received, though a later one was.
    skipped: HashSet<(usize, u32)>,
    expected: u64,
    due: u64,
    repetitions_are_right: bool,
    /// Messages received, each once.
    pub delivered: u64,
    /// Of them, those that were due within the measured time.
    pub measured: u64,
    duplicates: u64,
    late: u64,
    strange: u64,
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
            skipped: HashSet::new(),
            expected: 0,
            due: 0,
            repetitions_are_right: false,
            delivered: 0,
            measured: 0,
            duplicates: 0,
            late: 0,
            strange: 0,
        }
    }

    /// Who breaks off before it has answered may be told again.
    pub fn with_repetitions(mut self) -> Self {
        self.repetitions_are_right = true;
        self
    }

    /// From now on what is due in `from..until` is timed; the rest is checked only.
    pub fn measure(&mut self, from: Duration, until: Duration) {
        (self.from, self.until, self.measured, self.due) = (from, until, 0, 0);
        self.latencies.reset();
    }

    /// A message was written, and so many will see it.
    pub fn owe(&mut self, due: Duration, readers: u64) {
        self.expected += readers;
        if self.is_measured(due) {
            self.due += readers;
        }
    }

    /// What was written and has not been received.
    pub fn owed(&self) -> u64 {
        self.expected.saturating_sub(self.delivered)
    }

    /// Of what was due within the measured time, the share that has not been received; all of it where nothing was due.
    pub fn missing(&self) -> f64 {
        match self.due {
            0 => 1.0,
            due => due.saturating_sub(self.measured) as f64 / due as f64,
        }
    }

    /// One message of one stream has come.
    pub fn saw(&mut self, stream: usize, mark: Mark, now: Duration) {
        let Some(last) = self.last.get_mut(stream) else {
            self.strange += 1;
            return;
        };
        if mark.number > *last {
            let between = *last + 1..mark.number;
            self.skipped.extend(between.map(|number| (stream, number)));
            *last = mark.number;
        } else if self.skipped.remove(&(stream, mark.number)) {
            self.late += 1;
        } else {
            self.duplicates += 1;
            return;
        }
        self.delivered += 1;
        if self.is_measured(mark.due) {
            self.measured += 1;
            let latency = now.saturating_sub(mark.due).as_nanos() as u64;
            self.latencies.saturating_record(latency);
        }
    }

    fn is_measured(&self, due: Duration) -> bool {
        due >= self.from && due < self.until
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

    /// What is wrong, in words.
    pub fn wrong(&self) -> Vec<String> {
        let duplicates = if self.repetitions_are_right {
            0
        } else {
            self.duplicates
        };
        let counts = [
            (self.owed(), "lost"),
            (duplicates, "received twice"),
            (self.late, "received after a later one"),
            (
                self.strange,
                "received by somebody to whom they were never sent",
            ),
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

    fn saw(tally: &mut Tally, numbers: &[u32]) {
        for &number in numbers {
            tally.saw(0, mark(number), Duration::from_millis(12));
        }
    }

    #[test]
    fn loss_repetition_disorder_and_strangers_are_told_apart() {
        let mut tally = Tally::new(1);
        tally.owe(Duration::ZERO, 5);
        saw(&mut tally, &[1, 3, 2, 3, 5]);
        tally.saw(STRANGE, mark(1), Duration::from_millis(12));
        assert_eq!((tally.delivered, tally.owed()), (4, 1));
        let wrong = [
            "1 messages were lost",
            "1 messages were received twice",
            "1 messages were received after a later one",
            "1 messages were received by somebody to whom they were never sent",
        ];
        assert_eq!(tally.wrong(), wrong);
        assert!((tally.latency().p50 - 2.0).abs() < 0.01);
    }

    #[test]
    fn a_receiver_that_broke_off_may_hear_it_again_but_miss_nothing() {
        let mut tally = Tally::new(1).with_repetitions();
        tally.owe(Duration::ZERO, 3);
        saw(&mut tally, &[1, 1, 3]);
        assert_eq!(tally.wrong(), ["1 messages were lost"]);
        saw(&mut tally, &[2]);
        assert_eq!(
            tally.wrong(),
            ["1 messages were received after a later one"]
        );
    }

    #[test]
    fn what_never_came_is_missing_from_what_was_due_then() {
        let mut tally = Tally::new(1);
        tally.measure(Duration::from_millis(10), Duration::from_millis(20));
        assert!((tally.missing() - 1.0).abs() < 0.01);
        tally.owe(Duration::from_millis(5), 1);
        tally.owe(Duration::from_millis(10), 2);
        saw(&mut tally, &[1]);
        assert!((tally.missing() - 0.5).abs() < 0.01);
    }
}
