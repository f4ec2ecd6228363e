//! One life of a store: work, trouble, a restart, and a look at what is there.

mod tally;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering::Relaxed;

use super::world::{World, numbered};
use crate::chat::{Event, EventKind};
use crate::clock::Instant;
use crate::id::{Epoch, SessionId};
use crate::store::embedded::sim::{Dice, Fault, Kind, Times};
use crate::store::{Condition, Error, Lane as _};
pub(super) use tally::Tally;

/// Crashes in one life.
pub(super) const CRASHES: u64 = 20;
const SESSIONS: u64 = 5;
/// A crash comes within so many operations of the disk.
const OPERATIONS: u64 = 60;

/// What the outside knows of a session.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Texts in the order of their commits; those that were completed come first.
    said: Vec<String>,
    completed: usize,
    /// What was refused for want of room since anything was stored. A crash may come before it is erased.
    refused: Vec<Vec<String>>,
    forgotten: bool,
}

/// A store, its disk, and what was promised.
pub(super) struct Life {
    seed: u64,
    dice: Dice,
    world: World,
    known: BTreeMap<SessionId, Known>,
    tickets: HashMap<u64, SessionId>,
    count: u64,
    /// The disk was broken since the last start.
    broken: bool,
    tally: Tally,
}

impl Life {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let world = World::new();
        if dice.below(2) == 0 {
            world.disk.chop(dice.roll());
        }
        Self {
            seed,
            dice,
            world,
            known: BTreeMap::new(),
            tickets: HashMap::new(),
            count: 0,
            broken: false,
            tally: Tally::default(),
        }
    }

    pub(super) fn live(mut self) -> Tally {
        while self.tally.crashes < CRASHES {
            match self.dice.below(8) {
                0 => self.break_down(),
                1 => self.fill_up(),
                _ => {}
            }
            let point = 1 + self.dice.below(OPERATIONS);
            self.world.disk.die_after(point);
            self.work(200);
            self.crash();
            self.reopen();
            self.check();
        }
        self.tally
    }

    /// The disk breaks: what was completed can still be read, and nothing more is completed.
    fn break_down(&mut self) {
        let kind = [Kind::Write, Kind::Sync][self.dice.within(2)];
        let times = [Times::Once, Times::Forever][self.dice.within(2)];
        let spared = self.dice.below(20);
        self.world.disk.fail(Fault::broken(kind, times, spared));
        self.work(100);
        self.world.disk.heal();
        if self.world.engine().condition() == Condition::ReadOnly {
            self.tally.breaks += 1;
            self.broken = true;
            self.check_readable();
            self.crash();
            self.reopen();
            self.check();
        }
    }

    /// There is no room, and then there is: nothing that was refused is there.
    fn fill_up(&mut self) {
        let times = [Times::Once, Times::Forever][self.dice.within(2)];
        let spared = self.dice.below(20);
        self.world.disk.fail(Fault::full(times, spared));
        for _ in 0..100 {
            if self.world.engine().condition() != Condition::Writable {
                break;
            }
            self.act();
            self.note_completions();
        }
        if self.world.engine().condition() != Condition::NoSpace {
            self.world.disk.heal();
            return;
        }
        if self.dice.below(4) == 0 {
            // It may happen again before anything is stored.
            self.resume();
            self.act();
            self.note_completions();
        }
        self.world.disk.heal();
        self.resume();
        self.check_readable();
        self.tally.refills += 1;
    }

    /// Whoever owns the sessions takes up from what is stored, as after any refusal.
    fn resume(&mut self) {
        self.world.engine().make_space();
        self.world.lane().reset();
        for (session, known) in &mut self.known {
            let refused = known.said.split_off(known.completed);
            if !refused.is_empty() {
                known.refused.push(refused);
            }
            self.world.next_is(*session, known.completed as u64 + 1);
        }
    }

    fn work(&mut self, most: usize) {
        for _ in 0..most {
            if self.world.engine().condition() == Condition::ReadOnly {
                break;
            }
            self.act();
            self.note_completions();
        }
    }

    fn crash(&mut self) {
        let stats = self.world.engine().stats.clone();
        self.tally.retired += stats.segments_retired.load(Relaxed);
        self.tally.index_writes += stats.index_writes.load(Relaxed);
        self.world.drop_engine();
        self.lose();
    }

    /// The process is killed, or power is lost.
    fn lose(&mut self) {
        self.tally.crashes += 1;
        let seed = self.dice.roll();
        if seed.is_multiple_of(5) {
            self.world.disk.restart();
        } else {
            self.world.disk.lose_power(seed);
        }
    }

    /// Opens the store; it may die in that as well.
    fn reopen(&mut self) {
        while self.dice.below(3) == 0 {
            self.world.disk.die_after(1 + self.dice.below(12));
            drop(World::try_open(&self.world.disk));
            self.tally.restarts_cut += 1;
            self.lose();
        }
        let engine = World::try_open(&self.world.disk);
        self.world
            .adopt(engine.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed)));
        let rebuilt = self.world.was_made_anew();
        self.tally.rebuilds += u64::from(rebuilt && !self.broken);
        self.broken = false;
    }

    fn act(&mut self) {
        let session = numbered(1 + self.dice.below(SESSIONS));
        match self.dice.below(30) {
            0 => drop(self.world.engine().flush()),
            1 | 2 => {
                if self.world.engine().checkpoint() {
                    self.world.engine().tidy();
                }
            }
            3..=4 => self.put_away(session),
            5 => self.load(session),
            6 => self.forget(session),
            7 => {
                self.world.engine().commit_round(std::time::Duration::ZERO);
            }
            _ => self.commit(session),
        }
    }

    fn commit(&mut self, session: SessionId) {
        let many = 1 + self.dice.below(3);
        for _ in 0..many {
            self.count += 1;
            let known = self.known.entry(session).or_default();
            if known.forgotten {
                return;
            }
            let most = if self.dice.below(10) == 0 { 6000 } else { 500 };
            let filling = "x".repeat(self.dice.within(most));
            let text = format!("{}{filling}", self.count);
            let ticket = if known.said.is_empty() {
                known.said.push(String::new());
                self.world.queue_begin(session)
            } else {
                known.said.push(text.clone());
                self.world.queue_say(session, &text)
            };
            self.tickets.insert(ticket, session);
        }
        self.world.pump();
    }

    fn put_away(&mut self, session: SessionId) {
        if self.is_alive(session) && self.is_readable(session) {
            self.world.put_away(session, Some(Instant(self.count)));
        }
    }

    fn load(&mut self, session: SessionId) {
        if self.is_alive(session) && self.is_readable(session) {
            let stored = self.world.engine().load(session).unwrap().unwrap();
            self.world.epochs.insert(session, stored.epoch);
        }
    }

    fn forget(&mut self, session: SessionId) {
        if self.is_alive(session) {
            self.world.engine().hot.forget(session);
            self.known.entry(session).or_default().forgotten = true;
        }
    }

    fn is_alive(&self, session: SessionId) -> bool {
        self.known
            .get(&session)
            .is_some_and(|known| known.completed > 0 && !known.forgotten)
    }

    /// Where there is no room to open the index again, a sleeping session waits until there is some.
    fn is_readable(&self, session: SessionId) -> bool {
        match self.world.engine().peek(session) {
            Ok(_) => true,
            Err(Error::NoSpace) => false,
            Err(error) => panic!("seed {}: {session}: {error}", self.seed),
        }
    }

    fn note_completions(&mut self) {
        for (ticket, stored) in self.world.tickets() {
            let session = self.tickets[&ticket];
            if stored {
                self.known.entry(session).or_default().completed += 1;
                self.known
                    .values_mut()
                    .for_each(|known| known.refused.clear());
            }
        }
    }

    /// What was completed is there, and nothing else.
    fn check_readable(&self) {
        for (session, known) in &self.known {
            if known.forgotten {
                continue;
            }
            let events = self.world.events(*session);
            let texts: Vec<_> = events.iter().map(text).collect();
            let completed = &known.said[..known.completed];
            assert_eq!(texts, completed, "seed {}: {session}", self.seed);
        }
    }

    /// Everything completed is there, in order; what else is there was at least committed.
    fn check(&mut self) {
        let mut expected_awake = BTreeSet::new();
        for (session, known) in &mut self.known {
            if known.forgotten {
                // The crash may have undone it; the number is not used again.
                continue;
            }
            let seed = self.seed;
            let events = self.world.events(*session);
            let texts: Vec<_> = events.iter().map(text).collect();
            known.check(&texts, &format!("seed {seed}: {session}"));
            let stored = self.world.engine().peek(*session).unwrap();
            let folded = stored.as_ref().map_or(0, |stored| {
                let snapshot = stored.snapshot.as_ref();
                snapshot.map_or(0, |snapshot| snapshot.remembered[0].key)
                    + stored.records.len() as u128
            });
            assert_eq!(
                folded,
                texts.len() as u128,
                "seed {seed}: {session} folds wrongly"
            );
            let epoch = stored.map_or(Epoch(0), |stored| stored.epoch);
            self.world.epochs.insert(*session, epoch);
            self.world.next_is(*session, texts.len() as u64 + 1);
            if !texts.is_empty() {
                expected_awake.insert(*session);
            }
            *known = Known {
                completed: texts.len(),
                said: texts,
                ..Known::default()
            };
        }
        self.check_lists(&expected_awake);
        let damaged = &self.world.engine().stats.damaged;
        assert_eq!(
            damaged.load(Relaxed),
            0,
            "seed {}: a torn write is no damage",
            self.seed
        );
        self.world.completed();
    }

    /// Whoever exists is open, and either awake or asleep with its deadline.
    fn check_lists(&self, expected: &BTreeSet<SessionId>) {
        let engine = self.world.engine();
        let open: BTreeSet<_> = engine
            .open_sessions(None, 99)
            .unwrap()
            .into_iter()
            .collect();
        let due = engine.due(Instant(u64::MAX), 99).unwrap();
        let awake = engine.awake_at_start.iter().copied();
        let kept: BTreeSet<_> = due.into_iter().chain(awake).collect();
        assert!(open.is_superset(expected), "seed {}: open", self.seed);
        assert!(kept.is_superset(expected), "seed {}: kept", self.seed);
    }
}

impl Known {
    /// What is there begins with what was completed, and goes on with what was on its way, or was refused and not erased.
    fn check(&self, texts: &[String], whose: &str) {
        assert!(texts.len() >= self.completed, "{whose} lost");
        let (completed, pending) = self.said.split_at(self.completed);
        let (old, new) = texts.split_at(self.completed);
        assert_eq!(old, completed, "{whose} differs");
        let allowed =
            pending.starts_with(new) || self.refused.iter().any(|refused| refused.starts_with(new));
        assert!(allowed, "{whose} has what nobody said");
    }
}

pub(super) fn text(event: &Event) -> String {
    match &event.kind {
        EventKind::Message { text, .. } => text.clone(),
        _ => String::new(),
    }
}
