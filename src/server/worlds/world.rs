//! A world: one server after another, and everybody who uses them.

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
                let agent = Agent::new(scene, token, supervisor, carrier);
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
            burst_max: self.config.limits.queue_messages_max + config::BESIDE_QUEUE,
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
        self.net.delay = 30;
        self.receivers.set_mood(receiver::Mood::Well);
        if self.disk.mood() == disk::Mood::Broken {
            self.kill(10);
        }
        self.disk.set_mood(disk::Mood::Well);
    }
}

impl People {
    fn next_at(&self, now: u64) -> u64 {
        let customers = self.customers.iter().map(|customer| customer.next_at(now));
        let agents = self.agents.iter().map(|agent| agent.bayeux.next_at(now));
        customers.chain(agents).min().unwrap_or(u64::MAX)
    }

    fn go_on(&mut self, scene: &mut Scene<'_>) {
        self.customers
            .iter_mut()
            .for_each(|customer| customer.act(scene));
        self.agents.iter_mut().for_each(|agent| agent.act(scene));
    }

    fn take(&mut self, scene: &mut Scene<'_>, arrival: &Arrival) {
        let taken = self
            .customers
            .iter_mut()
            .any(|customer| customer.take(scene, arrival))
            || self
                .agents
                .iter_mut()
                .any(|agent| agent.take(scene, arrival));
        if !taken {
            self.apps.iter_mut().any(|app| app.take(scene, arrival));
        }
    }

    /// Every chat that somebody knows of.
    pub(super) fn chats(&self) -> Vec<SessionId> {
        let customers = self.customers.iter().filter_map(|one| one.chat.as_ref());
        let apps = self.apps.iter().filter_map(|one| one.chat.as_ref());
        customers
            .map(|chat| chat.session)
            .chain(apps.map(|chat| chat.session))
            .collect()
    }

    fn act(&mut self, scene: &mut Scene<'_>, step: Step) {
        match step.act {
            Act::CustomerComes => return self.customer_comes(scene, step),
            Act::AppComes => return self.app_comes(scene, step),
            Act::AppSays | Act::AppRefreshes | Act::AppEnds => return self.app_acts(scene, step),
            Act::AgentJoins => return self.agent_joins(scene, step),
            _ => {}
        }
        if !self.customers.is_empty() {
            let place = step.who as usize % self.customers.len();
            self.customers[place].does(scene, step);
        }
        let place = step.who as usize % self.agents.len();
        self.agents[place].does(scene, step);
    }

    fn customer_comes(&mut self, scene: &mut Scene<'_>, step: Step) {
        let number = self.customers.len();
        if number >= 4 {
            return;
        }
        let mut data = json!({});
        if step.how.is_multiple_of(2) {
            data["GCTI_Chat_AsyncMode"] = json!("true");
        }
        if step.how.is_multiple_of(3) {
            data["push_notification_deviceid"] = json!(format!("customer-{number}"));
            data["push_notification_type"] = json!("customhttp");
            data["GCTI_GMS_PushIncludePayload"] = json!("true");
        }
        let customer = Customer::new(scene, number, carrier(step.who), data);
        self.customers.push(customer);
    }

    fn app_comes(&mut self, scene: &mut Scene<'_>, step: Step) {
        if let Some(app) = self.apps.iter_mut().find(|app| app.chat.is_none()) {
            return app.create(scene);
        }
        let number = self.apps.len();
        if number >= 3 {
            return;
        }
        let wish = [Wish::Payload, Wish::Resend, Wish::Nothing][step.how as usize % 3];
        let mut app = App::new(scene, number, wish, step.who.is_multiple_of(2));
        app.create(scene);
        self.apps.push(app);
    }

    fn app_acts(&mut self, scene: &mut Scene<'_>, step: Step) {
        if self.apps.is_empty() {
            return;
        }
        let place = step.who as usize % self.apps.len();
        let app = &mut self.apps[place];
        match step.act {
            Act::AppSays => app.say(scene, length(step.how)),
            Act::AppRefreshes => app.refresh(scene, step.how),
            _ => app.operate(scene, "disconnect"),
        }
    }

    fn agent_joins(&mut self, scene: &mut Scene<'_>, step: Step) {
        let chats = self.chats();
        if chats.is_empty() {
            return;
        }
        let chat = chats[step.how as usize % chats.len()];
        let place = step.who as usize % self.agents.len();
        self.agents[place].join(scene, chat);
    }
}

impl Customer {
    fn does(&mut self, scene: &mut Scene<'_>, step: Step) {
        match step.act {
            Act::CustomerSays => self.say(scene, length(step.how)),
            Act::CustomerTypes => self.operate(scene, "startTyping"),
            Act::CustomerEnds => self.operate(scene, "disconnect"),
            Act::CustomerReloads => self.reload(scene, carrier(step.how)),
            Act::CustomerOpensTab => self.open_tab(scene, carrier(step.how)),
            Act::CustomerClosesTab => self.close_tab(scene),
            Act::CustomerSleeps => {
                self.put_aside(scene, step.how * 120, step.how.is_multiple_of(3));
            }
            Act::CustomerIsCut => self.cut(scene),
            Act::CustomerSwitchesTransport => self.switch(scene),
            Act::CustomerReadsSlowly => {
                for socket in self.tabs.iter().filter_map(|tab| tab.bayeux.socket) {
                    scene.net.set_reading(socket, step.how.is_multiple_of(2));
                }
            }
            _ => {}
        }
    }
}

impl Agent {
    fn does(&mut self, scene: &mut Scene<'_>, step: Step) {
        match step.act {
            Act::AgentSays => self.say(scene, step.who, step.how, length(step.how)),
            Act::AgentSaysMuch => {
                for _ in 0..5 + step.how % 30 {
                    self.say(scene, step.who, 5, length(step.how));
                }
            }
            Act::AgentReads => self.read_all(scene, step.how),
            Act::AgentLeaves => {
                let after = ["keep-alive", "keep-alive", "close-if-no-agents"];
                self.leave(scene, after[step.how as usize % 3]);
            }
            Act::AgentCloses => self.leave(scene, "force-close"),
            Act::AgentIsCut => self.cut(scene),
            Act::AgentSwitchesTransport => self.switch(scene),
            Act::AgentSleeps => self.bayeux.asleep_until = scene.now + step.how * 100,
            Act::AgentReadsSlowly => {
                if let Some(socket) = self.bayeux.socket {
                    scene.net.set_reading(socket, step.how.is_multiple_of(2));
                }
            }
            _ => {}
        }
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
