//! The poster: makes the attempts at the pushes that are owed.
//!
//! It is given [`Job`]s, at most one of a chat at a time, and [`Report`]s how each went; what is owed, and in which order,
//! is decided by [`push::Subscriber`] and stored, so nothing is lost with the poster. Every destination has a lane of
//! its own: its own bound, its own concurrency, its own connections. A dead or slow one delays nobody else.

mod attempt;
mod courier;
mod lane;
mod metrics;
#[cfg(test)]
mod stories;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;

use self::attempt::Receiver;
pub use self::courier::{Answered, BadDestination, Courier, Couriers, by_http};
use self::lane::{After, Closed, Ended, Lane, Turn};
pub use self::metrics::Metrics;
use crate::chance;
use crate::clock::{Clock, Instant};
use crate::id::DeliveryId;
use crate::push::{self, Answer, Destination, Failed, Outcome, RetrySchedule, Verdict};

/// One attempt that is to be made.
#[derive(Clone)]
pub struct Job {
    /// Which delivery; as text it is the `webhook-id`.
    pub delivery: DeliveryId,
    /// [`push::Subscription::destination`].
    pub destination: Box<str>,
    /// The same for every attempt.
    pub body: Bytes,
    /// The `traceparent` header.
    pub traceparent: Box<str>,
    /// When the delivery became owed.
    pub owed_at: Instant,
    /// Attempts that failed before.
    pub failed: u32,
}

/// What the poster tells the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// An attempt has ended.
    Settled {
        /// Of which delivery.
        delivery: DeliveryId,
        /// How.
        outcome: Outcome,
    },
    /// A destination takes jobs again, after it had turned one away.
    Room {
        /// Its name.
        destination: String,
        /// How many more, together with those who ask at the same time.
        room: usize,
    },
    /// The first success after failures: deliveries that wait for this destination need not wait longer than their
    /// `Retry-After` ([`push::Delivery::ready_at`]). The first success after the start counts as one, because deliveries
    /// may have been waiting since before.
    Recovered {
        /// Its name.
        destination: String,
    },
    /// The destination said 410: whatever it is offered becomes a dead letter at once, until reload or restart. Those that
    /// wait need not wait for that: this is to be taken as [`Recovered`](Self::Recovered) is.
    Disabled {
        /// Its name.
        destination: String,
    },
}

/// Takes a report, when there is room for it.
type Tell = Box<dyn Fn(Report) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Makes the attempts. Cheap to clone.
#[derive(Clone)]
pub struct Poster {
    shared: Arc<Shared>,
}

struct Shared {
    lanes: RwLock<BTreeMap<String, Arc<Lane>>>,
    couriers: Couriers,
    tell: Tell,
    clock: Clock,
    metrics: Metrics,
    runtime: Handle,
    draining: AtomicBool,
    /// Workers under way, of all lanes.
    workers: watch::Sender<usize>,
}

impl Poster {
    /// A poster to these destinations, by name; `couriers` finds the way to each. Must be called within the runtime.
    ///
    /// `tell` is only called from the poster's own tasks. It may wait, for room in a bounded queue: the attempt then keeps
    /// its place meanwhile.
    pub fn new<T: Future<Output = ()> + Send + 'static>(
        destinations: BTreeMap<String, Destination>,
        clock: Clock,
        metrics: Metrics,
        couriers: Couriers,
        tell: impl Fn(Report) -> T + Send + Sync + 'static,
    ) -> Result<Self, BadDestination> {
        let poster = Self {
            shared: Arc::new(Shared {
                lanes: RwLock::default(),
                couriers,
                tell: Box::new(move |report| Box::pin(tell(report))),
                clock,
                metrics,
                runtime: Handle::current(),
                draining: AtomicBool::new(false),
                workers: watch::Sender::new(0),
            }),
        };
        poster.reload(destinations)?;
        Ok(poster)
    }

    /// Accepts a job, whose end is reported; or gives it back, because its destination has twice its `concurrency` in hand
    /// already ([`Report::Room`] will say when it has not), or because the poster is draining.
    pub fn offer(&self, job: Job) -> Result<(), Job> {
        if self.shared.is_draining() {
            return Err(job);
        }
        let Some(lane) = self.shared.lane(&job.destination) else {
            self.shared.turn_down(job);
            return Ok(());
        };
        let workers = lane.offer(job)?;
        self.shared.start(&lane, workers);
        Ok(())
    }

    /// Takes new destinations, all or none. Attempts under way end as they began; jobs that wait go to the new address.
    /// A destination that was disabled by its 410 is tried again.
    pub fn reload(
        &self,
        destinations: BTreeMap<String, Destination>,
    ) -> Result<(), BadDestination> {
        let mut receivers = BTreeMap::new();
        for (name, destination) in destinations {
            let receiver = self.shared.receiver(&name, destination)?;
            receivers.insert(name, receiver);
        }
        self.shared.replace(receivers);
        Ok(())
    }

    /// Waits until the attempts under way have ended and their reports were taken; no others are begun. What was accepted and waits
    /// is dropped: it is owed still, and offered again after the next start.
    pub async fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
        let mut workers = self.shared.workers.subscribe();
        // The sender lives as long as this does.
        let _ = workers.wait_for(|workers| *workers == 0).await;
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// So many more pushes are owed to a destination, or fewer, as the hub counts them.
    pub fn owed(&self, destination: &str, more: i64) {
        if let Some(lane) = self.shared.lane(destination) {
            lane.counted.owed(more);
        } else {
            self.metrics().owed(destination).inc_by(more);
        }
    }
}

impl Shared {
    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    fn lane(&self, destination: &str) -> Option<Arc<Lane>> {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        lanes.get(destination).cloned()
    }

    /// The receiver for a destination: the present one, with its connections, where nothing has changed.
    fn receiver(
        &self,
        name: &str,
        destination: Destination,
    ) -> Result<Arc<Receiver>, BadDestination> {
        if let Some(present) = self.lane(name).map(|lane| lane.receiver())
            && present.destination == destination
        {
            return Ok(present);
        }
        let courier = (self.couriers)(name, &destination)?;
        Ok(Arc::new(Receiver::new(destination, courier)))
    }

    fn replace(self: &Arc<Self>, mut receivers: BTreeMap<String, Arc<Receiver>>) {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        for (name, lane) in lanes.iter() {
            match receivers.remove(name) {
                Some(receiver) => self.start(lane, lane.reopen(receiver)),
                None => lane.close(Closed::Unconfigured),
            }
        }
        for (name, receiver) in receivers {
            let counted = self.metrics.of(&name);
            let lane = Arc::new(Lane::new(name.clone(), receiver, counted));
            lanes.insert(name, lane);
        }
    }

    fn start(self: &Arc<Self>, lane: &Arc<Lane>, workers: usize) {
        for _ in 0..workers {
            let (shared, lane) = (Arc::clone(self), Arc::clone(lane));
            self.spawn(async move { shared.work(&lane).await });
        }
    }

    /// Reports the end of a job to a destination that there never was.
    fn turn_down(self: &Arc<Self>, job: Job) {
        let shared = Arc::clone(self);
        self.spawn(async move { shared.give_up(&job, Closed::Unconfigured).await });
    }

    /// Runs `work` as something that draining waits for.
    fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        self.workers.send_modify(|under_way| *under_way += 1);
        let shared = Arc::clone(self);
        self.runtime.spawn(async move {
            work.await;
            shared.workers.send_modify(|under_way| *under_way -= 1);
        });
    }

    /// One worker: an attempt after the other, until nothing waits.
    async fn work(&self, lane: &Lane) {
        while let Some(Turn {
            job,
            receiver,
            closed,
        }) = lane.turn(self.is_draining())
        {
            let ended = match closed {
                Some(closed) => {
                    self.give_up(&job, closed).await;
                    Ended::NotMade
                }
                None => self.attempt(lane, &receiver, &job).await,
            };
            self.tell_after(lane, lane.ended(ended, &receiver)).await;
        }
    }

    async fn attempt(&self, lane: &Lane, receiver: &Receiver, job: &Job) -> Ended {
        let began = self.clock.now();
        let answer = receiver.post(job, began.wall).await;
        let now = self.clock.now().instant;
        lane.counted.attempted(answer, now.since(began.instant));
        let verdict = push::classify(answer);
        let outcome = match verdict {
            Verdict::Delivered => Outcome::Delivered,
            Verdict::Dead => dead(answer, ""),
            Verdict::DisableDestination => dead(answer, "; the destination is disabled"),
            Verdict::RetryLater { retry_after } => {
                let failed = Failed {
                    failed: job.failed.saturating_add(1),
                    owed_at: job.owed_at,
                    began: began.instant,
                    retry_after: retry_after.map(|wait| now + wait),
                };
                retry(&receiver.destination.retry, failed, answer, now)
            }
        };
        if outcome != Outcome::Delivered {
            lane.log_failure(job, &answer.reason(), &outcome, now);
        }
        lane.counted.settled(&outcome);
        self.settle(job, outcome).await;
        match verdict {
            Verdict::Delivered => Ended::Succeeded,
            Verdict::RetryLater { .. } => Ended::Failed,
            Verdict::Dead => Ended::Refused,
            Verdict::DisableDestination => Ended::Gone,
        }
    }

    /// A job of a destination that takes none.
    async fn give_up(&self, job: &Job, closed: Closed) {
        let reason = closed.reason().to_owned();
        let outcome = Outcome::Dead { reason };
        self.metrics.settled(&job.destination, &outcome);
        self.settle(job, outcome).await;
    }

    async fn settle(&self, job: &Job, outcome: Outcome) {
        let delivery = job.delivery;
        (self.tell)(Report::Settled { delivery, outcome }).await;
    }

    async fn tell_after(&self, lane: &Lane, after: After) {
        let destination = || lane.name().to_owned();
        if after.disabled {
            let destination = destination();
            tracing::error!(
                destination,
                "the destination answered 410 and is disabled until reload or restart"
            );
            (self.tell)(Report::Disabled { destination }).await;
        }
        if after.recovered {
            let destination = destination();
            (self.tell)(Report::Recovered { destination }).await;
        }
        if let Some(room) = after.room {
            let destination = destination();
            (self.tell)(Report::Room { destination, room }).await;
        }
    }
}

/// Another attempt, or none any more.
fn retry(schedule: &RetrySchedule, failed: Failed, answer: Answer, now: Instant) -> Outcome {
    match schedule.next(failed, jitter(), now) {
        Some(not_before) => Outcome::Retry {
            not_before,
            retry_after: failed.retry_after,
        },
        None if schedule.delays.is_empty() => dead(answer, ""),
        None => dead(answer, "; schedule spent"),
    }
}

fn dead(answer: Answer, because: &str) -> Outcome {
    Outcome::Dead {
        reason: format!("{}{because}", answer.reason()),
    }
}

/// −0.2 to 0.2; none where the machine has no randomness to give.
fn jitter() -> f64 {
    let random = chance::bits64().map_or(0.5, |random| random as f64 / u64::MAX as f64);
    random * 0.4 - 0.2
}
