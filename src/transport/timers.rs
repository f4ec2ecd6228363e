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

    fn take_due(&self, now: Instant) -> BTreeSet<(Instant, ClientId)> {
        let mut due = lock(&self.due);
        let mut past = due.split_off(&(Instant(now.0 + 1), ClientId::new(0)));
        std::mem::swap(&mut *due, &mut past);
        past
    }

    /// Tells sessions that their time has come, until the registry is gone.
    pub async fn run(&self, registry: Weak<Registry>, clock: Clock) {
        loop {
            match self.first() {
                None => self.earlier.notified().await,
                Some(at) => {
                    let deadline = clock.deadline(at).into();
                    tokio::select! {
                        () = tokio::time::sleep_until(deadline) => {}
                        () = self.earlier.notified() => {}
                    }
                }
            }
            let Some(registry) = registry.upgrade() else {
                return;
            };
            for (at, client) in self.take_due(clock.now().instant) {
                registry.time_has_come(client, at);
            }
            drop(registry);
            tokio::time::sleep(RESOLUTION).await;
        }
    }
}
