//! The registry of Bayeux clients.

use std::sync::{Arc, Weak};

use crate::bayeux::{ConnectionId, Event, Offer};
use crate::clock::Clock;
use crate::id::ClientId;

use super::{Application, Options};

/// All Bayeux clients of one application.
pub struct Registry {
    application: Arc<dyn Application>,
    options: Options,
    clock: Clock,
}

/// One Bayeux client.
pub struct Client {}

/// The way to one client, cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    id: ClientId,
    client: Weak<Client>,
}

/// What a registry counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sessions alive.
    pub sessions: u64,
    /// WebSockets open.
    pub websockets: u64,
    /// Long-polls held.
    pub polls: u64,
    /// Events refused because a session's queue was full, since the start.
    pub queue_full: u64,
}

impl Registry {
    /// An empty registry. One [`run_timers`](Self::run_timers) has to be spawned for it.
    pub fn new(application: Arc<dyn Application>, options: Options, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            application,
            options,
            clock,
        })
    }

    /// Ends what is due, for as long as the registry lives.
    pub fn run_timers(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        std::future::ready(())
    }

    /// Other options from now on, for old clients too.
    pub fn reload(&self, options: Options) {
        let _ = options;
    }

    /// An HTTP connection ended: cleanly (the peer finished it), or not.
    pub fn closed(&self, connection: ConnectionId, clean: bool) {
        let _ = (connection, clean);
    }

    /// No new sessions; held connects are answered with `retry`, WebSockets closed with 1001.
    pub fn drain(&self) {
        let _ = (&self.application, &self.options, &self.clock);
    }

    /// What there is to count.
    pub fn counters(&self) -> Counters {
        Counters::default()
    }
}

impl Client {
    pub(super) fn published(self: &Arc<Self>, publish: u64, result: Result<(), String>) {
        let _ = (publish, result);
    }
}

impl Handle {
    /// The client's identifier.
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// Offers an event; whoever writes for the client is woken.
    pub fn deliver(&self, event: Event) -> Offer {
        let _ = (event, self.client.upgrade());
        Offer::Gone
    }

    /// Ends the client: it is told `/meta/disconnect`, and its party that it is gone.
    pub fn disconnect(&self) {}
}
