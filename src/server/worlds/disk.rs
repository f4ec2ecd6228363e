//! The disk: slow, full, broken; what was not acknowledged at a crash may be there or not.
//!
//! Two states: what the living process sees, and what a crash would leave. A record is in both once it is complete. What is
//! derived (a session put away or forgotten, a dead letter) reaches the second later.

mod handle;

use handle::Handle;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::dice::Dice;
use super::time::Time;
use crate::chat;
use crate::clock::Instant;
use crate::id::SessionId;
use crate::store::memory::State;
use crate::store::{
    Answer, Batch, Completion, Condition, DeadLetter, DeadLetterPlace, Error, Lane, Peeked,
    Snapshot, Store, Stored,
};

/// Batches that one write takes along.
const GROUP: usize = 64;
/// Derived knowledge that may wait for its place on the disk.
const BEHIND_MAX: usize = 40;

/// How the disk does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Well,
    Slow,
    Full,
    /// A sync has failed: until the next life nothing is written.
    Broken,
}

/// The disk; clones are the same.
#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<Platter>>);

pub(super) struct Platter {
    /// Which life of the server may write.
    life: u64,
    mood: Mood,
    live: State,
    durable: State,
    lanes: Vec<Queue>,
    behind: VecDeque<Derived>,
    /// Every event there ever was, with the world time at which it became durable.
    pub(super) book: BTreeMap<SessionId, Vec<(chat::Event, u64)>>,
    /// Every dead letter there ever was.
    pub(super) letters: Vec<DeadLetter>,
    dice: Dice,
    time: Time,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Queued>,
    writing: Vec<Queued>,
    /// Written, but the sync failed.
    limbo: Vec<Batch>,
    /// After that nothing is written any more.
    closed: bool,
    failed: Option<u64>,
}

#[derive(Clone)]
struct Queued {
    generation: u64,
    ticket: u64,
    batch: Batch,
}

enum Derived {
    Asleep(SessionId, Box<Snapshot>, Option<Instant>),
    Forgotten(SessionId),
    Letter(Box<DeadLetter>),
}

impl Disk {
    pub(super) fn new(seed: u64, time: Time) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            life: 0,
            mood: Mood::Well,
            live: State::default(),
            durable: State::default(),
            lanes: Vec::new(),
            behind: VecDeque::new(),
            book: BTreeMap::new(),
            letters: Vec::new(),
            dice: Dice::new(seed ^ 0xD15C),
            time,
        })))
    }

    pub(super) fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    /// For another life of the server.
    pub(super) fn store(&self) -> Arc<dyn Store> {
        let mut platter = self.platter();
        platter.life += 1;
        platter.lanes.clear();
        let life = platter.life;
        drop(platter);
        Arc::new(Handle {
            disk: self.clone(),
            life,
        })
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        self.platter().mood = mood;
    }

    pub(super) fn mood(&self) -> Mood {
        self.platter().mood
    }

    /// The process has ended. Of what was on its way, some has arrived.
    pub(super) fn crash(&self) {
        self.platter().crash();
    }

    fn pause(&self) -> Duration {
        let mut platter = self.platter();
        let slow = platter.mood == Mood::Slow;
        let millis = match slow {
            true => platter.dice.between(200, 1500),
            false => platter.dice.between(1, 8),
        };
        Duration::from_millis(millis)
    }

    /// Writes what waits in a lane, a group at a time.
    async fn write(self, life: u64, number: usize, wake: Arc<Notify>, done: Done) {
        loop {
            wake.notified().await;
            while self.platter().begin(life, number) {
                let pause = self.pause();
                sleep(pause).await;
                let completions = self.platter().finish(life, number);
                done(completions);
            }
        }
    }
}

type Done = Box<dyn Fn(Vec<Completion>) + Send>;

impl Platter {
    pub(super) fn stored(&self, session: SessionId) -> &[(chat::Event, u64)] {
        self.book.get(&session).map_or(&[], Vec::as_slice)
    }

    /// Batches that are not complete.
    pub(super) fn under_way(&self) -> usize {
        let lanes = self.lanes.iter();
        lanes
            .map(|lane| lane.waiting.len() + lane.writing.len())
            .sum()
    }

    fn begin(&mut self, life: u64, number: usize) -> bool {
        if life != self.life {
            return false;
        }
        let Some(lane) = self.lanes.get_mut(number) else {
            return false;
        };
        let group = lane.waiting.len().min(GROUP);
        lane.writing = lane.waiting.drain(..group).collect();
        !lane.writing.is_empty()
    }

    fn finish(&mut self, life: u64, number: usize) -> Vec<Completion> {
        if life != self.life {
            return Vec::new();
        }
        let group = std::mem::take(&mut self.lanes[number].writing);
        let mut completions = Vec::new();
        for one in group {
            let result = self.complete(number, &one);
            if result.is_err() {
                self.lanes[number].failed = Some(one.generation);
            }
            completions.push(Completion {
                ticket: one.ticket,
                result,
            });
        }
        let lane = &mut self.lanes[number];
        lane.closed |= !lane.limbo.is_empty();
        completions
    }

    fn complete(&mut self, number: usize, one: &Queued) -> Result<(), Error> {
        if self.lanes[number].failed == Some(one.generation) {
            return Err(Error::Abandoned);
        }
        match self.mood {
            Mood::Well | Mood::Slow => {
                self.live.commit(one.batch.clone())?;
                self.keep(one.batch.clone());
                Ok(())
            }
            Mood::Full => Err(Error::NoSpace),
            Mood::Broken => {
                let lane = &mut self.lanes[number];
                if !lane.closed {
                    lane.limbo.push(one.batch.clone());
                }
                Err(Error::ReadOnly)
            }
        }
    }

    /// A record is on the disk for good.
    fn keep(&mut self, batch: Batch) {
        self.catch_up(|derived| derived.is_about(batch.session), |_| true);
        let at = self.time.now();
        let book = self.book.entry(batch.session).or_default();
        for change in &batch.record.changes {
            if let chat::Change::Event(event) = change {
                book.push((event.clone(), at));
            }
        }
        // One life after another: the newest owner is the only one that writes.
        self.durable.commit(batch).unwrap();
    }

    /// Derived knowledge reaches the disk, or is lost on the way.
    fn catch_up(
        &mut self,
        which: impl Fn(&Derived) -> bool,
        mut arrives: impl FnMut(&mut Dice) -> bool,
    ) {
        for derived in std::mem::take(&mut self.behind) {
            if !which(&derived) {
                self.behind.push_back(derived);
            } else if arrives(&mut self.dice) {
                derived.write(&mut self.durable);
            }
        }
    }

    fn derive(&mut self, life: u64, derived: Derived) {
        if life != self.life {
            return;
        }
        if let Derived::Letter(letter) = &derived {
            self.letters.push(DeadLetter::clone(letter));
        }
        self.behind.push_back(derived);
        if self.behind.len() > BEHIND_MAX {
            self.catch_up(|_| true, |_| true);
        }
    }

    fn crash(&mut self) {
        self.life += 1;
        for lane in std::mem::take(&mut self.lanes) {
            let failed = lane.failed;
            let sound = |one: &Queued| failed != Some(one.generation) && !lane.closed;
            let written = lane.limbo.into_iter().chain(
                lane.writing
                    .into_iter()
                    .filter(sound)
                    .map(|one| one.batch)
                    .filter(|_| self.mood != Mood::Full),
            );
            let written: Vec<Batch> = written.collect();
            let arrived = self.dice.below(written.len() as u64 + 1);
            for batch in written.into_iter().take(arrived as usize) {
                self.keep(batch);
            }
        }
        self.catch_up(|_| true, |dice| dice.one_in(2));
        self.live = self.durable.clone();
        if self.mood == Mood::Broken {
            self.mood = Mood::Well;
        }
    }
}

impl Derived {
    fn is_about(&self, session: SessionId) -> bool {
        match self {
            Self::Asleep(of, ..) | Self::Forgotten(of) => *of == session,
            Self::Letter(_) => false,
        }
    }

    fn write(self, state: &mut State) {
        match self {
            Self::Asleep(session, snapshot, deadline) => {
                state.put_away(session, *snapshot, deadline)
            }
            Self::Forgotten(session) => state.forget(session),
            Self::Letter(letter) => state.keep_dead_letter(*letter),
        }
    }
}
