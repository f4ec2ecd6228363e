//! Runs the shards: gives each its inputs and the time, and does what it puts out.
//!
//! Each shard is one task. It takes what has come in since its last turn, lets the machine work through it, and hands the
//! batches to its lane of the store together: one turn, one group.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::clock::Clock;
use crate::hub::shard::{Input, Output, Push, Shard};
use crate::store::{self, Completion, Lane};

/// Inputs that a shard takes in one turn.
const TURN: usize = 256;

/// Where the pushes of a shard go.
pub trait Pushes: Send + Sync {
    /// Takes a push, or gives it back where its destination has no room.
    fn offer(&self, push: Push) -> Result<(), Push>;

    /// Counts a push that was given up without being offered.
    fn gave_up(&self, destination: &str);

    /// Counts pushes that are owed, or no longer.
    fn owed(&self, destination: &str, more: i64);
}

/// One shard and its connections.
pub struct Runner {
    /// The machine.
    pub shard: Shard,
    /// Its queue.
    pub inputs: mpsc::Receiver<Input>,
    /// The way back into its queue, for what the store answers.
    pub sender: mpsc::Sender<Input>,
    /// The store.
    pub store: store::Shared,
    /// The poster.
    pub pushes: Arc<dyn Pushes>,
    /// The time.
    pub clock: Clock,
    /// Ends the loop: everything is put away, and the queue is closed.
    pub stop: Arc<Notify>,
    /// What is worth counting.
    pub gauges: Arc<Gauges>,
}

/// What all shards are doing, summed.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Sessions in memory, by shard.
    pub awake: std::sync::atomic::AtomicUsize,
}

/// Completions on their way from the store's thread to a shard.
#[derive(Default)]
struct Completions {
    arrived: Mutex<Vec<Completion>>,
    wake: Notify,
}

impl Runner {
    /// Runs until it is stopped.
    pub async fn run(mut self) {
        let completions = Arc::new(Completions::default());
        let arrived = completions.clone();
        let mut lane = self.store.lane(Box::new(move |done| arrived.put(done)));
        let mut inputs = Vec::with_capacity(TURN);
        let mut awake = 0;
        loop {
            let stopping = self.turn(&completions, &mut inputs).await;
            let now = self.clock.now();
            let stored = completions.take();
            if !stored.is_empty() {
                self.shard.handle(Input::Stored(stored), now);
            }
            for input in inputs.drain(..) {
                self.shard.handle(input, now);
            }
            if stopping && self.shard.in_flight() == 0 {
                self.shard.put_all_away(now);
                self.perform(lane.as_mut());
                return;
            }
            self.perform(lane.as_mut());
            self.gauges.count(&mut awake, self.shard.awake());
        }
    }

    /// Waits for something to do; says whether the shard is to stop.
    async fn turn(&mut self, completions: &Completions, inputs: &mut Vec<Input>) -> bool {
        let deadline = self.shard.poll_timeout().map(|at| self.clock.deadline(at));
        let tick = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let mut stopping = false;
        tokio::select! {
            _ = self.inputs.recv_many(inputs, TURN) => {}
            () = completions.wake.notified() => {}
            () = self.stop.notified() => stopping = true,
            () = tick => inputs.push(Input::Tick),
        }
        if stopping {
            // Stopping goes on in the next turn, until nothing is on its way to the disk.
            self.stop.notify_one();
            tokio::task::yield_now().await;
        }
        stopping
    }

    fn perform(&mut self, lane: &mut dyn Lane) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Commit(ticket, batch) => lane.commit(ticket, batch),
                Output::Reset => lane.reset(),
                Output::Load(session) => {
                    let load = self.store.load(session);
                    self.answer(async move { Input::Loaded(session, Box::new(load.await)) });
                }
                Output::Fetch(fetch) => {
                    let read = self.store.read(fetch.session, fetch.from, fetch.bytes_max);
                    self.answer(async move { Input::Fetched(fetch, read.await) });
                }
                Output::PutAway(session, snapshot, deadline) => {
                    self.store.put_away(session, *snapshot, deadline)
                }
                Output::Forget(session) => self.store.forget(session),
                Output::Push(push) => self.post(push),
                Output::DeadLetter { letter, counted } => {
                    if !counted {
                        self.pushes.gave_up(&letter.destination);
                        tracing::warn!(delivery = %letter.delivery, destination = letter.destination,
                            reason = letter.reason, "a push was given up");
                    }
                    self.store.keep_dead_letter(letter);
                }
                Output::Owed(destination, more) => self.pushes.owed(&destination, more),
            }
        }
    }

    fn post(&mut self, push: Push) {
        if let Err(push) = self.pushes.offer(push) {
            let refused = Input::PushRefused(push.delivery, push.destination);
            self.shard.handle(refused, self.clock.now());
        }
    }

    /// Gives the shard what comes of `work`; one task for each thing it waits for, which its rooms bound.
    fn answer(&self, work: impl Future<Output = Input> + Send + 'static) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let input = work.await;
            let _ = sender.send(input).await;
        });
    }
}

impl Completions {
    fn put(&self, done: Vec<Completion>) {
        self.arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(done);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<Completion> {
        std::mem::take(&mut self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Gauges {
    fn count(&self, before: &mut usize, now: usize) {
        use std::sync::atomic::Ordering::Relaxed;
        if now >= *before {
            self.awake.fetch_add(now - *before, Relaxed);
        } else {
            self.awake.fetch_sub(*before - now, Relaxed);
        }
        *before = now;
    }
}
