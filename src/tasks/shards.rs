//! Runs the shards: gives each its inputs and the time, and does what it puts out.
//!
//! Each shard is one task. It takes what has come in since its last turn, lets the machine work through it, and hands the
//! batches to its lane of the store together: one turn, one group.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc, watch};

use crate::clock::{Clock, Instant};
use crate::hub::Notes;
use crate::hub::shard::{Input, Output, Push, Shard};
use crate::store::{self, Completion, DeadLetter, Lane};
use crate::tasks::quiet::Quiet;

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
    /// What viewers say of themselves.
    pub notes: Arc<Notes>,
    /// Once true, the queue takes nothing more; what was taken is done, and everything is put away.
    pub stop: watch::Receiver<bool>,
    /// What is worth counting.
    pub gauges: Arc<Gauges>,
}

/// What all shards are doing, summed.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Sessions in memory.
    pub awake: AtomicUsize,
    /// Of them, those that are open.
    pub awake_and_open: AtomicUsize,
    /// Sessions that are being loaded from the store.
    pub loading: AtomicUsize,
}

/// What of the queue is left to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queue {
    Open,
    /// It takes nothing more.
    Closed,
    /// And all it had has been done.
    Empty,
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
        let (mut awake, mut open) = (0, 0);
        let mut quiet = Quiet::default();
        let mut queue = Queue::Open;
        while queue != Queue::Empty || self.shard.in_flight() > 0 {
            queue = self.turn(&completions, &mut inputs, queue).await;
            self.work(completions.take(), inputs.drain(..));
            self.perform(lane.as_mut(), &mut quiet);
            count(&self.gauges.awake, &mut awake, self.shard.awake());
            let now_open = self.shard.awake_and_open();
            count(&self.gauges.awake_and_open, &mut open, now_open);
        }
        self.shard.put_all_away(self.clock.now());
        self.perform(lane.as_mut(), &mut quiet);
    }

    /// Waits for something to do; says how the queue is then.
    async fn turn(
        &mut self,
        completions: &Completions,
        inputs: &mut Vec<Input>,
        queue: Queue,
    ) -> Queue {
        let deadline = self.shard.poll_timeout().map(|at| self.clock.deadline(at));
        let tick = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // First what is seldom, then what may never cease; completions and notes are taken in every turn anyway.
            biased;
            // Whoever could say so is gone: the same as being told.
            _ = self.stop.wait_for(|stop| *stop), if queue == Queue::Open => {
                self.inputs.close();
                return Queue::Closed;
            }
            () = tick => inputs.push(Input::Tick),
            taken = self.inputs.recv_many(inputs, TURN), if queue != Queue::Empty => {
                if taken == 0 {
                    return Queue::Empty;
                }
            }
            () = completions.wake.notified() => {}
            () = self.notes.added() => {}
        }
        queue
    }

    fn work(&mut self, stored: Vec<Completion>, inputs: impl Iterator<Item = Input>) {
        let now = self.clock.now();
        if !stored.is_empty() {
            self.shard.handle(Input::Stored(stored), now);
        }
        for input in inputs {
            self.shard.handle(input, now);
        }
        for input in self.notes.take() {
            self.shard.handle(input, now);
        }
    }

    fn perform(&mut self, lane: &mut dyn Lane, quiet: &mut Quiet) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Commit(ticket, batch) => lane.commit(ticket, batch),
                Output::Reset => lane.reset(),
                Output::Load(session) => {
                    let load = self.store.load(session);
                    let gauges = self.gauges.clone();
                    gauges.loading.fetch_add(1, Relaxed);
                    self.answer(async move {
                        let loaded = load.await;
                        gauges.loading.fetch_sub(1, Relaxed);
                        Input::Loaded(session, Box::new(loaded))
                    });
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
                        log_given_up(&letter, quiet, self.clock.now().instant);
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

/// A destination that is down for long makes as many dead letters as there are events: not each has a line.
fn log_given_up(letter: &DeadLetter, quiet: &mut Quiet, now: Instant) {
    let Some(unlogged) = quiet.line(now) else {
        return;
    };
    let (delivery, destination) = (letter.delivery, &letter.destination);
    let reason = &letter.reason;
    tracing::warn!(%delivery, destination, reason, unlogged, "a push was given up");
}

/// Brings one shard's share of a sum up to date.
fn count(sum: &AtomicUsize, before: &mut usize, now: usize) {
    if now >= *before {
        sum.fetch_add(now - *before, Relaxed);
    } else {
        sum.fetch_sub(*before - now, Relaxed);
    }
    *before = now;
}
