//! When which session is to be looked at: one ordered set and one task for all of them.

use std::collections::BTreeSet;
use std::sync::{Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Instant};
use crate::id::ClientId;

use super::Registry;
use super::sharded::lock;

/// The least time between two looks, so that many deadlines share one.
const RESOLUTION: Duration = Duration::from_millis(10);
/// How many sessions are looked at before others have their turn: very many may end at the same moment.
pub(super) const SLICE: usize = 256;

/// Each session stands here at most once.
#[derive(Debug, Default)]
pub struct Timers {
    due: Mutex<BTreeSet<(Instant, ClientId)>>,
    earlier: Notify,
}

impl Timers {
    /// Moves a session from `old` to `new`.
    pub fn schedule(&self, client: ClientId, old: Option<Instant>, new: Instant) {
        let mut due = lock(&self.due);
        if let Some(old) = old {
            due.remove(&(old, client));
        }
        due.insert((new, client));
        let is_first = due.first().is_some_and(|first| *first == (new, client));
        drop(due);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Takes a session out.
    pub fn cancel(&self, client: ClientId, old: Instant) {
        lock(&self.due).remove(&(old, client));
    }

    /// Wakes the task, for the last time.
    pub fn end(&self) {
        self.earlier.notify_one();
    }

    fn first(&self) -> Option<Instant> {
        lock(&self.due).first().map(|(at, _)| *at)
    }

    /// The earliest of what is past, a slice of it.
    fn take_due(&self, now: Instant) -> Vec<(Instant, ClientId)> {
        let mut due = lock(&self.due);
        let mut taken = Vec::new();
        while taken.len() < SLICE && due.first().is_some_and(|(at, _)| *at <= now) {
            taken.extend(due.pop_first());
        }
        taken
    }

    /// Tells sessions that their time has come, until the registry is gone.
    pub async fn run(&self, registry: Weak<Registry>, clock: Clock) {
        loop {
            match self.first() {
                None => self.earlier.notified().await,
                Some(at) => {
                    let deadline = clock.deadline(at);
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep_until(deadline) => {}
                        () = self.earlier.notified() => {}
                    }
                }
            }
            let Some(registry) = registry.upgrade() else {
                return;
            };
            while self.tell(&registry, clock.now().instant) == SLICE {
                tokio::task::yield_now().await;
            }
            drop(registry);
            tokio::time::sleep(RESOLUTION).await;
        }
    }

    /// Tells a slice of the sessions whose time has come; how many.
    fn tell(&self, registry: &Registry, now: Instant) -> usize {
        let due = self.take_due(now);
        for (at, client) in &due {
            registry.time_has_come(*client, *at);
        }
        due.len()
    }
}
