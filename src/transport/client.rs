//! One Bayeux client: its session, who waits for what it says, and the party behind it.

mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::bayeux::{
    Carrier, Config, ConnectionId, Event, ExchangeId, Greeting, Input, Offer, Output, Request,
    Session,
};
use crate::clock::Instant;
use crate::id::ClientId;

use super::application::{Party, PublishDone};
use super::browser::Browser;
use super::driver::Registry;
use super::handle::Handle;
use super::sharded::lock;
use super::signal::Signal;
use super::waiting::{Answer, Source, Waiting};

/// One Bayeux client.
pub struct Client {
    id: ClientId,
    registry: Weak<Registry>,
    party: OnceLock<Arc<dyn Party>>,
    browser: OnceLock<Browser>,
    state: Mutex<State>,
}

struct State {
    session: Session,
    /// Somebody is carrying out what the session wants; others leave it to them, so that it happens in order.
    pumping: bool,
    waiting: Waiting,
    sockets: Vec<(ConnectionId, Arc<Signal>)>,
    /// A socket waits until it may read on.
    held_back: bool,
    scheduled: Option<Instant>,
}

impl Client {
    /// A client that begins with this handshake; its party is named by [`welcome`](Self::welcome).
    pub fn new(
        id: ClientId,
        registry: &Arc<Registry>,
        greeting: &Greeting,
        from: (Carrier, ConnectionId),
        config: Arc<Config>,
    ) -> Arc<Self> {
        let session = Session::new(id, greeting, from, config, registry.now());
        Arc::new(Self {
            id,
            registry: Arc::downgrade(registry),
            party: OnceLock::new(),
            browser: OnceLock::new(),
            state: Mutex::new(State {
                session,
                pumping: false,
                waiting: Waiting::default(),
                sockets: Vec::new(),
                held_back: false,
                scheduled: None,
            }),
        })
    }

    pub fn id(&self) -> ClientId {
        self.id
    }

    pub fn handle_to(self: &Arc<Self>) -> Handle {
        Handle::new(self.id, Arc::downgrade(self))
    }

    /// From here on the party is told what happens.
    pub fn welcome(self: &Arc<Self>, party: Arc<dyn Party>) {
        let _ = self.party.set(party);
        self.pump();
    }

    /// Binds the client to a browser, if it is bound to none; tells whether it is bound to this one.
    pub fn belongs_to(&self, browser: Browser) -> bool {
        *self.browser.get_or_init(|| browser) == browser
    }

    /// Takes what happened, and carries out what follows.
    pub fn handle(self: &Arc<Self>, input: Input<'_>) {
        let Some(registry) = self.registry.upgrade() else {
            return;
        };
        self.state().session.handle(input, registry.now());
        self.pump();
    }

    /// Hands in an HTTP request; its answer comes through the receiver. `request_id` is what its publishes are told they came
    /// in.
    pub fn request(
        self: &Arc<Self>,
        request: Request<'_>,
        request_id: Option<Arc<str>>,
    ) -> oneshot::Receiver<Answer> {
        let receiver = self.state().waiting.add(request.exchange, request_id);
        self.handle(Input::Request(request));
        receiver
    }

    /// The client of an HTTP request has gone away.
    pub fn abandoned(self: &Arc<Self>, exchange: ExchangeId, connection: ConnectionId) {
        self.state().waiting.forget(exchange);
        self.handle(Input::Abandoned { exchange });
        if let Some(registry) = self.registry.upgrade()
            && !self.rides_on(connection)
        {
            registry.rides_no_more(connection, self.id);
        }
    }

    /// A WebSocket speaks for this client from now on.
    pub fn attach(&self, connection: ConnectionId, signal: &Arc<Signal>) {
        let mut state = self.state();
        state.sockets.retain(|(known, _)| *known != connection);
        state.sockets.reserve_exact(1);
        state.sockets.push((connection, Arc::clone(signal)));
    }

    /// A WebSocket ended, or speaks for another client now.
    pub fn detach(self: &Arc<Self>, connection: ConnectionId) {
        self.state()
            .sockets
            .retain(|(known, _)| *known != connection);
        let clean = false;
        self.handle(Input::Closed { connection, clean });
    }

    /// What may be written to a WebSocket now.
    pub fn poll_frame(self: &Arc<Self>, connection: ConnectionId) -> Option<Vec<Bytes>> {
        let mut state = self.state();
        // Asked with every step of a socket: the clock is read only where there is something.
        if !state.session.has_frame(connection) {
            return None;
        }
        let frame = state
            .session
            .poll_frame(connection, self.registry.upgrade()?.now());
        drop(state);
        if frame.is_some() {
            self.pump();
        }
        frame
    }

    /// Whether another frame may be read from a WebSocket. If not, its task is woken once it may.
    pub fn may_read(&self, connection: ConnectionId) -> bool {
        let mut state = self.state();
        let may = state.session.may_read(connection);
        state.held_back |= !may;
        may
    }

    /// Whether the session has ended.
    pub fn is_over(&self) -> bool {
        self.state().session.is_over()
    }

    /// Whether the session has ended and owes no reply any more.
    pub fn is_done(&self) -> bool {
        self.state().session.is_done()
    }

    /// Whether events that went over this HTTP connection are unconfirmed.
    pub fn rides_on(&self, connection: ConnectionId) -> bool {
        self.state().session.rides_on(connection)
    }

    /// The time `at` that was asked for has come.
    pub fn time_has_come(self: &Arc<Self>, at: Instant) {
        let mut state = self.state();
        if state.scheduled == Some(at) {
            state.scheduled = None;
        }
        drop(state);
        self.handle(Input::Timeout);
    }

    /// Offers an event.
    pub fn deliver(self: &Arc<Self>, event: Event) -> Offer {
        let Some(registry) = self.registry.upgrade() else {
            return Offer::Gone;
        };
        let offer = self.state().session.deliver(event, registry.now());
        match offer {
            Offer::Full => {
                registry.count_full();
                tracing::debug!(client = ?self.id, "the event queue of a Bayeux client is full");
            }
            Offer::Queued => self.pump(),
            Offer::Gone => {}
        }
        offer
    }

    /// Queues an answer.
    pub fn answer(self: &Arc<Self>, message: Bytes) {
        if let Some(registry) = self.registry.upgrade() {
            self.state().session.answer(message, registry.now());
            self.pump();
        }
    }

    /// Queues an answer if no more than `queue_bytes_max` of them wait.
    pub fn try_answer(self: &Arc<Self>, message: Bytes) -> Offer {
        let Some(registry) = self.registry.upgrade() else {
            return Offer::Gone;
        };
        let offer = self.state().session.try_answer(message, registry.now());
        match offer {
            Offer::Full => registry.count_full(),
            Offer::Queued => self.pump(),
            Offer::Gone => {}
        }
        offer
    }

    /// Whether no more than `bytes` of answers wait.
    pub fn has_read(&self, bytes: usize) -> bool {
        self.state().session.has_read(bytes)
    }

    /// Carries out what the session wants, in order, the party's part outside the lock.
    fn pump(self: &Arc<Self>) {
        let (Some(party), Some(registry)) = (self.party.get(), self.registry.upgrade()) else {
            return;
        };
        let mut state = self.state();
        if std::mem::replace(&mut state.pumping, true) {
            return;
        }
        while let Some(output) = state.session.poll_output() {
            let Some(errand) = state.carry_out(output, self.id, &registry) else {
                continue;
            };
            let source = match &errand {
                Output::Publish { exchange, .. } | Output::TooOften { exchange, .. } => {
                    state.waiting.source(*exchange)
                }
                _ => Source::default(),
            };
            drop(state);
            let news = self.tell(party, (errand, source));
            state = self.state();
            if let Some(news) = news {
                state.session.handle(news, registry.now());
            }
        }
        state.pumping = false;
        state.wake_sockets();
        state.schedule(self.id, &registry);
        // Until then the registry keeps it, so that the deadlines of what it owes are kept too.
        if state.session.is_done() {
            registry.forget(self.id);
        }
    }

    /// Tells the party; what it says goes back into the session.
    fn tell(
        self: &Arc<Self>,
        party: &Arc<dyn Party>,
        (errand, source): (Output, Source),
    ) -> Option<Input<'static>> {
        match errand {
            Output::Subscribe { question, channels } => {
                let result = channels
                    .iter()
                    .try_for_each(|channel| party.may_subscribe(channel));
                if result.is_ok() {
                    channels
                        .iter()
                        .for_each(|channel| party.subscribed(channel));
                }
                return Some(Input::Subscribed { question, result });
            }
            Output::Publish {
                publish,
                channel,
                data,
                ..
            } => match party.may_publish(&channel) {
                Ok(()) => {
                    let done = PublishDone::new(Arc::downgrade(self), publish, source);
                    party.publish(&channel, data, done);
                }
                Err(error) => {
                    let result = Err(error);
                    return Some(Input::Published { publish, result });
                }
            },
            Output::Rewind { stream, position } => {
                party.rewind(stream, position);
                return Some(Input::Rewound { stream });
            }
            Output::Unsubscribed { channel } => party.unsubscribed(&channel),
            Output::Confirmed { stream, position } => party.confirmed(stream, position),
            Output::Drained => party.drained(),
            Output::AnswersRead => party.answers_read(),
            Output::GivenUp { publish } => party.given_up(publish),
            Output::TooOften {
                publish,
                channel,
                data,
                ..
            } => {
                let done = PublishDone::new(Arc::downgrade(self), publish, source);
                party.too_often(&channel, &data, done);
            }
            Output::Gone(how) => party.gone(how.into()),
            Output::Respond { .. } | Output::Overtaken { .. } | Output::Close { .. } => {}
        }
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
