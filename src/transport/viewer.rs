//! A Bayeux client as the hub's viewer, and the chats it looks at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Handle;
use crate::bayeux::{self, Event, Source};
use crate::hub::{Hub, Offer, Told, Viewer, ViewerId};
use crate::id::SessionId;

/// One Bayeux client.
struct ClientViewer {
    handle: Handle,
    chats: Arc<Chats>,
}

/// The chats of one Bayeux client: each is a stream of its events.
#[derive(Default)]
pub(super) struct Chats {
    /// What it looks at.
    all: Mutex<Vec<SessionId>>,
    /// Those whose owner has yet to hear that it must go back. What it still tells meanwhile would come too early.
    going_back: Mutex<Vec<SessionId>>,
}

impl Viewer for ClientViewer {
    fn id(&self) -> ViewerId {
        self.handle.id()
    }

    fn tell(&self, told: Told) -> Offer {
        if told.position.is_some() && self.chats.is_going_back(told.session) {
            return Offer::Full;
        }
        let source = told.position.map(|position| Source {
            stream: stream(told.session),
            position,
        });
        match self.handle.deliver(Event {
            message: told.message,
            source,
        }) {
            bayeux::Offer::Queued => Offer::Queued,
            // A client that is gone gives its seats up by itself.
            bayeux::Offer::Full | bayeux::Offer::Gone => Offer::Full,
        }
    }

    fn rewound(&self, session: SessionId) {
        lock(&self.chats.going_back).retain(|chat| *chat != session);
    }

    fn dismiss(&self) {
        self.handle.disconnect();
    }
}

impl Chats {
    /// Notes that the client looks at `session`; says whether it may, with at most `max` of them.
    pub(super) fn add(&self, session: SessionId, max: usize) -> bool {
        let mut chats = lock(&self.all);
        if chats.contains(&session) {
            return true;
        }
        if chats.len() >= max {
            return false;
        }
        chats.push(session);
        true
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        lock(&self.all).len()
    }

    /// The client no longer looks at `session`.
    pub(super) fn remove(&self, session: SessionId) {
        lock(&self.all).retain(|chat| *chat != session);
    }

    /// What the client was told of `stream` up to `position` has arrived.
    pub(super) fn confirmed(&self, hub: &Hub, viewer: ViewerId, stream: u64, position: u64) {
        if let Some(session) = self.of(stream) {
            hub.confirmed(session, viewer, position);
        }
    }

    /// What the client was told of `stream` after `position` may not have arrived.
    pub(super) fn rewind(&self, hub: &Hub, viewer: ViewerId, stream: u64, position: u64) {
        if let Some(session) = self.of(stream) {
            lock(&self.going_back).push(session);
            hub.rewind(session, viewer, position);
        }
    }

    /// The client has room again.
    pub(super) fn room(&self, hub: &Hub, viewer: ViewerId) {
        for session in self.all() {
            hub.room(session, viewer);
        }
    }

    /// The client is gone.
    pub(super) fn gone(&self, hub: &Hub, viewer: ViewerId, lost: bool) {
        for session in std::mem::take(&mut *lock(&self.all)) {
            hub.gone(session, viewer, lost);
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<SessionId> {
        lock(&self.all).clone()
    }

    fn of(&self, stream_wanted: u64) -> Option<SessionId> {
        lock(&self.all)
            .iter()
            .copied()
            .find(|session| stream(*session) == stream_wanted)
    }

    fn is_going_back(&self, session: SessionId) -> bool {
        lock(&self.going_back).contains(&session)
    }
}

/// A client as a viewer of its chats.
pub(super) fn viewer(handle: &Handle, chats: &Arc<Chats>) -> Arc<dyn Viewer> {
    Arc::new(ClientViewer {
        handle: handle.clone(),
        chats: chats.clone(),
    })
}

/// The stream of a session: its lower half, of which 48 bits are random.
fn stream(session: SessionId) -> u64 {
    let bytes = session.to_bytes();
    bytes[4..]
        .iter()
        .fold(0, |stream, byte| (stream << 8) | u64::from(*byte))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
