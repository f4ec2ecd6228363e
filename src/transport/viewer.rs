//! A Bayeux client as the hub's viewer, and the chats it looks at.

use std::sync::{Arc, Mutex, PoisonError};

use super::Handle;
use crate::bayeux::{self, Event, Source};
use crate::hub::{Hub, Offer, Told, Viewer, ViewerId};
use crate::id::SessionId;
use crate::wire::v2::cometd;

/// One Bayeux client.
pub(super) struct ClientViewer(pub(super) Handle);

/// The Bayeux client of a customer, which knows when a chat has ended.
struct CustomerViewer {
    client: ClientViewer,
    chats: Arc<Chats>,
}

/// The chats of one Bayeux client: each is a stream of its events.
#[derive(Default)]
pub(super) struct Chats(Mutex<Vec<Chat>>);

struct Chat {
    session: SessionId,
    /// It is kept until its place is needed, so that its last events are confirmed.
    ended: bool,
}

/// What became of the wish to look at a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The client looks at one chat more, in the place of one that has ended.
    New(Option<SessionId>),
    /// It did already.
    Known,
    /// There are too many.
    None,
}

impl Viewer for ClientViewer {
    fn id(&self) -> ViewerId {
        self.0.id()
    }

    fn tell(&self, told: Told) -> Offer {
        let source = told.position.map(|position| Source {
            stream: stream(told.session),
            position,
        });
        match self.0.deliver(Event {
            message: told.message,
            source,
        }) {
            bayeux::Offer::Queued => Offer::Queued,
            // A client that is gone gives its seats up by itself.
            bayeux::Offer::Full | bayeux::Offer::Gone => Offer::Full,
        }
    }

    fn dismiss(&self) {
        self.0.disconnect();
    }
}

impl Viewer for CustomerViewer {
    fn id(&self) -> ViewerId {
        self.client.id()
    }

    fn tell(&self, told: Told) -> Offer {
        let (session, ended) = (told.session, cometd::says_ended(&told.message));
        let offer = self.client.tell(told);
        if ended && offer == Offer::Queued {
            self.chats.end(session);
        }
        offer
    }

    fn dismiss(&self) {
        self.client.dismiss();
    }
}

impl Chats {
    /// Notes that the client looks at `session`, where it looks at fewer than `max` that have not ended.
    pub(super) fn add(&self, session: SessionId, max: usize) -> Place {
        let mut chats = self.lock();
        if chats.iter().any(|chat| chat.session == session) {
            return Place::Known;
        }
        let mut before = None;
        if chats.len() >= max {
            let Some(ended) = chats.iter().position(|chat| chat.ended) else {
                return Place::None;
            };
            before = Some(chats.remove(ended).session);
        }
        let ended = false;
        chats.push(Chat { session, ended });
        Place::New(before)
    }

    /// Whether the client may look at another, with at most `max` that have not ended.
    pub(super) fn has_room(&self, max: usize) -> bool {
        self.lock().iter().filter(|chat| !chat.ended).count() < max
    }

    /// The client no longer looks at `session`.
    pub(super) fn remove(&self, session: SessionId) {
        self.lock().retain(|chat| chat.session != session);
    }

    /// Nothing more will happen in `session` that the client may see.
    pub(super) fn end(&self, session: SessionId) {
        let mut chats = self.lock();
        let found = chats.iter_mut().find(|chat| chat.session == session);
        if let Some(chat) = found {
            chat.ended = true;
        }
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
        for chat in std::mem::take(&mut *self.lock()) {
            hub.gone(chat.session, viewer, lost);
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<SessionId> {
        self.lock().iter().map(|chat| chat.session).collect()
    }

    fn of(&self, stream_wanted: u64) -> Option<SessionId> {
        self.lock()
            .iter()
            .map(|chat| chat.session)
            .find(|session| stream(*session) == stream_wanted)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Chat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client as a viewer.
pub(super) fn viewer(handle: &Handle) -> Arc<dyn Viewer> {
    Arc::new(ClientViewer(handle.clone()))
}

/// A customer's client as a viewer of its `chats`.
pub(super) fn customer_viewer(handle: &Handle, chats: &Arc<Chats>) -> Arc<dyn Viewer> {
    Arc::new(CustomerViewer {
        client: ClientViewer(handle.clone()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;

    #[test]
    fn a_chat_that_has_ended_makes_room_for_another() {
        let chats = Chats::default();
        assert_eq!(chats.add(chat(1), 2), Place::New(None));
        assert_eq!(chats.add(chat(2), 2), Place::New(None));
        assert_eq!(chats.add(chat(1), 2), Place::Known);
        assert_eq!(
            (chats.add(chat(3), 2), chats.has_room(2)),
            (Place::None, false)
        );
        chats.end(chat(1));
        assert!(chats.has_room(2));
        assert_eq!(chats.add(chat(3), 2), Place::New(Some(chat(1))));
        assert_eq!(chats.all(), [chat(2), chat(3)]);
    }

    fn chat(random: u64) -> SessionId {
        SessionId::new(Wall(1_735_689_600_000), random)
    }
}
