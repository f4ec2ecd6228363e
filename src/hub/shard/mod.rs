//! The owner of a share of all sessions: a pure machine.
//!
//! [`Input`]s go in, with the time; [`Output`]s come out. Tells and answers are made by calling the [`Viewer`]s and
//! [`Reply`]s that came in, and only for what is durable: a command is decided and folded in at once, its record is handed
//! out as [`Output::Commit`], and everything that follows from it waits in `pending` until [`Input::Stored`] says that the
//! disk has it. Commands of other sessions, and later ones of the same, go on meanwhile.

mod commands;
mod dead_letters;
mod pushes;
mod reads;
mod sleep;
mod stored;
mod viewers;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Also, Done, Joined, Page, Refusal, Reply, Summary, View};
use super::load::Load;
use super::room::{Durable, Room};
use super::seat::{Parting, Seat, Viewer, ViewerId};
use crate::chat::{self, Caller, Command, Create, Event, Join, Policy};
use crate::clock::{Instant, Now};
use crate::id::{DeliveryId, ParticipantId, SessionId};
use crate::push::{self, Outcome, ResendSchedule, Subscription};
use crate::store::{self, Batch, Completion, Record, Snapshot, Stored};
use crate::wire;

/// Inputs that may wait for one session to be loaded; more are refused as busy.
const LOADING_QUEUE_MAX: usize = 1024;

/// What configuration decides about every shard; a reload replaces it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// About sessions of services that are no longer configured.
    pub policy: Arc<Policy>,
    /// The services, by name.
    pub services: HashMap<String, Service>,
    /// `flex-push-resend-*`.
    pub resend: ResendSchedule,
    /// `flex-push-content`.
    pub reveal: wire::push::Reveal,
    /// `[server] alias`.
    pub alias: String,
    /// `customhttp.message` of each destination that has one.
    pub push_messages: HashMap<String, String>,
    /// `[cometd] maxInterval`: how long agents are waited for after a restart.
    pub agents_return_within: Duration,
    /// How long a session that nobody watches stays awake after the last touch.
    pub awake_for: Duration,
}

/// What is configured per service.
#[derive(Clone, Debug)]
pub struct Service {
    /// About its sessions.
    pub policy: Arc<Policy>,
    /// `push_notification_to_active_client`.
    pub push_to_active_client: bool,
}

/// What a shard is given.
pub enum Input {
    /// A customer begins a chat.
    Create(Box<Begin>),
    /// Something is asked of a session, or about it.
    Ask(SessionId, Ask),
    /// Batches are durable, or not.
    Stored(Vec<Completion>),
    /// A session that [`Output::Load`] asked for.
    Loaded(SessionId, Box<Result<Option<Stored>, store::Error>>),
    /// Events that [`Output::Fetch`] asked for.
    Fetched(Fetch, Result<Vec<Event>, store::Error>),
    /// A push ended, or will be tried again.
    Settled(DeliveryId, Outcome),
    /// A destination had no room for this push, which is to be offered again once it has.
    PushRefused(DeliveryId, String),
    /// A destination has room for this many more.
    PushRoom(String, usize),
    /// A destination answers again: what waits for its next attempt need not.
    PushRecovered(String),
    /// Sessions whose deadline has come, or that were awake when the process ended.
    Wake(Vec<SessionId>),
    /// The list of open sessions is watched.
    WatchList(Arc<dyn Viewer>),
    /// No longer.
    UnwatchList(ViewerId),
    /// A viewer of the list has room again.
    ListRoom(ViewerId),
    /// Those of these whose state in memory is that of the disk, and which must be looked up there.
    Summaries(
        Vec<SessionId>,
        Box<dyn FnOnce(Vec<Summary>, Vec<SessionId>) + Send>,
    ),
    /// Configuration was reloaded.
    Settings(Arc<Settings>),
    /// The time of [`Shard::poll_timeout`] has come.
    Tick,
}

/// A chat to begin.
pub struct Begin {
    /// Its identifier.
    pub session: SessionId,
    /// What was asked.
    pub create: Create,
    /// The wish for pushes.
    pub subscription: Option<Subscription>,
    /// The customer's Bayeux client: told from the first event on.
    pub viewer: Option<Arc<dyn Viewer>>,
    /// The answer.
    pub reply: Reply<Done>,
}

/// Something asked of one session.
pub enum Ask {
    /// A command.
    Submit {
        /// Who asks.
        caller: Caller,
        /// What.
        command: Command,
        /// And what was said beside it.
        also: Also,
        /// The answer.
        reply: Reply<Done>,
    },
    /// A command of whoever this viewer has joined as.
    SubmitAs(ViewerId, Command, Reply<Done>),
    /// An agent comes in, or takes its participant over after a restart.
    Join {
        /// As whom.
        join: Join,
        /// Who is told from then on.
        viewer: Arc<dyn Viewer>,
        /// How much of the transcript is answered, bytes.
        bytes_max: usize,
        /// The answer.
        reply: Reply<Joined>,
    },
    /// Reads events.
    Read {
        /// For whom.
        reader: ParticipantId,
        /// From which index on; 0 reads none.
        from: u64,
        /// How much.
        bytes_max: usize,
        /// It has fetched what was there before: acknowledges pushes.
        acknowledge: bool,
        /// The answer.
        reply: Reply<Page>,
    },
    /// Reads events as whoever this viewer has joined as.
    ReadAs(ViewerId, u64, usize, Reply<Page>),
    /// The customer's Bayeux client watches from this index on; an older one no longer does. It may wish for other
    /// pushes from now on.
    Watch(Arc<dyn Viewer>, u64, Option<Subscription>, Reply<View>),
    /// A viewer has room again.
    Room(ViewerId),
    /// What a viewer was told up to this index has arrived.
    Confirmed(ViewerId, u64),
    /// What a viewer was told after this index may not have arrived.
    Rewind(ViewerId, u64),
    /// The customer said so itself, from outside its session: everything up to this index has arrived.
    Fetched(u64),
    /// A viewer is gone; an agent that only lost its connection leaves as lost.
    Gone(ViewerId, Parting),
}

/// What the driver must do.
pub enum Output {
    /// Commit a batch under this number.
    Commit(u64, Batch),
    /// Let the lane take batches again.
    Reset,
    /// Load a session.
    Load(SessionId),
    /// Read events from the store.
    Fetch(Fetch),
    /// Put a session away until the deadline.
    PutAway(SessionId, Box<Snapshot>, Option<Instant>),
    /// A session is no longer readable.
    Forget(SessionId),
    /// Post a push.
    Push(Push),
    /// Keep a push that was given up.
    DeadLetter {
        /// The push.
        letter: store::DeadLetter,
        /// Whether the poster has counted it, or it was kept before.
        counted: bool,
    },
    /// So many more pushes are owed to a destination, or fewer.
    Owed(String, i64),
}

/// Events wanted from the store, and what for.
pub struct Fetch {
    /// Of which session.
    pub session: SessionId,
    /// From which index on.
    pub from: u64,
    /// How much, bytes.
    pub bytes_max: usize,
    purpose: Purpose,
}

enum Purpose {
    Page(ParticipantId, usize, Reply<Page>),
    /// For a new seat, or none where it has one already.
    Join(Option<ViewerId>, ParticipantId, usize, Reply<Joined>),
    Seat(ViewerId),
    Push(u64),
    DeadLetter(Box<dead_letters::Grave>),
}

/// A push to be posted now.
#[derive(Clone, Debug)]
pub struct Push {
    /// Its identity: the `webhook-id`.
    pub delivery: DeliveryId,
    /// To where.
    pub destination: String,
    /// The body, the same for every attempt.
    pub body: bytes::Bytes,
    /// When it became owed.
    pub owed_at: Instant,
    /// Attempts that failed before.
    pub failed: u32,
}

/// A share of all sessions.
pub struct Shard {
    settings: Arc<Settings>,
    keys: wire::keys::Keys,
    load: Arc<Load>,
    rooms: HashMap<SessionId, Slot>,
    /// When each awake session is looked after next.
    timers: BTreeSet<(Instant, SessionId)>,
    /// Batches on their way to the disk, in the order of their tickets, which have no gaps.
    pending: VecDeque<Pending>,
    next_ticket: u64,
    /// The error of a failed batch, until everything that was decided after it has come back.
    failing: Option<store::Error>,
    /// Sessions whose state is ahead of the disk since then.
    spoiled: HashSet<SessionId>,
    /// Failures since a batch last became durable.
    failures: u32,
    /// Before this nothing is written that nobody asked for, so that a disk that fails is left in peace.
    resume_at: Instant,
    /// Who watches the list of sessions.
    list: Vec<ListViewer>,
    /// Pushes for which their destination had no room, by destination.
    push_queue: HashMap<String, VecDeque<SessionId>>,
    /// How many pushes each session owes, awake or asleep, and to where; those that owe none are not here.
    owing: HashMap<SessionId, (String, usize)>,
    /// Pushes that wait for their next attempt, by destination.
    push_retries: HashMap<String, BTreeSet<SessionId>>,
    /// Destinations that have answered again after failures, until the next failure that is heard of here.
    recovered: HashSet<String>,
    /// Before this no timer of a restarted process has run.
    started: Instant,
    outputs: VecDeque<Output>,
}

enum Slot {
    Awake(Box<Room>),
    Loading(Loading),
}

#[derive(Default)]
struct Loading {
    waiting: Vec<Ask>,
    /// Seats of a session that is loaded again because its state was ahead of the disk.
    seats: Vec<Seat>,
    /// Its reads that are on their way from the disk.
    fetching: u32,
    /// Its reads that have come meanwhile.
    fetched: Vec<(Fetch, Result<Vec<Event>, store::Error>)>,
}

struct ListViewer {
    viewer: Arc<dyn Viewer>,
    /// Entries that found no room, as they are to be told.
    stale: BTreeMap<SessionId, Arc<Summary>>,
}

/// A changed entry of the list.
struct Listing {
    summary: Arc<Summary>,
    /// Those who have joined are told too: the customer's data changed.
    to_joined: bool,
}

/// What follows once a batch is durable.
struct Pending {
    session: SessionId,
    events: Vec<Arc<Event>>,
    after: Durable,
    summary: Option<Listing>,
    graves: Vec<dead_letters::Grave>,
    then: Vec<Then>,
}

enum Then {
    Done(Reply<Done>, Option<u64>, ParticipantId),
    Refuse(Box<dyn FnOnce(Refusal) + Send>, Refusal),
    Joined(Arc<dyn Viewer>, ParticipantId, usize, Reply<Joined>),
    Watch(Arc<dyn Viewer>),
    Watched(Arc<dyn Viewer>, u64, Reply<View>),
    Read(ViewerId, u64, usize, Reply<Page>),
}

/// What one command writes, decided.
#[derive(Default)]
struct Decision {
    changes: Vec<chat::Change>,
    push: Vec<push::Change>,
    /// The push steps are folded in already.
    applied: bool,
    remembered: Option<store::Remembered>,
}

impl Shard {
    /// A shard without sessions, at the start of the process.
    pub fn new(settings: Arc<Settings>, keys: wire::keys::Keys, load: Arc<Load>, now: Now) -> Self {
        Self {
            settings,
            keys,
            load,
            rooms: HashMap::new(),
            timers: BTreeSet::new(),
            pending: VecDeque::new(),
            next_ticket: 1,
            failing: None,
            spoiled: HashSet::new(),
            failures: 0,
            resume_at: now.instant,
            list: Vec::new(),
            push_queue: HashMap::new(),
            owing: HashMap::new(),
            push_retries: HashMap::new(),
            recovered: HashSet::new(),
            started: now.instant,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Now) {
        match input {
            Input::Create(begin) => self.create(*begin, now),
            Input::Ask(session, ask) => self.ask(session, ask, now),
            Input::Stored(completions) => self.stored(completions, now),
            Input::Loaded(session, result) => self.loaded(session, *result, now),
            Input::Fetched(fetch, result) => self.fetched(fetch, result, now),
            Input::Settled(delivery, outcome) => self.settled(delivery, outcome, now),
            Input::PushRefused(delivery, destination) => self.push_refused(delivery, destination),
            Input::PushRoom(destination, room) => self.push_room(&destination, room, now),
            Input::PushRecovered(destination) => self.push_recovered(&destination, now),
            Input::Wake(sessions) => sessions.into_iter().for_each(|session| self.wake(session)),
            Input::WatchList(viewer) => self.watch_list(viewer),
            Input::UnwatchList(viewer) => self.list.retain(|watcher| watcher.viewer.id() != viewer),
            Input::ListRoom(viewer) => self.list_room(viewer),
            Input::Summaries(sessions, reply) => self.summaries(sessions, reply),
            Input::Settings(settings) => self.reconfigure(settings),
            Input::Tick => self.tick(now),
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to give [`Input::Tick`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// How many sessions are awake.
    pub fn awake(&self) -> usize {
        self.rooms.len()
    }

    /// How many batches are on their way to the disk.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Gives an ask to its session, loading it first where it sleeps.
    fn ask(&mut self, session: SessionId, ask: Ask, now: Now) {
        match self.rooms.get_mut(&session) {
            Some(Slot::Awake(_)) => self.answer(session, ask, now),
            Some(Slot::Loading(loading)) => loading.wait(session, ask),
            None if ask.concerns_only_the_awake() => {}
            None => {
                self.rooms.insert(
                    session,
                    Slot::Loading(Loading {
                        waiting: vec![ask],
                        ..Loading::default()
                    }),
                );
                self.outputs.push_back(Output::Load(session));
            }
        }
    }

    fn answer(&mut self, session: SessionId, ask: Ask, now: Now) {
        match ask {
            Ask::Submit {
                caller,
                command,
                also,
                reply,
            } => self.submit(session, caller, command, also, reply, now),
            Ask::SubmitAs(viewer, command, reply) => {
                self.submit_as(session, viewer, command, reply, now)
            }
            Ask::Join {
                join,
                viewer,
                bytes_max,
                reply,
            } => self.join(session, join, viewer, bytes_max, reply, now),
            Ask::Read {
                reader,
                from,
                bytes_max,
                acknowledge,
                reply,
            } => {
                self.read(session, reader, from, bytes_max, acknowledge, reply, now);
            }
            Ask::ReadAs(viewer, from, bytes_max, reply) => {
                self.read_as(session, viewer, from, bytes_max, reply, now)
            }
            Ask::Watch(viewer, from, subscription, reply) => {
                self.watch(session, viewer, from, subscription, reply, now)
            }
            Ask::Room(viewer) => self.catch_up(session, viewer),
            Ask::Confirmed(viewer, index) => self.confirmed(session, viewer, index, now),
            Ask::Rewind(viewer, index) => self.rewind(session, viewer, index),
            Ask::Fetched(index) => self.has_fetched(session, index, now),
            Ask::Gone(viewer, how) => self.gone(session, viewer, how, now),
        }
    }

    fn room(&mut self, session: SessionId) -> Option<&mut Room> {
        match self.rooms.get_mut(&session) {
            Some(Slot::Awake(room)) => Some(room),
            _ => None,
        }
    }
}

impl Ask {
    /// What a sleeping session need not hear: it has no seats.
    fn concerns_only_the_awake(&self) -> bool {
        matches!(
            self,
            Ask::Room(_) | Ask::Confirmed(..) | Ask::Rewind(..) | Ask::Gone(..)
        )
    }

    /// Answers that it cannot be.
    pub fn refuse(self, refusal: Refusal) {
        match self {
            Ask::Submit { reply, .. } | Ask::SubmitAs(_, _, reply) => reply(Err(refusal)),
            Ask::Join { reply, .. } => reply(Err(refusal)),
            Ask::Read { reply, .. } | Ask::ReadAs(_, _, _, reply) => reply(Err(refusal)),
            Ask::Watch(_, _, _, reply) => reply(Err(refusal)),
            Ask::Room(_)
            | Ask::Confirmed(..)
            | Ask::Rewind(..)
            | Ask::Fetched(_)
            | Ask::Gone(..) => {}
        }
    }
}

impl Settings {
    /// The policy of the sessions of `service`.
    pub(super) fn policy_of(&self, service: &str) -> &Policy {
        self.services
            .get(service)
            .map_or(&self.policy, |service| &service.policy)
    }
}

#[cfg(test)]
impl Settings {
    /// The defaults, without push.
    pub fn for_tests() -> Self {
        Self {
            policy: Arc::default(),
            services: HashMap::new(),
            resend: ResendSchedule::default(),
            reveal: wire::push::Reveal::default(),
            alias: "1".into(),
            push_messages: HashMap::new(),
            agents_return_within: Duration::from_secs(60),
            awake_for: Duration::from_secs(30),
        }
    }
}
