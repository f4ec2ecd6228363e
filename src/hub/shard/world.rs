//! A small world at random: customers and agents who come, speak, fall behind, break off and go, over a disk that is slow,
//! full or back again, and a process that ends at any moment. Whatever happens, the promises hold.

use std::sync::Mutex;

use super::tests::{Bench, Durable};
use super::*;
use crate::chat::{AfterAction, Change, Speech, Style, UserData, UserType, Visibility, may_see};
use crate::hub::fan_out::CUSTOMER;
use crate::hub::seat::{Offer, Told};
use crate::id::ClientId;

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

/// A Bayeux client of a customer or an agent: what it has, as it knows it.
struct Client {
    id: ClientId,
    agent: bool,
    /// How much of a transcript it is answered.
    bytes_max: usize,
    room: Mutex<usize>,
    durable: Durable,
    gone: Mutex<Option<Parting>>,
    looks: Mutex<HashMap<SessionId, Look>>,
}

/// One chat in the eyes of a client.
#[derive(Debug, Default)]
struct Look {
    participant: Option<ParticipantId>,
    /// From where on it is told.
    from: u64,
    has: Vec<u64>,
    confirmed: u64,
    seated: bool,
    starved: bool,
}

impl Viewer for Client {
    fn id(&self) -> ViewerId {
        self.id
    }

    fn tell(&self, told: Told) -> Offer {
        if self.gone.lock().unwrap().is_some() {
            return Offer::Gone;
        }
        let mut looks = self.looks.lock().unwrap();
        let look = looks.entry(told.session).or_default();
        let mut room = self.room.lock().unwrap();
        if *room == 0 {
            look.starved = true;
            return Offer::Full;
        }
        *room -= 1;
        if let Some(position) = told.position {
            let durable = self.durable.lock().unwrap();
            assert!(
                durable.contains(&(told.session, position)),
                "told before it is stored"
            );
            let last = look
                .has
                .last()
                .copied()
                .unwrap_or(0)
                .max(look.from.saturating_sub(1));
            assert!(
                position > last,
                "{:?} (agent: {}) is told {position} after {last}: {look:?}",
                self.id,
                self.agent
            );
            look.has.push(position);
        }
        Offer::Queued
    }

    fn rewound(&self, _: SessionId) {}

    fn seated(&self, session: SessionId) -> Option<Parting> {
        let gone = *self.gone.lock().unwrap();
        self.looks
            .lock()
            .unwrap()
            .entry(session)
            .or_default()
            .seated = gone.is_none();
        gone
    }

    fn unseated(&self, session: SessionId) {
        self.looks
            .lock()
            .unwrap()
            .entry(session)
            .or_default()
            .seated = false;
    }

    fn dismiss(&self) {}
}

impl Client {
    fn begins(&self, session: SessionId, participant: ParticipantId, from: u64) {
        let mut looks = self.looks.lock().unwrap();
        let look = looks.entry(session).or_default();
        *look = Look {
            participant: Some(participant),
            from,
            confirmed: from.saturating_sub(1),
            seated: look.seated,
            ..Look::default()
        };
    }
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

    fn somebody_begins(&mut self) {
        if self.sessions.len() >= 4 {
            return;
        }
        let session = SessionId::new(self.bench.now.wall, self.random);
        let viewer = (self.below(2) == 0).then(|| self.client(false));
        if let Some(client) = &viewer {
            client.begins(session, CUSTOMER, 1);
        }
        let durable = self.durable.clone();
        let reply = Box::new(move |done: Result<Done, Refusal>| {
            let told = done.is_err() || durable.lock().unwrap().contains(&(session, 1));
            assert!(told, "answered before it is stored");
        });
        let begin = Begin {
            session,
            create: Create {
                service: "customer-support".into(),
                nickname: "alice".into(),
                subject: None,
                user_data: UserData::new(),
                async_mode: self.below(2) == 0,
            },
            subscription: None,
            viewer: viewer.map(|client| client as Arc<dyn Viewer>),
            reply,
        };
        self.sessions.push(session);
        self.bench
            .shard
            .handle(Input::Create(Box::new(begin)), self.bench.now);
    }

    fn somebody_joins(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let client = self.client(true);
        let supervisor = self.below(3) == 0;
        let visibility = match self.below(3) {
            0 => Visibility::All,
            1 => Visibility::Int,
            _ if supervisor => Visibility::Vip,
            _ => Visibility::All,
        };
        let join = Join {
            account: format!("agent-{}", self.below(3)),
            nickname: "Bob".into(),
            user_type: match supervisor {
                true => UserType::Supervisor,
                false => UserType::Agent,
            },
            style: Style::Person,
            visibility,
            client_version: 106,
            user_data: UserData::new(),
        };
        let (joined, durable) = (client.clone(), self.durable.clone());
        let reply = Box::new(move |result: Result<Joined, Refusal>| {
            let Ok(Joined { participant, page }) = result else {
                return;
            };
            let durable = durable.lock().unwrap();
            let stored = |index| durable.contains(&(session, index));
            assert!(page.events.iter().all(|event| stored(event.index)));
            let already = joined
                .looks
                .lock()
                .unwrap()
                .get(&session)
                .is_some_and(|look| look.participant == Some(participant));
            if !already {
                joined.begins(session, participant, page.next_position);
            }
        });
        let bytes_max = client.bytes_max;
        self.hand(
            session,
            Ask::Join {
                join,
                viewer: client,
                bytes_max,
                reply,
            },
        );
    }

    fn message(&mut self, speech: Speech) -> (Command, Reply<Done>) {
        let length = [10, 10, 3_000][self.below(3)];
        let text = format!("{:05}{}", self.said.len(), "x".repeat(length));
        let answer = Arc::new(Mutex::new(None));
        self.said.push(Said {
            text: text.clone(),
            answer: answer.clone(),
        });
        let durable = self.durable.clone();
        let reply = Box::new(move |done: Result<Done, Refusal>| {
            if let Ok(done) = &done {
                let key = (done.view.session, done.index.unwrap());
                assert!(
                    durable.lock().unwrap().contains(&key),
                    "answered before it is stored"
                );
            }
            *answer.lock().unwrap() = Some(done.is_ok());
        });
        (
            Command::Message {
                text,
                message_type: None,
                speech,
            },
            reply,
        )
    }

    fn the_customer_speaks(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let (command, reply) = self.message(Speech::default());
        let also = Also::default();
        let caller = Caller::Participant(CUSTOMER);
        self.hand(
            session,
            Ask::Submit {
                caller,
                command,
                also,
                reply,
            },
        );
    }

    fn an_agent_speaks(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let speech = Speech {
            visibility: [None, None, Some(Visibility::Int)][self.below(3)],
            to: [None, None, Some(CUSTOMER)][self.below(3)],
            ..Speech::default()
        };
        let agent = self.client(true);
        let (command, reply) = self.message(speech);
        self.hand(session, Ask::SubmitAs(agent.id, command, reply));
    }

    fn somebody_leaves(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let command = Command::Release {
            participant: None,
            after: AfterAction::KeepAlive,
            reason: None,
        };
        let reply = Box::new(|_| {});
        match self.below(4) {
            0 => {
                let (caller, also) = (Caller::Participant(CUSTOMER), Also::default());
                self.hand(
                    session,
                    Ask::Submit {
                        caller,
                        command,
                        also,
                        reply,
                    },
                );
            }
            _ => {
                let agent = self.client(true);
                self.hand(session, Ask::SubmitAs(agent.id, command, reply));
            }
        }
    }

    fn the_customer_looks(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let client = self.client(false);
        let from = self.below(12) as u64;
        let looking = client.clone();
        let reply = Box::new(move |view: Result<View, Refusal>| {
            if let Ok(view) = view {
                looking.begins(session, CUSTOMER, from.clamp(1, view.next_index));
            }
        });
        self.hand(session, Ask::Watch(client, from, None, reply));
    }

    fn a_mailbox_fills(&mut self) {
        let agent = self.below(2) == 0;
        let room = self.below(3);
        *self.client(agent).room.lock().unwrap() = room;
    }

    fn a_mailbox_has_room(&mut self) {
        let (agent, room) = (self.below(2) == 0, self.below(50));
        let client = self.client(agent);
        *client.room.lock().unwrap() = room;
        self.drained(&client);
    }

    fn drained(&mut self, client: &Client) {
        let starved: Vec<SessionId> = {
            let mut looks = client.looks.lock().unwrap();
            let mut starved = Vec::new();
            for (session, look) in looks.iter_mut() {
                starved.extend(std::mem::take(&mut look.starved).then_some(*session));
            }
            starved
        };
        for session in starved {
            self.hand(session, Ask::Room(client.id));
        }
    }

    fn something_arrives(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let agent = self.below(2) == 0;
        let client = self.client(agent);
        let some = self.below(3);
        let arrived = {
            let mut looks = client.looks.lock().unwrap();
            let look = looks.entry(session).or_default();
            let index = look.has.iter().rev().nth(some).copied();
            look.confirmed = look.confirmed.max(index.unwrap_or(0));
            index
        };
        if let Some(index) = arrived {
            self.hand(session, Ask::Confirmed(client.id, index));
        }
    }

    fn a_connection_breaks(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let agent = self.below(2) == 0;
        let client = self.client(agent);
        let some = self.below(4);
        let back_to = {
            let mut looks = client.looks.lock().unwrap();
            let look = looks.entry(session).or_default();
            let sure = look.confirmed;
            let back_to = look
                .has
                .iter()
                .rev()
                .nth(some)
                .copied()
                .unwrap_or(0)
                .max(sure);
            let breaks = look.has.last().is_some_and(|last| *last > back_to);
            look.has.retain(|index| *index <= back_to);
            breaks.then_some(back_to)
        };
        if let Some(position) = back_to {
            self.hand(session, Ask::Rewind(client.id, position));
        }
    }

    fn somebody_is_gone(&mut self) {
        let agent = self.below(2) == 0;
        let client = self.client(agent);
        let how = [Parting::Left, Parting::Lost][self.below(2)];
        *client.gone.lock().unwrap() = Some(how);
        let looks = std::mem::take(&mut *client.looks.lock().unwrap());
        for (session, look) in looks {
            if look.seated {
                self.hand(session, Ask::Gone(client.id, how));
            }
        }
    }

    fn reads_come(&mut self) {
        for fetch in std::mem::take(&mut self.bench.reads) {
            self.bench.fetch(fetch);
        }
    }

    fn time_passes(&mut self) {
        let seconds = [1, 5, 40][self.below(3)];
        self.bench.pass(Duration::from_secs(seconds));
        // Those that were woken are looked after at once; then nothing is due at this moment any more.
        for _ in 0..3 {
            self.bench.shard.handle(Input::Tick, self.bench.now);
            self.bench.settle();
        }
        let now = self.bench.now.instant;
        let next = self.bench.shard.poll_timeout();
        assert!(next.is_none_or(|at| at > now), "timers spin");
    }

    /// Of what was on its way, some is on the disk; nobody was told of it.
    fn the_process_ends(&mut self) {
        let stored = self.below(self.bench.held.len() + 1);
        self.bench.crash(stored);
        for client in &self.clients {
            *client.gone.lock().unwrap() = Some(Parting::Lost);
            client.looks.lock().unwrap().clear();
        }
    }

    fn somebody_reads(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let durable = self.durable.clone();
        let reply = Box::new(move |page: Result<Page, Refusal>| {
            let durable = durable.lock().unwrap();
            let events = page.map(|page| page.events).unwrap_or_default();
            let stored = |index| durable.contains(&(session, index));
            assert!(
                events.iter().all(|event| stored(event.index)),
                "read before it is stored"
            );
            assert!(events.is_sorted_by(|one, other| one.index < other.index));
        });
        let ask = Ask::Read {
            reader: CUSTOMER,
            from: self.below(20) as u64,
            bytes_max: [1, 4_000, 1 << 20][self.below(3)],
            acknowledge: true,
            reply,
        };
        self.hand(session, ask);
    }

    /// The disk is well again, and everybody has room.
    fn come_to_rest(&mut self) {
        (self.bench.hold, self.bench.slow, self.bench.fail) = (false, false, None);
        self.reads_come();
        self.bench.settle();
        for client in self.clients.clone() {
            *client.room.lock().unwrap() = usize::MAX;
            self.drained(&client);
        }
        self.bench.settle();
        assert_eq!(self.bench.shard.in_flight(), 0, "seed {}", self.seed);
        assert!(self.bench.reads.is_empty() && self.bench.held.is_empty());
    }

    fn everybody_has_everything(&self) {
        for client in &self.clients {
            for (session, look) in client.looks.lock().unwrap().iter() {
                if look.seated {
                    self.has_everything(client, *session, look);
                }
            }
        }
    }

    fn has_everything(&self, client: &Client, session: SessionId, look: &Look) {
        let Some(records) = self.bench.disk.get(&session) else {
            return;
        };
        let mut chat = chat::Session::new();
        let changes = records.iter().flat_map(|record| &record.changes);
        changes.clone().for_each(|change| chat.apply(change));
        let who = chat.participant(look.participant.unwrap()).unwrap();
        let end = match who.presence {
            chat::Presence::Left { index, .. } if look.participant == Some(CUSTOMER) => index,
            _ => u64::MAX,
        };
        let wanted: Vec<u64> = changes
            .filter_map(|change| match change {
                Change::Event(event) if may_see(who, event) => Some(event.index),
                _ => None,
            })
            .filter(|index| *index >= look.from && *index <= end)
            .collect();
        assert_eq!(
            look.has, wanted,
            "seed {} {:?} in {session}",
            self.seed, client.id
        );
    }

    fn what_was_answered_is_true(&self) {
        for said in &self.said {
            let stored = self
                .bench
                .written
                .iter()
                .filter(|text| **text == said.text)
                .count();
            match *said.answer.lock().unwrap() {
                Some(true) => assert_eq!(stored, 1, "acknowledged and not there, or twice"),
                Some(false) => assert_eq!(stored, 0, "refused and there"),
                None => assert!(stored <= 1, "there twice"),
            }
        }
    }
}

impl Bench {
    /// The process ends once `stored` of the batches on their way are on the disk, and starts again.
    fn crash(&mut self, stored: usize) {
        for (ticket, batch) in std::mem::take(&mut self.held).into_iter().take(stored) {
            self.write(ticket, batch);
        }
        (self.abandoned, self.slow, self.hold, self.fail) = (false, false, false, None);
        self.reads.clear();
        let settings = Arc::new(Settings::for_tests());
        let keys = wire::keys::Keys::new([7; 32]);
        self.shard = Shard::new(settings, keys, Arc::default(), self.now);
        let awake = self
            .disk
            .keys()
            .filter(|session| !self.asleep.contains_key(session));
        let awake = awake.copied().collect();
        self.shard.handle(Input::Wake(awake), self.now);
    }

    fn fetch(&mut self, fetch: Fetch) {
        let events = self.events(fetch.session, fetch.from, fetch.bytes_max);
        self.shard
            .handle(Input::Fetched(fetch, Ok(events)), self.now);
    }
}
