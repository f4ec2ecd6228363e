//! How long to wait: before a resend, and before another attempt.

use std::time::Duration;

use crate::clock::Instant;

/// `flex-push-resend-delay` and `flex-push-resend-attempts`: waits before each resend, the last repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResendSchedule {
    /// One wait, or a list of them; never empty.
    pub delays: Vec<Duration>,
    /// Resends after the first push: 0–100.
    pub attempts: u32,
}

/// `customhttp.transport-retry`: waits before each further attempt; empty for `"none"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetrySchedule {
    /// Waits before the second, third … attempt.
    pub delays: Vec<Duration>,
}

/// Why a list of waits is no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// There must be a wait.
    #[error("at least one wait is needed")]
    Empty,
    /// Too many of them.
    #[error("more than {max} waits")]
    TooMany {
        /// How many there can be.
        max: usize,
    },
    /// One of them is too short or too long.
    #[error("a wait must be between {min} and {max} seconds")]
    Wait {
        /// Seconds.
        min: u64,
        /// Seconds.
        max: u64,
    },
    /// Too many resends.
    #[error("at most {max} resends")]
    Attempts {
        /// How many there can be.
        max: u32,
    },
}

/// One failed attempt, as [`RetrySchedule::next`] looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// Failed attempts of the delivery, this one included.
    pub failed: u32,
    /// When the delivery became owed.
    pub owed_at: Instant,
    /// When this attempt began.
    pub began: Instant,
    /// The receiver asked to be left alone until then.
    pub retry_after: Option<Instant>,
}

impl ResendSchedule {
    /// The most resends: `flex-push-resend-attempts`.
    pub const ATTEMPTS_MAX: u32 = 100;
    /// The longest wait in seconds: `flex-push-resend-delay`.
    pub const WAIT_SECONDS_MAX: u64 = 86_400;

    /// A schedule of at least one wait, each 1–86,400 seconds.
    pub fn new(delays: Vec<Duration>, attempts: u32) -> Result<Self, BadSchedule> {
        if delays.is_empty() {
            return Err(BadSchedule::Empty);
        }
        if attempts > Self::ATTEMPTS_MAX {
            let max = Self::ATTEMPTS_MAX;
            return Err(BadSchedule::Attempts { max });
        }
        check_waits(&delays, 1, Self::WAIT_SECONDS_MAX)?;
        Ok(Self { delays, attempts })
    }

    /// How long to wait after the push with this `notify-attempt` was made.
    pub fn delay(&self, attempt: u32) -> Duration {
        usize::try_from(attempt)
            .ok()
            .and_then(|attempt| self.delays.get(attempt))
            .or(self.delays.last())
            .copied()
            .unwrap_or(Duration::from_secs(15))
    }
}

impl Default for ResendSchedule {
    fn default() -> Self {
        Self {
            delays: vec![Duration::from_secs(15)],
            attempts: 5,
        }
    }
}

impl RetrySchedule {
    /// The longest wait in seconds.
    pub const WAIT_SECONDS_MAX: u64 = 7 * 86_400;

    /// A schedule of up to 100 waits, each up to a week; none of them is [`none`](Self::none).
    pub fn new(delays: Vec<Duration>) -> Result<Self, BadSchedule> {
        check_waits(&delays, 0, Self::WAIT_SECONDS_MAX)?;
        Ok(Self { delays })
    }

    /// One attempt only, as Genesys does.
    pub fn none() -> Self {
        Self::default()
    }

    /// When to try again; `None`: no more, the delivery is a dead letter.
    ///
    /// The moments of the schedule are counted from when the delivery became owed, so an attempt between two of them,
    /// made because the destination had recovered, uses up none. A moment that has passed already, because the delivery
    /// waited behind another or the attempt took long, is made up for by its wait from now. An attempt that began past the
    /// end of the schedule was the last. `jitter` (−0.2 to 0.2) is the part of the wait that is added.
    pub fn next(&self, failed: Failed, jitter: f64, now: Instant) -> Option<Instant> {
        let last = self.delays.last()?;
        let end = self.until(self.delays.len()) + last.mul_f64(JITTER_MAX);
        if failed.began > failed.owed_at + end {
            return None;
        }
        let made = usize::try_from(failed.failed).ok()?.checked_sub(1)?;
        let place = made.min(self.passed(failed.began.since(failed.owed_at)));
        let wait = self.delays.get(place)?;
        let jittered = wait.mul_f64(1.0 + jitter.clamp(-JITTER_MAX, JITTER_MAX));
        let planned = failed.owed_at + self.until(place) + jittered;
        let next = if planned > now {
            planned
        } else {
            now + jittered
        };
        Some(failed.retry_after.map_or(next, |asked| next.max(asked)))
    }

    /// How many moments have passed, or could have with the most jitter, after this time.
    fn passed(&self, time: Duration) -> usize {
        let earliest =
            |place: usize, wait: &Duration| self.until(place) + wait.mul_f64(1.0 - JITTER_MAX);
        let moments = self.delays.iter().enumerate();
        moments
            .take_while(|(place, wait)| earliest(*place, wait) <= time)
            .count()
    }

    /// The first `waits` waits together.
    fn until(&self, waits: usize) -> Duration {
        self.delays.iter().take(waits).sum()
    }
}

fn check_waits(delays: &[Duration], min: u64, max: u64) -> Result<(), BadSchedule> {
    if delays.len() > WAITS_MAX {
        return Err(BadSchedule::TooMany { max: WAITS_MAX });
    }
    let range = Duration::from_secs(min)..=Duration::from_secs(max);
    if delays.iter().all(|wait| range.contains(wait)) {
        Ok(())
    } else {
        Err(BadSchedule::Wait { min, max })
    }
}

const WAITS_MAX: usize = 100;

/// The most jitter, as a part of the wait.
const JITTER_MAX: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resends_wait_by_the_list_and_repeat_its_last() {
        let schedule = ResendSchedule::new(seconds(&[15, 60]), 5).unwrap();
        let waits: Vec<u64> = (0..4).map(|n| schedule.delay(n).as_secs()).collect();
        assert_eq!(waits, [15, 60, 60, 60]);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let refused =
            |delays: &[u64], attempts| ResendSchedule::new(seconds(delays), attempts).unwrap_err();
        assert_eq!(refused(&[], 5), BadSchedule::Empty);
        assert_eq!(refused(&[15], 101), BadSchedule::Attempts { max: 100 });
        let wait = BadSchedule::Wait {
            min: 1,
            max: 86_400,
        };
        assert_eq!(refused(&[15, 0], 5), wait);
        assert_eq!(refused(&[86_401], 5), wait);
        assert_eq!(
            RetrySchedule::new(seconds(&[1; 101])).unwrap_err(),
            BadSchedule::TooMany { max: 100 }
        );
        assert!(RetrySchedule::new(seconds(&[604_801])).is_err());
    }

    #[test]
    fn attempts_follow_the_schedule_from_the_moment_it_became_owed() {
        let schedule = RetrySchedule::new(seconds(&[2, 10, 60])).unwrap();
        // Each attempt fails at once; the moments do not drift.
        assert_eq!(schedule.next(failed(1, 0), 0.0, at(50)), Some(at(2_000)));
        assert_eq!(
            schedule.next(failed(2, 2_000), 0.0, at(2_050)),
            Some(at(12_000))
        );
        assert_eq!(
            schedule.next(failed(3, 12_000), 0.0, at(12_050)),
            Some(at(72_000))
        );
        assert_eq!(schedule.next(failed(4, 72_000), 0.0, at(72_050)), None);
    }

    #[test]
    fn jitter_moves_an_attempt_by_a_fifth_of_its_wait() {
        let schedule = RetrySchedule::new(seconds(&[2, 10])).unwrap();
        let second = |jitter| schedule.next(failed(2, 2_000), jitter, at(2_050));
        assert_eq!(second(-0.2), Some(at(10_000)));
        assert_eq!(second(0.2), Some(at(14_000)));
    }

    #[test]
    fn an_attempt_that_took_longer_than_its_wait_is_still_retried() {
        let schedule = RetrySchedule::new(seconds(&[1])).unwrap();
        assert_eq!(
            schedule.next(failed(1, 0), 0.0, at(10_000)),
            Some(at(11_000))
        );
    }

    #[test]
    fn an_attempt_because_of_a_recovery_uses_up_nothing() {
        let schedule = RetrySchedule::new(seconds(&[2, 10, 60])).unwrap();
        let next = |number, began| schedule.next(failed(number, began), 0.0, at(began + 10));
        assert_eq!(next(3, 20_000), Some(at(72_000)));
        assert_eq!(next(9, 30_000), Some(at(72_000)));
        assert_eq!(next(10, 72_000), None);
    }

    #[test]
    fn one_that_waited_behind_another_has_its_retries_until_the_end() {
        let schedule = RetrySchedule::new(seconds(&[2, 10, 60])).unwrap();
        let next = |number, began| schedule.next(failed(number, began), 0.0, at(began));
        assert_eq!(next(1, 20_000), Some(at(22_000)));
        assert_eq!(next(2, 22_000), Some(at(32_000)));
        assert_eq!(next(3, 32_000), Some(at(72_000)));
    }

    #[test]
    fn one_past_its_end_gets_one_attempt() {
        let schedule = RetrySchedule::new(seconds(&[2, 10])).unwrap();
        assert_eq!(schedule.next(failed(1, 60_000), 0.0, at(60_010)), None);
    }

    #[test]
    fn never_earlier_than_retry_after() {
        let schedule = RetrySchedule::new(seconds(&[2])).unwrap();
        let asked = |millis| Failed {
            retry_after: Some(at(millis)),
            ..failed(1, 0)
        };
        assert_eq!(schedule.next(asked(30_000), 0.0, at(0)), Some(at(30_000)));
        assert_eq!(schedule.next(asked(500), 0.0, at(0)), Some(at(2_000)));
    }

    #[test]
    fn none_is_one_attempt() {
        assert_eq!(RetrySchedule::none().next(failed(1, 0), 0.0, at(0)), None);
    }

    /// Owed at a time that is called 0.
    fn failed(failed: u32, began: u64) -> Failed {
        Failed {
            failed,
            owed_at: at(0),
            began: at(began),
            retry_after: None,
        }
    }

    fn at(millis: u64) -> Instant {
        Instant(1_700_000_000_000 + millis)
    }

    fn seconds(list: &[u64]) -> Vec<Duration> {
        list.iter().copied().map(Duration::from_secs).collect()
    }
}
