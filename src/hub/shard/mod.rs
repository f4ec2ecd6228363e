//! The owner of a share of all sessions: a pure machine.
//!
//! [`Input`]s go in, with the time; [`Output`]s come out. Tells and answers are made by calling the [`Viewer`]s and
//! [`Reply`]s that came in, and only for what is durable: a command is decided and folded in at once, its record is handed
//! out as [`Output::Commit`], and everything that follows from it waits in `pending` until [`Input::Stored`] says that the
//! disk has it. Commands of other sessions, and later ones of the same, go on meanwhile.

mod commands;
mod commit;
mod dead_letters;
mod input;
mod joins;
mod output;
mod pushes;
mod reads;
mod settling;
mod sleep;
mod stored;
mod viewers;
mod waking;
mod watchers;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use input::{Ask, Begin, Input, Service, Settings};
pub(in crate::hub) use joins::Joining;
use output::Purpose;
pub use output::{Fetch, Output, Push};
pub(in crate::hub) use settling::Settled;

use super::answer::{Also, Done, Joined, Page, Refusal, Reply, Summary, View};
use super::load::Load;
use super::room::{Durable, Room};
use super::seat::{Parting, Seat, Viewer, ViewerId};
use crate::chat::{self, Caller, Command, Create, Event, Join, Policy};
use crate::clock::{Instant, Now};
use crate::id::{DeliveryId, ParticipantId, SessionId, SessionMap};
use crate::push::{self, Outcome, Renewal, ResendSchedule, Subscription};
use crate::store::{self, Batch, Completion, Record, Snapshot, Stored};
use crate::wire;

/// Inputs that may wait for one session to be loaded; more are refused as busy.
const LOADING_QUEUE_MAX: usize = 1024;

/// A share of all sessions.
pub struct Shard {
    settings: Arc<Settings>,
    keys: wire::keys::Keys,
    load: Arc<Load>,
    rooms: SessionMap<Slot>,
    /// How many of them are open.
    open: usize,
    /// When each awake session is looked after next.
    timers: BTreeSet<(Instant, SessionId)>,
    /// Batches on their way to the disk, in the order of their tickets, which have no gaps.
    pending: VecDeque<Pending>,
    next_ticket: u64,
    /// The error of a failed batch, until everything that was decided after it has come back.
    failing: Option<store::Error>,
    /// Sessions whose state is ahead of the disk since then.
    spoiled: BTreeSet<SessionId>,
    /// Failures since a batch last became durable.
    failures: u32,
    /// Before this nothing is written that nobody asked for, so that a disk that fails is left in peace.
    resume_at: Instant,
    /// Who watches the list of sessions.
    list: Vec<ListViewer>,
    /// Pushes for which their destination had no room, by destination.
    push_queue: HashMap<String, VecDeque<SessionId>>,
    /// How many pushes each session owes, awake or asleep, and to where; those that owe none are not here.
    owing: SessionMap<(String, usize)>,
    /// Pushes that wait for their next attempt, by destination.
    push_retries: BTreeMap<String, BTreeSet<SessionId>>,
    /// Destinations that have answered again after failures, until the next failure that is heard of here.
    recovered: HashSet<String>,
    /// Before this no timer of a restarted process has run.
    started: Instant,
    outputs: VecDeque<Output>,
}

enum Slot {
    Awake(Box<Room>),
    Loading(Box<Loading>),
}

#[derive(Default)]
struct Loading {
    waiting: Vec<Ask>,
    /// Seats of a session that is loaded again because its state was ahead of the disk.
    seats: Vec<Seat>,
    /// Its joins that are being answered.
    joining: Vec<Joining>,
    /// The number of its push that is under way, and the body, if it has been posted.
    pushing: Option<u64>,
    posted: Option<(u64, bytes::Bytes)>,
    /// The end of its push, if it could not be recorded yet.
    settled: Option<Box<Settled>>,
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
    /// The end of the push of this number.
    Recorded(u64),
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
            rooms: SessionMap::default(),
            open: 0,
            timers: BTreeSet::new(),
            pending: VecDeque::new(),
            next_ticket: 1,
            failing: None,
            spoiled: BTreeSet::new(),
            failures: 0,
            resume_at: now.instant,
            list: Vec::new(),
            push_queue: HashMap::new(),
            owing: SessionMap::default(),
            push_retries: BTreeMap::new(),
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

    /// How many of them are open: begun, durably, and not closed.
    pub fn awake_and_open(&self) -> usize {
        self.open
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
                    Slot::Loading(Box::new(Loading {
                        waiting: vec![ask],
                        ..Loading::default()
                    })),
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
            Ask::Watch(viewer, from, renewal, reply) => {
                self.watch(session, viewer, from, renewal, reply, now)
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
