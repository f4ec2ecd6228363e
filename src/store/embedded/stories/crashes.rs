//! Many lives of one store: each ends in the middle of some write, and the next must find all that was completed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering::Relaxed;

use super::world::{World, numbered};
use crate::chat::{Event, EventKind};
use crate::clock::Instant;
use crate::id::{Epoch, SessionId};
use crate::store::Condition;
use crate::store::embedded::sim::{Dice, SimDisk};

/// Each seed is a life of a store with several crashes.
const SEEDS: u64 = 60;
const CRASHES: u64 = 10;
const SESSIONS: u64 = 6;

#[test]
fn whatever_was_completed_is_there_after_a_power_loss_at_any_point() {
    let retired = (1..=SEEDS).map(|seed| Life::new(seed).live(SimDisk::lose_power));
    let retired: u64 = retired.sum();
    assert!(retired > SEEDS, "compaction takes part: {retired}");
}

#[test]
fn whatever_was_completed_is_there_after_a_kill_at_any_point() {
    for seed in 1..=SEEDS / 6 {
        Life::new(seed * 1_000_003).live(|disk, _| disk.restart());
    }
}

/// What the outside knows of a session.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Texts in the order of their commits; those that were completed come first.
    said: Vec<String>,
    completed: usize,
    forgotten: bool,
}

struct Life {
    seed: u64,
    dice: Dice,
    world: World,
    known: BTreeMap<SessionId, Known>,
    tickets: HashMap<u64, SessionId>,
    count: u64,
    retired: u64,
}

impl Life {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            world: World::new(),
            known: BTreeMap::new(),
            tickets: HashMap::new(),
            count: 0,
            retired: 0,
        }
    }

    /// How many segments were emptied on the way.
    fn live(mut self, crash: fn(&SimDisk, u64)) -> u64 {
        for _ in 0..CRASHES {
            let point = 1 + self.dice.below(150);
            self.world.disk.die_after(point);
            for _ in 0..300 {
                if self.world.engine().condition() == Condition::ReadOnly {
                    break;
                }
                self.act();
                self.note_completions();
            }
            self.retired += self.world.engine().stats.segments_retired.load(Relaxed);
            self.world.drop_engine();
            crash(&self.world.disk, self.dice.roll());
            self.reopen(crash);
            self.check();
        }
        self.retired
    }

    /// Opens the store; it may die in that as well.
    fn reopen(&mut self, crash: fn(&SimDisk, u64)) {
        if self.dice.below(3) == 0 {
            self.world.disk.die_after(1 + self.dice.below(12));
            drop(World::try_open(&self.world.disk));
            crash(&self.world.disk, self.dice.roll());
        }
        self.world.open();
    }

    fn act(&mut self) {
        let session = numbered(1 + self.dice.below(SESSIONS));
        match self.dice.below(40) {
            0 => drop(self.world.engine().flush()),
            1 => {
                if self.world.engine().checkpoint() {
                    self.world.engine().tidy();
                }
            }
            2..=4 => self.put_away(session),
            5 => self.load(session),
            6 => self.forget(session),
            _ => self.commit(session),
        }
    }

    fn commit(&mut self, session: SessionId) {
        let many = 1 + self.dice.below(4);
        for _ in 0..many {
            self.count += 1;
            let known = self.known.entry(session).or_default();
            if known.forgotten {
                return;
            }
            let most = if self.dice.below(20) == 0 { 6000 } else { 700 };
            let filling = "x".repeat(usize::try_from(self.dice.below(most)).unwrap());
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
        if self.is_alive(session) {
            self.world.put_away(session, Some(Instant(self.count)));
        }
    }

    fn load(&mut self, session: SessionId) {
        if self.is_alive(session) {
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

    fn note_completions(&mut self) {
        for (ticket, stored) in self.world.tickets() {
            let session = self.tickets[&ticket];
            if stored {
                self.known.entry(session).or_default().completed += 1;
            }
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
            assert!(
                texts.len() >= known.completed,
                "seed {seed}: {session} lost"
            );
            assert!(
                known.said.starts_with(&texts),
                "seed {seed}: {session} differs"
            );
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
            known.completed = texts.len();
            known.said.truncate(texts.len());
            if !texts.is_empty() {
                expected_awake.insert(*session);
            }
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

fn text(event: &Event) -> String {
    match &event.kind {
        EventKind::Message { text, .. } => text.clone(),
        _ => String::new(),
    }
}
