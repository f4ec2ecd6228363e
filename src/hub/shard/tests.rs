//! Stories of one shard. alice is the customer, bob an agent; `Bench` is a disk that does what it is told.

use std::sync::Mutex;

use super::*;
use crate::chat::{AfterAction, Change, Speech, Style, UserData, UserType, Visibility};
use crate::clock::Wall;
use crate::hub::fan_out::CUSTOMER;
use crate::hub::seat::{Offer, Told};
use crate::id::{ClientId, Epoch};

mod joins;
mod pushes;

#[test]
fn nobody_is_told_before_the_disk_has_it() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    bench.hold = true;
    let answer = bench.say(session, "hello");
    bench.settle();
    assert_eq!(alice.positions(), [1], "told only what is durable");
    assert!(answer.lock().unwrap().is_none(), "not answered either");
    bench.hold = false;
    bench.settle();
    assert_eq!(alice.positions(), [1, 2]);
    assert_eq!(
        answer.lock().unwrap().take().unwrap().unwrap().index,
        Some(2)
    );
}

#[test]
fn what_the_disk_refuses_never_happened() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    bench.fail = Some(store::Error::NoSpace);
    let lost = bench.say(session, "lost");
    let after = bench.say(session, "decided on what was lost");
    bench.settle();
    for answer in [lost, after] {
        assert_eq!(
            answer.lock().unwrap().take().unwrap().unwrap_err(),
            Refusal::Store(store::Error::NoSpace)
        );
    }
    bench.fail = None;
    let kept = bench.say(session, "kept");
    bench.settle();
    assert_eq!(kept.lock().unwrap().take().unwrap().unwrap().index, Some(2));
    assert_eq!(alice.positions(), [1, 2]);
}

#[test]
fn a_full_mailbox_loses_time_and_no_event() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    alice.room(0);
    for text in ["two", "three", "four"] {
        bench.say(session, text);
    }
    bench.settle();
    assert_eq!(alice.positions(), [1]);
    alice.room(2);
    bench.ask(session, Ask::Room(alice.id()));
    assert_eq!(alice.positions(), [1, 2, 3]);
    alice.room(9);
    bench.ask(session, Ask::Room(alice.id()));
    bench.say(session, "five");
    bench.settle();
    assert_eq!(alice.positions(), [1, 2, 3, 4, 5]);
}

#[test]
fn a_slow_viewer_reads_on_from_the_disk_where_memory_has_forgotten() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    alice.room(0);
    for _ in 0..40 {
        bench.say(session, &"x".repeat(1024));
    }
    bench.settle();
    alice.room(100);
    bench.ask(session, Ask::Room(alice.id()));
    assert_eq!(alice.positions(), (1..=41).collect::<Vec<u64>>());
}

#[test]
fn a_broken_connection_is_told_again_from_the_last_confirmed() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    bench.say(session, "two");
    bench.settle();
    bench.ask(session, Ask::Confirmed(alice.id(), 1));
    bench.ask(session, Ask::Rewind(alice.id(), 1));
    assert_eq!(alice.positions(), [1, 2, 2]);
}

#[test]
fn the_newest_client_of_the_customer_gets_the_events() {
    let mut bench = Bench::new();
    let (old, new) = (Mailbox::new(1), Mailbox::new(2));
    let session = bench.begin(Some(&old));
    bench.ask(
        session,
        Ask::Watch(
            new.clone(),
            1,
            None,
            Box::new(|view| assert_eq!(view.unwrap().next_index, 2)),
        ),
    );
    bench.say(session, "two");
    bench.settle();
    bench.ask(session, Ask::Gone(old.id(), Parting::Lost));
    bench.say(session, "three");
    bench.settle();
    assert_eq!(old.positions(), [1]);
    assert_eq!(new.positions(), [1, 2, 3]);
}

#[test]
fn bob_joins_and_sees_the_transcript_once() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    bench.say(session, "anybody there?");
    bench.settle();
    let bob = Mailbox::new(7);
    let page = bench.join(session, &bob);
    let seen: Vec<u64> = page.events.iter().map(|event| event.index).collect();
    assert_eq!((seen, page.next_position), (vec![1, 2, 3], 4));
    bench.say(session, "hello bob");
    bench.settle();
    assert_eq!(bob.positions(), [4]);
    let again = bench.join(session, &bob);
    assert_eq!(
        again.next_position, 5,
        "joining twice on one connection adds no event"
    );
}

#[test]
fn an_agent_who_is_lost_leaves_and_one_who_released_has_no_seat() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    let (bob, carol) = (Mailbox::new(7), Mailbox::new(8));
    bench.join(session, &bob);
    bench.join(session, &carol);
    bench.ask(session, Ask::Gone(bob.id(), Parting::Lost));
    assert_eq!(carol.positions(), [4], "bob left");
    let release = Command::Release {
        participant: None,
        after: AfterAction::KeepAlive,
        reason: None,
    };
    bench.ask(
        session,
        Ask::SubmitAs(carol.id(), release, Box::new(|done| assert!(done.is_ok()))),
    );
    assert_eq!(
        bench.shard.room(session).unwrap().seats.len(),
        1,
        "its leaving may have to be told again"
    );
    bench.ask(session, Ask::Confirmed(carol.id(), 5));
    assert_eq!(bench.shard.room(session).unwrap().seats.len(), 0);
    let message = Command::Message {
        text: "late".into(),
        message_type: None,
        speech: Speech::default(),
    };
    bench.ask(
        session,
        Ask::SubmitAs(
            carol.id(),
            message,
            Box::new(|done| assert_eq!(done.unwrap_err(), Refusal::NotJoined)),
        ),
    );
}

#[test]
fn the_end_is_told_again_until_it_has_arrived() {
    let mut bench = Bench::new();
    let alice = Mailbox::new(1);
    let session = bench.begin(Some(&alice));
    let bob = Mailbox::new(7);
    bench.join(session, &bob);
    let release = Command::Release {
        participant: None,
        after: AfterAction::ForceClose,
        reason: None,
    };
    bench.ask(
        session,
        Ask::SubmitAs(bob.id(), release, Box::new(|done| assert!(done.is_ok()))),
    );
    let told = alice.positions();
    let end = *told.last().unwrap();
    bench.ask(session, Ask::Rewind(alice.id(), 2));
    let again: Vec<u64> = (3..=end).collect();
    assert_eq!(alice.positions()[told.len()..], again[..]);
    bench.ask(session, Ask::Confirmed(alice.id(), end));
    bench.ask(session, Ask::Confirmed(bob.id(), end));
    assert!(bench.shard.room(session).unwrap().seats.is_empty());
}

#[test]
fn who_is_gone_before_it_is_seated_leaves() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    let (bob, carol) = (Mailbox::new(7), Mailbox::new(8));
    bench.join(session, &carol);
    *bob.gone.lock().unwrap() = Some(Parting::Lost);
    bench.join(session, &bob);
    let room = bench.shard.room(session).unwrap();
    let present: Vec<u32> = room.chat.present().map(|someone| someone.id.0).collect();
    assert_eq!(present, [1, 2]);
}

#[test]
fn an_idle_session_is_small() {
    // Beside it: the strings of its customer, and two entries of the shard's tables.
    let room = std::mem::size_of::<Room>();
    let customer = std::mem::size_of::<chat::Participant>();
    assert!(room + customer < 1024, "{room} + {customer} bytes");
}

#[test]
fn a_quiet_session_sleeps_and_comes_back_on_touch() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    bench.say(session, "see you");
    bench.settle();
    bench.pass(Duration::from_secs(31));
    assert_eq!(bench.shard.awake(), 0);
    let answer = bench.say(session, "back");
    bench.settle();
    assert_eq!(
        answer.lock().unwrap().take().unwrap().unwrap().index,
        Some(3)
    );
    assert_eq!(bench.shard.awake(), 1);
}

#[test]
fn a_silent_customer_without_push_is_removed() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    bench.pass(Duration::from_secs(31));
    bench.pass(Duration::from_secs(20));
    let page = bench.read(session, 1);
    assert!(page.view.ended);
    assert_eq!(page.events.len(), 2);
    bench.pass(Duration::from_secs(3700));
    let gone = Arc::new(Mutex::new(None));
    let heard = gone.clone();
    let reply =
        Box::new(move |page: Result<Page, Refusal>| *heard.lock().unwrap() = Some(page.err()));
    bench.ask(
        session,
        Ask::Read {
            reader: CUSTOMER,
            from: 1,
            bytes_max: 1024,
            acknowledge: true,
            reply,
        },
    );
    assert_eq!(
        gone.lock().unwrap().take(),
        Some(Some(Refusal::Unknown)),
        "no longer readable"
    );
}

#[test]
fn the_same_key_happens_once() {
    let mut bench = Bench::new();
    let session = bench.begin(None);
    let also = Also {
        idempotency: Some(42),
    };
    let first = bench.say_also(session, "once", also);
    let second = bench.say_also(session, "once", also);
    bench.settle();
    bench.pass(Duration::from_secs(31));
    let third = bench.say_also(session, "once", also);
    bench.settle();
    for answer in [first, second, third] {
        assert_eq!(
            answer.lock().unwrap().take().unwrap().unwrap().index,
            Some(2)
        );
    }
    assert_eq!(bench.read(session, 1).events.len(), 2);
}

#[test]
fn the_list_is_told_as_it_changes() {
    let mut bench = Bench::new();
    let carol = Mailbox::new(9);
    bench
        .shard
        .handle(Input::WatchList(carol.clone()), bench.now);
    let session = bench.begin(None);
    let bob = Mailbox::new(7);
    bench.join(session, &bob);
    bench.say(session, "no change of the list");
    bench.settle();
    assert_eq!(carol.told.lock().unwrap().len(), 2, "created, served");
}

/// A shard, the time, and a disk.
pub(super) struct Bench {
    pub(super) shard: Shard,
    pub(super) now: Now,
    pub(super) disk: HashMap<SessionId, Vec<Record>>,
    pub(super) asleep: HashMap<SessionId, (Snapshot, Option<Instant>)>,
    pub(super) pushed: Vec<Push>,
    dead_letters: Vec<store::DeadLetter>,
    /// As the gauge says.
    owed: i64,
    /// Commits wait.
    pub(super) hold: bool,
    pub(super) held: VecDeque<(u64, Batch)>,
    /// Commits fail.
    pub(super) fail: Option<store::Error>,
    pub(super) abandoned: bool,
    /// Reads wait.
    pub(super) slow: bool,
    pub(super) reads: VecDeque<Fetch>,
    /// Batches that were handed out.
    pub(super) commits: usize,
    /// Every text that was ever written.
    pub(super) written: Vec<String>,
    /// Told of every event that is written.
    pub(super) durable: Option<Durable>,
}

/// What is on the disk, for whoever must not hear of anything else.
pub(super) type Durable = Arc<Mutex<HashSet<(SessionId, u64)>>>;

pub(super) type Answer = Arc<Mutex<Option<Result<Done, Refusal>>>>;

impl Bench {
    pub(super) fn new() -> Self {
        let now = Now {
            instant: Instant(1_000_000),
            wall: Wall(1_000_000),
        };
        let settings = Arc::new(Settings::for_tests());
        Self {
            shard: Shard::new(
                settings,
                wire::keys::Keys::new([7; 32]),
                Arc::default(),
                now,
            ),
            now,
            disk: HashMap::new(),
            asleep: HashMap::new(),
            pushed: Vec::new(),
            dead_letters: Vec::new(),
            owed: 0,
            hold: false,
            held: VecDeque::new(),
            fail: None,
            abandoned: false,
            slow: false,
            reads: VecDeque::new(),
            commits: 0,
            written: Vec::new(),
            durable: None,
        }
    }

    fn begin(&mut self, viewer: Option<&Arc<Mailbox>>) -> SessionId {
        self.begin_with(viewer, None)
    }

    fn begin_with(
        &mut self,
        viewer: Option<&Arc<Mailbox>>,
        subscription: Option<Subscription>,
    ) -> SessionId {
        let session = SessionId::new(self.now.wall, 1);
        let create = Create {
            service: "customer-support".into(),
            nickname: "alice".into(),
            subject: None,
            user_data: UserData::new(),
            async_mode: false,
        };
        let viewer = viewer.map(|mailbox| mailbox.clone() as Arc<dyn Viewer>);
        let reply = Box::new(|done: Result<Done, Refusal>| assert!(done.is_ok()));
        let begin = Begin {
            session,
            create,
            subscription,
            viewer,
            reply,
        };
        let input = Input::Create(Box::new(begin));
        self.shard.handle(input, self.now);
        self.settle();
        session
    }

    fn say(&mut self, session: SessionId, text: &str) -> Answer {
        self.say_also(session, text, Also::default())
    }

    fn say_also(&mut self, session: SessionId, text: &str, also: Also) -> Answer {
        let answer = Answer::default();
        let heard = answer.clone();
        let command = Command::Message {
            text: text.into(),
            message_type: None,
            speech: Speech::default(),
        };
        let reply = Box::new(move |done| *heard.lock().unwrap() = Some(done));
        let ask = Ask::Submit {
            caller: Caller::Participant(CUSTOMER),
            command,
            also,
            reply,
        };
        self.shard.handle(Input::Ask(session, ask), self.now);
        answer
    }

    fn join(&mut self, session: SessionId, viewer: &Arc<Mailbox>) -> Page {
        let page = Arc::new(Mutex::new(None));
        let heard = page.clone();
        let reply = Box::new(move |joined: Result<Joined, Refusal>| {
            *heard.lock().unwrap() = Some(joined.unwrap().page)
        });
        self.ask(
            session,
            Ask::Join {
                join: bob(),
                viewer: viewer.clone(),
                bytes_max: 1 << 20,
                reply,
            },
        );
        let page = page.lock().unwrap().take();
        page.expect("joined")
    }

    fn read(&mut self, session: SessionId, from: u64) -> Page {
        let page = Arc::new(Mutex::new(None));
        let heard = page.clone();
        let reply = Box::new(move |read: Result<Page, Refusal>| {
            *heard.lock().unwrap() = Some(read.unwrap())
        });
        self.ask(
            session,
            Ask::Read {
                reader: CUSTOMER,
                from,
                bytes_max: 1 << 20,
                acknowledge: true,
                reply,
            },
        );
        let page = page.lock().unwrap().take();
        page.expect("read")
    }

    fn ask(&mut self, session: SessionId, ask: Ask) {
        self.shard.handle(Input::Ask(session, ask), self.now);
        self.settle();
    }

    /// Lets time pass in steps of a second.
    pub(super) fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.now.instant = self.now.instant + Duration::from_secs(1);
            self.now.wall = Wall(self.now.instant.0);
            self.shard.handle(Input::Tick, self.now);
            let due: Vec<SessionId> = self
                .asleep
                .iter()
                .filter(|(_, (_, deadline))| deadline.is_some_and(|at| at <= self.now.instant))
                .map(|(session, _)| *session)
                .collect();
            self.shard.handle(Input::Wake(due), self.now);
            self.settle();
        }
    }

    /// Does what the shard wants until it wants no more.
    pub(super) fn settle(&mut self) {
        loop {
            if !self.hold && !self.held.is_empty() {
                let completions = std::mem::take(&mut self.held)
                    .into_iter()
                    .map(|(ticket, batch)| self.write(ticket, batch))
                    .collect();
                self.shard.handle(Input::Stored(completions), self.now);
            }
            match self.shard.poll_output() {
                Some(output) => self.perform(output),
                None if self.hold || self.held.is_empty() => return,
                None => {}
            }
        }
    }

    pub(super) fn write(&mut self, ticket: u64, batch: Batch) -> Completion {
        let error = self
            .abandoned
            .then_some(store::Error::Abandoned)
            .or(self.fail.clone());
        self.abandoned |= error.is_some();
        if error.is_none() {
            self.note(&batch);
            self.disk
                .entry(batch.session)
                .or_default()
                .push(batch.record);
        }
        Completion {
            ticket,
            result: error.map_or(Ok(()), Err),
        }
    }

    fn note(&mut self, batch: &Batch) {
        for change in &batch.record.changes {
            let Change::Event(event) = change else {
                continue;
            };
            if let chat::EventKind::Message { text, .. } = &event.kind {
                self.written.push(text.clone());
            }
            if let Some(durable) = &self.durable {
                let new = durable.lock().unwrap().insert((batch.session, event.index));
                assert!(new, "an index is used once");
            }
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Commit(ticket, batch) => {
                self.commits += 1;
                self.held.push_back((ticket, batch));
            }
            Output::Reset => self.abandoned = false,
            Output::Load(session) => {
                let stored =
                    self.disk
                        .get(&session)
                        .map(|records| match self.asleep.remove(&session) {
                            Some((snapshot, _)) => Stored {
                                snapshot: Some(snapshot),
                                records: Vec::new(),
                                epoch: Epoch(2),
                            },
                            None => Stored {
                                snapshot: None,
                                records: records.clone(),
                                epoch: Epoch(2),
                            },
                        });
                self.shard
                    .handle(Input::Loaded(session, Box::new(Ok(stored))), self.now);
            }
            Output::Fetch(fetch) if self.slow => self.reads.push_back(fetch),
            Output::Fetch(fetch) => {
                let events = self.events(fetch.session, fetch.from, fetch.bytes_max);
                self.shard
                    .handle(Input::Fetched(fetch, Ok(events)), self.now);
            }
            Output::PutAway(session, snapshot, deadline) => {
                self.check_snapshot(session, &snapshot);
                self.asleep.insert(session, (*snapshot, deadline));
            }
            Output::Forget(session) => {
                self.disk.remove(&session);
                self.asleep.remove(&session);
            }
            Output::Push(push) => self.pushed.push(push),
            Output::DeadLetter { letter, .. } => self.dead_letters.push(letter),
            Output::Owed(_, more) => self.owed += more,
        }
    }

    /// What sleeps is what was stored.
    fn check_snapshot(&self, session: SessionId, snapshot: &Snapshot) {
        let mut chat = chat::Session::new();
        let records = self.disk.get(&session).into_iter().flatten();
        let changes = records.flat_map(|record| &record.changes);
        changes.for_each(|change| chat.apply(change));
        assert_eq!(chat.next_index(), snapshot.chat.next_index());
        assert_eq!(chat.participants(), snapshot.chat.participants());
    }

    pub(super) fn events(&self, session: SessionId, from: u64, bytes_max: usize) -> Vec<Event> {
        let mut bytes = 0;
        let events = self
            .disk
            .get(&session)
            .into_iter()
            .flatten()
            .flat_map(|record| &record.changes)
            .filter_map(|change| match change {
                Change::Event(event) if event.index >= from => Some(event.clone()),
                _ => None,
            });
        events
            .take_while(|_| {
                bytes += 1024;
                bytes <= bytes_max.max(1024)
            })
            .collect()
    }
}

fn bob() -> Join {
    Join {
        account: "bob".into(),
        nickname: "Bob".into(),
        user_type: UserType::Agent,
        style: Style::Person,
        visibility: Visibility::All,
        client_version: 106,
        user_data: UserData::new(),
    }
}

/// A viewer with as much room as it is given.
pub(super) struct Mailbox {
    id: ClientId,
    room: Mutex<usize>,
    told: Mutex<Vec<Told>>,
    gone: Mutex<Option<Parting>>,
}

impl Mailbox {
    fn new(number: u128) -> Arc<Self> {
        Arc::new(Self {
            id: ClientId::new(number),
            room: Mutex::new(1000),
            told: Mutex::default(),
            gone: Mutex::default(),
        })
    }

    fn room(&self, messages: usize) {
        *self.room.lock().unwrap() = messages;
    }

    fn positions(&self) -> Vec<u64> {
        self.told
            .lock()
            .unwrap()
            .iter()
            .filter_map(|told| told.position)
            .collect()
    }
}

impl Viewer for Mailbox {
    fn id(&self) -> ViewerId {
        self.id
    }

    fn tell(&self, told: Told) -> Offer {
        let mut room = self.room.lock().unwrap();
        if *room == 0 {
            return Offer::Full;
        }
        *room -= 1;
        self.told.lock().unwrap().push(told);
        Offer::Queued
    }

    fn rewound(&self, _: SessionId) {}
    fn seated(&self, _session: SessionId) -> Option<Parting> {
        *self.gone.lock().unwrap()
    }

    fn unseated(&self, _session: SessionId) {}

    fn dismiss(&self) {}
}
