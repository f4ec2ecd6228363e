//! One client, from its handshake to its end.

mod connect;
mod delivery;
mod exchange;
mod io;
mod leaving;
mod putting_off;
mod subscribe;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Instant, Now, Wall};
use crate::id::ClientId;

use super::flight::Flight;
use super::queue::Queue;
use super::recent::Recent;
use super::timestamp::Timestamp;
use super::{Config, ConnectionId, Event, Greeting, Offer};

pub use io::{Carrier, Ending, Input, Output, Request};

use connect::Held;
use delivery::{Farewell, Line};
use exchange::Exchange;

/// Who has only shaken hands is not waited for as long as who has been connected: handshakes are cheap for the caller.
const HANDSHAKE_ONLY: Duration = Duration::from_secs(10);

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
    /// What the operator's clock showed when the session was last driven.
    wall: Wall,
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
    /// Somebody waits until no more bytes of answers than these are unread.
    wants_read: Option<u32>,
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

impl Session {
    /// A session that begins with this handshake.
    pub fn new(
        id: ClientId,
        greeting: &Greeting,
        (carrier, connection): (Carrier, ConnectionId),
        config: Arc<Config>,
        now: Now,
    ) -> Self {
        let (wall, now) = (now.wall, now.instant);
        let patience = config.max_interval.min(HANDSHAKE_ONLY);
        Self {
            id,
            delivery: match carrier {
                Carrier::Http => Delivery::Http,
                Carrier::Socket => Delivery::Socket(connection),
            },
            batch: greeting.acknowledge.then_some(1),
            held: None,
            expires: Some(now + config.interval + patience),
            wall,
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
            wants_read: None,
            over: false,
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, input: Input<'_>, now: Now) {
        let at = now.instant;
        self.wall = now.wall;
        match input {
            Input::Request(request) => self.request(request, now),
            Input::Subscribed { question, result } => self.subscribed(question, result),
            Input::Published { publish, result } => self.published(publish, result),
            Input::PutOff { publish } => self.put_off(publish, at),
            Input::Begun { publish } => self.begun(publish, at),
            Input::Rewound { stream } => self.rewound(stream),
            Input::Abandoned { exchange } => self.abandoned(exchange, at),
            Input::Closed { connection, clean } => self.closed(connection, clean, at),
            Input::Timeout => self.timeout(at),
            Input::Disconnect => self.kick(Ending::Kicked, Farewell::ForGood),
            Input::BeginAnew => self.kick(Ending::Kicked, Farewell::Anew),
            Input::Drain { pause } => self.drain(pause, at),
            Input::Configured(config) => self.configure(config),
        }
        self.wake(at);
    }

    /// Offers an event.
    pub fn deliver(&mut self, event: Event, now: Now) -> Offer {
        self.wall = now.wall;
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
        self.wake(now.instant);
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
        let exchange = self.exchanges.iter().map(Exchange::deadline).min();
        if self.over {
            return exchange;
        }
        let held = self.held.as_ref().map(|held| held.until);
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

    /// Whether it has ended, or will once the publishes are answered that its good-bye came after: it takes no more messages.
    pub fn is_over(&self) -> bool {
        self.over || self.is_leaving()
    }

    /// Whether it has ended and owes no reply any more.
    pub fn is_done(&self) -> bool {
        self.over && self.exchanges.is_empty()
    }

    /// Whether another WebSocket frame may be read from `connection`: not while too much is unanswered, by number or by
    /// size (`queue_bytes_max`).
    pub fn may_read(&self, connection: ConnectionId) -> bool {
        let unwritten = self.lines.iter().filter(|(to, _)| *to == connection);
        let (count, bytes) = unwritten.fold((0, 0), |(count, bytes), (_, line)| {
            (count + 1, bytes + line.bytes())
        });
        count.max(self.under_way()) < self.config.publishes_max
            && bytes < self.config.queue_bytes_max
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
        self.give_up(now);
        self.expire_exchanges(now);
        if self.over {
            return;
        }
        if self.inactive_at().is_some_and(|at| at <= now) {
            return self.kick(Ending::Inactive, Farewell::ForGood);
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

    fn kick(&mut self, how: Ending, farewell: Farewell) {
        if !self.over {
            self.say_farewell(farewell);
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

    /// What a reply to a message that is `stamped` carries.
    fn timestamp(&self, stamped: bool) -> Option<Timestamp> {
        stamped.then_some(Timestamp(self.wall))
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
