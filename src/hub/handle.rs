//! The way in.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::answer::{Also, Done, Joined, Page, Refusal, Reply, View};
use super::load::Load;
use super::notes::{Note, Notes};
use super::seat::{Parting, Viewer, ViewerId};
use super::shard::{Ask, Begin, Input};
use crate::chat::{Caller, Command, Create, Join};
use crate::clock::Wall;
use crate::health::{Health, State};
use crate::id::{ParticipantId, SessionId};
use crate::push::{Renewal, Subscription};
use crate::store;

/// A way in to all sessions, cheap to clone.
#[derive(Clone)]
pub struct Hub {
    pub(super) routes: Arc<Routes>,
}

/// What a [`Hub`] is made of.
pub struct Routes {
    /// The queue of each shard.
    pub shards: Vec<mpsc::Sender<Input>>,
    /// The notes for each shard.
    pub notes: Vec<Arc<Notes>>,
    /// Where sleeping sessions are looked up for lists.
    pub store: store::Shared,
    /// Whether new sessions are taken.
    pub health: Arc<Health>,
    /// How many chats are open.
    pub load: Arc<Load>,
    /// Random bits for identifiers.
    pub random: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Hub {
    /// A way in over `routes`.
    pub fn new(routes: Routes) -> Self {
        Self {
            routes: Arc::new(routes),
        }
    }

    /// Begins a chat at `at`; the customer is participant 1. A viewer is told every event, from the first on.
    pub fn create(
        &self,
        at: Wall,
        create: Create,
        subscription: Option<Subscription>,
        viewer: Option<Arc<dyn Viewer>>,
        reply: Reply<Done>,
    ) {
        if self.routes.health.state() == State::Draining {
            return reply(Err(Refusal::Draining));
        }
        if self.routes.load.is_reached() {
            return reply(Err(Refusal::LoadLimit));
        }
        if let Err(error) = self.writable() {
            return reply(Err(error.into()));
        }
        let session = SessionId::new(at, (self.routes.random)());
        let begin = Begin {
            session,
            create,
            subscription,
            viewer,
            reply,
        };
        if let Some(Input::Create(begin)) = self.send(session, Input::Create(Box::new(begin))) {
            (begin.reply)(Err(Refusal::Busy));
        }
    }

    /// As [`create`](Self::create), without a viewer, and waiting for the answer.
    pub async fn begin(
        &self,
        at: Wall,
        create: Create,
        subscription: Option<Subscription>,
    ) -> Result<Done, Refusal> {
        let (reply, answer) = waiting();
        self.create(at, create, subscription, None, reply);
        answer.await.unwrap_or(Err(Refusal::Busy))
    }

    /// Gives a command to the session's owner; the answer comes when it is durable.
    pub fn command(
        &self,
        session: SessionId,
        caller: Caller,
        command: Command,
        also: Also,
        reply: Reply<Done>,
    ) {
        if let Err(error) = self.writable() {
            return reply(Err(error.into()));
        }
        self.ask(
            session,
            Ask::Submit {
                caller,
                command,
                also,
                reply,
            },
        );
    }

    /// As [`command`](Self::command), waiting for the answer.
    pub async fn submit(
        &self,
        session: SessionId,
        caller: Caller,
        command: Command,
        also: Also,
    ) -> Result<Done, Refusal> {
        let (reply, answer) = waiting();
        self.command(session, caller, command, also, reply);
        answer.await.unwrap_or(Err(Refusal::Busy))
    }

    /// A command of whoever `viewer` has joined as.
    pub fn command_as(
        &self,
        session: SessionId,
        viewer: ViewerId,
        command: Command,
        reply: Reply<Done>,
    ) {
        if let Err(error) = self.writable() {
            return reply(Err(error.into()));
        }
        self.ask(session, Ask::SubmitAs(viewer, command, reply));
    }

    /// An agent comes in; it is told every event from the answer's `next_position` on.
    pub fn join(
        &self,
        session: SessionId,
        join: Join,
        viewer: Arc<dyn Viewer>,
        bytes_max: usize,
        reply: Reply<Joined>,
    ) {
        if let Err(error) = self.writable() {
            return reply(Err(error.into()));
        }
        self.ask(
            session,
            Ask::Join {
                join,
                viewer,
                bytes_max,
                reply,
            },
        );
    }

    /// The events from `from` on that `reader` may see, up to about `bytes_max` (at least one). For a customer it is a
    /// sign of life; where `acknowledge` is set, everything before the end counts as fetched. `from` 0 reads no events.
    pub async fn read(
        &self,
        session: SessionId,
        reader: ParticipantId,
        from: u64,
        bytes_max: usize,
        acknowledge: bool,
    ) -> Result<Page, Refusal> {
        let (reply, answer) = waiting();
        self.ask(
            session,
            Ask::Read {
                reader,
                from,
                bytes_max,
                acknowledge,
                reply,
            },
        );
        answer.await.unwrap_or(Err(Refusal::Busy))
    }

    /// As [`read`](Self::read), for whoever `viewer` has joined as.
    pub fn read_as(
        &self,
        session: SessionId,
        viewer: ViewerId,
        from: u64,
        bytes_max: usize,
        reply: Reply<Page>,
    ) {
        self.ask(session, Ask::ReadAs(viewer, from, bytes_max, reply));
    }

    /// The customer's Bayeux client watches the session from the event `from` on, in place of any other. A `renewal`
    /// makes another of the subscription that the chat may have; the answer comes when that is durable.
    pub fn watch(
        &self,
        session: SessionId,
        viewer: Arc<dyn Viewer>,
        from: u64,
        renewal: Option<Box<Renewal>>,
        reply: Reply<View>,
    ) {
        self.ask(session, Ask::Watch(viewer, from, renewal, reply));
    }

    /// A viewer has room again.
    pub fn room(&self, session: SessionId, viewer: ViewerId) {
        self.note(session, viewer, |note| note.room = true);
    }

    /// What a viewer was told up to the event `index` has arrived.
    pub fn confirmed(&self, session: SessionId, viewer: ViewerId, index: u64) {
        self.note(session, viewer, |note| note.confirm(index));
    }

    /// What a viewer was told after the event `index` may not have arrived.
    pub fn rewind(&self, session: SessionId, viewer: ViewerId, index: u64) {
        self.note(session, viewer, |note| note.rewind(index));
    }

    /// A viewer is gone for good; an agent leaves with it.
    pub fn gone(&self, session: SessionId, viewer: ViewerId, how: Parting) {
        self.note(session, viewer, |note| note.gone = Some(how));
    }

    /// Tells `viewer` each entry of the list of sessions as it changes.
    pub async fn watch_list(&self, viewer: &Arc<dyn Viewer>) {
        for shard in &self.routes.shards {
            let _ = shard.send(Input::WatchList(viewer.clone())).await;
        }
    }

    /// A watcher of the list is gone.
    pub fn unwatch_list(&self, viewer: ViewerId) {
        for notes in &self.routes.notes {
            notes.add(None, viewer, |note| note.gone = Some(Parting::Left));
        }
    }

    /// A watcher of the list has room again.
    pub fn list_room(&self, viewer: ViewerId) {
        for notes in &self.routes.notes {
            notes.add(None, viewer, |note| note.room = true);
        }
    }

    fn writable(&self) -> Result<(), store::Error> {
        match self.routes.store.condition() {
            store::Condition::Writable => Ok(()),
            store::Condition::NoSpace => Err(store::Error::NoSpace),
            store::Condition::ReadOnly => Err(store::Error::ReadOnly),
        }
    }

    fn ask(&self, session: SessionId, ask: Ask) {
        if let Some(Input::Ask(_, ask)) = self.send(session, Input::Ask(session, ask)) {
            ask.refuse(Refusal::Busy);
        }
    }

    /// Tells the session's owner something that is never refused.
    fn note(&self, session: SessionId, viewer: ViewerId, write: impl FnOnce(&mut Note)) {
        self.routes.notes[self.shard_of(session)].add(Some(session), viewer, write);
    }

    /// Queues an input at the session's owner; gives it back where the queue is full.
    fn send(&self, session: SessionId, input: Input) -> Option<Input> {
        self.routes.shards[self.shard_of(session)]
            .try_send(input)
            .err()
            .map(|error| match error {
                mpsc::error::TrySendError::Full(input) => {
                    self.routes.load.tally().queue_was_full();
                    input
                }
                mpsc::error::TrySendError::Closed(input) => input,
            })
    }

    pub(super) fn shard_of(&self, session: SessionId) -> usize {
        shard_of(session, self.routes.shards.len())
    }
}

/// Which of `shards` shards owns a session.
pub fn shard_of(session: SessionId, shards: usize) -> usize {
    usize::try_from(session.spread() % shards.max(1) as u64).unwrap_or(0)
}

fn waiting<T: Send + 'static>() -> (Reply<T>, oneshot::Receiver<Result<T, Refusal>>) {
    let (send, receive) = oneshot::channel();
    let reply = Box::new(move |result| {
        let _ = send.send(result);
    });
    (reply, receive)
}
