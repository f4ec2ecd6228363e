//! One client, from its handshake to its end.

mod connect;
mod delivery;
mod exchange;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::clock::{Instant, Now};
use crate::id::ClientId;

use super::flight::Flight;
use super::queue::Queue;
use super::recent::Recent;
use super::{Config, ConnectionId, Event, ExchangeId, Greeting, Message, Offer, reply};

use connect::Held;
use delivery::Line;
use exchange::Exchange;

/// A client. An idle one holds no buffers: what is rare is boxed, what is empty is given back.
#[derive(Debug)]
pub struct Session {
    id: ClientId,
    config: Arc<Config>,
    /// Where events go.
    delivery: Delivery,
    /// The number of the next connect reply, with the ack extension.
    batch: Option<u64>,
    /// The one connect that waits.
    held: Option<Box<Held>>,
    /// When the session ends if nothing is heard; none while a connect is held.
    expires: Option<Instant>,
    /// When the client last did something on its own account.
    active: Instant,
    exchanges: Vec<Exchange>,
    recent: Option<Box<Recent>>,
    subscriptions: Vec<Box<str>>,
    queue: Queue,
    flight: Flight,
    /// Replies on their way to WebSockets.
    lines: VecDeque<(ConnectionId, Line)>,
    outputs: VecDeque<Output>,
    /// Streams whose rewinding the application has not been told of yet.
    rewinding: Vec<u64>,
    /// The next number for a question to the application.
    next: u64,
    /// The server is ending; clients come back after this pause.
    draining: Option<Duration>,
    /// The next connect reply carries advice.
    advise: bool,
    /// The first connect has been answered.
    connected: bool,
    /// Somebody found the queue full.
    wants_room: bool,
    over: bool,
}

/// Where events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    /// Into HTTP responses.
    Http,
    /// Onto a WebSocket.
    Socket(ConnectionId),
}

/// What carries a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// One HTTP request, answered by one response.
    Http,
    /// One frame of a WebSocket, answered by any later frame.
    Socket,
}

/// The messages of one request. Those of other clients are answered as unknown.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its number.
    pub exchange: ExchangeId,
    /// Where it came from.
    pub connection: ConnectionId,
    /// What carries it.
    pub carrier: Carrier,
    /// A connect in it would be one too many of its browser.
    pub crowded: bool,
    /// The messages; no handshake is among them.
    pub messages: &'a [Message<'a>],
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The client sent something.
    Request(Request<'a>),
    /// The application answers [`Output::Subscribe`].
    Subscribed {
        /// The number of the question.
        question: u64,
        /// Granted, or the Bayeux error.
        result: Result<(), String>,
    },
    /// The application answers [`Output::Publish`].
    Published {
        /// The number of the publish.
        publish: u64,
        /// Done, or the Bayeux error.
        result: Result<(), String>,
    },
    /// The application knows that it has to rewind.
    Rewound {
        /// The stream.
        stream: u64,
    },
    /// The client went away before this exchange was answered, or before the answer could be handed over.
    Abandoned {
        /// The exchange.
        exchange: ExchangeId,
    },
    /// Something else was sent on this HTTP connection: the reply before has been read.
    Heard {
        /// The connection.
        connection: ConnectionId,
    },
    /// A connection ended.
    Closed {
        /// The connection.
        connection: ConnectionId,
        /// The peer closed it in good order.
        clean: bool,
    },
    /// The time of [`Session::poll_timeout`] has come.
    Timeout,
    /// The server ends the client.
    Disconnect,
    /// The server is ending; clients are to come back after the pause.
    Drain {
        /// The pause.
        pause: Duration,
    },
    /// Other options.
    Configured(Arc<Config>),
}

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Answer an HTTP request with an array of these.
    Respond {
        /// The exchange.
        exchange: ExchangeId,
        /// Its connection.
        connection: ConnectionId,
        /// Complete messages.
        messages: Vec<Bytes>,
        /// Events are among them, so the end of the connection matters.
        events: bool,
    },
    /// Answer an HTTP request with an error status: a newer connect has taken its place.
    Overtaken {
        /// The exchange.
        exchange: ExchangeId,
    },
    /// Close a WebSocket: the client goes on elsewhere.
    Close {
        /// The socket.
        connection: ConnectionId,
    },
    /// Ask whether the client may subscribe to all of these. If so it is subscribed from here on.
    Subscribe {
        /// For [`Input::Subscribed`].
        question: u64,
        /// Names, not empty.
        channels: Vec<Box<str>>,
    },
    /// The client is not subscribed any more.
    Unsubscribed {
        /// The name.
        channel: Box<str>,
    },
    /// The client publishes.
    Publish {
        /// For [`Input::Published`].
        publish: u64,
        /// The channel.
        channel: Box<str>,
        /// What.
        data: Box<RawValue>,
    },
    /// Everything of the stream up to the position has arrived.
    Confirmed {
        /// The stream.
        stream: u64,
        /// The position.
        position: u64,
    },
    /// Everything of the stream after the position is to be delivered again; [`Input::Rewound`] follows.
    Rewind {
        /// The stream.
        stream: u64,
        /// The position.
        position: u64,
    },
    /// There is room after an [`Offer::Full`].
    Drained,
    /// The session is over.
    Gone(Ending),
}

/// How a session ended.
#[derive(Debug)]
pub enum Ending {
    /// The client said so, with this `ext`.
    Disconnected(Option<Box<RawValue>>),
    /// Nothing was heard of it.
    Expired,
    /// It did nothing of its own.
    Inactive,
    /// The server ended it.
    Kicked,
}

impl Session {
    /// A session that begins with this handshake.
    pub fn new(
        id: ClientId,
        greeting: &Greeting,
        (carrier, connection): (Carrier, ConnectionId),
        config: Arc<Config>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            delivery: match carrier {
                Carrier::Http => Delivery::Http,
                Carrier::Socket => Delivery::Socket(connection),
            },
            batch: greeting.acknowledge.then_some(1),
            held: None,
            expires: Some(now + config.max_interval),
            active: now,
            config,
            exchanges: Vec::new(),
            recent: None,
            subscriptions: Vec::new(),
            queue: Queue::default(),
            flight: Flight::default(),
            lines: VecDeque::new(),
            outputs: VecDeque::new(),
            rewinding: Vec::new(),
            next: 0,
            draining: None,
            advise: true,
            connected: false,
            wants_room: false,
            over: false,
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, input: Input<'_>, now: Now) {
        let at = now.instant;
        match input {
            Input::Request(request) => self.request(request, now),
            Input::Subscribed { question, result } => self.subscribed(question, result, at),
            Input::Published { publish, result } => self.published(publish, result, at),
            Input::Rewound { stream } => self.rewound(stream),
            Input::Abandoned { exchange } => self.abandoned(exchange, at),
            Input::Heard { connection } => self.heard(connection),
            Input::Closed { connection, clean } => self.closed(connection, clean, at),
            Input::Timeout => self.timeout(at),
            Input::Disconnect => self.kick(Ending::Kicked, at),
            Input::Drain { pause } => self.drain(pause, at),
            Input::Configured(config) => self.configure(config),
        }
        self.wake(at);
    }

    /// Offers an event.
    pub fn deliver(&mut self, event: Event, now: Instant) -> Offer {
        if self.over {
            return Offer::Gone;
        }
        let rewinding = event
            .source
            .is_some_and(|source| self.rewinding.contains(&source.stream));
        if rewinding || self.queue.offer(event, &self.config).is_err() {
            self.wants_room = true;
            return Offer::Full;
        }
        self.wake(now);
        Offer::Queued
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if self.outputs.is_empty() && self.outputs.capacity() > 0 {
            self.outputs = VecDeque::new();
        }
        output
    }

    /// When to come with [`Input::Timeout`], at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.over {
            return self
                .exchanges
                .iter()
                .map(|exchange| exchange.deadline)
                .min();
        }
        let held = self.held.as_ref().map(|held| held.until);
        let exchange = self
            .exchanges
            .iter()
            .map(|exchange| exchange.deadline)
            .min();
        // A request under way keeps the session alive.
        let expires = self.expires.filter(|_| self.exchanges.is_empty());
        [held, expires, exchange, self.inactive_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The client's identifier.
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether another WebSocket frame may be read from `connection`: not while too much is unanswered.
    pub fn may_read(&self, connection: ConnectionId) -> bool {
        let unwritten = self
            .lines
            .iter()
            .filter(|(to, _)| *to == connection)
            .count();
        let pending = self.recent.as_ref().map_or(0, |recent| recent.pending());
        unwritten < self.config.publishes_max
            && pending.max(self.exchanges.len()) < self.config.publishes_max
    }

    /// Whether events that went over this HTTP connection are unconfirmed, so that its fate matters.
    pub fn rides_on(&self, connection: ConnectionId) -> bool {
        self.flight.rides_on(connection)
    }

    /// What the client is subscribed to.
    pub fn subscriptions(&self) -> impl Iterator<Item = &str> {
        self.subscriptions.iter().map(|channel| &**channel)
    }

    fn timeout(&mut self, now: Instant) {
        self.expire_exchanges(now);
        if self.over {
            return;
        }
        if self.inactive_at().is_some_and(|at| at <= now) {
            return self.kick(Ending::Inactive, now);
        }
        if self.held.as_ref().is_some_and(|held| held.until <= now) {
            self.answer_held(now);
        } else if self.expires.is_some_and(|at| at <= now) && self.exchanges.is_empty() {
            self.end(Ending::Expired);
        }
    }

    fn inactive_at(&self) -> Option<Instant> {
        Some(self.active + self.config.activity_timeout?)
    }

    fn kick(&mut self, how: Ending, now: Instant) {
        if !self.over {
            self.say_farewell(reply::farewell(), now);
            self.end(how);
        }
    }

    /// The end. Replies still owed go out; nothing else does.
    fn end(&mut self, how: Ending) {
        self.over = true;
        self.expires = None;
        self.queue = Queue::default();
        self.flight.clear();
        self.subscriptions = Vec::new();
        self.rewinding = Vec::new();
        self.outputs.push_back(Output::Gone(how));
    }

    fn drain(&mut self, pause: Duration, now: Instant) {
        self.draining = Some(pause);
        if self.held.is_some() {
            self.answer_held(now);
        }
    }

    fn configure(&mut self, config: Arc<Config>) {
        self.advise |=
            config.timeout != self.config.timeout || config.interval != self.config.interval;
        self.config = config;
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
