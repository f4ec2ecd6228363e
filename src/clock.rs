//! The only reader of the clock.
//!
//! Two times, honestly named: [`Instant`] is for waiting and never jumps while the process lives; [`Wall`] is for
//! writing down and follows the operator's clock. Everything else is told a [`Now`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant as Moment;

/// A point in time to wait for: milliseconds on a steady clock that started at the wall time of the process's start.
///
/// It can be stored (a dormant chat's deadline is one) and does not move when somebody sets the machine's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

/// A point in time to show: milliseconds since 1970 in UTC, as `utcTime` carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub u64);

/// Both times of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For waiting.
    pub instant: Instant,
    /// For writing down.
    pub wall: Wall,
}

/// The machine's clock; in a runtime whose time is paused, that runtime's.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Moment,
    started_at: u64,
}

impl Clock {
    /// A clock whose steady time starts at the machine's wall time now.
    pub fn system() -> Self {
        Self {
            started: Moment::now(),
            started_at: wall_millis(),
        }
    }

    /// The same, but its steady time is not before `last`: what a process that lived before has stored as deadlines comes in
    /// its time, although somebody has set the machine's clock back in between.
    pub fn after(last: Instant) -> Self {
        let now = Self::system();
        Self {
            started_at: now.started_at.max(last.0),
            ..now
        }
    }

    /// What time it is.
    pub fn now(&self) -> Now {
        Now {
            instant: Instant(self.started_at + millis(self.started.elapsed())),
            wall: Wall(wall_millis()),
        }
    }

    /// The moment of the runtime's timer at which `instant` is reached; the past becomes now.
    pub fn deadline(&self, instant: Instant) -> Moment {
        self.started + Duration::from_millis(instant.0.saturating_sub(self.started_at))
    }
}

impl Instant {
    /// How long from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The next whole tenth of a second: for what may be as late as that, so that some of it is looked at together, and not
    /// too much.
    pub fn whole_tenth(self) -> Instant {
        Instant(self.0.checked_next_multiple_of(100).unwrap_or(u64::MAX))
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, wait: Duration) -> Instant {
        Instant(self.0.saturating_add(millis(wait)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn wall_millis() -> u64 {
    #[cfg(test)]
    if let Some(wall) = told::now() {
        return wall;
    }
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}

/// Wall time as this thread was told it is.
#[cfg(test)]
pub mod told {
    use std::cell::Cell;

    use super::{Moment, millis};

    thread_local!(static TOLD: Cell<Option<(Moment, u64)>> = const { Cell::new(None) });

    /// It is `wall` at this moment of the thread's runtime, and goes on from there.
    pub fn set(wall: u64) {
        TOLD.set(Some((Moment::now(), wall)));
    }

    pub(super) fn now() -> Option<u64> {
        let (at, wall) = TOLD.get()?;
        Some(wall + millis(at.elapsed()))
    }
}
