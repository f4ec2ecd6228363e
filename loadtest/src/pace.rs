//! An open loop: messages are due at their times, whether or not the server has kept up.

use std::time::{Duration, Instant};

/// The clock of one run.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    pub fn now(self) -> Duration {
        self.0.elapsed()
    }
}

/// Evenly spaced times from a beginning to an end.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    from: Duration,
    until: Duration,
    gap: f64,
    given: u64,
}

impl Pace {
    /// `rate` a second from `from`, for `length`.
    pub fn new(rate: f64, from: Duration, length: Duration) -> Self {
        Self {
            from,
            until: from + length,
            gap: 1e9 / rate.max(1e-6),
            given: 0,
        }
    }

    /// The time of the next one, if that has come.
    pub fn due(&mut self, now: Duration) -> Option<Duration> {
        let next = self.next();
        if next > now || next >= self.until {
            return None;
        }
        self.given += 1;
        Some(next)
    }

    /// Whether all have been given out.
    pub fn is_over(&self) -> bool {
        self.next() >= self.until
    }

    /// How long there is nothing to send: short sleeps only, as the kernel rounds them up.
    pub fn idle(&self, now: Duration) -> Duration {
        match self.next().saturating_sub(now) {
            near if near < Duration::from_millis(2) => Duration::ZERO,
            far => (far - Duration::from_millis(1)).min(Duration::from_millis(50)),
        }
    }

    fn next(&self) -> Duration {
        self.from + Duration::from_nanos((self.given as f64 * self.gap) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_was_missed_is_due_at_its_own_time() {
        let mut pace = Pace::new(10.0, SECOND, SECOND);
        assert_eq!(pace.due(Duration::ZERO), None);
        let late = 3 * SECOND;
        let times: Vec<_> = std::iter::from_fn(|| pace.due(late)).collect();
        assert_eq!(times.len(), 10);
        assert_eq!(
            (times[0], times[9]),
            (SECOND, SECOND + Duration::from_millis(900))
        );
        assert!(pace.is_over());
    }
}
