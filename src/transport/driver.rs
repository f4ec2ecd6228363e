//! The registry: all Bayeux clients of one application, and the connections they use.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::bayeux::{Config, ConnectionId, ExchangeId, Input, Message};
use crate::chance;
use crate::clock::{Clock, Instant, Now};
use crate::id::ClientId;

use super::browser::{Browser, Seats};
use super::client::Client;
use super::sharded::Sharded;
use super::signal::{Closing, Signal};
use super::timers::Timers;
use super::{Application, Options};

/// The shortest pause advised to clients that cannot be served now; up to twice that, so that they do not all come at once.
const PAUSE: Duration = Duration::from_millis(1_000);

/// All Bayeux clients of one application.
pub struct Registry {
    pub(super) application: Arc<dyn Application>,
    options: RwLock<Options>,
    clock: Clock,
    pub(super) clients: Sharded<ClientId, Arc<Client>>,
    sockets: Sharded<ConnectionId, Arc<Signal>>,
    /// Whose unconfirmed events went over which HTTP connection.
    riders: Sharded<ConnectionId, Vec<ClientId>>,
    pub(super) seats: Arc<Seats>,
    timers: Arc<Timers>,
    draining: AtomicBool,
    exchanges: AtomicU64,
    pub(super) polls: AtomicU64,
    queue_full: AtomicU64,
    pub(super) handshakes: AtomicU64,
    pub(super) clients_refused: AtomicU64,
    pub(super) stalled: AtomicU64,
}

/// What a registry counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sessions alive.
    pub sessions: u64,
    /// WebSockets open.
    pub websockets: u64,
    /// HTTP requests waiting for their answer: held polls, and publishes under way.
    pub polls: u64,
    /// Events refused because a session's queue was full, since the start.
    pub queue_full: u64,
    /// Handshakes that succeeded, since the start.
    pub handshakes: u64,
    /// Handshakes refused because there were as many sessions as there may be, since the start.
    pub clients_refused: u64,
    /// WebSockets that were closed because what was written found no taker for half a minute, since the start.
    pub stalled: u64,
}

impl Registry {
    /// An empty registry. One [`run_timers`](Self::run_timers) has to be spawned for it.
    pub fn new(application: Arc<dyn Application>, options: Options, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            application,
            options: RwLock::new(options),
            clock,
            clients: Sharded::new(),
            sockets: Sharded::new(),
            riders: Sharded::new(),
            seats: Seats::new(),
            timers: Arc::default(),
            draining: AtomicBool::new(false),
            exchanges: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            queue_full: AtomicU64::new(0),
            handshakes: AtomicU64::new(0),
            clients_refused: AtomicU64::new(0),
            stalled: AtomicU64::new(0),
        })
    }

    /// Ends what is due, for as long as the registry lives.
    pub fn run_timers(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let timers = Arc::clone(&self.timers);
        let (registry, clock) = (Arc::downgrade(self), self.clock);
        async move { timers.run(registry, clock).await }
    }

    /// Other options from now on, for old clients too.
    pub fn reload(&self, options: Options) {
        let config = Arc::clone(&options.bayeux);
        *self.options.write().unwrap_or_else(PoisonError::into_inner) = options;
        for client in self.clients.values() {
            client.handle(Input::Configured(Arc::clone(&config)));
        }
    }

    /// An HTTP connection ended. To be told of each.
    ///
    /// `clean`: the peer finished it. A reset is not clean; hyper answers `Ok` to a reset between two requests, so whoever
    /// serves the connection has to watch for read errors below it.
    pub fn closed(&self, connection: ConnectionId, clean: bool) {
        for client in self.riders.remove(&connection).unwrap_or_default() {
            if let Some(client) = self.clients.get(&client) {
                client.handle(Input::Closed { connection, clean });
            }
        }
    }

    /// No new sessions; held connects are answered with `retry`, WebSockets closed with 1001.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        for client in self.clients.values() {
            let pause = self.spread_pause();
            client.handle(Input::Drain { pause });
        }
        for socket in self.sockets.values() {
            socket.close(Closing::GoingAway);
        }
    }

    /// What there is to count.
    pub fn counters(&self) -> Counters {
        Counters {
            sessions: self.clients.len() as u64,
            websockets: self.sockets.len() as u64,
            polls: self.polls.load(Ordering::Relaxed),
            queue_full: self.queue_full.load(Ordering::Relaxed),
            handshakes: self.handshakes.load(Ordering::Relaxed),
            clients_refused: self.clients_refused.load(Ordering::Relaxed),
            stalled: self.stalled.load(Ordering::Relaxed),
        }
    }

    /// The options of the protocol.
    pub(super) fn config(&self) -> Arc<Config> {
        self.options().bayeux
    }

    pub(super) fn options(&self) -> Options {
        let options = self.options.read();
        options.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(super) fn timers(&self) -> &Timers {
        &self.timers
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(super) fn next_exchange(&self) -> ExchangeId {
        ExchangeId(self.exchanges.fetch_add(1, Ordering::Relaxed))
    }

    /// Counts messages of an address: those that are too many are marked, to be answered so.
    pub(super) fn count(&self, messages: &mut [Message<'_>], address: IpAddr) {
        for message in messages {
            message.too_often = !self.application.may_send(address);
        }
    }

    /// The client of an HTTP request, if it may be used from this browser, or from any where `trust` says that its id is enough.
    pub(super) fn client_of_browser(
        &self,
        messages: &[Message<'_>],
        browser: Option<Browser>,
        trust: bool,
    ) -> Option<Arc<Client>> {
        let clients = messages.iter().filter_map(|message| self.client(message));
        clients
            .into_iter()
            .find(|client| trust || browser.is_some_and(|browser| client.belongs_to(browser)))
    }

    /// The client a message names.
    pub(super) fn client(&self, message: &Message<'_>) -> Option<Arc<Client>> {
        self.clients.get(&message.client?)
    }

    /// Another request on a connection: clients whose events have been confirmed since need not hear of its end. A connection
    /// that many share, a proxy's, so keeps no list of all that ever used it.
    pub(super) fn heard(&self, connection: ConnectionId) {
        let Some(riders) = self.riders.get(&connection) else {
            return;
        };
        let mut still = Vec::new();
        for client in riders.iter().filter_map(|id| self.clients.get(id)) {
            if client.rides_on(connection) {
                still.push(client.id());
            }
        }
        let mut shard = self.riders.of(&connection);
        match shard.get_mut(&connection) {
            Some(known) if still.is_empty() && known.len() == riders.len() => {
                shard.remove(&connection);
            }
            Some(known) => known.retain(|id| still.contains(id) || !riders.contains(id)),
            None => {}
        }
    }

    /// Unconfirmed events of a client went over this connection.
    pub(super) fn rides(&self, connection: ConnectionId, client: ClientId) {
        let mut shard = self.riders.of(&connection);
        let riders = shard.entry(connection).or_default();
        if !riders.contains(&client) {
            riders.push(client);
        }
    }

    /// A reply was not taken after all: where nothing else of the client is open on this connection, its end does not matter.
    pub(super) fn rides_no_more(&self, connection: ConnectionId, client: ClientId) {
        let mut shard = self.riders.of(&connection);
        let Some(riders) = shard.get_mut(&connection) else {
            return;
        };
        riders.retain(|rider| *rider != client);
        if riders.is_empty() {
            shard.remove(&connection);
        }
    }

    pub(super) fn open_socket(&self, connection: ConnectionId) -> Arc<Signal> {
        let signal = Arc::new(Signal::default());
        self.sockets.insert(connection, Arc::clone(&signal));
        if self.is_draining() {
            signal.close(Closing::GoingAway);
        }
        signal
    }

    pub(super) fn close_socket(&self, connection: ConnectionId) {
        self.sockets.remove(&connection);
    }

    pub(super) fn forget(&self, client: ClientId) {
        self.clients.remove(&client);
    }

    pub(super) fn count_full(&self) {
        self.queue_full.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn time_has_come(&self, client: ClientId, at: Instant) {
        if let Some(client) = self.clients.get(&client) {
            client.time_has_come(at);
        }
    }

    /// The pause advised to one that cannot be served now.
    pub(super) fn spread_pause(&self) -> Duration {
        let spread = random().unwrap_or(0) % PAUSE.as_millis();
        PAUSE + Duration::from_millis(u64::try_from(spread).unwrap_or(0))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.timers.end();
    }
}

/// 128 random bits; none where the machine has no randomness to give.
pub(super) fn random() -> Option<u128> {
    chance::bits128().ok()
}
