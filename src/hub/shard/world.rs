//! A small world at random: customers and agents who come, speak, fall behind, break off and go, over a disk that is slow,
//! full or back again, and a process that ends at any moment. Whatever happens, the promises hold.

mod client;
mod people;
mod promises;
mod trouble;

use std::sync::Mutex;

use super::tests::{Bench, Durable};
use super::*;
use crate::hub::fan_out::CUSTOMER;
use crate::id::ClientId;
use client::Client;

const SEEDS: u64 = 60;
const STEPS: usize = 400;

#[test]
fn whatever_happens_the_promises_hold() {
    for seed in seeds() {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.come_to_rest();
        world.everybody_has_everything();
        world.what_was_answered_is_true();
    }
}

/// A few; or those that `PARLOR_WORLD_SEEDS=FIRST..LAST` asks for.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let asked = std::env::var("PARLOR_WORLD_SEEDS").ok();
    let asked = asked.as_deref().and_then(|asked| asked.split_once(".."));
    let number = |text: &str| text.parse().unwrap();
    asked.map_or(1..=SEEDS, |(first, last)| number(first)..=number(last))
}

#[test]
fn a_full_disk_is_left_in_peace() {
    let mut world = World::new(7);
    for _ in 0..200 {
        world.step();
    }
    world.come_to_rest();
    world.bench.fail = Some(store::Error::NoSpace);
    let before = world.bench.commits;
    world.bench.pass(Duration::from_secs(300));
    let tried = world.bench.commits - before;
    assert!(
        tried <= 60 * world.sessions.len(),
        "{tried} attempts in 300 s"
    );
}

struct World {
    seed: u64,
    random: u64,
    bench: Bench,
    durable: Durable,
    sessions: Vec<SessionId>,
    clients: Vec<Arc<Client>>,
    said: Vec<Said>,
}

/// A message and what became of it.
struct Said {
    text: String,
    answer: Arc<Mutex<Option<bool>>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            seed,
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            bench: Bench::new(),
            durable: Durable::default(),
            sessions: Vec::new(),
            clients: Vec::new(),
            said: Vec::new(),
        };
        world.bench.durable = Some(world.durable.clone());
        world
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) as usize % end.max(1)
    }

    fn step(&mut self) {
        match self.below(40) {
            0 | 1 => self.somebody_begins(),
            2..=5 => self.somebody_joins(),
            6..=13 => self.the_customer_speaks(),
            14..=18 => self.an_agent_speaks(),
            19 | 20 => self.somebody_leaves(),
            21 => self.the_customer_looks(),
            22 | 23 => self.a_mailbox_fills(),
            24..=26 => self.a_mailbox_has_room(),
            27 | 28 => self.something_arrives(),
            29 | 30 => self.a_connection_breaks(),
            31 => self.somebody_is_gone(),
            32 => self.bench.hold = !self.bench.hold,
            33 => self.bench.slow = !self.bench.slow,
            34 => self.bench.fail = [None, Some(store::Error::NoSpace)][self.below(2)].clone(),
            35 => self.bench.fail = None,
            36 => self.reads_come(),
            37 => self.time_passes(),
            38 if self.below(4) == 0 => self.the_process_ends(),
            _ => self.somebody_reads(),
        }
        if self.below(3) > 0 {
            self.bench.settle();
        }
    }

    fn client(&mut self, agent: bool) -> Arc<Client> {
        let known: Vec<Arc<Client>> = self
            .clients
            .iter()
            .filter(|client| client.agent == agent && client.gone.lock().unwrap().is_none())
            .cloned()
            .collect();
        if known.len() > 3 {
            let place = self.below(known.len());
            return known[place].clone();
        }
        let client = Arc::new(Client {
            id: ClientId::new(self.clients.len() as u128 + 1),
            agent,
            bytes_max: [2_000, 1 << 20][self.clients.len() % 2],
            room: Mutex::new(1000),
            durable: self.durable.clone(),
            gone: Mutex::default(),
            looks: Mutex::default(),
        });
        self.clients.push(client.clone());
        client
    }

    fn session(&mut self) -> Option<SessionId> {
        let place = self.below(self.sessions.len());
        let session = self.sessions.get(place).copied();
        // Nobody has heard of a chat that is not durable yet.
        let durable = self.durable.lock().unwrap();
        session.filter(|session| durable.contains(&(*session, 1)))
    }

    fn hand(&mut self, session: SessionId, ask: Ask) {
        self.bench
            .shard
            .handle(Input::Ask(session, ask), self.bench.now);
    }
}
