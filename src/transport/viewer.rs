//! A Bayeux client as the hub's viewer, and the chats it looks at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Gone, Handle};
use crate::bayeux::{self, Event, Source};
use crate::hub::{Hub, Offer, Parting, Told, Viewer, ViewerId};
use crate::id::SessionId;

/// One Bayeux client.
pub(super) struct ClientViewer {
    handle: Handle,
    chats: Arc<Chats>,
}

/// The chats of one Bayeux client: each is a stream of its events. The hub says where the client has a seat.
#[derive(Default)]
pub(super) struct Chats(Mutex<Looking>);

#[derive(Default)]
struct Looking {
    at: Vec<SessionId>,
    /// Of these, those that have ended, and whose last event may still have to be told again.
    ending: Vec<SessionId>,
    /// Chats that have been asked for, and not answered yet.
    asked: usize,
    /// Those whose owner has yet to hear that it must go back. What it still tells meanwhile would come too early.
    going_back: Vec<SessionId>,
    /// The client is gone, and looks at nothing any more.
    gone: Option<Parting>,
    /// An answer has found no room.
    refuses: bool,
}

impl Viewer for ClientViewer {
    fn id(&self) -> ViewerId {
        self.handle.id()
    }

    fn tell(&self, told: Told) -> Offer {
        if told.position.is_some() && self.chats.lock().going_back.contains(&told.session) {
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
            bayeux::Offer::Full => Offer::Full,
            bayeux::Offer::Gone => Offer::Gone,
        }
    }

    fn rewound(&self, session: SessionId) {
        let mut looking = self.chats.lock();
        looking.going_back.retain(|chat| *chat != session);
    }

    fn seated(&self, session: SessionId) -> Option<Parting> {
        let mut looking = self.chats.lock();
        looking.going_back.retain(|chat| *chat != session);
        if looking.gone.is_none() && !looking.at.contains(&session) {
            looking.at.push(session);
        }
        looking.gone
    }

    fn ending(&self, session: SessionId) {
        let mut looking = self.chats.lock();
        if looking.at.contains(&session) && !looking.ending.contains(&session) {
            looking.ending.push(session);
        }
    }

    fn unseated(&self, session: SessionId) {
        let mut looking = self.chats.lock();
        looking.at.retain(|chat| *chat != session);
        looking.ending.retain(|chat| *chat != session);
        looking.going_back.retain(|chat| *chat != session);
    }

    fn dismiss(&self) {
        self.handle.disconnect();
    }
}

impl Chats {
    /// Whether the client may look at one more, or at `session` again, with at most `max` of them. To be
    /// [`answered`](Self::answered) when it may.
    pub(super) fn ask(&self, session: Option<SessionId>, max: usize) -> bool {
        let mut looking = self.lock();
        let known = session.is_some_and(|session| looking.at.contains(&session));
        // What has ended makes room, but not for ever more that nobody confirms.
        let going_on = looking.at.len().saturating_sub(looking.ending.len());
        let may =
            known || (going_on + looking.asked < max && looking.at.len() < max.saturating_mul(4));
        looking.asked += usize::from(may);
        may
    }

    /// Notes that an answer found no room, and whether it is the first.
    pub(super) fn refuses_first(&self) -> bool {
        !std::mem::replace(&mut self.lock().refuses, true)
    }

    /// What was asked for has been answered.
    pub(super) fn answered(&self) {
        self.lock().asked -= 1;
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
            self.lock().going_back.push(session);
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
    pub(super) fn gone(&self, hub: &Hub, viewer: ViewerId, how: Parting) {
        let chats = {
            let mut looking = self.lock();
            looking.gone = Some(how);
            std::mem::take(&mut looking.at)
        };
        for session in chats {
            hub.gone(session, viewer, how);
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<SessionId> {
        self.lock().at.clone()
    }

    fn of(&self, stream_wanted: u64) -> Option<SessionId> {
        let looking = self.lock();
        let mut chats = looking.at.iter().copied();
        chats.find(|session| stream(*session) == stream_wanted)
    }

    fn lock(&self) -> MutexGuard<'_, Looking> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client as a viewer.
pub(super) fn viewer(handle: &Handle, chats: &Arc<Chats>) -> Arc<dyn Viewer> {
    Arc::new(ClientViewer {
        handle: handle.clone(),
        chats: chats.clone(),
    })
}

/// How the hub calls the end of a client.
pub(super) fn parting(how: &Gone) -> Parting {
    match how {
        Gone::Disconnected { .. } => Parting::Left,
        Gone::Expired | Gone::ActivityTimeout | Gone::Kicked => Parting::Lost,
    }
}

/// The stream of a session: its lower half, of which 48 bits are random.
fn stream(session: SessionId) -> u64 {
    let bytes = session.to_bytes();
    bytes[4..]
        .iter()
        .fold(0, |stream, byte| (stream << 8) | u64::from(*byte))
}
