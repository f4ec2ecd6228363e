//! A world: one server after another, and everybody who uses them.

mod people;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::json;

use super::agent::Agent;
use super::bayeux::Carrier;
use super::customer::Customer;
use super::dice::Dice;
use super::disk::{self, Disk};
use super::life::Life;
use super::model::Ledger;
use super::net::{Arrival, Net};
use super::receiver::{self, Receivers};
use super::rest::{App, Wish};
use super::scene::Scene;
use super::story::{Act, Step};
use super::time::Time;
use super::{alarm, config};
use crate::chance;
use crate::config::Config;
use crate::id::SessionId;

pub(super) struct World {
    config: Arc<Config>,
    pub(super) disk: Disk,
    pub(super) receivers: Receivers,
    pub(super) life: Option<Life>,
    pub(super) net: Net,
    pub(super) ledger: Ledger,
    dice: Dice,
    pub(super) time: Time,
    pub(super) people: People,
    pub(super) seen: DefaultHasher,
    draining: bool,
    pub(super) clock_was_set: bool,
    pub(super) trace: Option<Vec<String>>,
}

/// Everybody.
pub(super) struct People {
    pub(super) customers: Vec<Customer>,
    pub(super) apps: Vec<App>,
    pub(super) agents: Vec<Agent>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        chance::told::seed(Some(seed));
        let time = Time::default();
        let disk = Disk::new(seed, time.clone());
        let receivers = Receivers::new(seed, &disk, &time);
        let config = config::of(seed);
        let life = Life::begin(&config, &disk, &receivers, &time);
        let mut world = Self {
            config,
            disk,
            receivers,
            life: Some(life),
            net: Net::new(seed, time.clone()),
            ledger: Ledger::default(),
            dice: Dice::new(seed ^ 0x3071D),
            time,
            people: People {
                customers: Vec::new(),
                apps: Vec::new(),
                agents: Vec::new(),
            },
            seen: DefaultHasher::new(),
            draining: false,
            clock_was_set: false,
            trace: std::env::var_os("PARLOR_WORLDS_TRACE").map(|_| Vec::new()),
        };
        for (token, supervisor) in config::AGENTS {
            world.with(|scene, people| {
                let carrier = carrier(scene.dice.next());
                let agent = Agent::new(token, supervisor, carrier);
                people.agents.push(agent);
            });
        }
        world
    }

    /// Lets somebody act.
    pub(super) fn with<T>(&mut self, what: impl FnOnce(&mut Scene<'_>, &mut People) -> T) -> T {
        let now = self.time.now();
        let mut scene = Scene {
            life: self.life.as_ref().unwrap(),
            net: &mut self.net,
            disk: &self.disk,
            ledger: &mut self.ledger,
            dice: &mut self.dice,
            now,
            burst_max: config::BESIDE_QUEUE
                .map(|beside| self.config.limits.queue_messages_max + beside),
        };
        what(&mut scene, &mut self.people)
    }

    pub(super) fn step(&mut self, step: Step) {
        self.tell(format!("{} {step:?}", self.time.now()));
        match step.act {
            Act::NetworkChanges => self.network_changes(step),
            Act::DiskChanges => self.disk_changes(step),
            Act::ReceiverChanges => {
                let moods = receiver::Mood::ALL;
                // Being gone for good is rare.
                let mood = moods[(step.how % 13) as usize % 7];
                let mood = if mood == receiver::Mood::Gone && step.who > 200 {
                    receiver::Mood::Well
                } else {
                    mood
                };
                self.receivers.set_mood(mood);
            }
            Act::ServerIsKilled => self.kill(step.how % 4 * step.who * 20),
            Act::ServerIsDrained => self.drain(),
            Act::ClockIsSet => {
                let millis = [-600_000, -5_000, 0, 5_000, 600_000];
                let skew = millis[step.how as usize % 5];
                let time = self.time.clone();
                self.clock_was_set = true;
                let life = self.life.as_ref().unwrap();
                life.runtime.block_on(async { time.set_skew(skew) });
            }
            Act::TimePasses => {}
            _ => self.somebody_acts(step),
        }
        self.advance(step.pause);
    }

    fn network_changes(&mut self, step: Step) {
        self.net.loss = [0, 0, 5, 20][step.how as usize % 4];
        self.net.twice = [0, 0, 10][step.how as usize % 3];
        self.net.delay = [5, 30, 30, 600][step.who as usize % 4];
    }

    fn disk_changes(&mut self, step: Step) {
        let mood = match step.how % 8 {
            0..=3 => disk::Mood::Well,
            4 | 5 => disk::Mood::Slow,
            6 => disk::Mood::Full,
            _ => disk::Mood::Broken,
        };
        if self.disk.mood() != disk::Mood::Broken {
            self.disk.set_mood(mood);
        }
    }

    /// The process is gone in the middle of whatever it does; after a while there is another one.
    pub(super) fn kill(&mut self, downtime: u64) {
        self.read();
        self.net.all_gone();
        self.disk.crash();
        if let Some(life) = self.life.take() {
            life.end();
        }
        self.time.skip(downtime);
        self.life = Some(Life::begin(
            &self.config,
            &self.disk,
            &self.receivers,
            &self.time,
        ));
        self.net.refusing = false;
        self.draining = false;
        self.read();
    }

    fn drain(&mut self) {
        if !self.draining {
            self.draining = true;
            self.net.refusing = true;
            let timeout = self.config.server.drain_timeout;
            let life = self.life.as_ref().unwrap();
            life.drain(timeout, self.net.busy());
        }
    }

    fn somebody_acts(&mut self, step: Step) {
        self.with(|scene, people| people.act(scene, step));
    }

    /// Lets so many milliseconds pass; everybody does meanwhile what they do by themselves.
    pub(super) fn advance(&mut self, millis: u64) {
        let until = self.time.now() + millis;
        loop {
            let now = self.time.now();
            let next = self.people.next_at(now).clamp(now + 1, until.max(now + 1));
            let (wake, time) = (self.net.inbox.wake.clone(), self.time.clone());
            self.life.as_ref().unwrap().runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = wake.notified() => {}
                    () = tokio::time::sleep(Duration::from_millis(next - now)) => {}
                }
                time.now();
            });
            self.read();
            self.net.close_idle(self.life.as_ref().unwrap());
            self.with(|scene, people| people.go_on(scene));
            self.receivers.check();
            alarm::check();
            if self.draining && self.life.as_ref().unwrap().has_ended() {
                let under_way = self.disk.platter().under_way();
                assert_eq!(under_way, 0, "an orderly end leaves nothing on its way");
                self.kill(50);
            }
            if self.time.now() >= until {
                return;
            }
        }
    }

    fn read(&mut self) {
        for arrival in self.net.inbox.take() {
            if let Arrival::Answer { at, body, .. } | Arrival::Frame { at, body, .. } = &arrival {
                (at, body).hash(&mut self.seen);
            }
            if self.trace.is_some() {
                self.tell(format!("{} {arrival}", self.time.now()));
            }
            self.with(|scene, people| people.take(scene, &arrival));
        }
    }

    /// `PARLOR_WORLDS_TRACE` wants to see everything.
    fn tell(&mut self, line: String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line);
        }
    }

    /// Nothing is wrong with the world any more.
    pub(super) fn heal(&mut self) {
        self.net.loss = 0;
        self.net.twice = 0;
        self.net.delay = 30;
        self.receivers.set_mood(receiver::Mood::Well);
        if self.disk.mood() == disk::Mood::Broken {
            self.kill(10);
        }
        self.disk.set_mood(disk::Mood::Well);
    }
}

fn carrier(how: u64) -> Carrier {
    match how % 2 {
        0 => Carrier::Polling,
        _ => Carrier::Socket,
    }
}

fn length(how: u64) -> usize {
    [0, 10, 200, 3_000][how as usize % 4]
}

/// Configurations by what varies in them: reading one takes longer than many a story.
pub(super) fn known(key: u64, make: impl FnOnce() -> Arc<Config>) -> Arc<Config> {
    static KNOWN: OnceLock<Mutex<BTreeMap<u64, Arc<Config>>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    known
        .lock()
        .unwrap()
        .entry(key)
        .or_insert_with(make)
        .clone()
}
