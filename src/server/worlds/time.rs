//! The world's own time: milliseconds since it began, through all lives of the server.

use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::clock::{self, Clock, told};

/// When the world began, in wall time.
pub(super) const BEGINNING: u64 = 1_800_000_000_000;

/// A process that is killed has noted how far its clock had come so long before, at most: as in `server::steady`.
const NOTED_EVERY: u64 = 5_000;

/// Shared by everything in a world.
#[derive(Clone, Debug, Default)]
pub(super) struct Time(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// World time when this life of the server began.
    base: u64,
    origin: Option<Instant>,
    /// The time when it was looked at last.
    now: u64,
    /// How wrong the machine's clock is, in milliseconds.
    skew: i64,
    /// What the steady clock showed when this life began.
    steady: u64,
}

impl Time {
    pub(super) fn now(&self) -> u64 {
        let mut inner = self.0.lock().unwrap();
        // Outside of the runtime its clock cannot be read, and stands still.
        if let Some(origin) = inner.origin.filter(|_| Handle::try_current().is_ok()) {
            let elapsed = u64::try_from(origin.elapsed().as_millis()).unwrap();
            inner.now = inner.base + elapsed;
        }
        inner.now
    }

    /// What the machine's clock shows.
    pub(super) fn wall(&self) -> u64 {
        let now = self.now();
        let skew = self.0.lock().unwrap().skew;
        (BEGINNING + now).saturating_add_signed(skew)
    }

    /// Goes on with the clock of the runtime that is entered now; the clock of the new life.
    pub(super) fn begin_life(&self) -> Clock {
        let now = self.now();
        let mut inner = self.0.lock().unwrap();
        (inner.base, inner.origin) = (now, Some(Instant::now()));
        let last = clock::Instant(inner.steady);
        drop(inner);
        told::set(self.wall());
        let clock = Clock::after(last);
        self.0.lock().unwrap().steady = clock.now().instant.0;
        clock
    }

    /// The runtime is about to go.
    pub(super) fn end_life(&self) {
        let now = self.now();
        let mut inner = self.0.lock().unwrap();
        inner.steady += (now - inner.base).saturating_sub(NOTED_EVERY);
        (inner.base, inner.origin) = (now, None);
    }

    /// Time passes while there is no server.
    pub(super) fn skip(&self, millis: u64) {
        let mut inner = self.0.lock().unwrap();
        inner.base += millis;
        inner.now += millis;
    }

    /// Somebody sets the machine's clock, while the server lives.
    pub(super) fn set_skew(&self, skew: i64) {
        self.0.lock().unwrap().skew = skew;
        told::set(self.wall());
    }
}
